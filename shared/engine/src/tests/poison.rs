//! What cannot be processed is set aside with its reason, and nothing else suffers.

use hot::{Append, Commit, Owner, PageBounds, StateWrite, Stored, StreamName, Timer};
use messages::engine::v1::QuarantinedRecord;
use messages::stream::v1::Record;
use prost::Message as _;

use super::driver::{Bench, event, key, quarantined, settle, slot, stream};
use crate::{Engine, EngineConfig, QuarantineFilter, Status, TimeSource, limits};
use decision::Core;

pub(super) async fn reasons(bench: &Bench) -> Vec<String> {
    quarantined(bench.hot.as_ref(), slot(0)).await
}

#[tokio::test]
async fn poison_is_set_aside_and_its_neighbours_are_not() {
    let bench = Bench::new().await;
    let records = vec![
        event(1, "a", "add", 1),
        event(1, "b", "poison", 2),
        event(1, "c", "panic", 3),
        event(2, "d", "poison", 4),
        Record {
            customer_id: vec![1, 2].into(),
            ..event(1, "e", "add", 5)
        },
        event(1, "f", "add", 6),
    ];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    assert_eq!(settle(&mut worker).await, 1, "all in one batch");
    assert_eq!(bench.log(0, 1).await, ["a", "f"]);
    assert_eq!(bench.state(0, 2).await, None);
    assert_eq!(
        reasons(&bench).await,
        [
            "told so",
            "panicked: told so too",
            "told so",
            "the record names no customer"
        ]
    );
    assert_eq!(bench.facts(0).await, ["a@1", "f@6"]);
}

#[tokio::test]
async fn the_largest_record_is_set_aside_whole() {
    let bench = Bench::new().await;
    // As large as an append may be, but for the few bytes around it.
    let id = "x".repeat(hot::limits::COMMIT_BYTES - 100);
    let largest = event(1, &id, "poison", 1);
    for record in [
        event(2, "a", "add", 1),
        largest.clone(),
        event(2, "b", "add", 2),
    ] {
        bench.append(0, StreamName::Events, vec![record]).await;
    }
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 2).await, ["a", "b"]);
    let aside = bench
        .hot
        .quarantined(slot(0), None, PageBounds::entries(9))
        .await;
    let aside = aside.expect("a list").into_iter();
    let kept: Vec<_> = aside
        .map(|it| QuarantinedRecord::decode(it.payload).expect("a record"))
        .map(|it| Record::decode(it.record).expect("a record"))
        .collect();
    assert!(kept == [largest], "it is not what it was");
}

#[tokio::test]
async fn what_is_no_batch_is_passed() {
    let bench = Bench::new().await;
    let garbage = Append {
        to: stream(0, StreamName::Events),
        payload: vec![0xff; 10].into(),
        source: None,
        origin: None,
    };
    bench.hot.append(&garbage).await.expect("it is appended");
    bench.append(0, StreamName::Events, Vec::new()).await;
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "add", 1)])
        .await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
    assert_eq!(
        reasons(&bench).await,
        ["the entry is not a batch of records"]
    );
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_left_alone() {
    let bench = Bench::new().await;
    bench.hot.open(slot(0), 1).await.expect("it opens");
    let at_first = kernel::Timestamp::from_millis(3);
    let (timer, adds_entry) = Timer::NONE.set(Some(at_first));
    // A head without anything, and what is no state.
    let unreadable = bytes::Bytes::from_static(b"\x01\x00no");
    let damaged = Commit {
        epoch: 1,
        seq: 1,
        batch_id: 7,
        states: vec![StateWrite {
            key: key(1),
            value: Some(unreadable.clone()),
            timer,
            adds_entry,
        }],
        ..Commit::default()
    };
    bench
        .hot
        .commit(slot(0), &damaged)
        .await
        .expect("it commits");
    let records = vec![event(1, "a", "add", 5), event(2, "b", "add", 6)];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 2, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(
        reasons(&bench).await,
        ["the state cannot be read: no bar"; 2],
        "its timer and its record"
    );
    let kept = bench.hot.load(slot(0), &[key(1)]).await.expect("it loads");
    // It is looked at again.
    let (retried, _) = Timer::NONE.set(Some(at_first + limits::TIMER_RETRY_MIN));
    let stored = Stored {
        value: unreadable,
        timer: retried,
    };
    assert_eq!(kept, [Some(stored)]);
    assert_eq!(bench.log(0, 2).await, ["b"]);
}

