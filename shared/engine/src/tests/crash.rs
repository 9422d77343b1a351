//! Exactly once, whatever fails: a crash or a lost reply at every call of the store, zombies, entries taken in part.

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

async fn feed(bench: &Bench) {
    let first = vec![
        event(1, "a", "add", 10),
        event(2, "b", "wait:15", 11),
        event(1, "c", "forward:1", 12),
        event(1, "d", "poison", 13),
        event(3, "e", "panic", 14),
        event(1, "f", "add", 20),
        event(2, "g", "receipt", 30),
    ];
    bench.append(0, StreamName::Events, first).await;
    bench
        .append(0, StreamName::EventsBulk, vec![event(4, "h", "add", 31)])
        .await;
    bench
        .append(
            0,
            StreamName::Events,
            vec![event(5, "i", "remove", 32), tick(60)],
        )
        .await;
    bench
        .append(1, StreamName::Events, vec![event(9, "j", "forward:0", 5)])
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

/// Runs the scenario over a store that fails once; tells what is there afterwards, and how many calls were made.
async fn run(fails_at: u64, fault: Fault, then: Then) -> (Vec<String>, u64) {
    let bench = Bench::new().await;
    feed(&bench).await;
    let faulty = Faulty::new(Arc::clone(&bench.hot), fails_at, fault);
    let config = bench.config(Arc::clone(&faulty) as SharedHotStore, TimeSource::Stream);
    let mut epoch = 0;
    let mut workers = [
        open(&config, 0, &mut epoch).await,
        open(&config, 1, &mut epoch).await,
    ];
    let mut resting = 0;
    for turn in 0..1_000 {
        let number = turn % 2;
        workers[number].hint(ALL_LANES);
        match workers[number].tick().await {
            TickOutcome::Idle { .. } => resting += 1,
            TickOutcome::Worked | TickOutcome::Held => resting = 0,
            TickOutcome::Unavailable(_) if then == Then::Retry => resting = 0,
            TickOutcome::Unavailable(_) => {
                let partition = u16::try_from(number).expect("0 or 1");
                workers[number] = open(&config, partition, &mut epoch).await;
                resting = 0;
            }
            TickOutcome::Lost(error) => panic!("call {fails_at}: {error}"),
        }
        if resting == 2 {
            return (observe(&bench).await, faulty.calls());
        }
    }
    panic!("call {fails_at} {fault:?} {then:?}: the workers never rest");
}

async fn observe(bench: &Bench) -> Vec<String> {
    let mut seen = Vec::new();
    for (partition, customer) in [
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (0, 9),
        (1, 1),
        (1, 9),
    ] {
        let mut log = bench.log(partition, customer).await;
        // What crosses partitions arrives once, but when depends on who was held up.
        if (partition, customer) == (0, 2) || (partition, customer) == (0, 9) {
            log.sort();
        }
        seen.push(format!("{partition}/{customer}: {}", log.join(" ")));
    }
    for partition in 0..2 {
        let mut facts: Vec<_> = bench.facts(partition).await;
        facts.iter_mut().for_each(|fact| {
            fact.truncate(fact.find('@').unwrap_or(fact.len()));
        });
        facts.sort();
        seen.push(format!("facts {partition}: {}", facts.join(" ")));
        let slot = super::driver::slot(partition);
        let set_aside = bench.hot.quarantined_count(slot).await.expect("a count");
        seen.push(format!("quarantined {partition}: {set_aside}"));
    }
    seen.push(format!(
        "{} seen, {} fired",
        bench.count("seen").await,
        bench.count("fired").await
    ));
    seen
}

#[tokio::test]
async fn every_record_takes_effect_once_whatever_call_fails() {
    let (expected, calls) = run(u64::MAX, Fault::Before, Then::Retry).await;
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
            "facts 0: a b c f fired g gr j tick",
            "quarantined 0: 2",
            "facts 1: c j",
            "quarantined 1: 0",
            "10 seen, 1 fired",
        ],
    );
    assert!(calls > 20, "only {calls} calls");
    for then in [Then::Retry, Then::Crash] {
        for fault in [Fault::Before, Fault::After] {
            for fails_at in 1..=calls {
                let (seen, _) = run(fails_at, fault, then).await;
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
