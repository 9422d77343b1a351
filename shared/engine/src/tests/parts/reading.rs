//! Readers outside the worker: the parts that they want, of one commit.

use super::{Bench, Book, block, book, event, feed, open, put, read, stored, watched};
use crate::read::ReadError;

#[tokio::test]
async fn only_what_is_wanted_is_loaded() {
    let (bench, _, watch) = watched().await;
    let mut worker = open(&bench, watch.clone(), 1).await;
    feed(&bench, &mut worker, vec![event(1, "a", "sow:3", 1)]).await;
    watch.take_loaded();
    let want = |book: &Book| {
        let missing = book.not_loaded();
        missing.into_iter().filter(|key| *key == block(1)).collect()
    };
    let book = read(watch.as_ref(), 1, want).await;
    let book = book.expect("it can be read").expect("it is there");
    assert_eq!(book.not_loaded(), [block(0), block(2)]);
    let loaded = watch.take_loaded();
    assert_eq!(loaded, 3, "the head, and head and block of one commit");
    let book = read(watch.as_ref(), 2, want).await;
    assert!(book.expect("it can be read").is_none());
}

/// Reads a customer whose head cannot be read, or whose parts.
async fn check(
    parts: &[(decision::PartKey, bytes::Bytes)],
    want: impl Fn(&Book) -> Vec<decision::PartKey> + Send,
    expected: &str,
) {
    let (bench, _, _) = watched().await;
    put(&bench, stored("|1||1:0:2,"), parts).await;
    match read(bench.hot.as_ref(), 1, want).await {
        Err(ReadError::Unreadable(poison)) => assert_eq!(poison.reason, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_damaged_is_told() {
    let lost = "the state lists the part 0/1/0000000000000000, and the store does not have it";
    check(&[], Book::not_loaded, lost).await;
    let damaged = "the part 0/1/0000000000000000 cannot be read: not a text";
    let part = [(block(0), bytes::Bytes::from_static(b"\xff"))];
    check(&part, Book::not_loaded, damaged).await;
    let endless = "parts are wanted again that were loaded";
    check(&[(block(0), "a,".into())], |_| vec![block(0)], endless).await;
}

#[tokio::test]
async fn head_and_parts_are_of_one_commit() {
    let bench = Bench::new().await;
    let mut worker = open(&bench, bench.hot.clone(), 1).await;
    feed(&bench, &mut worker, vec![event(1, "a", "sow:6", 1)]).await;
    let write = async {
        for n in 0..200 {
            // Each stamps every block with the same, and now and then a new block is there.
            let what = if n % 10 == 9 { "renew" } else { "stamp" };
            feed(&bench, &mut worker, vec![event(1, &n.to_string(), what, 1)]).await;
        }
    };
    let read = async {
        let mut reads = 0;
        loop {
            let blocks = book(&bench, 1).await.expect("it is there").blocks();
            let first = blocks[0].clone();
            assert!(
                reads == 0 || blocks.iter().all(|it| *it == first),
                "{blocks:?}"
            );
            if first == "199" {
                return;
            }
            reads += usize::from(first != "a,0");
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
}
