//! The way of changes out of a worker.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kernel::{Owner, PartitionId};

/// The place of a commit in the history of a partition of a service: greater than that of every
/// earlier one, also where a store lost its newest writes and numbers come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Place {
    /// The epoch of the lease that the commit was made under.
    pub epoch: u64,
    /// The number of the commit.
    pub seq: u64,
}

/// The changes of a commit, on their way to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The commit.
    pub place: Place,
    /// An encoded `ChangeBatch`.
    pub changes: Bytes,
}

/// Takes what commits changed, and brings it to the log in the background.
///
/// # Contract
/// - A worker calls [`open`](Self::open) first, with everything that its store has still pending,
///   and [`push`](Self::push) after each commit that took effect, in order. It keeps what it pushed
///   in its store until [`logged`](Self::logged) says that the log has it.
/// - A place is greater than all earlier ones of the partition, those of a worker that opens it
///   again under the same epoch included: its store may have lost what the log has.
/// - A push under another epoch than that of the last [`open`](Self::open), or that is no greater
///   than the one before, is no news and dropped: the store has it, or had it.
/// - No call waits for anything but a short lock.
pub trait ChangeSink: Send + Sync + fmt::Debug + 'static {
    /// A worker owns a partition from now on, under an epoch. All that was pushed before is void:
    /// the store has `pending` alone, oldest first.
    fn open(&self, owner: Owner, partition: PartitionId, epoch: u64, pending: Vec<Pending>);

    /// Takes what a commit changed.
    fn push(&self, owner: Owner, partition: PartitionId, pending: Pending);

    /// Returns the last commit of a partition that the log has, as far as this process knows.
    fn logged(&self, owner: Owner, partition: PartitionId) -> Place;

    /// A worker owns the partition no longer.
    fn close(&self, owner: Owner, partition: PartitionId, epoch: u64);
}

/// A shared sink.
pub type SharedChangeSink = Arc<dyn ChangeSink>;
