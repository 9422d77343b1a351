//! A core that tells its waits apart: one that cannot be processed holds up no other.
//!
//! Its customers set alarms by events `alarm:NAME:DUE:GOOD_FROM`: one that is due at a time, and
//! cannot be processed before another.

mod apart;
mod random;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use decision::{Core, Home, Input, Moved, Outcome, Poison, Step, WaitKey};
use hot::{Owner, StreamName};
use kernel::{PartitionId, Timestamp};
use messages::engine::v1::QuarantinedKind;
use messages::stream::v1::{
    CustomerMerged, MovedPart, QuarantineVerb, Record, StateMoved, record::Body,
};

use super::driver::{Bench, event, key, settle, slot, tick};
use super::release::{aside, order_all};
use crate::worker::Worker;
use crate::{TimeSource, head, limits};

/// The core.
#[derive(Debug)]
struct Alarms;

/// The alarms of a customer, and those that rang.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Clock {
    /// By name: when it is due, and from when it can be processed.
    alarms: BTreeMap<u64, (i64, i64)>,
    /// Names, and the times at which they rang.
    rang: Vec<(u64, i64)>,
}

impl Clock {
    fn next_due(&self) -> Option<Timestamp> {
        let due = self.alarms.values().map(|(due, _)| *due).min();
        due.map(Timestamp::from_millis)
    }

    /// Rings what is due, in order.
    fn ring(&mut self, step: &mut Step<'_>) -> Result<Outcome, Poison> {
        let now = step.now.as_millis();
        let due = self.alarms.iter().filter(|(_, (due, _))| *due <= now);
        let mut due: Vec<_> = due
            .map(|(name, (due, good))| (*due, *name, *good))
            .collect();
        due.sort_unstable();
        for (_, name, good_from) in due {
            if step.set_aside.contains(&WaitKey(name)) {
                continue;
            }
            step.effects.begin_wait(WaitKey(name));
            // Before anything can fail, so that a failure has something to undo.
            self.alarms.remove(&name);
            self.rang.push((name, now));
            if now < good_from {
                assert!(name % 2 == 0, "an odd alarm");
                return Err(Poison::new("an even alarm"));
            }
        }
        step.effects.end_wait();
        Ok(Outcome::Keep {
            next_due: self.next_due(),
        })
    }
}

fn numbers<const N: usize>(text: &str) -> [i64; N] {
    let mut numbers = text.split(':').map(|it| it.parse().expect("a number"));
    std::array::from_fn(|_| numbers.next().expect("enough numbers"))
}

impl Core for Alarms {
    type Definitions = i64;
    type State = Clock;

    const OWNER: Owner = Owner::Segmentation;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] = &[(StreamName::Events, None)];
    const OUTPUT: Option<(StreamName, StreamName)> =
        Some((StreamName::Facts, StreamName::FactsBulk));
    const HOME: Home = Home::Segmentation;

    fn decode(bytes: &[u8]) -> Result<Clock, Poison> {
        let text = std::str::from_utf8(bytes).map_err(|_| Poison::new("not a text"))?;
        let mut clock = Clock::default();
        for word in text.split_whitespace() {
            let (kind, rest) = word.split_at(1);
            if kind == "a" {
                let [name, due, good_from] = numbers(rest);
                clock.alarms.insert(name.unsigned_abs(), (due, good_from));
            } else {
                let [name, at] = numbers(rest);
                clock.rang.push((name.unsigned_abs(), at));
            }
        }
        Ok(clock)
    }

    fn encode(clock: &Clock) -> Bytes {
        let alarms = clock.alarms.iter();
        let alarms = alarms.map(|(name, (due, good))| format!("a{name}:{due}:{good}"));
        let rang = clock.rang.iter().map(|(name, at)| format!("r{name}:{at}"));
        alarms.chain(rang).collect::<Vec<_>>().join(" ").into()
    }

    fn step(
        _: &i64,
        clock: &mut Clock,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let Input::Record(record) = input else {
            return clock.ring(step);
        };
        let Some(Body::Event(event)) = &record.body else {
            return Err(Poison::new("not an event"));
        };
        if let Some(alarm) = event.name.strip_prefix("alarm:") {
            let [name, due, good_from] = numbers(alarm);
            clock.alarms.insert(name.unsigned_abs(), (due, good_from));
        }
        Ok(Outcome::Keep {
            next_due: clock.next_due(),
        })
    }

    fn waits(clock: &Clock, waits: &mut Vec<(WaitKey, Timestamp)>) {
        let alarms = clock.alarms.iter();
        waits.extend(alarms.map(|(name, (due, _))| (WaitKey(*name), Timestamp::from_millis(*due))));
    }

    fn take_leave(_: &i64, clock: &mut Clock, _: &mut Step<'_>) -> Option<Bytes> {
        Some(Self::encode(clock))
    }

    fn fold_in(
        _: &i64,
        clock: &mut Clock,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        clock.alarms.extend(Self::decode(moved.state)?.alarms);
        clock.ring(step)
    }
}

