//! The way out of the quarantine: what is retried takes effect once, what is discarded is gone, and
//! a full one holds.

use std::sync::Arc;

use hot::{HotError, QuarantineId, SharedHotStore, StreamName};
use kernel::PartitionId;
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use messages::stream::v1::{QuarantineCommand, QuarantineVerb, Record, record::Body};
use prost::Message as _;

use super::driver::{Bench, event, memory, settle, slot};
use super::faulty::{Fault, Faulty};
use crate::quarantine::read;
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{TimeSource, limits};

const RETRY: QuarantineVerb = QuarantineVerb::Retry;
const DISCARD: QuarantineVerb = QuarantineVerb::Discard;

/// Returns what is in quarantine, with the ids.
pub(super) async fn aside(bench: &Bench) -> Vec<(QuarantineId, QuarantinedRecord)> {
    let page = read(bench.hot.as_ref(), slot(0), None).await;
    let entries = page.expect("a page").into_iter();
    entries.map(|entry| (entry.id, entry.record)).collect()
}

/// The ids, tries and reasons of what is in quarantine.
async fn tries(bench: &Bench) -> Vec<(String, u32, String)> {
    let entries = aside(bench).await.into_iter();
    entries
        .map(|(id, entry)| (id.to_string(), entry.try_count, entry.reason))
        .collect()
}

pub(super) fn command(verb: QuarantineVerb, id: QuarantineId) -> Record {
    Record {
        body: Some(Body::Quarantine(QuarantineCommand {
            verb: verb.into(),
            commit_seq: id.commit_seq,
            index: id.index,
            reason: "a test".to_owned(),
        })),
        ..Record::default()
    }
}

/// Commands about everything that is in quarantine.
pub(super) async fn order_all(bench: &Bench, verb: QuarantineVerb) {
    let commands = aside(bench).await.into_iter();
    let commands = commands.map(|(id, _)| command(verb, id)).collect();
    bench
        .append(0, StreamName::SegmentationCommands, commands)
        .await;
}

#[tokio::test]
async fn a_retried_record_takes_effect_as_if_it_came_now_and_leaves() {
    let bench = Bench::new().await;
    let brittle = event(1, "a", "brittle", 5);
    bench
        .append(0, StreamName::EventsBulk, vec![brittle.clone()])
        .await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    let [(id, entry)] = &aside(&bench).await[..] else {
        panic!("one is set aside")
    };
    let expected = QuarantinedRecord {
        service: "segmentation".to_owned(),
        reason: "brittle".to_owned(),
        customer_id: "01010101-0101-0101-0101-010101010101".to_owned(),
        record: brittle.encode_to_vec().into(),
        kind: QuarantinedKind::Record.into(),
        stream: "events.bulk".to_owned(),
        is_bulk: true,
        try_count: 1,
        create_time: entry.create_time,
        last_try_time: entry.create_time,
        ..QuarantinedRecord::default()
    };
    assert_eq!(*entry, expected);
    assert_eq!(entry.create_time.map(|time| time.nanos), Some(5_000_000));

    let glue = event(1, "b", "glue", 9);
    bench.append(0, StreamName::Events, vec![glue]).await;
    bench
        .append(
            0,
            StreamName::SegmentationCommands,
            vec![command(RETRY, *id)],
        )
        .await;
    // In the order of the lanes the command comes first; the customer is not glued yet.
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["b", "glue"]);
    order_all(&bench, RETRY).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["b", "glue", "a"]);
    assert_eq!(aside(&bench).await, []);
    let facts = bench.facts(0).await;
    assert_eq!(
        facts.last().map(String::as_str),
        Some("a@9"),
        "as if it came now"
    );
}

#[tokio::test]
async fn what_cannot_be_processed_again_stays_under_its_id_with_one_more_try() {
    let memory = memory();
    let bench = Bench::new().await.over(Arc::new(memory.clone()));
    let records = vec![event(1, "a", "brittle", 1), event(2, "b", "poison", 1)];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    let expected = |tries| {
        [("1-0", "brittle"), ("1-1", "told so")]
            .map(|(id, reason)| (id.to_owned(), tries, reason.to_owned()))
    };
    assert_eq!(tries(&bench).await, expected(1));
    for epoch in 2..4 {
        order_all(&bench, RETRY).await;
        settle(&mut worker).await;
        assert_eq!(tries(&bench).await, expected(epoch));
        worker = bench.worker(0, u64::from(epoch), TimeSource::Stream).await;
    }
    bench
        .append(0, StreamName::Events, vec![event(1, "c", "glue", 2)])
        .await;
    settle(&mut worker).await;
    order_all(&bench, RETRY).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["c", "glue", "a"]);
    let left = ("1-1".to_owned(), 4, "told so".to_owned());
    assert_eq!(tries(&bench).await, [left]);
    order_all(&bench, DISCARD).await;
    settle(&mut worker).await;
    let states = memory.states(slot(0));
    assert_eq!(
        states.len(),
        1,
        "what was known of tries is gone: {states:?}"
    );
}

