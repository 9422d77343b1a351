//! The quarantine: a queue in the order of commits, whose entries keep their ids until they are
//! released.

use super::{SLOT, Subject, commit, opened, state, text};
use crate::{
    Commit, Committed, PageBounds, QuarantineId, QuarantineSize, SharedHotStore, StateWrite, limits,
};

pub(super) const fn id(commit_seq: u64, index: u32) -> QuarantineId {
    QuarantineId { commit_seq, index }
}

/// A commit that sets these aside and releases those.
fn aside(seq: u64, entries: &[&str], released: &[QuarantineId]) -> Commit {
    Commit {
        quarantine: entries.iter().map(|entry| text(*entry)).collect(),
        released: released.to_vec(),
        ..commit(seq)
    }
}

/// Returns the entries of a quarantine, as `id payload`.
pub(super) async fn entries(store: &SharedHotStore, after: Option<QuarantineId>) -> Vec<String> {
    let found = store
        .quarantined(SLOT, after, PageBounds::entries(99))
        .await
        .expect("a list");
    found
        .iter()
        .map(|it| format!("{} {}", it.id, String::from_utf8_lossy(&it.payload)))
        .collect()
}

async fn size(store: &SharedHotStore) -> (u64, u64) {
    let size = store.quarantine_size(SLOT).await.expect("a size");
    (size.records, size.bytes)
}

/// Entries are kept in the order of their commits and read in pages.
pub async fn quarantine_is_read_in_pages(subject: &mut impl Subject) {
    let store = opened(subject).await;
    for seq in 1..=3 {
        let [a, b] = ["a", "b"].map(|name| format!("{seq}{name}"));
        let commit = aside(seq, &[&a, &b], &[]);
        store.commit(SLOT, &commit).await.expect("commits");
    }
    let store = subject.reopen(store).await;
    assert_eq!(size(&store).await, (6, 12));
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = store
            .quarantined(SLOT, after, PageBounds::entries(4))
            .await
            .expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let page = page.into_iter().map(|it| (it.id, it.payload));
        pages.push(page.collect::<Vec<_>>());
    }
    let expected = [
        vec![
            (id(1, 0), text("1a")),
            (id(1, 1), text("1b")),
            (id(2, 0), text("2a")),
            (id(2, 1), text("2b")),
        ],
        vec![(id(3, 0), text("3a")), (id(3, 1), text("3b"))],
    ];
    assert_eq!(pages, expected);
}

/// A commit takes out what it releases and nothing else; what is gone already is no mistake.
pub async fn released_entries_leave_the_quarantine(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let none: [&str; 0] = [];
    let steps = [
        (
            aside(1, &["a", "bb", "ccc"], &[]),
            3,
            6,
            vec!["1-0 a", "1-1 bb", "1-2 ccc"],
        ),
        // Named twice, and next to some that never were.
        (
            aside(2, &[], &[id(1, 1), id(1, 1), id(1, 3), id(0, 0), id(9, 0)]),
            2,
            4,
            vec!["1-0 a", "1-2 ccc"],
        ),
        (aside(3, &[], &[id(1, 1)]), 2, 4, vec!["1-0 a", "1-2 ccc"]),
        // Tried again by this commit, and set aside once more under its own name.
        (
            aside(4, &["a"], &[id(1, 0), id(4, 0)]),
            2,
            4,
            vec!["1-2 ccc", "4-0 a"],
        ),
        (aside(5, &[], &[id(4, 0), id(1, 2)]), 0, 0, none.to_vec()),
        (aside(6, &["", "z"], &[]), 2, 1, vec!["6-0 ", "6-1 z"]),
    ];
    for (commit, records, bytes, expected) in steps {
        store.commit(SLOT, &commit).await.expect("commits");
        assert_eq!(entries(&store, None).await, expected, "{commit:?}");
        assert_eq!(size(&store).await, (records, bytes), "{commit:?}");
    }
    let store = subject.reopen(store).await;
    assert_eq!(entries(&store, None).await, ["6-0 ", "6-1 z"]);
    assert_eq!(size(&store).await, (2, 1));
}