async fn open(bench: &Bench, epoch: u64) -> Worker<Alarms> {
    let config = bench.config_of(Arc::clone(&bench.hot), TimeSource::Stream);
    let worker = Worker::open(config, PartitionId::new(0), epoch).await;
    worker.expect("it opens")
}

async fn feed(bench: &Bench, worker: &mut Worker<Alarms>, records: Vec<Record>) {
    bench.append(0, StreamName::Events, records).await;
    settle(worker).await;
}

async fn at(bench: &Bench, worker: &mut Worker<Alarms>, time: i64) {
    feed(bench, worker, vec![tick(time)]).await;
}

/// Alarms of the first customer, set at 0.
fn alarms(of: &[(u64, i64, i64)]) -> Vec<Record> {
    let events = of.iter().map(|(name, due, good_from)| {
        let what = format!("alarm:{name}:{due}:{good_from}");
        event(1, &what, &what, 0)
    });
    events.collect()
}

/// The alarms of the first customer that rang, with the times.
async fn rang(bench: &Bench) -> Vec<(u64, i64)> {
    let stored = bench.hot.load(slot(0), &[key(1)]).await.expect("it loads");
    let stored = stored[0].as_ref().expect("a state");
    let (_, clock) = head::read::<Alarms>(&stored.value).expect("a clock");
    clock.rang
}

/// The waits in quarantine, and how often each was tried.
async fn tries(bench: &Bench) -> Vec<(Option<u64>, u32)> {
    let entries = aside(bench).await.into_iter();
    entries
        .map(|(_, entry)| {
            assert_eq!(entry.kind(), QuarantinedKind::Timer, "{}", entry.reason);
            (entry.wait, entry.try_count)
        })
        .collect()
}

const NEVER: i64 = i64::MAX;

#[tokio::test]
async fn a_wait_that_cannot_be_processed_holds_up_no_other() {
    for poison in [1, 2] {
        let bench = Bench::new().await;
        let mut worker = open(&bench, 1).await;
        let set = [(poison, 10, NEVER), (3, 10, 0), (4, 20, 0), (5, 5_000, 0)];
        feed(&bench, &mut worker, alarms(&set)).await;
        at(&bench, &mut worker, 11).await;
        assert_eq!(rang(&bench).await, [(3, 10)]);
        assert_eq!(tries(&bench).await, [(Some(poison), 1)]);
        // Whoever works next knows it too.
        worker = open(&bench, 2).await;
        at(&bench, &mut worker, 5_000).await;
        assert_eq!(rang(&bench).await, [(3, 10), (4, 20), (5, 5_000)]);
        feed(&bench, &mut worker, vec![event(1, "a", "nothing", 5_001)]).await;
        at(&bench, &mut worker, 10_009).await;
        assert_eq!(tries(&bench).await, [(Some(poison), 1)]);
        at(&bench, &mut worker, 10_010).await;
        assert_eq!(tries(&bench).await, [(Some(poison), 2)]);
        at(&bench, &mut worker, 30_009).await;
        assert_eq!(tries(&bench).await, [(Some(poison), 2)]);
        worker = open(&bench, 3).await;
        at(&bench, &mut worker, 30_010).await;
        assert_eq!(tries(&bench).await, [(Some(poison), 3)]);
    }
}

