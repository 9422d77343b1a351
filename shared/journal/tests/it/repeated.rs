//! The event log of senders who repeat themselves: each event is found once.

use hot::{Origin, StreamId, StreamName, Writer};
use journal::contract::Subject;
use journal::{EntryRow, EventLog, EventQuery, EventsBy, LoggedEvent, SharedLog};
use kernel::{AcceptMinute, CustomerId, EventIdHash, Repetitions, Timestamp};
use messages::stream::v1::{Batch, Record};
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;
use prost::Message;

use crate::events::{customer, event, partitions, search};
use crate::sql::Sql;

const HOUR: i64 = 3_600_000;

/// Puts a row of one customer's events into the log, each with its id and its time.
async fn put(log: &SharedLog, seq: u64, whose: CustomerId, is_bulk: bool, events: &[(&str, i64)]) {
    let records: Vec<Record> = events
        .iter()
        .map(|(id, millis)| event(whose, *millis, id, is_bulk).0)
        .collect();
    let name = if is_bulk {
        StreamName::EventsBulk
    } else {
        StreamName::Events
    };
    let row = EntryRow {
        stream: StreamId {
            name,
            partition: partitions().partition_of(whose.fragment()),
        },
        origin: Origin {
            writer: Writer::process(1),
            seq,
        },
        source: None,
        payload: Batch {
            records,
            ..Batch::default()
        }
        .encode_to_vec()
        .into(),
    };
    log.append_entry(row).await.expect("appends");
}

/// The ids and times of what a search finds, in the order of both.
async fn found(
    log: &EventLog,
    by: EventsBy,
    is_on_stream_time: bool,
    size: usize,
) -> Vec<(String, i64)> {
    let query = EventQuery {
        by,
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        is_on_stream_time,
    };
    let found = search(log, &query, size).await.into_iter();
    let mut found: Vec<(String, i64)> = found
        .map(|logged| (logged.event.event_id, logged.time.as_millis()))
        .collect();
    found.sort_unstable();
    found
}

async fn an_event_that_was_sent_again_is_found_once(mut subject: Sql) {
    let log = subject.open().await;
    let (one, other, stranger) = (customer(1), customer(2), customer(3));
    put(
        &log,
        1,
        one,
        false,
        &[("a", HOUR), ("b", 2 * HOUR), ("a", HOUR)],
    )
    .await;
    put(&log, 2, one, false, &[("b", 2 * HOUR)]).await;
    // An import has it among what is much older and much younger.
    put(
        &log,
        3,
        one,
        true,
        &[("c", -9_000 * HOUR), ("a", HOUR), ("d", 9_000 * HOUR)],
    )
    .await;
    // Without a time, so that each has that of its arrival.
    put(&log, 4, one, false, &[("e", 5 * HOUR)]).await;
    put(&log, 5, one, false, &[("e", 20 * HOUR)]).await;
    // Sent again once the customer had another id.
    put(&log, 6, other, false, &[("b", 2 * HOUR), ("f", 3 * HOUR)]).await;
    put(
        &log,
        7,
        stranger,
        false,
        &[("b", 2 * HOUR), ("b", 2 * HOUR)],
    )
    .await;
    put(&log, 8, one, false, &[("", HOUR), ("", HOUR)]).await;
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    for size in [1, 2, 100] {
        let ids = |found: Vec<(String, i64)>| -> String {
            found.into_iter().map(|(id, _)| format!("{id}.")).collect()
        };
        let by = EventsBy::Customers(vec![one, other]);
        let all = ids(found(&events, by, false, size).await);
        assert_eq!(all, "..a.b.c.d.e.f.", "{size} a page");
        let by = EventsBy::Customers(vec![stranger]);
        assert_eq!(ids(found(&events, by, false, size).await), "b.");
        // Of a search of all, each id is a customer, and the same time tells a repetition.
        let mut all = found(&events, EventsBy::All, false, size).await;
        all.retain(|(id, _)| id != "e");
        assert_eq!(ids(all), "..a.b.b.b.c.d.f.", "{size} a page");
    }
}

