//! A customer with much to do delays others of the lane by the batches that it takes, and by
//! nothing else: not by what fails, nor by what is to be loaded.

use std::sync::Arc;

use decision::Core;
use hot::StreamName;
use kernel::PartitionId;
use messages::stream::v1::Record;

use super::chronicle::Chronicle;
use super::driver::{Bench, event, memory};
use super::faulty::Faulty;
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{TimeSource, limits};

/// Appends records of one customer and then one of another. Returns how many batches it takes until
/// that one is in effect.
async fn batches_before_another<C: Core<Definitions = i64>>(
    bench: &Bench,
    worker: &mut Worker<C>,
    records: Vec<Record>,
) -> usize {
    let before = bench.facts(0).await.len();
    for entry in records.chunks(100) {
        bench.append(0, StreamName::Events, entry.to_vec()).await;
    }
    let other = event(2, "other", "add", 9);
    bench.append(0, StreamName::Events, vec![other]).await;
    worker.hint(ALL_LANES);
    for batches in 1..1_000 {
        assert!(matches!(worker.tick().await, TickOutcome::Worked));
        let facts = bench.facts(0).await;
        if facts[before..].iter().any(|fact| fact == "other@9") {
            return batches;
        }
    }
    panic!("the other one never has a turn");
}

#[tokio::test]
async fn a_busy_customer_delays_others_by_the_batches_of_its_records() {
    let bench = Bench::new().await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    let busy = |number| event(1, &format!("{number}"), "skip", 9);
    let records = (0..2 * limits::RECORDS_PER_BATCH).map(busy).collect();
    let batches = batches_before_another(&bench, &mut worker, records).await;
    assert_eq!(batches, 3);
}

#[tokio::test]
async fn a_customer_of_whom_all_records_fail_delays_others_by_bounded_batches() {
    let bench = Bench::new().await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    let failing = |number| event(1, &format!("{number}"), "poison", 9);
    let batches = 10;
    let records = (0..batches * limits::POISON_PER_BATCH)
        .map(failing)
        .collect();
    let taken = batches_before_another(&bench, &mut worker, records).await;
    assert!(taken <= batches + 1, "{taken} batches");
}

#[tokio::test]
async fn a_customer_whose_records_all_need_other_parts_is_one_batch_for_others() {
    for reads in ["read", "seek"] {
        let memory = memory();
        let bench = Bench::new().await.over(Arc::new(memory.clone()));
        let watch = Faulty::watching(Arc::new(memory));
        let open = |epoch| {
            let config = bench.config_of(watch.clone(), TimeSource::Stream);
            Worker::<Chronicle>::open(config, PartitionId::new(0), epoch)
        };
        let mut worker = open(1).await.expect("it opens");
        let sown = vec![event(1, "a", "sow:7", 9)];
        batches_before_another(&bench, &mut worker, sown).await;
        let mut worker = open(2).await.expect("it opens");
        watch.take_loaded();
        let needs = |number: u32| event(1, "b", &format!("{reads}:{}", number % 7), 9);
        let records = (0..70).map(needs).collect();
        let batches = batches_before_another(&bench, &mut worker, records).await;
        assert_eq!(batches, 1, "{reads}");
        let loaded = watch.take_loaded();
        assert!(
            loaded > 6,
            "parts are loaded, and not only heads: {reads} {loaded}"
        );
    }
}
