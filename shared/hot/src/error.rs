//! What goes wrong with a hot store, and what to do then.

use std::error::Error;
use std::sync::Arc;

use kernel::PartitionId;

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HotError {
    /// Another worker opened the partition since: stop, and acquire it again.
    #[error("another worker owns partition {partition}: it is at epoch {current}, not {epoch}")]
    Fenced {
        /// The partition.
        partition: PartitionId,
        /// The epoch of the refused call.
        epoch: u64,
        /// The epoch of the store.
        current: u64,
    },
    /// The commit does not follow the last one: open the partition again and compare.
    #[error("commit {seq} does not follow commit {current} of partition {partition}")]
    Gap {
        /// The partition.
        partition: PartitionId,
        /// The number of the refused commit.
        seq: u64,
        /// The number of the last commit.
        current: u64,
    },
    /// A value is over a limit of [`crate::limits`]: a programming error, so do not retry.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The call contradicts itself: a programming error, so do not retry.
    #[error("{0}")]
    Invalid(&'static str),
    /// The store was created otherwise: correct the configuration.
    #[error("{0}")]
    Mismatch(String),
    /// The store did not answer, or not in time: retry with the same arguments.
    #[error("the hot store is unavailable: {0}")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The store holds what cannot be read: stop and look.
    #[error("the hot store is damaged: {0}")]
    Damaged(String),
}

impl HotError {
    /// The store did not answer, for a reason.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }
}
