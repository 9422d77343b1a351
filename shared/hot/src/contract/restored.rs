//! Restores behind a gate: a slot from its snapshot and its commits.

use kernel::Timestamp;

use super::counters::{changes, counters};
use super::gate::{FACTS, MINE, close};
use super::quarantine::{entries, id};
use super::{
    SLOT, Subject, at, commit, opened, payloads, removed, restorable, state, stream, text, timed,
    values,
};
use crate::marks::{Marks, Part};
use crate::{
    Commit, Committed, Cursor, Head, HotError, Origin, OutboxMessage, Quarantined, RestoredHead,
    SharedHotStore, StateRestore, StreamName, Timer, Writer,
};

/// Marks of processes, and the entry of process 4 of which one record is in effect.
fn marks(seen: &[(u32, u64)], part: Option<u64>) -> Marks {
    let seen = seen.iter();
    Marks {
        seen: seen
            .map(|(writer, seq)| (Writer::process(*writer), *seq))
            .collect(),
        part: part.map(|seq| Part {
            origin: Some(Origin {
                writer: Writer::process(4),
                seq,
            }),
            index: 1,
        }),
    }
}

/// The commits of a journal: one of everything, timers that move, and what is taken away again.
fn journal() -> Vec<Commit> {
    let (a1, a) = timed("a", "a1", Timer::NONE, Some(100));
    let (a2, a) = timed("a", "a2", a, Some(9_000_000));
    let (a4, _) = timed("a", "a4", a, Some(9_900_000));
    let (b1, b) = timed("b", "b1", Timer::NONE, Some(-7));
    let (b3, _) = timed("b", "b3", b.fired(), None);
    let message = |payload: &str| OutboxMessage {
        to: FACTS,
        payload: text(payload),
    };
    vec![
        Commit {
            states: vec![a1, b1, state("c", "c1")],
            outbox: vec![message("one"), message("two")],
            counters: changes(&[("j/1", "runs", 1), ("j/1", "exits", 5), ("j/0", "runs", 2)]),
            marks: vec![(StreamName::Facts, marks(&[(3, 1), (4, 1)], Some(2)))],
            cursors: vec![(StreamName::Facts, Cursor { major: 7, minor: 9 })],
            watermark: Some(at(50)),
            quarantine: vec![text("poison"), text("bane"), text("toxin")],
            outputs: vec![(StreamName::Actions, text("never seen"))],
            ..commit(1)
        },
        Commit {
            states: vec![a2],
            counters: changes(&[("j/1", "exits", -1)]),
            released: vec![id(1, 2)],
            ..commit(2)
        },
        Commit {
            states: vec![
                b3,
                removed("c"),
                timed("d", "d3", Timer::NONE, Some(i64::MAX)).0,
            ],
            fired: vec![(text("b"), at(-7))],
            outbox: vec![message("three")],
            dropped_groups: vec!["j/0".into()],
            counters: changes(&[("j/1", "runs", 2), ("j/2", "runs", 4)]),
            marks: vec![(StreamName::Facts, marks(&[(3, 2)], None))],
            quarantine: vec![text("venom")],
            released: vec![id(1, 1), id(1, 2)],
            ..commit(3)
        },
        Commit {
            epoch: 2,
            states: vec![a4],
            watermark: Some(at(60)),
            ..commit(4)
        },
    ]
}

/// The snapshot after two commits of the journal, in two parts.
fn snapshot() -> [StateRestore; 2] {
    let commits = journal();
    let states = StateRestore {
        states: vec![
            commits[1].states[0].clone(),
            commits[0].states[1].clone(),
            commits[0].states[2].clone(),
        ],
        ..StateRestore::default()
    };
    let rest = StateRestore {
        counters: changes(&[("j/1", "runs", 1), ("j/1", "exits", 4), ("j/0", "runs", 2)]),
        quarantine: [(0, "poison"), (1, "bane")]
            .map(|(index, payload)| Quarantined {
                id: id(1, index),
                payload: text(payload),
            })
            .into(),
        head: Some(RestoredHead {
            commit_seq: 2,
            batch_id: commits[1].batch_id,
            watermark: Some(at(50)),
            marks: commits[0].marks.iter().cloned().collect(),
            outbox_seq: 2,
            forwarded_seq: 1,
            outbox: vec![(2, commits[0].outbox[1].clone())],
        }),
        ..StateRestore::default()
    };
    [states, rest]
}

