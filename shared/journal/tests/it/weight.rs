//! Pages of large events end before they weigh more than a client takes.

use hot::{Origin, StreamId, StreamName, Writer};
use journal::contract::Subject;
use journal::{EntryRow, EventLog, EventQuery, EventsBy};
use kernel::Timestamp;
use messages::json::object_text;
use messages::stream::v1::record::Body;
use messages::stream::v1::value::Kind;
use messages::stream::v1::{Batch, NamedValue, Value};
use prost::Message;

use crate::events::{customer, event, partitions};
use crate::sql::Sql;

/// Bytes that a page of events may have, as they are stored: an answer shows them in at most twice
/// as many.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

#[tokio::test]
async fn a_page_of_large_events_ends_early_and_the_next_goes_on_there() {
    let mut subject = Sql::sqlite();
    let log = subject.open().await;
    let id = customer(1);
    let partition = partitions().partition_of(id.fragment());
    // Ten in a row, so that pages end within rows too.
    for seq in 1..=20_u64 {
        let records = (0..10_u64).map(|number| {
            let millis = (seq * 10 + number).cast_signed();
            let (mut record, _) = event(id, millis, &format!("{seq}.{number}"), false);
            if let Some(Body::Event(event)) = &mut record.body {
                // Half of them are large only where they are shown.
                if number % 2 == 0 {
                    event.name = "x".repeat(30 * 1024);
                } else {
                    let kind = Some(Kind::Text("\u{1}".repeat(8 * 1024)));
                    event.properties = vec![NamedValue {
                        name: "x".to_owned(),
                        value: Some(Value { kind }),
                    }];
                }
            }
            record
        });
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
                records: records.collect(),
                ..Batch::default()
            }
            .encode_to_vec()
            .into(),
        };
        log.append_entry(row).await.expect("appends");
    }
    let events = EventLog::open(subject.database(), partitions()).await;
    let events = events.expect("opens");
    let query = EventQuery {
        by: EventsBy::Customers(vec![id]),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        is_on_stream_time: false,
    };
    let (mut after, mut ids, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = events.read(&query, after, 1_000).await.expect("reads");
        let shown = page.events.iter().map(|it| {
            let json = object_text(&it.event.properties);
            it.event.name.len() + json.len()
        });
        let bytes: usize = shown.sum();
        assert!(bytes < PAGE_BYTES, "{bytes}");
        ids.extend(page.events.into_iter().map(|it| it.event.event_id));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(pages >= 3, "{pages}");
    assert_eq!(ids.len(), 200);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200, "each once");
}
