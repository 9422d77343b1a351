//! Restoring behind a gate, for stores that can be restored from a journal.

use std::time::Duration;

use kernel::PartitionId;

use super::origins::written;
use super::{SLOT, Subject, commit, opened, restorable, stream};
use crate::{
    Appended, Commit, Committed, Cursor, Gate, GateAnswer, GateClaim, Gates, Head, HotError, Owner,
    SharedRestorableStore, Slot, Standing, StateRestore, StreamId, StreamName, StreamRestore,
    limits,
};

pub(super) const MINE: Gate = Gate(u64::MAX);
const OTHER: Gate = Gate(7);
pub(super) const FACTS: StreamId = stream(StreamName::Facts);

/// A claim to a partition whose last gate was this one.
pub(super) const fn claim(gate: Gate, opened: Option<Gate>) -> GateClaim {
    GateClaim {
        gate,
        ttl: limits::GATE_TTL,
        opened,
    }
}

/// Closes the gate of a partition that none was opened of.
pub(super) async fn close(gates: &SharedRestorableStore, gate: Gate) {
    let answer = gates.close_gate(SLOT.partition, claim(gate, None)).await;
    assert_eq!(answer.expect("answers"), GateAnswer::Closed);
}

/// Checks that a gate is not closed, and what is said instead.
async fn is_refused(gates: &SharedRestorableStore, claim: GateClaim, answer: GateAnswer) {
    let found = gates.close_gate(SLOT.partition, claim).await;
    assert_eq!(found.expect("answers"), answer);
}

fn is_held_off<T: std::fmt::Debug>(outcome: Result<T, HotError>) {
    let error = outcome.expect_err("held off");
    assert!(matches!(error, HotError::Unavailable(_)), "{error:?}");
}

/// While a gate is closed, commits are fenced, and opens, appends with an origin and other restores
/// wait.
pub async fn a_closed_gate_holds_off_everybody(subject: &mut impl Subject) {
    let store = subject.empty().await;
    let gates = restorable(subject).await;
    store.open(SLOT, 3).await.expect("opens");
    let mine = |seq| Commit {
        epoch: 3,
        ..commit(seq)
    };
    store.commit(SLOT, &mine(1)).await.expect("commits");
    for _ in 0..2 {
        close(&gates, MINE).await;
        gates.hold_gate(SLOT.partition, MINE).await.expect("holds");
    }
    for late in [mine(1), mine(2)] {
        let error = store.commit(SLOT, &late).await.expect_err("fenced");
        assert!(matches!(error, HotError::Fenced { .. }), "{error:?}");
    }
    for owner in Owner::ALL {
        let slot = Slot { owner, ..SLOT };
        is_held_off(store.open(slot, 9).await);
    }
    is_held_off(store.append(&written(1, 1, None)).await);
    let here = Standing {
        slot: SLOT,
        epoch: 3,
        commit_seq: 1,
    };
    is_held_off(store.trim(here, FACTS.name, Cursor::START).await);
    is_held_off(store.trim_outbox(here, 0).await);
    is_refused(&gates, claim(OTHER, None), GateAnswer::Held).await;
    is_held_off(gates.hold_gate(SLOT.partition, OTHER).await);
    is_held_off(gates.open_gate(SLOT.partition, OTHER, &[]).await);
    is_held_off(
        gates
            .restore_states(SLOT, OTHER, &StateRestore::default())
            .await,
    );
    is_held_off(gates.restore_commits(SLOT, OTHER, 1, &commit(2)).await);
    is_held_off(
        gates
            .restore_stream(FACTS, OTHER, &StreamRestore::default())
            .await,
    );
    let store = subject.reopen(store).await;
    is_held_off(store.open(SLOT, 9).await);
    let expected = Head {
        epoch: 3,
        commit_seq: 1,
        ..Head::default()
    };
    assert_eq!(store.head(SLOT).await.expect("a head"), expected);
    let elsewhere = Slot {
        partition: PartitionId::new(0),
        ..SLOT
    };
    store
        .open(elsewhere, 1)
        .await
        .expect("another partition is not held off");

    for _ in 0..2 {
        let opened = gates.open_gate(SLOT.partition, MINE, &[]).await;
        opened.expect("opens");
    }
    is_held_off(gates.hold_gate(SLOT.partition, MINE).await);
    is_held_off(gates.restore_commits(SLOT, MINE, 1, &commit(2)).await);
    let error = store.open(SLOT, 2).await.expect_err("fenced");
    assert!(
        matches!(error, HotError::Fenced { current: 3, .. }),
        "{error:?}"
    );
    assert_eq!(store.open(SLOT, 4).await.expect("opens").commit_seq, 1);
    let next = Commit {
        epoch: 4,
        ..commit(2)
    };
    assert_eq!(
        store.commit(SLOT, &next).await.expect("commits"),
        Committed::Applied
    );
    let appended = store.append(&written(1, 1, None)).await.expect("appends");
    assert_eq!(appended, Appended::Applied);
}