/// A partition that was lost is made anew from a snapshot and the commits after it, with all its
/// timers, even where parts are written twice.
pub async fn a_partition_is_restored_from_its_journal(subject: &mut impl Subject) {
    let store = subject.empty().await;
    let gates = restorable(subject).await;
    close(&gates, MINE).await;
    for part in snapshot() {
        for _ in 0..2 {
            gates
                .restore_states(SLOT, MINE, &part)
                .await
                .expect("restores");
        }
    }
    let commits = journal();
    let error = gates.restore_commits(SLOT, MINE, 3, &commits[3]).await;
    assert!(
        matches!(error, Err(HotError::Gap { current: 2, .. })),
        "{error:?}"
    );
    for commit in &commits[1..] {
        for _ in 0..2 {
            gates
                .restore_commits(SLOT, MINE, commit.seq - 1, commit)
                .await
                .expect("restores");
        }
    }
    let opened = gates.open_gate(SLOT.partition, MINE, &[]).await;
    opened.expect("opens");

    let store = subject.reopen(store).await;
    let head = store.open(SLOT, 3).await.expect("opens");
    let expected = Head {
        epoch: 3,
        commit_seq: 4,
        cursors: Vec::new(),
        watermark: Some(at(60)),
        next_due: Some(Timestamp::MIN),
        marks: [(StreamName::Facts, marks(&[(3, 2), (4, 1)], None))].into(),
        forwarded_seq: 1,
    };
    assert_eq!(head, expected);
    let expected = ["j/1:exits=4", "j/1:runs=3", "j/2:runs=4"];
    assert_eq!(counters(&store).await, expected);
    let found = values(&store, &["a", "b", "c", "d"]).await;
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    assert_eq!(found, [Some("a4"), Some("b3"), None, Some("d3")]);
    let outbox = store.outbox(SLOT, 0, 9).await.expect("an outbox");
    let numbers: Vec<_> = outbox
        .iter()
        .map(|it| (it.seq, it.message.payload.clone()))
        .collect();
    assert_eq!(numbers, [(2, text("two")), (3, text("three"))]);
    assert_eq!(entries(&store, None).await, ["1-0 poison", "3-0 venom"]);
    let size = store.quarantine_size(SLOT).await.expect("a size");
    assert_eq!((size.records, size.bytes), (2, 11));
    assert!(
        payloads(&store, stream(StreamName::Actions))
            .await
            .is_empty()
    );
    every_timer_has_its_entry(&store, &["a", "b", "c", "d"]).await;
    // Whoever waits for this slot waits until its owner has said when its next timer is due.
    let frontier = store.frontier(SLOT.partition, &[FACTS.name]).await;
    assert_eq!(frontier.expect("a frontier").time, Timestamp::MIN);

    let next = Commit {
        epoch: 3,
        quarantine: vec![text("third")],
        released: vec![id(1, 0)],
        outbox: outbox.iter().map(|it| it.message.clone()).collect(),
        ..commit(5)
    };
    assert_eq!(
        store.commit(SLOT, &next).await.expect("commits"),
        Committed::Applied
    );
    assert_eq!(entries(&store, None).await, ["3-0 venom", "5-0 third"]);
    let outbox = store.outbox(SLOT, 3, 9).await.expect("an outbox");
    assert_eq!(outbox.iter().map(|it| it.seq).collect::<Vec<_>>(), [4, 5]);
}

/// Commits that follow each other are restored as one, which is there or not.
pub async fn a_run_of_commits_is_restored_at_once(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let gates = restorable(subject).await;
    let first = Commit {
        states: vec![state("a", "a1")],
        outbox: vec![OutboxMessage {
            to: FACTS,
            payload: text("one"),
        }],
        ..commit(1)
    };
    store.commit(SLOT, &first).await.expect("commits");
    close(&gates, MINE).await;
    let run = Commit {
        states: vec![state("a", "a4"), state("b", "b3")],
        outbox: vec![OutboxMessage {
            to: FACTS,
            payload: text("two"),
        }],
        counters: changes(&[("j/1", "runs", 3)]),
        ..commit(4)
    };
    for before in [0, 2, 3] {
        let error = gates.restore_commits(SLOT, MINE, before, &run).await;
        assert!(
            matches!(error, Err(HotError::Gap { current: 1, .. })),
            "{error:?}"
        );
    }
    for (before, run) in [(1, &run), (1, &run), (2, &commit(3)), (0, &first)] {
        let restored = gates.restore_commits(SLOT, MINE, before, run).await;
        restored.expect("it is there");
    }
    let opened = gates.open_gate(SLOT.partition, MINE, &[]).await;
    opened.expect("opens");
    assert_eq!(store.open(SLOT, 3).await.expect("opens").commit_seq, 4);
    let found = values(&store, &["a", "b"]).await;
    assert_eq!(found, [Some("a4".to_owned()), Some("b3".to_owned())]);
    assert_eq!(counters(&store).await, ["j/1:runs=3"]);
    let outbox = store.outbox(SLOT, 0, 9).await.expect("an outbox");
    assert_eq!(outbox.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2]);
}

/// Checks that every timer that is set is found again by an entry that counts.
async fn every_timer_has_its_entry(store: &SharedHotStore, keys: &[&str]) {
    let due = store.due(SLOT, at(i64::MAX), 99).await.expect("due");
    let keys: Vec<_> = keys.iter().map(|key| text(*key)).collect();
    let states = store.load(SLOT, &keys).await.expect("loads");
    let mut found = 0;
    for (key, stored) in keys.into_iter().zip(states) {
        let Some(entry) = stored.and_then(|it| it.timer.due.and(it.timer.entry)) else {
            continue;
        };
        assert!(due.timers.contains(&(key, entry)), "{:?}", due.timers);
        found += 1;
    }
    assert_eq!(found, 2, "a and d have timers");
}
