//! Random lives of a partition: commits, processes that die and wake up, a log that is behind, and
//! a store that loses its newest writes.

use std::sync::Arc;

use hot::memory::Snapshot;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Desk, Log, add, facts, names, worker};
use crate::shared::ALL_LANES;
use crate::tests::driver::{Bench, memory, settle};

/// The next thing that happens.
#[derive(Debug, Clone)]
enum Act {
    /// An event comes.
    Add(&'static str),
    /// The worker does a batch.
    Tick,
    /// The newest process writes to the log; its answer may be lost.
    Write(bool),
    /// A process from before, which is not dead after all, writes what it has.
    WriteLate(usize),
    /// Another process takes over.
    TakeOver,
    /// The store is copied.
    Copy,
    /// The store goes back to its copy, and is doubted.
    GoBack,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => prop_oneof![
            4 => Just("add"),
            1 => Just("poison"),
            1 => Just("tell:150000"),
            1 => Just("skip")
        ]
        .prop_map(Act::Add),
        6 => Just(Act::Tick),
        3 => any::<bool>().prop_map(Act::Write),
        1 => (0_usize..4).prop_map(Act::WriteLate),
        1 => Just(Act::TakeOver),
        1 => Just(Act::Copy),
        1 => Just(Act::GoBack),
    ]
}

/// Plays a life, and compares the log with the facts, which are in the same commits.
async fn play(acts: &[Act]) -> Result<(), TestCaseError> {
    let memory = memory();
    let bench = Bench::on(Arc::new(memory.clone()));
    let log = Log::default();
    let (mut desks, mut copy): (_, Option<Snapshot>) = (vec![Desk::new(&log)], None);
    let mut own = worker(&bench, &desks[0], 1).await;
    let mut has_lost = false;
    for (number, act) in acts.iter().enumerate() {
        match act {
            Act::Add(what) => add(&bench, &format!("e{number}"), what).await,
            Act::Tick => {
                own.hint(ALL_LANES);
                own.tick().await;
            }
            Act::Write(is_answered) => desks[desks.len() - 1].write(*is_answered),
            Act::WriteLate(back) => {
                if let Some(at) = desks.len().checked_sub(back + 1) {
                    desks[at].write(true);
                }
            }
            Act::TakeOver => {
                let desk = Desk::new(&log);
                let epoch = desks.len() as u64 + 1;
                own = worker(&bench, &desk, epoch).await;
                desks.push(desk);
                // An older store would not know the epoch of this one.
                copy = None;
            }
            Act::Copy => copy = Some(memory.snapshot()),
            Act::GoBack => {
                if let Some(copy) = copy.take() {
                    has_lost = true;
                    memory.roll_back_silently(copy);
                    own.doubt();
                }
            }
        }
    }
    settle(&mut own).await;
    desks[desks.len() - 1].write(true);
    let (facts, told) = (facts(&bench).await, names(&log));
    let told: Vec<String> = told.into_iter().filter(|name| name.len() < 9).collect();
    if !has_lost {
        prop_assert_eq!(told, facts);
        return Ok(());
    }
    // Lost ones may be in the log too; those that are in effect are there in order.
    let mut told = told.into_iter();
    for fact in &facts {
        prop_assert!(told.any(|name| name == *fact), "{} is missing", fact);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_life_of_a_partition_is_logged_once_and_in_order(acts in vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(play(&acts))?;
    }
}