/// A gate whose process died is taken over when its time is up, and the process finds that out when
/// it wakes up.
pub async fn a_gate_that_was_left_behind_is_taken_over(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let gates = restorable(subject).await;
    close(&gates, OTHER).await;
    // The holder of a gate says for how long it is respected.
    let hasty = GateClaim {
        ttl: Duration::ZERO,
        ..claim(MINE, None)
    };
    is_refused(&gates, hasty, GateAnswer::Held).await;
    subject.leave_gate_behind(SLOT.partition).await;
    close(&gates, MINE).await;
    is_held_off(gates.hold_gate(SLOT.partition, OTHER).await);
    is_held_off(gates.restore_commits(SLOT, OTHER, 0, &commit(1)).await);
    is_held_off(gates.open_gate(SLOT.partition, OTHER, &[]).await);
    gates
        .restore_commits(SLOT, MINE, 0, &commit(1))
        .await
        .expect("is mine");
    let opened = gates.open_gate(SLOT.partition, MINE, &[]).await;
    opened.expect("opens");
    assert_eq!(store.open(SLOT, 2).await.expect("opens").commit_seq, 1);
}

/// Of all who saw the same gate opened last, one closes the next; the others learn that somebody
/// was there before them, while it is closed and once it is opened.
pub async fn a_gate_closes_once_after_each_opening(subject: &mut impl Subject) {
    opened(subject).await;
    let gates = restorable(subject).await;
    let partition = SLOT.partition;
    let elsewhere = PartitionId::new(0);
    assert_eq!(
        gates.gates(partition).await.expect("gates"),
        Gates::default()
    );
    let mut last = None;
    for gate in [MINE, OTHER, Gate(8)] {
        is_refused(&gates, claim(gate, Some(Gate(99))), GateAnswer::Passed).await;
        let answer = gates.close_gate(partition, claim(gate, last)).await;
        assert_eq!(answer.expect("answers"), GateAnswer::Closed);
        let expected = Gates {
            closed: Some(gate),
            opened: last,
        };
        assert_eq!(gates.gates(partition).await.expect("gates"), expected);
        is_refused(&gates, claim(Gate(9), last), GateAnswer::Held).await;
        let opened = gates.open_gate(partition, gate, &[]).await;
        opened.expect("opens");
        is_refused(&gates, claim(Gate(9), last), GateAnswer::Passed).await;
        last = Some(gate);
        let expected = Gates {
            closed: None,
            opened: last,
        };
        assert_eq!(gates.gates(partition).await.expect("gates"), expected);
    }
    assert_eq!(
        gates.gates(elsewhere).await.expect("gates"),
        Gates::default()
    );
}

/// A gate opens with the epochs that it is given, so that nobody who worked there before commits
/// again; an epoch is never lowered by that.
pub async fn a_gate_opens_on_higher_epochs(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let gates = restorable(subject).await;
    let higher = Slot {
        owner: Owner::Segmentation,
        ..SLOT
    };
    store.open(higher, 50).await.expect("opens");
    close(&gates, MINE).await;
    let fences = [(SLOT.owner, 7), (Owner::Segmentation, 7)];
    for _ in 0..2 {
        let opened = gates.open_gate(SLOT.partition, MINE, &fences).await;
        opened.expect("opens");
    }
    let error = store.commit(SLOT, &commit(1)).await.expect_err("fenced");
    assert!(
        matches!(error, HotError::Fenced { current: 7, .. }),
        "{error:?}"
    );
    for (slot, epoch) in [(SLOT, 7), (higher, 50)] {
        assert_eq!(store.head(slot).await.expect("a head").epoch, epoch);
        store.open(slot, epoch).await.expect("opens");
    }
    let other = Slot {
        owner: Owner::Activation,
        ..SLOT
    };
    assert_eq!(store.head(other).await.expect("a head").epoch, 0);
}
