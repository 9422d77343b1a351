//! Lanes, back-pressure, the outbox, and what emitted records inherit.

use hot::{Append, Cursor, StreamName};
use messages::stream::v1::Record;

use super::counting::counter;
use super::driver::{Bench, event, settle, slot, stream, trim_output};
use crate::shared::ALL_LANES;
use crate::worker::TickOutcome;
use crate::{TimeSource, limits};

#[tokio::test]
async fn live_records_do_not_wait_for_low_priority_ones() {
    let bench = Bench::new().await;
    let bulk = (0..5_000)
        .map(|n| event(9, &n.to_string(), "add", 0))
        .collect();
    bench.append(0, StreamName::EventsBulk, bulk).await;
    let mut worker = bench.worker(0, 1, TimeSource::system()).await;
    assert!(matches!(worker.tick().await, TickOutcome::Worked));
    bench
        .append(0, StreamName::Events, vec![event(1, "live", "add", 0)])
        .await;
    worker.hint(ALL_LANES);
    let before = bench.log(0, 9).await.len();
    assert!(matches!(worker.tick().await, TickOutcome::Worked));
    assert_eq!(bench.log(0, 1).await, ["live"]);
    let low = bench.log(0, 9).await.len() - before;
    assert_eq!(low, limits::RECORDS_PER_BATCH / limits::BULK_SHARE);
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 9).await.len(), 5_000);
    assert_eq!(
        bench.records(0, StreamName::Facts).await.len(),
        1,
        "the rest went to the low-priority output"
    );
    assert_eq!(bench.records(0, StreamName::FactsBulk).await.len(), 5_000);
}

#[tokio::test]
async fn a_group_of_counters_is_dropped_in_the_order_of_records_within_a_batch_and_after_it() {
    let names = [
        "count:segment/a/members",
        "count:segment/b/members",
        "count:segment/c/members",
        "drop:segment/a",
        "drop:segment/c",
        "count:segment/a/members",
    ];
    let records = |names: &[&str]| -> Vec<Record> {
        names.iter().map(|name| event(1, "x", name, 0)).collect()
    };
    for batches in [
        vec![&names[..]],
        vec![&names[..3], &names[3..]],
        names.chunks(1).collect(),
    ] {
        let bench = Bench::new().await;
        let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
        for batch in &batches {
            bench.append(0, StreamName::Events, records(batch)).await;
            settle(&mut worker).await;
        }
        let counters = crate::counters::of_slot(bench.hot.as_ref(), slot(0), "segment/").await;
        let expected = [
            (counter("segment/a/members"), 1),
            (counter("segment/b/members"), 1),
        ];
        assert_eq!(counters.expect("counters"), expected, "{batches:?}");
    }
}

#[tokio::test]
async fn a_worker_waits_for_the_reader_of_its_output_and_drops_nothing() {
    let bench = Bench::new().await;
    let facts = stream(0, StreamName::Facts);
    for _ in 0..limits::OUTPUT_ENTRIES {
        bench.append(0, StreamName::Facts, Vec::new()).await;
    }
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "add", 1)])
        .await;
    let mut worker = bench.worker(0, 1, TimeSource::system()).await;
    for _ in 0..3 {
        assert!(matches!(worker.tick().await, TickOutcome::Held));
    }
    assert_eq!(bench.state(0, 1).await, None);
    // The low-priority lane has an output of its own.
    bench
        .append(0, StreamName::EventsBulk, vec![event(2, "b", "add", 1)])
        .await;
    worker.hint(ALL_LANES);
    assert!(matches!(worker.tick().await, TickOutcome::Worked));
    assert_eq!(bench.log(0, 2).await, ["b"]);
    let read = Cursor {
        major: 0,
        minor: 10,
    };
    trim_output(bench.hot.as_ref(), facts, read).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
}

#[tokio::test]
async fn what_was_taken_is_removed_from_the_stream() {
    let bench = Bench::new().await;
    for n in 0..100 {
        bench
            .append(
                0,
                StreamName::Events,
                vec![event(1, &n.to_string(), "add", n)],
            )
            .await;
    }
    settle(&mut bench.worker(0, 1, TimeSource::Stream).await).await;
    let left = bench
        .hot
        .lag(stream(0, StreamName::Events), Cursor::START)
        .await
        .expect("a lag");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_full_target_holds_the_outbox_and_loses_nothing() {
    let bench = Bench::new().await;
    for n in 0..hot::limits::STREAM_ENTRIES {
        bench
            .append(
                1,
                StreamName::Events,
                vec![event(2, &n.to_string(), "add", 0)],
            )
            .await;
    }
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "forward:1", 0)])
        .await;
    let mut sender = bench.worker(0, 1, TimeSource::Stream).await;
    assert!(matches!(sender.tick().await, TickOutcome::Worked));
    assert!(matches!(sender.tick().await, TickOutcome::Held));
    let mut receiver = bench.worker(1, 1, TimeSource::Stream).await;
    settle(&mut receiver).await;
    settle(&mut sender).await;
    settle(&mut receiver).await;
    assert_eq!(bench.log(1, 1).await, ["a"]);
    let full = Append {
        to: stream(1, StreamName::Events),
        payload: Vec::new().into(),
        source: None,
        origin: None,
    };
    assert_eq!(
        bench.hot.append(&full).await.expect("it answers"),
        hot::Appended::Applied
    );
}

#[tokio::test]
async fn emitted_records_carry_the_trace_of_their_cause() {
    let bench = Bench::new().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cause = Record {
        trace_parent: trace.to_owned(),
        ..event(1, "a", "add", 1)
    };
    bench
        .append(0, StreamName::Events, vec![cause, event(1, "b", "add", 2)])
        .await;
    settle(&mut bench.worker(0, 1, TimeSource::Stream).await).await;
    let facts = bench.records(0, StreamName::Facts).await;
    let traces: Vec<_> = facts
        .iter()
        .map(|fact| fact.trace_parent.as_str())
        .collect();
    assert_eq!(traces, [trace, ""]);
}
