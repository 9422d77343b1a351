//! Exactly once, whatever fails: a crash or a lost reply at every call of the store, zombies,
//! entries taken in part.

use std::sync::Arc;

use hot::{HotError, SharedHotStore, StreamName};
use kernel::PartitionId;

use super::counting::Counting;
use super::driver::{Bench, event, settle, tick};
use super::faulty::{Fault, Faulty};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{EngineConfig, TimeSource};

/// What happens after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The same worker goes on.
    Retry,
    /// The worker is gone; another one opens the partition.
    Crash,
}

/// The scenario plays in two partitions, `base` and the one after it.
async fn feed(bench: &Bench, base: u16) {
    let (to_here, to_there) = (format!("forward:{base}"), format!("forward:{}", base + 1));
    let first = vec![
        event(1, "a", "add", 10),
        event(2, "b", "wait:15", 11),
        event(1, "c", &to_there, 12),
        event(1, "d", "poison", 13),
        event(3, "e", "panic", 14),
        event(1, "f", "add", 20),
        event(2, "g", "receipt", 30),
    ];
    bench.append(base, StreamName::Events, first).await;
    bench
        .append(base, StreamName::EventsBulk, vec![event(4, "h", "add", 31)])
        .await;
    let last = vec![event(5, "i", "remove", 32), tick(60)];
    bench.append(base, StreamName::Events, last).await;
    bench
        .append(
            base + 1,
            StreamName::Events,
            vec![event(9, "j", &to_here, 5)],
        )
        .await;
}

async fn open(
    config: &EngineConfig<Counting>,
    partition: u16,
    epoch: &mut u64,
) -> Worker<Counting> {
    loop {
        *epoch += 1;
        match Worker::open(config.clone(), PartitionId::new(partition), *epoch).await {
            Ok(worker) => return worker,
            Err(HotError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs the scenario over a store that fails once; tells what is there afterwards, and how many
/// calls were made.
async fn run(
    bench: &Bench,
    base: u16,
    (fails_at, fault, then): (u64, Fault, Then),
) -> (Vec<String>, u64) {
    feed(bench, base).await;
    let faulty = Faulty::new(Arc::clone(&bench.hot), fails_at, fault);
    let config = bench.config(Arc::clone(&faulty) as SharedHotStore, TimeSource::Stream);
    let mut epoch = 0;
    let mut workers = [
        open(&config, base, &mut epoch).await,
        open(&config, base + 1, &mut epoch).await,
    ];
    let mut resting = 0;
    for turn in 0..1_000 {
        let number = turn % 2;
        workers[number].hint(ALL_LANES);
        match workers[number].tick().await {
            TickOutcome::Idle { .. } => resting += 1,
            TickOutcome::Worked | TickOutcome::Held | TickOutcome::Behind | TickOutcome::Full => {
                resting = 0;
            }
            TickOutcome::Unavailable(_) if then == Then::Retry => resting = 0,
            TickOutcome::Unavailable(_) => {
                let partition = base + u16::try_from(number).expect("0 or 1");
                workers[number] = open(&config, partition, &mut epoch).await;
                resting = 0;
            }
            TickOutcome::Lost(error) => panic!("call {fails_at}: {error}"),
        }
        if resting == 2 {
            return (observe(bench, base).await, faulty.calls());
        }
    }
    panic!("call {fails_at} {fault:?} {then:?}: the workers never rest");
}

async fn observe(bench: &Bench, base: u16) -> Vec<String> {
    let mut seen = Vec::new();
    for (offset, customer) in [
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (0, 9),
        (1, 1),
        (1, 9),
    ] {
        let mut log = bench.log(base + offset, customer).await;
        // What crosses streams and partitions arrives once, but when depends on who was held up.
        log.sort();
        seen.push(format!("{offset}/{customer}: {}", log.join(" ")));
    }
    for offset in 0..2 {
        let mut facts = bench.facts(base + offset).await;
        for fact in &mut facts {
            fact.truncate(fact.find('@').unwrap_or(fact.len()));
        }
        facts.sort();
        seen.push(format!("facts {offset}: {}", facts.join(" ")));
        let slot = super::driver::slot(base + offset);
        let set_aside = bench
            .hot
            .quarantine_size(slot)
            .await
            .expect("a size")
            .records;
        seen.push(format!("quarantined {offset}: {set_aside}"));
        let counters = crate::counters::of_slot(bench.hot.as_ref(), slot, "").await;
        let counters = counters.expect("counters").into_iter();
        let mut counters: Vec<_> = counters.map(|(key, value)| (key.name, value)).collect();
        counters.sort();
        seen.push(format!("counters {offset}: {counters:?}"));
    }
    seen
}

#[tokio::test]
async fn every_record_takes_effect_once_whatever_call_fails() {
    let bench = Bench::of(1_024).await;
    let (expected, calls) = run(&bench, 0, (u64::MAX, Fault::Before, Then::Retry)).await;
    assert_eq!(
        expected,
        [
            "0/1: a c f",
            "0/2: b fired@26 g gr",
            "0/3: ",
            "0/4: h",
            "0/5: ",
            "0/9: j",
            "1/1: c",
            "1/9: j",
            "facts 0: a b c f fired g gr h j tick",
            "quarantined 0: 2",
            "counters 0: [(\"fired\", 1), (\"seen\", 8)]",
            "facts 1: c j",
            "quarantined 1: 0",
            "counters 1: [(\"seen\", 2)]",
        ],
    );
    assert!(calls > 20, "only {calls} calls");
    let mut base = 0;
    for then in [Then::Retry, Then::Crash] {
        for fault in [Fault::Before, Fault::After] {
            for fails_at in 1..=calls {
                base += 2;
                let (seen, _) = run(&bench, base, (fails_at, fault, then)).await;
                assert_eq!(seen, expected, "call {fails_at} {fault:?} {then:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_old_owner_that_wakes_up_changes_nothing() {
    let bench = Bench::new().await;
    let mut old = bench.worker(0, 1, TimeSource::Stream).await;
    let mut new = bench.worker(0, 2, TimeSource::Stream).await;
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "add", 1)])
        .await;
    old.hint(ALL_LANES);
    assert!(matches!(
        old.tick().await,
        TickOutcome::Lost(HotError::Fenced {
            epoch: 1,
            current: 2,
            ..
        })
    ));
    settle(&mut new).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
}

#[tokio::test]
async fn an_entry_larger_than_a_batch_is_taken_in_parts_across_a_crash() {
    let bench = Bench::new().await;
    let records = (0..3_000).map(|n| {
        event(
            u8::try_from(n % 7).expect("small"),
            &n.to_string(),
            "add",
            n,
        )
    });
    bench.append(0, StreamName::Events, records.collect()).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    assert!(matches!(worker.tick().await, TickOutcome::Worked));
    assert_eq!(bench.count("seen").await, 1_024);
    let mut worker = bench.worker(0, 2, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(bench.count("seen").await, 3_000);
    for customer in 0..7_u8 {
        let expected: Vec<_> = (0..3_000)
            .filter(|n| n % 7 == i32::from(customer))
            .collect();
        let log: Vec<i32> = bench
            .log(0, customer)
            .await
            .iter()
            .map(|n| n.parse().expect("a number"))
            .collect();
        assert_eq!(log, expected, "customer {customer}");
    }
}
