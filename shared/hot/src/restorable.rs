//! The contract of a hot store that can be restored: what a journal asks for, and nobody else.
//!
//! It does not decide what is lost, nor what is written: whoever keeps the journal does.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::PartitionId;

use crate::{
    Commit, Gate, GateAnswer, GateClaim, Gates, HotError, HotStore, Origin, Owner, Slot,
    StateRestore, StreamId, StreamRestore,
};

/// A hot store that may lose what it has, and is made whole again from a journal. The embedded
/// store is none: it is its own journal.
///
/// # Contract
/// - It takes appends with an origin, each writer's in sequence, and remembers the last of each.
/// - From [`close_gate`](Self::close_gate) to [`open_gate`](Self::open_gate) nobody changes the
///   partition but through calls with that gate. Reads go on, and so do appends without an origin.
/// - A call with another gate is [`HotError::Unavailable`] and changes nothing.
/// - Each call can be repeated: what is there already is not written again.
#[async_trait]
pub trait RestorableStore: HotStore {
    /// Checks that a partition is open under an epoch, and that its last commit is the one before
    /// `seq`, or that one itself; cheap.
    ///
    /// A journal asks before it logs a commit that a store is to apply: what the commit decides
    /// was read there, and it may have lost everything since the partition was opened. A partition
    /// that was restored meanwhile has another epoch.
    ///
    /// # Errors
    /// [`HotError::Fenced`], [`HotError::Gap`].
    async fn check_follows(&self, slot: Slot, epoch: u64, seq: u64) -> Result<(), HotError>;

    /// Returns the highest sequence taken from each source of a stream, by source.
    async fn sources(&self, stream: StreamId) -> Result<Vec<(Box<str>, u64)>, HotError>;

    /// Returns the last append with an origin that a stream took from each writer, by writer. What
    /// workers commit is not among them: the head of their slot tells.
    async fn origins(&self, stream: StreamId) -> Result<Vec<Origin>, HotError>;

    /// Returns the gates of a partition; cheap. Whoever looks whether anything is lost asks for
    /// them before, and passes on which one was opened last: see [`GateClaim::opened`].
    async fn gates(&self, partition: PartitionId) -> Result<Gates, HotError>;

    /// Closes a partition so that it can be restored: from now on its commits are
    /// [`HotError::Fenced`], and opens, appends with an origin, trims and calls with another gate
    /// are [`HotError::Unavailable`]. The holder of a gate may close it again. A gate that another
    /// process left behind is taken over once its time is up, whatever was opened before.
    async fn close_gate(
        &self,
        partition: PartitionId,
        claim: GateClaim,
    ) -> Result<GateAnswer, HotError>;

    /// Says that the holder of a closed gate is alive. Every other call with the gate says so too.
    async fn hold_gate(&self, partition: PartitionId, gate: Gate) -> Result<(), HotError>;

    /// Writes a part of a slot's snapshot behind the gate; parts may come in any number. The slot
    /// holds the frontier from then on, as after [`Self::restore_commits`]: only its next owner
    /// knows when its timers are due.
    async fn restore_states(
        &self,
        slot: Slot,
        gate: Gate,
        part: &StateRestore,
    ) -> Result<(), HotError>;

    /// Applies commits of a slot behind the gate, whatever their epochs: those after `before` and
    /// up to that of the commit, which says all that they changed. Outputs and cursors do not
    /// count, and every timer gets an entry. Commits that the slot has are skipped; where it lacks
    /// some of those before, or has only some of these, this is [`HotError::Gap`].
    async fn restore_commits(
        &self,
        slot: Slot,
        gate: Gate,
        before: u64,
        commit: &Commit,
    ) -> Result<(), HotError>;

    /// Adds entries to a stream behind the gate. The first part empties the stream, sets its
    /// reader's cursor to [`Cursor::START`](crate::Cursor::START) and forgets all writers. Only the
    /// last part may be repeated: no two entries have one origin.
    async fn restore_stream(
        &self,
        stream: StreamId,
        gate: Gate,
        part: &StreamRestore,
    ) -> Result<(), HotError>;

    /// Opens the gate, and raises the epochs of slots to those given, in one step: commits of
    /// whoever worked there before are fenced without a moment in between. Where a slot has a
    /// higher epoch, or none is given, the one that it had before counts again. Workers find the
    /// partition by [`HotStore::open`] with higher ones.
    async fn open_gate(
        &self,
        partition: PartitionId,
        gate: Gate,
        fences: &[(Owner, u64)],
    ) -> Result<(), HotError>;
}

/// A shared hot store that can be restored.
pub type SharedRestorableStore = Arc<dyn RestorableStore>;