#[tokio::test]
async fn what_is_discarded_is_gone_and_what_is_not_there_is_no_mistake() {
    let bench = Bench::new().await;
    let records = vec![
        event(1, "a", "poison", 1),
        event(1, "b", "poison", 1),
        event(1, "c", "add", 1),
    ];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    let id = |commit_seq, index| QuarantineId { commit_seq, index };
    let commands = vec![
        command(DISCARD, id(1, 0)),
        command(DISCARD, id(1, 0)),
        command(RETRY, id(1, 0)),
        command(RETRY, id(0, 0)),
        command(DISCARD, id(1, 7)),
        command(QuarantineVerb::Unspecified, id(1, 1)),
        command(RETRY, id(u64::MAX, u32::MAX)),
        // It does not say what.
        Record::default(),
    ];
    bench
        .append(0, StreamName::SegmentationCommands, commands)
        .await;
    settle(&mut worker).await;
    let left = tries(&bench).await;
    assert_eq!(left[0], ("1-1".to_owned(), 1, "told so".to_owned()));
    assert_eq!(left.len(), 2, "and the command that says nothing: {left:?}");
    assert_eq!(bench.log(0, 1).await, ["c"]);
    let size = bench.hot.quarantine_size(slot(0)).await.expect("a size");
    assert_eq!(size.records, 2);
}

#[tokio::test]
async fn the_largest_record_is_kept_whole_and_retried() {
    let bench = Bench::new().await;
    // As large as an append may be, but for the few bytes around it.
    let what = format!("brittle:{}", "x".repeat(hot::limits::COMMIT_BYTES - 100));
    let records = [event(1, "a", &what, 1), event(1, "b", "glue", 2)];
    for record in records {
        bench.append(0, StreamName::Events, vec![record]).await;
    }
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(aside(&bench).await.len(), 1);
    order_all(&bench, RETRY).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["b", "glue", "a"]);
    assert_eq!(aside(&bench).await.len(), 0);
}

#[tokio::test]
async fn many_records_that_are_poison_are_all_set_aside_in_order_and_retried_in_order() {
    let bench = Bench::new().await;
    let records = (0..100).map(|n| {
        let what = if n % 2 == 0 { "brittle" } else { "add" };
        event(1, &n.to_string(), what, n)
    });
    bench.append(0, StreamName::Events, records.collect()).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    let batches = settle(&mut worker).await;
    assert!(batches >= 50 / limits::POISON_PER_BATCH, "{batches}");
    let numbers = |odd: i64| (0..50).map(move |n| (2 * n + odd).to_string());
    assert_eq!(bench.log(0, 1).await, Vec::from_iter(numbers(1)));
    assert_eq!(aside(&bench).await.len(), 50);
    let glue = vec![event(1, "glue", "add", 200)];
    bench.append(0, StreamName::Events, glue).await;
    settle(&mut worker).await;
    order_all(&bench, RETRY).await;
    let batches = settle(&mut worker).await;
    assert!(batches >= 50 / limits::COMMANDS_PER_BATCH, "{batches}");
    let log = bench.log(0, 1).await;
    assert_eq!(log[51..], Vec::from_iter(numbers(0)));
    assert_eq!(aside(&bench).await.len(), 0);
}

