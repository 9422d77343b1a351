//! The event log: what is found, by whom and when, page by page.

use std::time::SystemTime;

use hot::{Origin, StreamId, StreamName, Writer};
use journal::contract::Subject;
use journal::{EntryRow, EventLog, EventPlace, EventQuery, EventsBy, LoggedEvent, SharedLog};
use kernel::{CustomerId, PartitionCount, PartitionId, Timestamp};
use messages::stream::v1::record::Body;
use messages::stream::v1::{Batch, Event, Record, Tick};
use prost::Message;
use uuid::Uuid;

use crate::sql::Sql;

/// More than are searched at once.
const PARTITIONS: u64 = 11;
const HOUR: i64 = 3_600_000;

pub(crate) fn partitions() -> PartitionCount {
    PartitionCount::try_new(PARTITIONS).expect("a count")
}

pub(crate) fn customer(number: u128) -> CustomerId {
    CustomerId::new(Uuid::from_u128(number))
}

/// A random number generator that tests can repeat.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn time(&mut self, end: i64) -> i64 {
        self.below(end.unsigned_abs()).cast_signed()
    }
}

/// An event as the log takes it, and as it is found.
pub(crate) fn event(
    customer: CustomerId,
    millis: i64,
    id: &str,
    is_bulk: bool,
) -> (Record, LoggedEvent) {
    let event = Event {
        event_id: id.to_owned(),
        name: "visit".to_owned(),
        ..Event::default()
    };
    let record = Record {
        customer_id: customer.as_bytes().to_vec().into(),
        time_ms: millis,
        body: Some(Body::Event(event.clone())),
        ..Record::default()
    };
    let logged = LoggedEvent {
        customer,
        time: Timestamp::from_millis(millis),
        accept_time: Timestamp::MIN,
        is_bulk,
        event,
    };
    (record, logged)
}

/// Fills a log with narrow rows and wide ones, in all partitions, most of all in one; returns what
/// can be found.
async fn fill(log: &SharedLog) -> Vec<(u16, LoggedEvent)> {
    let mut dice = Dice(7);
    let mut all = Vec::new();
    let mut seqs = std::collections::HashMap::new();
    for row in 0..700_u64 {
        let is_bulk = row % 10 == 0;
        let partition = if row < 400 { 3 } else { dice.below(PARTITIONS) };
        let partition = u16::try_from(partition).expect("a small number");
        let start = dice.time(1_000 * HOUR);
        let mut records = vec![Record {
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        }];
        for number in 0..dice.below(6) {
            // Of the customers, those who live in the partition.
            let id = loop {
                let id = customer(u128::from(dice.below(300)));
                if partitions().partition_of(id.fragment()).number() == partition {
                    break id;
                }
            };
            let spread = if is_bulk { 500 * HOUR } else { 2_000 };
            let time = start + dice.time(spread);
            let (record, logged) = event(id, time, &format!("{row}.{number}"), is_bulk);
            records.push(record);
            all.push((partition, logged));
        }
        let stream = StreamId {
            name: if is_bulk {
                StreamName::EventsBulk
            } else {
                StreamName::Events
            },
            partition: PartitionId::new(partition),
        };
        let writer = Writer::process(u32::try_from(row % 3).expect("small"));
        let seq = seqs.entry((stream, writer)).or_insert(0);
        *seq += 1;
        log.append_entry(EntryRow {
            stream,
            origin: Origin { writer, seq: *seq },
            source: None,
            payload: Batch {
                records,
                ..Batch::default()
            }
            .encode_to_vec()
            .into(),
        })
        .await
        .expect("appends");
    }
    all
}

