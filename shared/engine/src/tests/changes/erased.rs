//! Changes of a customer who is erased leave the store as soon as the log has them, and the last
//! that is told is the erasure.

use changes::Pending;
use hot::{MemoryStore, PENDING_CHANGES, StreamName};
use messages::stream::v1::{
    ChangeBatch, CustomerErased, Record, change_record::Kind, record::Body,
};
use prost::Message as _;

use super::desk::{Desk, Log};
use super::{add, worker};
use crate::tests::driver::{Bench, event, memory, settle, slot};

fn erased(customer: u8) -> Record {
    Record {
        body: Some(Body::Erased(CustomerErased {
            operation_id: vec![9; 16].into(),
        })),
        ..event(customer, "", "", 5)
    }
}

/// The number of states of changes.
fn stored(memory: &MemoryStore) -> usize {
    let states = memory.states(slot(0)).into_iter();
    states
        .filter(|(key, _)| key.starts_with(PENDING_CHANGES.as_bytes()))
        .count()
}

fn last_change(log: &Log) -> Option<Kind> {
    let log = log.lock().expect("nobody panics");
    let last: &Pending = log.get(&slot(0))?.last()?;
    let batch = ChangeBatch::decode(last.changes.clone()).expect("a batch");
    batch.changes.last()?.kind.clone()
}

#[tokio::test]
async fn states_of_changes_go_with_an_erased_customer() {
    let memory = memory();
    let bench = Bench::on(std::sync::Arc::new(memory.clone()));
    let log = Log::default();
    let desk = Desk::new(&log);
    let mut worker = worker(&bench, &desk, 1).await;
    for id in ["a", "b"] {
        add(&bench, id, "add").await;
        settle(&mut worker).await;
    }
    desk.write(true);
    assert_eq!(stored(&memory), 2, "what is logged stays for a while");
    bench.append(0, StreamName::Events, vec![erased(1)]).await;
    settle(&mut worker).await;
    assert_eq!(
        stored(&memory),
        1,
        "the word of the erasure is not logged yet"
    );
    desk.write(true);
    settle(&mut worker).await;
    assert_eq!(stored(&memory), 0);
    assert_eq!(
        last_change(&log),
        Some(Kind::ErasedById(vec![9; 16].into()))
    );
}