/// Retries and discards over a store that fails once; tells what is there afterwards, and how many
/// calls were made.
async fn run(bench: &Bench, (fails_at, fault, crashes): (u64, Fault, bool)) -> (String, u64) {
    let memory = memory();
    let bench = bench.over(Arc::new(memory));
    let records = vec![
        event(1, "a", "brittle", 1),
        event(1, "b", "brittle", 1),
        event(2, "c", "poison", 1),
        event(3, "d", "poison", 1),
        event(1, "e", "glue", 2),
    ];
    bench.append(0, StreamName::Events, records).await;
    settle(&mut bench.worker(0, 1, TimeSource::Stream).await).await;
    let ids: Vec<_> = aside(&bench).await.into_iter().map(|it| it.0).collect();
    let verbs = [RETRY, RETRY, RETRY, DISCARD];
    let commands = ids.iter().zip(verbs).map(|(id, verb)| command(verb, *id));
    bench
        .append(0, StreamName::SegmentationCommands, commands.collect())
        .await;

    let faulty = Faulty::new(Arc::clone(&bench.hot), fails_at, fault);
    let config = bench.config(Arc::clone(&faulty) as SharedHotStore, TimeSource::Stream);
    let mut epoch = 1;
    let mut worker: Option<Worker<_>> = None;
    for _ in 0..100 {
        let Some(open) = &mut worker else {
            epoch += 1;
            match Worker::open(config.clone(), PartitionId::new(0), epoch).await {
                Ok(opened) => worker = Some(opened),
                Err(HotError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
            continue;
        };
        open.hint(ALL_LANES);
        match open.tick().await {
            TickOutcome::Idle { .. } => {
                let seen = format!(
                    "{:?} {:?} {:?} {:?}",
                    bench.log(0, 1).await,
                    bench.facts(0).await,
                    tries(&bench).await,
                    bench
                        .hot
                        .quarantine_size(slot(0))
                        .await
                        .expect("a size")
                        .records,
                );
                return (seen, faulty.calls());
            }
            TickOutcome::Unavailable(_) if crashes => worker = None,
            TickOutcome::Unavailable(_)
            | TickOutcome::Worked
            | TickOutcome::Held
            | TickOutcome::Behind
            | TickOutcome::Full => {}
            TickOutcome::Lost(error) => panic!("call {fails_at}: {error}"),
        }
    }
    panic!("call {fails_at} {fault:?}: the worker never rests");
}

#[tokio::test]
async fn a_retry_takes_effect_once_whatever_call_fails() {
    let bench = Bench::new().await;
    let (expected, calls) = run(&bench, (u64::MAX, Fault::Before, false)).await;
    assert_eq!(
        expected,
        "[\"e\", \"glue\", \"a\", \"b\"] [\"e@2\", \"a@2\", \"b@2\"] [(\"1-2\", 2, \"told so\")] 1"
    );
    assert!(calls > 8, "only {calls} calls");
    for crashes in [false, true] {
        for fault in [Fault::Before, Fault::After] {
            for fails_at in 1..=calls {
                let (seen, _) = run(&bench, (fails_at, fault, crashes)).await;
                assert_eq!(seen, expected, "call {fails_at} {fault:?} {crashes}");
            }
        }
    }
}

#[tokio::test]
async fn a_full_quarantine_holds_what_it_cannot_take_until_there_is_room() {
    for time in [TimeSource::Stream, TimeSource::system()] {
        let is_on_stream_time = matches!(time, TimeSource::Stream);
        let bench = Bench::new().await;
        let mut config = bench.config(Arc::clone(&bench.hot), time);
        // Full as soon as there is anything in it.
        config.quarantine_bytes = 1;
        let partition = PartitionId::new(0);
        let worker = Worker::open(config, partition, 1).await;
        let mut worker = worker.expect("it opens");
        let live = ["poison", "add", "poison", "add"];
        let live = (0_i64..)
            .zip(live)
            .map(|(n, what)| event(1, &n.to_string(), what, n));
        bench.append(0, StreamName::Events, live.collect()).await;
        worker.hint(ALL_LANES);
        assert!(matches!(worker.tick().await, TickOutcome::Worked));
        let bulk = vec![event(2, "bulk", "add", 9)];
        bench.append(0, StreamName::EventsBulk, bulk).await;
        worker.hint(ALL_LANES);
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            outcomes.push(matches!(worker.tick().await, TickOutcome::Full));
        }
        assert_eq!(outcomes[1..], [true; 3], "it waits");
        assert_eq!(
            bench.log(0, 1).await,
            ["1"],
            "what came before it is in effect"
        );
        assert_eq!(aside(&bench).await.len(), 1);
        // Lanes share one time, where that comes from the records.
        let passed = if is_on_stream_time {
            vec![]
        } else {
            vec!["bulk"]
        };
        assert_eq!(bench.log(0, 2).await, passed);

        order_all(&bench, DISCARD).await;
        settle(&mut worker).await;
        assert_eq!(bench.log(0, 1).await, ["1", "3"]);
        assert_eq!(bench.log(0, 2).await, ["bulk"]);
        let reasons = tries(&bench).await;
        assert_eq!(reasons.len(), 1, "the one that waited: {reasons:?}");
    }
}
