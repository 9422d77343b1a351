//! What a simulation does to single calls.

use std::fmt;

use async_trait::async_trait;
use kernel::PartitionId;

use crate::{Append, Commit, HotError, Slot};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the calls of the stores, by their names")]
pub enum Operation {
    Open,
    Head,
    Load,
    Poll,
    Lag,
    Due,
    Frontier,
    Unread,
    Check,
    Commit,
    Append,
    Outbox,
    TrimOutbox,
    Trim,
    Counters,
    Quarantined,
    Sources,
    Origins,
    Gates,
    CloseGate,
    HoldGate,
    /// Any of the three that restore.
    Restore,
    OpenGate,
}

impl Operation {
    /// Whether it changes the store.
    pub const fn is_change(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Commit
                | Self::Append
                | Self::TrimOutbox
                | Self::Trim
                | Self::CloseGate
                | Self::Restore
                | Self::OpenGate
        )
    }
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// What.
    pub operation: Operation,
    /// Of which partition.
    pub partition: PartitionId,
    /// What it brings.
    pub content: Content<'a>,
}

/// What a call brings, for those that a simulation watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing of interest.
    None,
    /// The epoch that opens a slot.
    Epoch(Slot, u64),
    /// A commit.
    Commit(Slot, &'a Commit),
    /// An append.
    Append(&'a Append),
}

/// How often a call arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it should.
    Once,
    /// Once more, right after.
    Twice,
    /// Once, and its answer is lost.
    Late,
}

/// Stands between a connection and the store. It may wait as long as it likes in both places, also for ever.
///
/// # Contract
/// Deterministic: what it does follows from its seed and the calls so far.
#[async_trait]
pub trait Hook: Send + Sync + fmt::Debug + 'static {
    /// Before the store sees the call.
    ///
    /// # Errors
    /// What the caller is told instead, and the store never sees the call.
    async fn before(&self, call: Call<'_>) -> Result<Delivery, HotError>;

    /// After the store has seen it, and done it or refused it.
    ///
    /// # Errors
    /// What the caller is told instead of the answer.
    async fn after(&self, call: Call<'_>, is_done: bool) -> Result<(), HotError>;
}