/// All pages of a search, each in the order of time. Each event was accepted within the last hour;
/// when exactly is left out.
pub(crate) async fn search(log: &EventLog, query: &EventQuery, size: usize) -> Vec<LoggedEvent> {
    let mut found = Vec::new();
    let mut after = None;
    for _ in 0..10_000 {
        let page = log.read(query, after, size).await.expect("reads");
        assert!(page.events.len() <= size);
        assert!(page.events.is_sorted_by_key(|logged| logged.time));
        let now = Timestamp::from(SystemTime::now());
        found.extend(page.events.into_iter().map(|logged| {
            let age = now.since(logged.accept_time).as_millis();
            assert!((0..3_600_000).contains(&age), "{age} ms ago");
            LoggedEvent {
                accept_time: Timestamp::MIN,
                ..logged
            }
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
    panic!("the pages do not end");
}

async fn every_search_finds_what_is_there(mut subject: Sql) {
    let log = subject.open().await;
    let all = fill(&log).await;
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    let at = |hours: i64| Timestamp::from_millis(hours * HOUR);
    let (always, never) = ((Timestamp::MIN, Timestamp::MAX), (at(5), at(5)));
    let few: Vec<CustomerId> = (0..9).map(customer).collect();
    let many: Vec<CustomerId> = (0..300).map(customer).collect();
    for (by, (from, to), size) in [
        (EventsBy::All, always, 1_000),
        (EventsBy::All, (at(100), at(101)), 7),
        (EventsBy::All, never, 7),
        (EventsBy::Partition(PartitionId::new(3)), always, 33),
        (
            EventsBy::Partition(PartitionId::new(4)),
            (at(0), at(300)),
            1,
        ),
        (EventsBy::Customers(vec![customer(5)]), always, 3),
        (EventsBy::Customers(few.clone()), (at(400), at(600)), 5),
        (EventsBy::Customers(few), always, 100),
        (EventsBy::Customers(many), (at(990), at(2_000)), 10),
        (EventsBy::Customers(vec![customer(1_000)]), always, 3),
    ] {
        let query = EventQuery {
            by,
            from,
            to,
            is_on_stream_time: false,
        };
        let mut expected: Vec<LoggedEvent> = all
            .iter()
            .filter(|(partition, logged)| {
                from <= logged.time
                    && logged.time < to
                    && match &query.by {
                        EventsBy::All => true,
                        EventsBy::Partition(only) => *partition == only.number(),
                        EventsBy::Customers(only) => only.contains(&logged.customer),
                    }
            })
            .map(|(_, logged)| logged.clone())
            .collect();
        let mut found = search(&events, &query, size).await;
        let by_id = |logged: &LoggedEvent| logged.event.event_id.clone();
        expected.sort_by_key(by_id);
        found.sort_by_key(by_id);
        assert_eq!(found.len(), expected.len(), "{query:?}");
        assert_eq!(found, expected, "{query:?}");
    }
}

#[tokio::test]
async fn every_search_finds_what_is_there_in_sqlite() {
    every_search_finds_what_is_there(Sql::sqlite()).await;
}

#[tokio::test]
async fn every_search_finds_what_is_there_in_postgres() {
    every_search_finds_what_is_there(Sql::postgres()).await;
}

#[tokio::test]
async fn narrow_rows_are_in_the_order_of_time_from_page_to_page() {
    let mut subject = Sql::sqlite();
    let log = subject.open().await;
    let id = customer(1);
    let partition = partitions().partition_of(id.fragment());
    for seq in 1..=50_u64 {
        // Two senders, one of them late.
        let millis = if seq % 2 == 0 { seq } else { seq + 20 };
        let (record, _) = event(id, millis.cast_signed() * 1_000, &seq.to_string(), false);
        let row = EntryRow {
            stream: StreamId {
                name: StreamName::Events,
                partition,
            },
            origin: Origin {
                writer: Writer::process(1),
                seq,
            },
            source: None,
            payload: Batch {
                records: vec![record],
                ..Batch::default()
            }
            .encode_to_vec()
            .into(),
        };
        log.append_entry(row).await.expect("appends");
    }
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    let query = EventQuery {
        by: EventsBy::Customers(vec![id]),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        is_on_stream_time: false,
    };
    let found = search(&events, &query, 7).await;
    assert_eq!(found.len(), 50);
    assert!(found.is_sorted_by_key(|logged| logged.time));
}

/// What a search of all finds after the first pages were read and the beginning of the log was cut:
/// the rest of what is left, without what was on those pages.
async fn a_search_goes_on_where_the_log_was_cut(mut subject: Sql) {
    let log = subject.open().await;
    let all = fill(&log).await;
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    let query = EventQuery {
        by: EventsBy::All,
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        is_on_stream_time: false,
    };
    // Places in the middle of rows, at their ends, and in several groups of partitions.
    let mut places = Vec::new();
    let mut after = None;
    loop {
        let page = events.read(&query, after, 7).await.expect("reads");
        let Some(next) = page.next else { break };
        after = Some(next);
        places.push(next);
    }
    let before: Vec<Vec<String>> = rests(&events, &query, &places).await;

    let mut removed = 0;
    for stream in streams() {
        for last in log.last_entries(stream).await.expect("reads") {
            let upto = Origin {
                seq: match last.writer.number() % 3 {
                    0 => last.seq,
                    _ => last.seq / 2,
                },
                ..last
            };
            let cut = log.cut_entries(stream, upto, Timestamp::MAX).await;
            removed += cut.expect("cuts").removed;
        }
    }
    assert!(removed > 100, "{removed} rows");
    let left: Vec<String> = search(&events, &query, 100).await.iter().map(id).collect();
    assert!(!left.is_empty() && left.len() < all.len());
    let after = rests(&events, &query, &places).await;
    for (before, after) in before.iter().zip(&after) {
        let expected: Vec<&String> = before.iter().filter(|id| left.contains(id)).collect();
        assert_eq!(after.iter().collect::<Vec<_>>(), expected);
    }
    // Nothing is found of what is gone, and all of what is not.
    let mut expected = Vec::new();
    for stream in streams() {
        for last in log.last_entries(stream).await.expect("reads") {
            let from_start = Origin { seq: 0, ..last };
            let rows = log.entries(stream, from_start, usize::MAX).await;
            for placed in rows.expect("reads") {
                let batch = Batch::decode(placed.row.payload).expect("a batch");
                let ids = batch.records.into_iter().filter_map(|record| match record {
                    Record {
                        body: Some(Body::Event(event)),
                        ..
                    } => Some(event.event_id),
                    _ => None,
                });
                expected.extend(ids);
            }
        }
    }
    let mut left = left;
    expected.sort_unstable();
    left.sort_unstable();
    assert_eq!(left, expected);
}

fn id(logged: &LoggedEvent) -> String {
    logged.event.event_id.clone()
}

fn streams() -> Vec<StreamId> {
    let names = [StreamName::Events, StreamName::EventsBulk];
    let of = |name| partitions().iter().map(move |partition| (name, partition));
    let pairs = names.into_iter().flat_map(of);
    pairs
        .map(|(name, partition)| StreamId { name, partition })
        .collect()
}

/// What is found after each place, in order of time.
async fn rests(log: &EventLog, query: &EventQuery, places: &[EventPlace]) -> Vec<Vec<String>> {
    let mut rests = Vec::new();
    for place in places.iter().step_by(9) {
        let (mut found, mut after) = (Vec::new(), Some(*place));
        while after.is_some() {
            let page = log.read(query, after, 1_000).await.expect("reads");
            found.extend(page.events);
            after = page.next;
        }
        // Pages end elsewhere in a shorter log, and each is in order by itself.
        found.sort_by_key(|logged| (logged.time, id(logged)));
        rests.push(found.iter().map(id).collect());
    }
    rests
}

#[tokio::test]
async fn a_search_goes_on_where_the_log_was_cut_in_sqlite() {
    a_search_goes_on_where_the_log_was_cut(Sql::sqlite()).await;
}

#[tokio::test]
async fn a_search_goes_on_where_the_log_was_cut_in_postgres() {
    a_search_goes_on_where_the_log_was_cut(Sql::postgres()).await;
}
