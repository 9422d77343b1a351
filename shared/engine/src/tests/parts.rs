//! States in parts: loaded where they are needed, written where they changed, removed with their
//! customer.

mod cutting;
mod history;
mod merging;
mod reading;

use std::sync::Arc;

use bytes::Bytes;
use decision::{Core, PartKey};
use hot::{Commit, HotStore, MemoryStore, SharedHotStore, StateWrite, StreamName, Timer};
use kernel::{CustomerId, PartitionId};
use messages::stream::v1::Record;

use super::chronicle::{Book, Chronicle, block};
use super::driver::{Bench, event, key, memory, settle, slot};
use super::faulty::Faulty;
use super::poison::reasons;
use crate::TimeSource;
use crate::head::{self, Head};
use crate::read::{ReadError, read_customer};
use crate::worker::Worker;

fn customer(number: u8) -> CustomerId {
    CustomerId::try_from_bytes(&[number; 16]).expect("an id")
}

/// A store in memory that is watched, and what looks at it.
async fn watched() -> (Bench, MemoryStore, Arc<Faulty>) {
    let memory = memory();
    let bench = Bench::new().await.over(Arc::new(memory.clone()));
    let watch = Faulty::watching(Arc::new(memory.clone()));
    (bench, memory, watch)
}

async fn open(bench: &Bench, hot: SharedHotStore, epoch: u64) -> Worker<Chronicle> {
    let config = bench.config_of(hot, TimeSource::Stream);
    Worker::open(config, PartitionId::new(0), epoch)
        .await
        .expect("it opens")
}

/// Appends one entry, and does all there is. How many batches that took.
async fn feed(bench: &Bench, worker: &mut Worker<Chronicle>, records: Vec<Record>) -> usize {
    bench.append(0, StreamName::Events, records).await;
    settle(worker).await
}

/// Reads a customer's book, and what is wanted of it.
async fn read(
    hot: &dyn HotStore,
    number: u8,
    want: impl Fn(&Book) -> Vec<PartKey> + Send,
) -> Result<Option<Book>, ReadError> {
    let want = move |_: &Head, book: &Book| want(book);
    let read = read_customer::<Chronicle>(hot, slot(0), customer(number), want).await?;
    Ok(read.map(|(_, book)| book))
}

/// All of a customer's book.
async fn book(bench: &Bench, number: u8) -> Option<Book> {
    let read = read(bench.hot.as_ref(), number, Book::not_loaded);
    read.await.expect("it can be read")
}

/// A head as it is stored.
fn stored(text: &str) -> Bytes {
    let book = Chronicle::decode(text.as_bytes()).expect("a head");
    head::write::<Chronicle>(&Head::plain(), &book)
}

/// Commits a head of the first customer and parts as they are given, before any worker is there.
async fn put(bench: &Bench, head: Bytes, parts: &[(PartKey, Bytes)]) {
    let head = (key(1), head);
    let parts = parts.iter().map(|(part, value)| {
        let key = part.of_customer(customer(1));
        (key, value.clone())
    });
    let states = std::iter::once(head).chain(parts);
    let commit = Commit {
        epoch: 1,
        seq: 1,
        batch_id: 7,
        states: states
            .map(|(key, value)| StateWrite {
                key,
                value: Some(value),
                timer: Timer::NONE,
                adds_entry: false,
            })
            .collect(),
        ..Commit::default()
    };
    bench.hot.open(slot(0), 1).await.expect("it opens");
    let committed = bench.hot.commit(slot(0), &commit).await;
    committed.expect("it commits");
}

#[tokio::test]
async fn a_part_that_is_missing_is_loaded_and_of_the_rest_only_states_without_parts_are_read_again()
{
    let (bench, _, watch) = watched().await;
    let mut worker = open(&bench, watch.clone(), 1).await;
    let sown = vec![event(1, "a", "sow:3", 1), event(2, "b", "add", 1)];
    feed(&bench, &mut worker, sown).await;
    // What a core names before a step is there for it. Each part that it does not name makes the
    // batch void, and then the second customer, of whom nothing is kept apart, is read again.
    for (reads, epoch, loaded) in [("read", 2, 6), ("seek", 3, 4)] {
        let mut worker = open(&bench, watch.clone(), epoch).await;
        let records = || {
            vec![
                event(1, "c", &format!("{reads}:0"), 1),
                event(2, "d", "add", 1),
                event(1, "e", &format!("{reads}:1"), 1),
            ]
        };
        watch.take_loaded();
        assert_eq!(feed(&bench, &mut worker, records()).await, 1, "one batch");
        assert_eq!(watch.take_loaded(), loaded, "two heads, two blocks");
        feed(&bench, &mut worker, records()).await;
        assert_eq!(watch.take_loaded(), 0, "they are kept");
        let facts = bench.facts(0).await;
        assert_eq!(facts[facts.len() - 3..], ["c a,0@1", "d@1", "e 1@1"]);
    }
    assert_eq!(reasons(&bench).await, [""; 0]);
}

