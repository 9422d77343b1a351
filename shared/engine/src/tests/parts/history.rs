//! Random histories, with a store that fails once, workers that take over and caches of any size,
//! against states that are kept whole in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Bench, Book, Chronicle, book, memory, slot};
use crate::shared::ALL_LANES;
use crate::tests::faulty::{Fault, Faulty};
use crate::tests::reference::Reference;
use crate::tests::turns::{Step, Then, entries, step};
use crate::worker::{TickOutcome, Worker};
use crate::{EngineConfig, TimeSource};
use decision::{Core, PartKey};
use hot::{HotError, StreamName};
use kernel::PartitionId;

#[derive(Debug, Clone)]
struct History {
    steps: Vec<Step>,
    cache_bytes: usize,
    fails_at: u64,
    fault: Fault,
    /// The worker is gone after the fault; otherwise it goes on.
    crashes: bool,
}

fn what() -> impl Strategy<Value = String> {
    let one = |name: &'static str| (0_u64..14).prop_map(move |number| format!("{name}:{number}"));
    prop_oneof![
        8 => Just("add".to_owned()),
        4 => one("read"),
        4 => one("seek"),
        4 => one("amend"),
        2 => one("wait"),
        1 => one("sow"),
        1 => one("insist"),
        1 => Just("all".to_owned()),
        1 => Just("stamp".to_owned()),
        1 => Just("renew".to_owned()),
        1 => Just("first".to_owned()),
        1 => Just("remove".to_owned()),
        1 => Just("skip".to_owned()),
        1 => Just("poison".to_owned()),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let steps = proptest::collection::vec(step(3, what(), -1_i64..4), 1..150);
    let cache_bytes = prop_oneof![Just(0), Just(700), Just(1 << 20)];
    let fault = prop_oneof![Just(Fault::Before), Just(Fault::After)];
    let fails_at = prop_oneof![1 => Just(u64::MAX), 4 => 1_u64..120];
    (steps, cache_bytes, fails_at, fault, any::<bool>()).prop_map(
        |(steps, cache_bytes, fails_at, fault, crashes)| History {
            steps,
            cache_bytes,
            fails_at,
            fault,
            crashes,
        },
    )
}

/// Workers of one partition, one after another.
struct Shift {
    config: EngineConfig<Chronicle>,
    epoch: u64,
    crashes: bool,
    worker: Worker<Chronicle>,
}

impl Shift {
    async fn begin(config: EngineConfig<Chronicle>, crashes: bool) -> Self {
        let mut epoch = 0;
        let worker = open(&config, &mut epoch).await;
        Self {
            config,
            epoch,
            crashes,
            worker,
        }
    }

    async fn take_over(&mut self) {
        self.worker = open(&self.config, &mut self.epoch).await;
    }

    /// Does one batch.
    async fn tick(&mut self) {
        self.worker.hint(ALL_LANES);
        match self.worker.tick().await {
            TickOutcome::Unavailable(_) if self.crashes => self.take_over().await,
            TickOutcome::Lost(error) => panic!("{error}"),
            TickOutcome::Worked
            | TickOutcome::Idle { .. }
            | TickOutcome::Held
            | TickOutcome::Behind
            | TickOutcome::Full
            | TickOutcome::Unavailable(_) => {}
        }
    }

    /// Does all there is, one worker after another: where the fault is still to come, it or the
    /// next one does the rest.
    async fn settle(&mut self) {
        loop {
            self.worker.hint(ALL_LANES);
            match self.worker.tick().await {
                TickOutcome::Idle { .. } => break,
                TickOutcome::Lost(error) => panic!("{error}"),
                _ => self.take_over().await,
            }
        }
    }
}

async fn open(config: &EngineConfig<Chronicle>, epoch: &mut u64) -> Worker<Chronicle> {
    loop {
        *epoch += 1;
        match Worker::open(config.clone(), PartitionId::new(0), *epoch).await {
            Ok(worker) => return worker,
            Err(HotError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn check(bench: &Bench, history: &History) -> Result<(), TestCaseError> {
    let memory = memory();
    let bench = bench.over(Arc::new(memory.clone()));
    let faulty = Faulty::new(Arc::new(memory.clone()), history.fails_at, history.fault);
    let mut config = bench.config_of(faulty, TimeSource::Stream);
    config.cache_bytes = history.cache_bytes;
    let mut shift = Shift::begin(config, history.crashes).await;
    let mut reference = Reference::<Chronicle>::new();
    for (entry, then) in entries(&history.steps, |record| reference.take(record)) {
        bench.append(0, StreamName::Events, entry).await;
        match then {
            Then::Same | Then::End => {}
            Then::Tick => shift.tick().await,
            Then::Settle => shift.settle().await,
            Then::TakeOver => {
                shift.tick().await;
                shift.take_over().await;
            }
        }
    }

    prop_assert_eq!(&bench.facts(0).await, &reference.facts);
    let set_aside = bench.hot.quarantine_size(slot(0)).await.expect("a count");
    prop_assert_eq!(set_aside.records, reference.quarantined);
    let stored: BTreeSet<_> = memory.states(slot(0)).into_iter().map(|it| it.0).collect();
    let mut listed = BTreeSet::new();
    for (customer, (expected, _)) in &reference.states {
        let found = book(&bench, *customer).await.expect("it is kept");
        prop_assert_eq!(found.text(), Book::text(expected));
        listed.insert(super::key(*customer));
        let parts = Chronicle::part_keys(&found).into_iter();
        listed.extend(parts.map(|it| PartKey::of_customer(it, super::customer(*customer))));
    }
    prop_assert_eq!(stored, listed, "what is stored is what is listed");
    Ok(())
}

#[test]
fn any_history_leaves_what_states_kept_whole_would_be() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let bench = runtime.block_on(Bench::new());
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&history(), |history| {
            runtime.block_on(check(&bench, &history))
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
