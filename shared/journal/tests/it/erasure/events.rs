//! Events of customers who are erased leave the event log.

use std::collections::BTreeSet;

use hot::StreamName;
use journal::{EventLog, EventQuery, EventsBy, EventsErased};
use kernel::{CustomerId, PartitionCount, Timestamp};
use messages::stream::v1::record::Body;
use messages::stream::v1::{Batch, Event, MembershipChanged, Record, StateMoved};
use prost::Message as _;

use super::site::Site;
use crate::events::{customer, event, search};
use crate::sql::Sql;

const SECRET: &str = "kq8Zt1VwPfHs7Xc2";
const GONE: [u128; 2] = [1, 2];
/// Whoever reads the event log.
const SEGMENTATION: hot::Slot = hot::Slot {
    owner: hot::Owner::Segmentation,
    partition: super::PARTITION,
};

fn gone() -> Vec<CustomerId> {
    GONE.map(customer).into()
}

fn record(who: u128, millis: i64) -> Record {
    let is_gone = GONE.contains(&who);
    let id = format!("{who}.{millis}");
    let (mut record, _) = event(customer(who), millis, &id, false);
    if let (true, Some(Body::Event(event))) = (is_gone, &mut record.body) {
        event.name = SECRET.to_owned();
    }
    record
}

/// A copy of an event of somebody, who was joined into another.
fn copy(from: u128, into: u128, millis: i64) -> Record {
    Record {
        customer_id: customer(into).as_bytes().to_vec().into(),
        forwarded_from_id: customer(from).as_bytes().to_vec().into(),
        ..record(from, millis)
    }
}

/// A piece of a state on its way.
fn piece(from: u128, into: u128) -> Record {
    Record {
        customer_id: customer(into).as_bytes().to_vec().into(),
        body: Some(Body::Moved(StateMoved {
            from_customer_id: customer(from).as_bytes().to_vec().into(),
            fragment_ids: SECRET.as_bytes().to_vec().into(),
            ..StateMoved::default()
        })),
        ..Record::default()
    }
}

/// A change of somebody's membership of an account.
fn membership(of: u128) -> Record {
    Record {
        customer_id: customer(of).as_bytes().to_vec().into(),
        body: Some(Body::Membership(MembershipChanged {
            role: SECRET.to_owned(),
            ..MembershipChanged::default()
        })),
        ..Record::default()
    }
}

fn batch(records: Vec<Record>) -> Vec<u8> {
    Batch {
        records,
        ..Batch::default()
    }
    .encode_to_vec()
}

async fn open(site: &Site) -> EventLog {
    let count = PartitionCount::try_new(1).expect("a count");
    let log = EventLog::open(site.database.clone(), count).await;
    log.expect("opens")
}

const ALL: EventQuery = EventQuery {
    by: EventsBy::All,
    from: Timestamp::MIN,
    to: Timestamp::MAX,
    is_on_stream_time: false,
};

/// The ids of the events that are found.
async fn ids(log: &EventLog, by: EventsBy) -> BTreeSet<String> {
    let query = EventQuery { by, ..ALL };
    let found = search(log, &query, 7).await;
    found.into_iter().map(|it| it.event.event_id).collect()
}

/// Removes the events of some, call by call.
async fn erase(log: &EventLog, counts: bool) -> EventsErased {
    let mut all = EventsErased::default();
    let mut place = None;
    loop {
        let some = if counts {
            log.count(&gone(), place).await
        } else {
            log.erase(&gone(), place).await
        };
        let some = some.expect("erases");
        all.events += some.events;
        all.rows += some.rows;
        all.waiting_rows += some.waiting_rows;
        place = some.next;
        if place.is_none() {
            return all;
        }
    }
}

/// Rows of one customer and of several, in both lanes, with what is no event among them.
async fn fill(site: &Site) {
    for number in 0..400_i64 {
        let records = match number % 5 {
            0 => vec![record(1, number)],
            1 => vec![record(3, number), record(2, number), record(4, number)],
            // Messages of other partitions have rows of their own.
            2 => vec![copy(1, 3, number)],
            3 => vec![piece(2, 3)],
            // With events of others alone.
            _ => vec![record(3, number), membership(1), record(4, number)],
        };
        let name = if number % 7 == 0 {
            StreamName::EventsBulk
        } else {
            StreamName::Events
        };
        site.accept(name, batch(records)).await;
    }
}