#[tokio::test]
async fn a_part_that_cannot_be_had_is_poison() {
    let (bench, _, watch) = watched().await;
    let head = stored("|2||1:0:10,1:1:10,");
    put(&bench, head, &[(block(1), "z,".into())]).await;
    let mut worker = open(&bench, watch, 2).await;
    let records = vec![
        event(1, "a", "read:0", 1),
        event(1, "b", "add", 1),
        event(1, "c", "seek:0", 1),
        event(1, "d", "insist:1", 1),
        event(1, "e", "read:1", 1),
    ];
    feed(&bench, &mut worker, records).await;
    let lost = "the state lists the part 0/1/0000000000000000, and the store does not have it";
    let again = "the step asks for the part 0/1/0000000000000001 again, which it was given";
    assert_eq!(reasons(&bench).await, [lost, lost, again]);
    assert_eq!(bench.facts(0).await, ["b@1", "e z@1"]);
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_poison() {
    let (bench, memory, watch) = watched().await;
    let damaged = Bytes::from_static(b"\xff\xfe");
    put(&bench, stored("|1||1:0:2,"), &[(block(0), damaged)]).await;
    let mut worker = open(&bench, watch, 2).await;
    feed(&bench, &mut worker, vec![event(1, "a", "amend:0", 1)]).await;
    let reason = "the part 0/1/0000000000000000 cannot be read: not a text";
    assert_eq!(reasons(&bench).await, [reason]);
    assert_eq!(memory.states(slot(0)).len(), 2, "both are left alone");
}

#[tokio::test]
async fn a_customer_goes_with_all_parts() {
    let (bench, memory, watch) = watched().await;
    let most = decision::limits::PARTS_PER_CUSTOMER;
    let sow = format!("sow:{most}");
    let mut worker = open(&bench, watch.clone(), 1).await;
    feed(&bench, &mut worker, vec![event(1, "a", &sow, 1)]).await;
    assert_eq!(memory.states(slot(0)).len(), most + 1);
    // Another one, who knows none of the parts but from the head.
    let mut worker = open(&bench, watch, 2).await;
    feed(&bench, &mut worker, vec![event(1, "b", "remove", 1)]).await;
    assert!(memory.states(slot(0)).is_empty());
    assert_eq!(reasons(&bench).await, [""; 0]);
}

#[tokio::test]
async fn a_customer_who_goes_and_comes_back_in_one_batch_leaves_nothing_behind() {
    let (bench, memory, watch) = watched().await;
    let mut worker = open(&bench, watch, 1).await;
    let records = vec![event(1, "a", "sow:5", 1), event(1, "b", "amend:1", 1)];
    feed(&bench, &mut worker, records).await;
    let records = vec![
        event(1, "c", "amend:0", 1),
        event(1, "d", "remove", 1),
        event(1, "e", "sow:2", 1),
    ];
    assert_eq!(feed(&bench, &mut worker, records).await, 1, "one batch");
    let found = memory.states(slot(0));
    assert_eq!(found.len(), 3, "a head and two blocks: {found:?}");
    let book = book(&bench, 1).await.expect("it is back");
    assert_eq!(book.text(), "None 2 e,0 1 | ");
    feed(&bench, &mut worker, vec![event(1, "f", "remove", 1)]).await;
    assert!(memory.states(slot(0)).is_empty());
}

#[tokio::test]
async fn parts_of_unknown_kinds_are_carried_along() {
    let (bench, memory, watch) = watched().await;
    let unknown = PartKey {
        ordinal: 0,
        kind: 9,
        name: 5,
    };
    put(&bench, stored("|0||9:5:6,"), &[(unknown, "secret".into())]).await;
    let mut worker = open(&bench, watch, 2).await;
    let records = (0..9).map(|n| event(1, &n.to_string(), "add", 1)).collect();
    feed(&bench, &mut worker, records).await;
    let stored = bench
        .hot
        .load(slot(0), &[unknown.of_customer(customer(1))])
        .await;
    let stored = stored.expect("it loads").remove(0).expect("it is there");
    assert_eq!(stored.value, "secret");
    let book = book(&bench, 1).await.expect("a book");
    assert_eq!(book.unknown.keys_apart().collect::<Vec<_>>(), [unknown]);
    feed(&bench, &mut worker, vec![event(1, "x", "remove", 1)]).await;
    assert!(memory.states(slot(0)).is_empty());
}

#[tokio::test]
async fn a_cache_follows_its_share() {
    let (bench, _, watch) = watched().await;
    let mut worker = open(&bench, watch.clone(), 1).await;
    let records = |what: &str| (0..20).map(|n| event(n, "a", what, 1)).collect::<Vec<_>>();
    feed(&bench, &mut worker, records("sow:3")).await;
    let shares = [(1 << 20, 0), (0, 40), (0, 40), (1 << 20, 40), (1 << 20, 0)];
    for (number, (share, loaded)) in shares.into_iter().enumerate() {
        worker.share_cache(share);
        watch.take_loaded();
        feed(&bench, &mut worker, records("seek:0")).await;
        assert_eq!(watch.take_loaded(), loaded, "{number}: {share}");
    }
}
