//! The event log has receipts, and no copies.

use bytes::Bytes;
use hot::{Origin, Owner, Slot, StreamId, StreamName, Writer};
use journal::contract::Subject;
use journal::{CommitRow, EntryRow, EventLog, EventQuery, EventsBy};
use kernel::Timestamp;
use messages::stream::v1::{Batch, Record};
use prost::Message;

use crate::events::{customer, event, partitions, search};
use crate::sql::Sql;

/// The payload of an entry of records.
fn payload_of(records: Vec<Record>) -> Bytes {
    let batch = Batch {
        records,
        ..Batch::default()
    };
    batch.encode_to_vec().into()
}

/// A receipt is found like any other event, and a copy of an event is not.
async fn receipts_are_found_and_copies_are_not(mut subject: Sql) {
    let log = subject.open().await;
    let id = customer(1);
    let partition = partitions().partition_of(id.fragment());
    let slot = Slot {
        owner: Owner::Activation,
        partition,
    };
    subject.lease(slot, 1).await;
    let stream = StreamId {
        name: StreamName::Events,
        partition,
    };
    let (accepted, logged) = event(id, 1_000, "accepted", false);
    let (mut copied, _) = event(id, 2_000, "copied", false);
    copied.forwarded_from_id = copied.customer_id.clone();
    for (records, seq) in [(vec![accepted, copied.clone()], 1), (vec![copied], 2)] {
        let row = EntryRow {
            stream,
            origin: Origin {
                writer: Writer::process(1),
                seq,
            },
            source: None,
            payload: payload_of(records),
        };
        log.append_entry(row).await.expect("appends");
    }
    let (receipt, told) = event(id, 3_000, "receipt", false);
    let records = vec![receipt];
    let commit = CommitRow {
        slot,
        seq: 1,
        epoch: 1,
        batch_id: 7,
        payload: vec![1].into(),
        events: vec![(stream.name, payload_of(records))],
    };
    log.append_commit(commit).await.expect("appends");

    let events = EventLog::open(subject.database(), partitions())
        .await
        .expect("opens");
    for by in [EventsBy::Customers(vec![id]), EventsBy::All] {
        let query = EventQuery {
            by,
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            is_on_stream_time: false,
        };
        let found = search(&events, &query, 7).await;
        assert_eq!(found, [logged.clone(), told.clone()]);
    }
}

#[tokio::test]
async fn receipts_are_found_on_sqlite() {
    receipts_are_found_and_copies_are_not(Sql::sqlite()).await;
}

#[tokio::test]
async fn receipts_are_found_on_postgres() {
    receipts_are_found_and_copies_are_not(Sql::postgres()).await;
}
