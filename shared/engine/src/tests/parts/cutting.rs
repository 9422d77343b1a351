//! Batches are cut so that their commits fit, and what an input writes does not grow with its
//! customer.

use hot::limits::{COMMIT_BYTES, STATES_PER_COMMIT};
use hot::{Cursor, StreamName};

use super::{feed, open, reasons, watched};
use crate::tests::driver::{event, stream, trim_output};
use crate::tests::faulty::Written;

/// Feeds one entry. Returns what its commits wrote, and whether the store took each of them.
async fn commits(before: &str, what: &str, customers: u8) -> Vec<Written> {
    let (bench, _, watch) = watched().await;
    let mut worker = open(&bench, watch.clone(), 1).await;
    let records = |what: &str| {
        (0..customers)
            .map(|n| event(n, "a", what, 1))
            .collect::<Vec<_>>()
    };
    feed(&bench, &mut worker, records(before)).await;
    watch.take_commits();
    let batches = feed(&bench, &mut worker, records(what)).await;
    let commits = watch.take_commits();
    assert_eq!(batches, commits.len(), "no commit was refused for its size");
    assert_eq!(reasons(&bench).await, [""; 0]);
    let facts = bench.facts(0).await;
    assert_eq!(facts.len(), 2 * usize::from(customers), "all took effect");
    commits
}

#[tokio::test]
async fn large_parts_of_many_customers_are_cut_to_commits_that_fit() {
    let commits = commits("add", "grow:40000", 60).await;
    assert!((3..=6).contains(&commits.len()), "{commits:?}");
    assert!(
        commits.iter().all(|it| it.bytes < COMMIT_BYTES * 2 / 3),
        "{commits:?}"
    );
}

#[tokio::test]
async fn many_parts_of_many_customers_are_cut_to_commits_that_fit() {
    let commits = commits("sow:6", "all", 120).await;
    let states: usize = commits.iter().map(|it| it.states).sum();
    assert_eq!(states, 120 * 7, "each head and six blocks");
    assert!(commits.len() <= 5, "{commits:?}");
    assert!(commits.iter().all(|it| it.states < 300), "{commits:?}");
}

#[tokio::test]
async fn the_largest_change_of_one_customer_fits() {
    let commits = commits("sow:512", "remove", 3).await;
    assert_eq!(commits.len(), 3, "each by itself");
    assert!(
        commits
            .iter()
            .all(|it| it.states == 513 && it.states < STATES_PER_COMMIT)
    );
}

#[tokio::test]
async fn what_an_input_writes_does_not_grow_with_its_customer() {
    let (bench, _, watch) = watched().await;
    let mut worker = open(&bench, watch.clone(), 1).await;
    let mut written = Vec::new();
    for thousand in 0..20 {
        for n in 0..1_000 {
            let id = format!("{:06}", thousand * 1_000 + n);
            // One in twenty changes the oldest block of all.
            let what = if n % 20 == 19 { "first" } else { "add" };
            assert_eq!(
                feed(&bench, &mut worker, vec![event(1, &id, what, 1)]).await,
                1
            );
            if n % 100 == 0 {
                // Nobody reads them, and the worker would wait for its reader.
                let facts = stream(0, StreamName::Facts);
                let all = Cursor {
                    major: u64::MAX,
                    minor: u64::MAX,
                };
                trim_output(bench.hot.as_ref(), facts, all).await;
            }
        }
        let commits = watch.take_commits();
        assert_eq!(commits.len(), 1_000);
        written.push(commits.iter().map(|it| it.bytes).sum::<usize>());
    }
    // The numbers of its blocks have one digit more.
    assert!(written[19] <= written[1] * 11 / 10, "{written:?}");
    assert!(written[19] < 250 * 1_000, "{written:?}");
    assert!(watch.take_loaded() <= 1, "one customer is kept");
    assert_eq!(reasons(&bench).await, [""; 0]);
}