#[tokio::test]
async fn a_wait_leaves_the_quarantine_once_it_is_processed_or_gone() {
    let bench = Bench::new().await;
    let mut worker = open(&bench, 1).await;
    let set = [(1, 10, 10_010), (2, 10, NEVER), (3, 20_000, 0)];
    feed(&bench, &mut worker, alarms(&set)).await;
    at(&bench, &mut worker, 10_010).await;
    assert_eq!(rang(&bench).await, [(1, 10_010)]);
    assert_eq!(tries(&bench).await, [(Some(2), 2)]);
    // Its customer waits for it no more: the state is that of somebody else.
    let merged = Body::Merged(CustomerMerged {
        into_customer_id: key(0),
        ..CustomerMerged::default()
    });
    let merged = Record {
        body: Some(merged),
        ..event(1, "", "", 10_011)
    };
    feed(&bench, &mut worker, vec![merged]).await;
    assert_eq!(tries(&bench).await, []);
}

#[tokio::test]
async fn a_wait_is_retried_or_discarded_alone() {
    let bench = Bench::new().await;
    let mut worker = open(&bench, 1).await;
    let set = [(1, 10, 30), (2, 10, NEVER), (3, 9_000, 0)];
    feed(&bench, &mut worker, alarms(&set)).await;
    at(&bench, &mut worker, 20).await;
    assert_eq!(tries(&bench).await, [(Some(1), 1), (Some(2), 1)]);
    order_all(&bench, QuarantineVerb::Retry).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, [(Some(1), 2), (Some(2), 2)]);
    at(&bench, &mut worker, 30).await;
    order_all(&bench, QuarantineVerb::Retry).await;
    settle(&mut worker).await;
    assert_eq!(rang(&bench).await, [(1, 30)]);
    assert_eq!(tries(&bench).await, [(Some(2), 3)]);
    order_all(&bench, QuarantineVerb::Discard).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, []);
    at(&bench, &mut worker, 8_999).await;
    assert_eq!(tries(&bench).await, []);
    // Something else happens to the customer, and all that it waits for is tried.
    at(&bench, &mut worker, 9_000).await;
    assert_eq!(rang(&bench).await, [(1, 30), (3, 9_000)]);
    assert_eq!(tries(&bench).await, [(Some(2), 1)]);
}

#[tokio::test]
async fn a_wait_that_comes_with_another_customer_does_not_hold_up_the_merge() {
    let bench = Bench::new().await;
    let mut worker = open(&bench, 1).await;
    feed(&bench, &mut worker, alarms(&[(7, 40, 0)])).await;
    let moved = Body::Moved(StateMoved {
        from_customer_id: key(2),
        part_count: 1,
        parts: vec![MovedPart {
            kind: 255,
            body: "a1:10:30 a2:15:0 a3:20:10025".into(),
            ..MovedPart::default()
        }],
        ..StateMoved::default()
    });
    let moved = Record {
        body: Some(moved),
        ..event(1, "", "", 25)
    };
    let released = Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: key(2),
            released: true,
            ..StateMoved::default()
        })),
        ..event(1, "", "", 25)
    };
    feed(&bench, &mut worker, vec![moved]).await;
    feed(&bench, &mut worker, vec![released]).await;
    assert_eq!(rang(&bench).await, [(2, 25)]);
    assert_eq!(tries(&bench).await, [(Some(1), 1), (Some(3), 1)]);
    at(&bench, &mut worker, 10_025).await;
    let expected = [(2, 25), (7, 40), (1, 10_025), (3, 10_025)];
    assert_eq!(rang(&bench).await, expected);
    assert_eq!(tries(&bench).await, []);
}

#[tokio::test]
async fn where_too_many_fail_all_are_tried_together() {
    let most = u64::try_from(limits::WAITS_ASIDE).expect("few");
    for poison in [most, most + 1] {
        let bench = Bench::new().await;
        let mut worker = open(&bench, 1).await;
        let bad = (0..poison).map(|name| (name, 10, 10_010));
        let set: Vec<_> = bad.chain([(99, 10, 0), (100, 30, 0)]).collect();
        feed(&bench, &mut worker, alarms(&set)).await;
        at(&bench, &mut worker, 10_009).await;
        let aside = tries(&bench).await;
        let expected = if poison > most { 0 } else { 2 };
        assert_eq!(rang(&bench).await.len(), expected, "{poison}");
        assert_eq!(aside.len() as u64, poison);
        let is_alone = aside.iter().all(|(wait, _)| wait.is_some());
        assert_eq!(is_alone, poison == most);
        at(&bench, &mut worker, 10_010).await;
        assert_eq!(rang(&bench).await.len() as u64, poison + 2);
        assert_eq!(tries(&bench).await, []);
    }
}
