//! The worker against a reference that knows no batches, no index and no cache: one record after
//! another, and before each the timers that are due, oldest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use hot::{StreamName, Timer};
use kernel::{Duration, Timestamp};
use messages::stream::v1::{Record, record::Body};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::counting::Counting;
use super::driver::{Bench, describe, key, memory, settle, slot};
use super::turns::{self, Step, Then, entries};
use crate::key::customer_of;
use crate::shared::ALL_LANES;
use crate::worker::aside::retry_delay;
use crate::{TimeSource, head};
use decision::{Core, Effects, Input, Outcome, step_once};

/// Keeps states as they are in memory, and their timers.
pub(super) struct Reference<C: Core> {
    pub(super) states: BTreeMap<u8, (C::State, Option<Timestamp>)>,
    now: Option<Timestamp>,
    pub(super) facts: Vec<String>,
    pub(super) quarantined: u64,
    /// Timers in quarantine, by customer: when they were due first, and how often they were tried.
    poison: BTreeMap<u8, (Timestamp, u32)>,
}

impl<C: Core<Definitions = i64>> Reference<C> {
    pub(super) fn new() -> Self {
        Self {
            states: BTreeMap::new(),
            now: None,
            facts: Vec::new(),
            quarantined: 0,
            poison: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, record: &Record) {
        let at = Timestamp::from_millis(record.time_ms);
        let now = self.now.map_or(at, |now| now.max(at));
        self.fire(now);
        self.now = Some(now);
        if let Some(Body::Tick(_)) = record.body {
            self.facts.push(describe(record));
            return;
        }
        let customer = record.customer_id[0];
        self.step(customer, Input::Record(record), now);
    }

    fn fire(&mut self, until: Timestamp) {
        let due =
            |(customer, (_, due)): (&u8, &(C::State, Option<Timestamp>))| Some((*due, *customer));
        while let Some((Some(due_time), customer)) = self
            .states
            .iter()
            .filter(|(_, (_, due))| due.is_some())
            .filter_map(due)
            .min()
            && due_time <= until
        {
            let now = self.now.map_or(due_time, |now| now.max(due_time));
            self.now = Some(now);
            let due_time = self.poison.get(&customer).map_or(due_time, |it| it.0);
            self.step(customer, Input::Timer { due_time }, now);
        }
    }

    fn step(&mut self, customer: u8, input: Input<'_>, now: Timestamp) {
        let is_timer = matches!(input, Input::Timer { .. });
        let before = self.states.get(&customer).map(|(state, _)| state.clone());
        let mut state = before.unwrap_or_default();
        let mut effects = Effects::default();
        let who = customer_of(&key(customer));
        let outcome = step_once::<C>(&0, &mut state, who, input, now, &mut effects);
        match outcome {
            // All there is is loaded.
            _ if !effects.needs.is_empty() => return self.fail(customer, input, now),
            Ok(Outcome::Keep { next_due }) => {
                let after = now + Duration::from_millis(1);
                let mut due = next_due.map(|due| if is_timer { due.max(after) } else { due });
                let poison = self.poison.get(&customer);
                if let (false, Some((first_due, _)), Some(asked)) = (is_timer, poison, due)
                    && asked <= *first_due
                {
                    due = self.states[&customer].1;
                } else {
                    self.release(customer);
                }
                self.states.insert(customer, (state, due));
            }
            Ok(Outcome::Remove) => {
                self.release(customer);
                self.states.remove(&customer);
            }
            Ok(Outcome::Unchanged) if is_timer => {
                self.release(customer);
                self.set_due(customer, None);
            }
            Ok(Outcome::Unchanged) => {}
            Err(_) => return self.fail(customer, input, now),
        }
        self.facts.extend(effects.records.iter().map(describe));
    }

    fn fail(&mut self, customer: u8, input: Input<'_>, now: Timestamp) {
        let Input::Timer { due_time } = input else {
            self.quarantined += 1;
            return;
        };
        let poison = self.poison.entry(customer).or_insert((due_time, 0));
        poison.1 += 1;
        let tries = poison.1;
        if tries == 1 {
            self.quarantined += 1;
        }
        self.set_due(customer, Some(now + retry_delay(tries)));
    }

    /// A timer leaves the quarantine, where it is there.
    fn release(&mut self, customer: u8) {
        if self.poison.remove(&customer).is_some() {
            self.quarantined -= 1;
        }
    }

    fn set_due(&mut self, customer: u8, to: Option<Timestamp>) {
        if let Some((_, due)) = self.states.get_mut(&customer) {
            *due = to;
        }
    }
}

/// Steps of counting customers.
fn step(customers: u8) -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        2 => Just("add".to_owned()),
        8 => (0_i64..60).prop_map(|wait| format!("wait:{wait}")),
        2 => Just("clear".to_owned()),
        1 => Just("skip".to_owned()),
        1 => Just("remove".to_owned()),
        1 => Just("poison".to_owned()),
        1 => Just("repeat".to_owned()),
        1 => Just("deaf".to_owned()),
        1 => Just("sour".to_owned()),
    ];
    // Some records are late, some are far ahead.
    let moves = prop_oneof![16 => -3_i64..6, 4 => 20_i64..60, 1 => 4_000_i64..25_000];
    turns::step(customers, what, moves)
}

