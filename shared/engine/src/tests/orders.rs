//! What operators ask for: lists with filters, and orders that are passed on to the owners of the
//! partitions once.

use std::collections::BTreeSet;
use std::sync::Arc;

use hot::StreamName;
use kernel::PartitionId;
use messages::stream::v1::QuarantineVerb;

use super::driver::{Bench, event, slot};
use crate::{
    Engine, QuarantineFilter, QuarantineOrder, QuarantinePlace, QuarantineSelection,
    QuarantineTaken, Status, TimeSource, limits,
};

const RETRY: QuarantineVerb = QuarantineVerb::Retry;
const DISCARD: QuarantineVerb = QuarantineVerb::Discard;

fn order(verb: QuarantineVerb, request_id: &str) -> QuarantineOrder {
    QuarantineOrder {
        verb,
        reason: String::new(),
        request_id: request_id.to_owned(),
    }
}

#[tokio::test]
async fn orders_are_taken_once_by_ids_and_by_filter() {
    let bench = Bench::new().await;
    for (partition, records) in [
        (
            0,
            vec![event(1, "a", "brittle", 1), event(2, "b", "brittle", 1)],
        ),
        (1, vec![event(1, "c", "poison", 1)]),
    ] {
        bench.append(partition, StreamName::Events, records).await;
    }
    let config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    let engine = Engine::start(config).await.expect("it starts");
    engine.await_idle().await.expect("it rests");
    let place = |text| QuarantinePlace::parse(text).expect("a place");
    let named = ["0-1-0", "0-9-9", "7-1-0"].map(place);
    let named = QuarantineSelection::Places(BTreeSet::from(named));
    let taken = engine.order_quarantined(&named, &order(RETRY, "one")).await;
    let expected = QuarantineTaken {
        taken: 1,
        missing: vec![place("0-9-9"), place("7-1-0")],
        has_more: false,
    };
    assert_eq!(taken.expect("it is taken"), expected);
    engine.await_idle().await.expect("it rests");

    let listed = async |filter: QuarantineFilter| {
        let page = engine.list_quarantined(&filter, None, 10).await;
        let entries = page.expect("a page").entries.into_iter();
        entries
            .map(|entry| format!("{} {}", entry.record.id, entry.record.try_count))
            .collect::<Vec<_>>()
    };
    let all = QuarantineFilter::default();
    assert_eq!(listed(all.clone()).await, ["0-1-0 2", "0-1-1 1", "1-1-0 1"]);
    // The same order again, and one of another kind by the same name.
    let taken = engine.order_quarantined(&named, &order(RETRY, "one")).await;
    assert_eq!(taken.expect("it is taken").taken, 1);
    engine.await_idle().await.expect("it rests");
    assert_eq!(listed(all.clone()).await, ["0-1-0 2", "0-1-1 1", "1-1-0 1"]);
    for (filter, expected) in [
        (
            QuarantineFilter {
                partition: Some(PartitionId::new(1)),
                ..all.clone()
            },
            &["1-1-0 1"][..],
        ),
        (
            QuarantineFilter {
                customer_id: "02020202-0202-0202-0202-020202020202".to_owned(),
                ..all.clone()
            },
            &["0-1-1 1"],
        ),
        (
            QuarantineFilter {
                reason: "ritt".to_owned(),
                ..all.clone()
            },
            &["0-1-0 2", "0-1-1 1"],
        ),
    ] {
        assert_eq!(listed(filter.clone()).await, expected, "{filter:?}");
    }
    let brittle = QuarantineSelection::Filter(QuarantineFilter {
        reason: "brittle".to_owned(),
        ..all.clone()
    });
    let taken = engine
        .order_quarantined(&brittle, &order(DISCARD, "one"))
        .await;
    assert_eq!(taken.expect("it is taken").taken, 2);
    engine.await_idle().await.expect("it rests");
    assert_eq!(listed(all).await, ["1-1-0 1"]);
    engine.shutdown().await;
}

#[tokio::test]
async fn an_order_by_filter_takes_so_many_at_once_and_says_that_there_are_more() {
    let bench = Bench::new().await;
    let count = limits::QUARANTINED_PER_ORDER + 3;
    let records = (0..count).map(|n| event(1, &n.to_string(), "brittle", 1));
    bench.append(0, StreamName::Events, records.collect()).await;
    let config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    let engine = Engine::start(config).await.expect("it starts");
    engine.await_idle().await.expect("it rests");
    let all = QuarantineSelection::Filter(QuarantineFilter::default());
    for (request_id, taken, has_more) in [("one", count - 3, true), ("two", 3, false)] {
        let answer = engine
            .order_quarantined(&all, &order(DISCARD, request_id))
            .await;
        let answer = answer.expect("it is taken");
        assert_eq!((answer.taken, answer.has_more), (taken, has_more));
        engine.await_idle().await.expect("it rests");
    }
    let size = bench.hot.quarantine_size(slot(0)).await.expect("a size");
    assert_eq!(size, hot::QuarantineSize::default());
    assert_eq!(bench.state(0, 1).await, None);
    engine.shutdown().await;
}