#[tokio::test]
async fn what_repeats_an_event_that_did_not_count_itself_is_not_left_out_of_a_partition() {
    let mut subject = Sql::sqlite();
    let log = subject.open().await;
    let whose = customer(1);
    // The second repeats the first, and does not make its day longer: so the third counts.
    for (seq, hours) in [(1, 0), (2, 13), (3, 26), (4, 27)] {
        put(&log, seq, whose, false, &[("a", hours * HOUR)]).await;
    }
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    let own = partitions().partition_of(whose.fragment());
    for by in [EventsBy::Partition(own), EventsBy::All] {
        for (from, expected) in [(0, vec![0, 26]), (12, vec![26]), (14, vec![26])] {
            let query = EventQuery {
                by: by.clone(),
                from: Timestamp::from_millis(from * HOUR),
                to: Timestamp::MAX,
                is_on_stream_time: true,
            };
            let page = events.read(&query, None, 100).await.expect("reads");
            let hours = |events: &[LoggedEvent]| -> Vec<i64> {
                let times = events.iter().map(|logged| logged.time.as_millis());
                times.map(|millis| millis / HOUR).collect()
            };
            assert_eq!(hours(&page.events), expected, "{by:?} from {from}");
            let all = [0, 13, 26, 27].into_iter().filter(|it| *it >= from);
            let left_out: Vec<i64> = all.filter(|it| !expected.contains(it)).collect();
            assert_eq!(hours(&page.left_out), left_out, "{by:?} from {from}");
        }
    }
}

#[tokio::test]
async fn an_event_that_was_sent_again_is_found_once_in_sqlite() {
    an_event_that_was_sent_again_is_found_once(Sql::sqlite()).await;
}

#[tokio::test]
async fn an_event_that_was_sent_again_is_found_once_in_postgres() {
    an_event_that_was_sent_again_is_found_once(Sql::postgres()).await;
}

/// Compares what is found with the rule, for a customer with two ids who repeats at random.
async fn check_random(seed: u64) {
    let mut dice = seed;
    let mut below = |end: i64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33).cast_signed() % end
    };
    let mut subject = Sql::sqlite();
    let log = subject.open().await;
    let ids = [customer(1), customer(2)];
    let mut all: Vec<(i64, String)> = Vec::new();
    for seq in 1..=120 {
        let whose = ids[usize::try_from(below(2)).expect("small")];
        let start = below(100 * HOUR);
        let events: Vec<(String, i64)> = (0..=below(4))
            .map(|_| (format!("e-{}", below(60)), start + below(2 * HOUR)))
            .collect();
        let named: Vec<(&str, i64)> = events.iter().map(|(id, at)| (id.as_str(), *at)).collect();
        put(&log, seq, whose, below(5) == 0, &named).await;
        all.extend(events.into_iter().map(|(id, at)| (at, id)));
    }
    all.sort_unstable();
    let mut rule = Repetitions::default();
    let mut expected: Vec<(String, i64)> = Vec::new();
    for (at, id) in all {
        let hash = EventIdHash::of(&id).expect("an id");
        if !rule.is_repeated(hash, AcceptMinute::of(Timestamp::from_millis(at))) {
            expected.push((id, at));
        }
    }
    expected.sort_unstable();
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    for size in [1, 9, 1_000] {
        let by = EventsBy::Customers(ids.to_vec());
        let found = found(&events, by, true, size).await;
        let wrong = found.iter().find(|event| !expected.contains(event));
        assert_eq!(wrong, None, "{size} a page");
        assert_eq!(found.len(), expected.len(), "{size} a page");
    }
}

/// An id that comes again after a day and half a minute, in the minute of the first, is repeated.
#[tokio::test]
async fn a_repetition_in_the_last_minute_of_a_day_is_left_out() {
    let mut subject = Sql::sqlite();
    let log = subject.open().await;
    let whose = customer(1);
    let day = 24 * HOUR;
    for (seq, at) in [(1, 1_000), (2, day + 31_000), (3, day + 61_000)] {
        put(&log, seq, whose, false, &[("a", at)]).await;
    }
    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    for size in [1, 2, 3] {
        let by = EventsBy::Customers(vec![whose]);
        let found = found(&events, by, true, size).await;
        let times: Vec<i64> = found.into_iter().map(|(_, at)| at).collect();
        assert_eq!(times, [1_000, day + 61_000], "{size} a page");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn what_is_found_of_repetitions_follows_the_rule(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(check_random(seed));
    }
}