async fn check(bench: &Bench, steps: &[Step]) -> Result<(), TestCaseError> {
    let memory = memory();
    let bench = bench.over(Arc::new(memory.clone()));
    let mut reference = Reference::<Counting>::new();
    let mut epoch = 1;
    let mut worker = bench.worker(0, epoch, TimeSource::Stream).await;
    for (entry, then) in entries(steps, |record| reference.take(record)) {
        bench.append(0, StreamName::Events, entry).await;
        worker.hint(ALL_LANES);
        match then {
            Then::Same | Then::End => {}
            Then::Settle => {
                settle(&mut worker).await;
            }
            Then::Tick => {
                worker.tick().await;
            }
            Then::TakeOver => {
                worker.tick().await;
                epoch += 1;
                worker = bench.worker(0, epoch, TimeSource::Stream).await;
            }
        }
    }

    prop_assert_eq!(&bench.facts(0).await, &reference.facts);
    let set_aside = bench.hot.quarantine_size(slot(0)).await.expect("a size");
    prop_assert_eq!(set_aside.records, reference.quarantined);
    let due = bench.hot.due(slot(0), Timestamp::MAX, usize::MAX).await;
    let index = due.expect("the index").timers;
    let mut found = BTreeMap::new();
    let states = memory.states(slot(0)).into_iter();
    // Notes about tries belong to no customer.
    for (customer, stored) in states.filter(|(key, _)| key.len() == 16) {
        let Timer { due, entry } = stored.timer;
        if let Some(due) = due {
            prop_assert!(entry.is_some_and(|entry| entry <= due), "{entry:?} {due:?}");
        }
        if let Some(entry) = entry {
            prop_assert!(
                index.contains(&(customer.clone(), entry)),
                "no entry leads to it"
            );
        }
        let (_, state) = head::read::<Counting>(&stored.value).expect("a state");
        found.insert(customer[0], (state, due));
    }
    prop_assert_eq!(found, reference.states);
    Ok(())
}

fn run(customers: u8, steps: std::ops::Range<usize>, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let bench = runtime.block_on(Bench::new());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(
            &proptest::collection::vec(step(customers), steps),
            |steps| runtime.block_on(check(&bench, &steps)),
        )
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_few_customers_are_seen_as_one_after_another_would_see_them() {
    run(4, 1..120, 300);
}

#[test]
fn more_customers_than_a_batch_has_timers_are_seen_the_same() {
    run(250, 400..900, 12);
}