async fn events_of_others_stay(mut subject: Sql) {
    let mut site = Site::new(&mut subject, 3_600_000).await;
    fill(&site).await;
    let log = open(&site).await;
    let before = ids(&log, EventsBy::All).await;
    let others: BTreeSet<String> = before
        .iter()
        .filter(|id| !id.starts_with("1.") && !id.starts_with("2."))
        .cloned()
        .collect();
    assert_eq!((before.len(), others.len()), (80 + 240 + 160, 320));

    // Their reader has not taken them.
    let waiting = erase(&log, false).await;
    assert_eq!((waiting.events, waiting.rows), (0, 0), "{waiting:?}");
    assert_eq!(waiting.waiting_rows, 400);
    assert_eq!(ids(&log, EventsBy::All).await, before);
    let counted = erase(&log, true).await;
    assert_eq!((counted.events, counted.rows), (160, 400));

    site.segmentation.take(&site.store, &[], None).await;
    site.store.fold(SEGMENTATION).await.expect("folds");
    // A reader in the middle of it.
    let page = log.read(&ALL, None, 101).await.expect("reads");
    let erased = erase(&log, false).await;
    assert_eq!(
        (erased.events, erased.rows, erased.waiting_rows),
        (160, 400, 0)
    );
    assert_eq!(ids(&log, EventsBy::All).await, others);
    assert_eq!(
        ids(&log, EventsBy::Customers(gone())).await,
        BTreeSet::new()
    );
    assert_eq!(site.tables_with(SECRET).await, 0);
    let (mut rest, mut after) = (Vec::new(), page.next);
    while after.is_some() {
        let page = log.read(&ALL, after, 50).await.expect("reads");
        rest.extend(page.events.into_iter().map(|it| it.event.event_id));
        after = page.next;
    }
    let first = page.events.into_iter().map(|it| it.event.event_id);
    let seen: Vec<String> = first.chain(rest).filter(|id| others.contains(id)).collect();
    assert_eq!(seen.len(), others.len(), "each is seen once");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), others);

    let again = erase(&log, false).await;
    assert_eq!(again, EventsErased::default());
}

#[tokio::test]
async fn events_of_others_stay_in_sqlite() {
    events_of_others_stay(Sql::sqlite()).await;
}

#[tokio::test]
async fn events_of_others_stay_in_postgres() {
    events_of_others_stay(Sql::postgres()).await;
}

#[tokio::test]
async fn entries_that_wait_come_back_as_they_were() {
    let mut subject = Sql::sqlite();
    let mut site = Site::new(&mut subject, 3_600_000).await;
    for number in 0..6 {
        site.accept(
            StreamName::Events,
            batch(vec![record(1, number), record(3, number)]),
        )
        .await;
    }
    site.segmentation.take_some(&site.store, &[], None, 4).await;
    site.store.fold(SEGMENTATION).await.expect("folds");
    let log = open(&site).await;
    let erased = erase(&log, false).await;
    assert_eq!((erased.events, erased.rows, erased.waiting_rows), (4, 4, 2));
    // A recovery puts back what waits, and no more.
    site.hot.clear();
    site.store
        .recover(super::PARTITION)
        .await
        .expect("recovers");
    let entries = hot::HotStore::poll(
        &site.hot,
        super::site::stream(StreamName::Events),
        hot::Cursor::START,
        99,
    );
    let entries = entries.await.expect("polls");
    let names: Vec<Vec<Event>> = entries
        .into_iter()
        .map(|entry| {
            let batch = Batch::decode(entry.payload).expect("a batch");
            let events = batch.records.into_iter().filter_map(|it| match it.body {
                Some(Body::Event(event)) => Some(event),
                _ => None,
            });
            events.collect()
        })
        .collect();
    assert_eq!(names.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test]
async fn an_event_is_of_the_fragment_that_it_names() {
    let mut subject = Sql::sqlite();
    let mut site = Site::new(&mut subject, 3_600_000).await;
    let of_fragment = |who: u128, fragment: u128, millis: i64| {
        let mut record = record(who, millis);
        if let Some(Body::Event(event)) = &mut record.body {
            event.fragment_id = customer(fragment).as_bytes().to_vec().into();
        }
        record
    };
    // 1 was part of 9 for some time, and 8 part of 1.
    let records = vec![
        of_fragment(9, 1, 1),
        of_fragment(9, 9, 2),
        of_fragment(1, 8, 3),
    ];
    site.accept(StreamName::Events, batch(records)).await;
    let records = vec![of_fragment(1, 2, 4), of_fragment(1, 1, 5)];
    site.accept(StreamName::Events, batch(records)).await;
    site.accept(StreamName::Events, batch(vec![of_fragment(9, 2, 6)]))
        .await;
    site.segmentation.take(&site.store, &[], None).await;
    site.store.fold(SEGMENTATION).await.expect("folds");
    let log = open(&site).await;
    let others = [customer(9)];
    let counted = log
        .count_among(&gone(), &others, None)
        .await
        .expect("counts");
    assert_eq!((counted.events, counted.rows), (4, 3));
    let erased = log
        .erase_among(&gone(), &others, None)
        .await
        .expect("erases");
    assert_eq!((erased.events, erased.rows), (4, 3));
    let left = ids(&log, EventsBy::All).await;
    assert_eq!(left, ["9.2", "1.3"].map(str::to_owned).into());
}