/// A page goes on after an entry that was released meanwhile.
pub async fn a_page_of_the_quarantine_goes_on_after_what_was_released(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let first = aside(1, &["a", "b", "c"], &[]);
    store.commit(SLOT, &first).await.expect("commits");
    let second = aside(2, &["d"], &[id(1, 1)]);
    store.commit(SLOT, &second).await.expect("commits");
    for (after, expected) in [
        (None, &["1-0 a", "1-2 c", "2-0 d"][..]),
        (Some(id(0, 7)), &["1-0 a", "1-2 c", "2-0 d"]),
        (Some(id(1, 0)), &["1-2 c", "2-0 d"]),
        (Some(id(1, 1)), &["1-2 c", "2-0 d"]),
        (Some(id(1, u32::MAX)), &["2-0 d"]),
        (Some(id(2, 0)), &[]),
        (Some(id(u64::MAX, u32::MAX)), &[]),
    ] {
        assert_eq!(entries(&store, after).await, expected, "after {after:?}");
    }
}

/// A page ends before it is larger than it may be, but has its first entry whatever the size.
pub async fn a_page_of_the_quarantine_ends_by_its_bytes(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let first = aside(1, &["aaa", "bbbb"], &[]);
    store.commit(SLOT, &first).await.expect("commits");
    let second = aside(2, &["ccccc", ""], &[]);
    store.commit(SLOT, &second).await.expect("commits");
    let (a, c) = (Some(id(1, 0)), Some(id(2, 0)));
    for (after, entries, bytes, expected) in [
        (None, 9, 0, &["aaa"][..]),
        (None, 9, 3, &["aaa"]),
        (None, 9, 6, &["aaa"]),
        (None, 9, 7, &["aaa", "bbbb"]),
        (None, 9, 11, &["aaa", "bbbb"]),
        (None, 9, 12, &["aaa", "bbbb", "ccccc", ""]),
        (None, 1, 12, &["aaa"]),
        (None, 0, 12, &[]),
        (a, 9, 8, &["bbbb"]),
        (a, 9, 9, &["bbbb", "ccccc", ""]),
        (a, 2, usize::MAX, &["bbbb", "ccccc"]),
        (c, 9, 0, &[""]),
    ] {
        let page = PageBounds { entries, bytes };
        let found = store.quarantined(SLOT, after, page).await.expect("a page");
        let found: Vec<_> = found.into_iter().map(|it| it.payload).collect();
        assert_eq!(found, expected, "after {after:?}, {page:?}");
    }
}

/// The largest record is set aside whole, by a commit that is full otherwise.
pub async fn the_largest_record_is_set_aside_beside_a_full_commit(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let half = |key: &str| StateWrite {
        value: Some(vec![7; limits::STATE_BYTES - key.len()].into()),
        ..state(key, "")
    };
    let full = Commit {
        states: vec![half("a"), half("b")],
        quarantine: vec![vec![1; limits::QUARANTINED_BYTES].into(), text("small")],
        ..commit(1)
    };
    let committed = store.commit(SLOT, &full).await.expect("commits");
    assert_eq!(committed, Committed::Applied);
    let found = store
        .quarantined(SLOT, None, PageBounds::entries(1))
        .await
        .expect("a page");
    assert_eq!(found[0].payload, full.quarantine[0]);
    let bytes = limits::QUARANTINED_BYTES as u64 + 5;
    assert_eq!(size(&store).await, (2, bytes));
    let release = aside(2, &[], &[id(1, 0)]);
    store.commit(SLOT, &release).await.expect("commits");
    let left = QuarantineSize {
        records: 1,
        bytes: 5,
    };
    assert_eq!(store.quarantine_size(SLOT).await.expect("a size"), left);
}