#[tokio::test]
async fn what_is_too_large_is_set_aside_alone() {
    let bench = Bench::new().await;
    let records = vec![
        event(1, "a", "add", 1),
        event(1, "b", "grow:600000", 2),
        event(2, "c", "shout:2000000", 3),
        event(2, "d", "add", 4),
    ];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
    assert_eq!(bench.log(0, 2).await, ["d"]);
    let reasons = reasons(&bench).await;
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("the state would be")),
        "{reasons:?}"
    );
    assert!(
        reasons.iter().any(|reason| reason.contains("too large")),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn large_outputs_are_spread_over_commits() {
    let bench = Bench::new().await;
    let records = (0..20)
        .map(|n| event(1, &n.to_string(), "shout:200000", n))
        .collect();
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    assert!(settle(&mut worker).await >= 4);
    assert_eq!(bench.count("seen").await, 20);
    assert_eq!(bench.facts(0).await.len(), 40);
    assert!(reasons(&bench).await.is_empty());
}

#[tokio::test]
async fn quarantined_records_are_listed_page_by_page() {
    let bench = Bench::new().await;
    for (partition, id) in [(0, "a"), (0, "b"), (1, "c")] {
        bench
            .append(
                partition,
                StreamName::Events,
                vec![event(1, id, "poison", 1)],
            )
            .await;
    }
    let config: EngineConfig<_> =
        bench.config(std::sync::Arc::clone(&bench.hot), TimeSource::Stream);
    let engine = Engine::start(config).await.expect("it starts");
    engine.await_idle().await.expect("it rests");
    let all = QuarantineFilter::default();
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = engine.list_quarantined(&all, after, 2).await;
        let page = page.expect("a page");
        let of = page.entries.iter().map(|entry| entry.record.partition);
        pages.push((of.collect::<Vec<_>>(), page.has_more));
        after = page.entries.last().map(|last| last.place);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(pages, [(vec![0, 0], true), (vec![1], false)]);
    let partitions = engine.list_partitions().await.expect("a list");
    let counts: Vec<_> = partitions
        .iter()
        .map(|it| (it.owner.as_str(), it.quarantined_count, it.lag))
        .collect();
    assert_eq!(counts, [("worker", 2, 0), ("worker", 1, 0)]);
    assert_eq!(engine.service(), Owner::Segmentation);
    assert_eq!(<super::counting::Counting>::OWNER, Owner::Segmentation);
    engine.shutdown().await;
}

/// A record that cannot be processed, of so many bytes.
fn poison_of(bytes: usize) -> Record {
    let of = |id: usize| event(1, &"x".repeat(id), "poison", 1);
    let record = of(2 * bytes - of(bytes).encoded_len());
    assert_eq!(record.encoded_len(), bytes);
    record
}

#[tokio::test]
async fn a_page_of_quarantined_records_ends_by_their_bytes() {
    let most = limits::QUARANTINED_PAGE_BYTES;
    let bench = Bench::new().await;
    let sizes = [
        (0, [100, most - 100, 90, most + 1]),
        (1, [200, most - 199, 1_000, 80]),
    ];
    for (partition, sizes) in sizes {
        for size in sizes {
            let records = vec![poison_of(size)];
            bench.append(partition, StreamName::Events, records).await;
        }
    }
    let config = bench.config(std::sync::Arc::clone(&bench.hot), TimeSource::Stream);
    let engine = Engine::start(config).await.expect("it starts");
    engine.await_idle().await.expect("it rests");
    let all = QuarantineFilter::default();
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = engine.list_quarantined(&all, after, 100).await;
        let page = page.expect("a page");
        let of = page.entries.iter().map(|it| it.record.record.len());
        pages.push(of.collect::<Vec<_>>());
        after = page.entries.last().map(|last| last.place);
        if !page.has_more {
            break;
        }
    }
    let expected = [
        vec![100, most - 100],
        vec![90],
        vec![most + 1],
        vec![200],
        vec![most - 199],
        vec![1_000, 80],
    ];
    assert_eq!(pages, expected);
    engine.shutdown().await;
}
