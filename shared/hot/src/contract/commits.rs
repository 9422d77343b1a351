//! Commits: once, in order, wholly or not at all.

mod limits;

use kernel::PartitionId;

pub use self::limits::a_commit_over_a_limit_changes_nothing;
use super::counters::{changes, counters};
use super::quarantine::{entries, id};
use super::{
    SLOT, Subject, at, commit, opened, payloads, removed, restorable, stream, text, timed, values,
};
use crate::marks::Marks;
use crate::{
    Commit, Committed, Cursor, Due, Head, HotError, OutboxMessage, Owner, PageBounds,
    QuarantineSize, SharedHotStore, Slot, StreamId, StreamName, Timer, Writer,
};

/// A commit that changes one of everything.
fn full(seq: u64) -> Commit {
    Commit {
        states: vec![timed("a", &format!("state {seq}"), Timer::NONE, Some(100)).0],
        outputs: vec![(StreamName::Actions, text(format!("output {seq}")))],
        outbox: vec![OutboxMessage {
            to: StreamId {
                name: StreamName::Facts,
                partition: PartitionId::new(2),
            },
            payload: text("message"),
        }],
        counters: changes(&[("journey/j", "runs", 5), ("journey/j", "ends", -1)]),
        marks: vec![(StreamName::Facts, marks())],
        cursors: vec![(StreamName::Facts, Cursor { major: 7, minor: 9 })],
        watermark: Some(at(50)),
        quarantine: vec![text(format!("poison {seq}"))],
        released: vec![id(seq.saturating_sub(1), 0)],
        ..commit(seq)
    }
}

fn marks() -> Marks {
    Marks {
        seen: [(Writer::process(3), 8)].into(),
        part: None,
    }
}

/// Everything that can be seen of the slot.
async fn seen(store: &SharedHotStore) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        store.head(SLOT).await.expect("a head"),
        store
            .load(SLOT, &[text("a"), text("b")])
            .await
            .expect("loads"),
        store.due(SLOT, at(i64::MAX), 10).await.expect("due"),
        payloads(store, stream(StreamName::Actions)).await,
        store.outbox(SLOT, 0, 10).await.expect("an outbox"),
        store
            .quarantined(SLOT, None, PageBounds::entries(10))
            .await
            .expect("quarantined"),
        store.quarantine_size(SLOT).await.expect("a size"),
        counters(store).await,
    )
}

