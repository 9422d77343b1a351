//! The whole of the journal, as clients and readers see it, while everything that can fail does: answers are lost, calls
//! arrive twice, processes die, the store goes back in time or forgets everything, snapshots are made anywhere.
//!
//! Readers here are the smallest engine there can be. What they must see in the end is said by the clients alone.

pub(crate) mod client;
pub(crate) mod reader;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use self::world::{Action, World};

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        12 => (0..4_usize, 0..2_usize).prop_map(|(client, process)| Action::Ingest { client, process }),
        14 => (0..8_usize).prop_map(|reader| Action::Work { reader }),
        5 => (0..6_usize, 0..2_usize).prop_map(|(slot, process)| Action::Open { slot, process }),
        2 => (0..6_usize).prop_map(|slot| Action::Fold { slot }),
        1 => (0..2_usize).prop_map(|partition| Action::CutBehind { partition }),
        1 => (0..2_usize).prop_map(|process| Action::Crash { process }),
        1 => (0..2_usize).prop_map(|process| Action::Redeliver { process }),
        1 => Just(Action::Copy),
        1 => (0..3_usize, any::<bool>()).prop_map(|(copy, is_told)| Action::GoBack { copy, is_told }),
        1 => Just(Action::Forget),
        1 => (1..30_u64).prop_map(|seconds| Action::Wait { seconds }),
    ];
    prop::collection::vec(action, 1..160)
}

fn check(
    seed: u64,
    fault_percent: u64,
    retention_s: u64,
    event_retention_s: Option<u64>,
    actions: &[Action],
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut world = World::new(seed, fault_percent, retention_s, event_retention_s).await;
        for action in actions {
            world.act(*action).await;
        }
        world.settle().await?;
        world.check_effects().await?;
        world.check_rebuild().await
    })
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_accepted_is_lost_or_doubled_whatever_happens_to_stores_and_processes(
        seed in any::<u64>(),
        fault_percent in prop_oneof![Just(0_u64), 1..25_u64],
        retention_s in prop_oneof![Just(0_u64), Just(20), Just(3_600)],
        event_retention_s in prop_oneof![Just(None), Just(Some(0_u64)), Just(Some(20))],
        actions in actions(),
    ) {
        check(seed, fault_percent, retention_s, event_retention_s, &actions).map_err(TestCaseError::fail)?;
    }
}