/// A worker that was replaced changes nothing any more.
pub async fn a_commit_after_the_epoch_moved_is_fenced(subject: &mut impl Subject) {
    let store = opened(subject).await;
    store.commit(SLOT, &full(1)).await.expect("commits");
    store.open(SLOT, 2).await.expect("opens");
    let before = seen(&store).await;
    for late in [full(1), full(2)] {
        let error = store.commit(SLOT, &late).await.expect_err("fenced");
        assert!(
            matches!(
                error,
                HotError::Fenced {
                    epoch: 1,
                    current: 2,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert_eq!(seen(&store).await, before);
    let next = Commit {
        epoch: 2,
        ..full(2)
    };
    assert_eq!(
        store.commit(SLOT, &next).await.expect("commits"),
        Committed::Applied
    );
}

/// A retry of the very same commit is recognised, and that of another worker's batch of the same
/// number is not.
pub async fn a_commit_whose_reply_was_lost_is_applied_once(subject: &mut impl Subject) {
    let store = opened(subject).await;
    for seq in 1..=2 {
        assert_eq!(
            store.commit(SLOT, &full(seq)).await.expect("commits"),
            Committed::Applied
        );
        let before = seen(&store).await;
        assert_eq!(
            store.commit(SLOT, &full(seq)).await.expect("commits"),
            Committed::AlreadyApplied
        );
        assert_eq!(seen(&store).await, before);
    }
    let other = Commit {
        batch_id: 1,
        ..full(2)
    };
    let error = store.commit(SLOT, &other).await.expect_err("refused");
    assert!(matches!(error, HotError::Gap { .. }), "{error:?}");
}

/// Commits are numbered without gaps, from 1.
pub async fn a_gap_is_refused(subject: &mut impl Subject) {
    let store = opened(subject).await;
    store.commit(SLOT, &full(1)).await.expect("commits");
    let before = seen(&store).await;
    for seq in [0, 3, 4] {
        let error = store.commit(SLOT, &full(seq)).await.expect_err("refused");
        let HotError::Gap {
            seq: refused,
            current,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((refused, current), (seq, 1));
    }
    assert_eq!(seen(&store).await, before);
}

/// Who asks learns whether the partition is where its last commit left it.
pub async fn a_worker_learns_whether_its_partition_is_where_it_was(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let restorable = restorable(subject).await;
    for seq in 1..=2 {
        store.commit(SLOT, &full(seq)).await.expect("commits");
    }
    let head = store.head(SLOT).await.expect("a head");
    for (epoch, seq, follows) in [
        (head.epoch, 3, true),
        // It may be the last one again, whose answer was lost.
        (head.epoch, 2, true),
        (head.epoch, 1, false),
        (head.epoch, 4, false),
        (head.epoch, u64::MAX, false),
        (head.epoch + 1, 3, false),
    ] {
        let checked = restorable.check_follows(SLOT, epoch, seq).await;
        assert_eq!(checked.is_ok(), follows, "{epoch} {seq}: {checked:?}");
    }
    subject.empty().await;
    let restorable = subject.restorable().await.expect("as before");
    let checked = restorable.check_follows(SLOT, head.epoch, 3).await;
    assert!(
        matches!(checked, Err(HotError::Fenced { .. })),
        "{checked:?}"
    );
}

/// Opening raises the epoch; the same owner may open again.
pub async fn an_epoch_is_never_lowered(subject: &mut impl Subject) {
    let store = subject.empty().await;
    assert_eq!(store.head(SLOT).await.expect("a head"), Head::default());
    let early = store
        .commit(SLOT, &commit(1))
        .await
        .expect_err("not opened");
    assert!(matches!(early, HotError::Fenced { .. }), "{early:?}");
    assert_eq!(store.open(SLOT, 5).await.expect("opens").epoch, 5);
    assert_eq!(store.open(SLOT, 5).await.expect("opens").epoch, 5);
    let error = store.open(SLOT, 4).await.expect_err("fenced");
    assert!(
        matches!(
            error,
            HotError::Fenced {
                epoch: 4,
                current: 5,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(store.head(SLOT).await.expect("a head").epoch, 5);
}

/// Cursors, states and outputs move together.
pub async fn everything_of_a_commit_moves_together(subject: &mut impl Subject) {
    let store = opened(subject).await;
    store.commit(SLOT, &full(1)).await.expect("commits");
    let head = store.head(SLOT).await.expect("a head");
    let expected = Head {
        epoch: 1,
        commit_seq: 1,
        cursors: vec![(StreamName::Facts, Cursor { major: 7, minor: 9 })],
        watermark: Some(at(50)),
        next_due: None,
        marks: [(StreamName::Facts, marks())].into(),
        forwarded_seq: 0,
    };
    assert_eq!(head, expected);
    assert_eq!(store.open(SLOT, 1).await.expect("opens"), expected);
    assert_eq!(
        counters(&store).await,
        ["journey/j:ends=-1", "journey/j:runs=5"]
    );
    let a = Some("state 1".to_owned());
    assert_eq!(values(&store, &["b", "a", "a"]).await, [None, a.clone(), a]);
    let actions = stream(StreamName::Actions);
    assert_eq!(payloads(&store, actions).await, ["output 1"]);
    assert_eq!(store.outbox(SLOT, 0, 9).await.expect("an outbox").len(), 1);
    assert_eq!(entries(&store, None).await, ["1-0 poison 1"]);

    let due = store.due(SLOT, at(100), 9).await.expect("due");
    assert_eq!(due.timers, [(text("a"), at(100))]);
    let removal = Commit {
        states: vec![removed("a"), removed("never")],
        fired: vec![due.timers[0].clone(), (text("never"), at(100))],
        ..commit(2)
    };
    store.commit(SLOT, &removal).await.expect("commits");
    assert_eq!(store.load(SLOT, &[text("a")]).await.expect("loads"), [None]);
    let due = store.due(SLOT, at(i64::MAX), 9).await.expect("due");
    assert_eq!(due, Due::default());
    let head = store.head(SLOT).await.expect("a head");
    assert_eq!(head.commit_seq, 2);
    assert_eq!(head.watermark, Some(at(50)), "an absent watermark stays");
    assert_eq!(head.cursors, expected.cursors, "an absent cursor stays");
}

/// Partitions and services do not see each other.
pub async fn slots_are_apart(subject: &mut impl Subject) {
    let store = opened(subject).await;
    store.commit(SLOT, &full(1)).await.expect("commits");
    let others = [
        Slot {
            owner: Owner::Activation,
            ..SLOT
        },
        Slot {
            partition: PartitionId::new(0),
            ..SLOT
        },
    ];
    for other in others {
        assert_eq!(store.head(other).await.expect("a head"), Head::default());
        assert_eq!(
            store.load(other, &[text("a")]).await.expect("loads"),
            [None]
        );
        let due = store.due(other, at(i64::MAX), 9).await.expect("due");
        assert_eq!(due, Due::default());
        assert!(
            store
                .outbox(other, 0, 9)
                .await
                .expect("an outbox")
                .is_empty()
        );
        let size = store.quarantine_size(other).await.expect("a size");
        assert_eq!(size, QuarantineSize::default());
    }
    let nowhere = Slot {
        partition: PartitionId::new(4),
        ..SLOT
    };
    let error = store.open(nowhere, 1).await.expect_err("refused");
    assert!(matches!(error, HotError::Invalid(_)), "{error:?}");
}
