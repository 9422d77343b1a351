//! What goes wrong with a hot store, and what to do then.

use std::fmt;
use std::sync::Arc;

use kernel::PartitionId;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
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
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store holds what cannot be read: stop and look.
    #[error("the hot store is damaged: {0}")]
    Damaged(String),
}

/// A failure that several callers are told.
#[derive(Debug, Clone)]
pub struct SharedError(Arc<HotError>);

impl SharedError {
    /// Shares a failure.
    pub fn new(error: HotError) -> Self {
        Self(Arc::new(error))
    }

    /// Returns the failure as one of the callers is told it.
    pub fn told(&self) -> HotError {
        match &*self.0 {
            HotError::Fenced {
                partition,
                epoch,
                current,
            } => HotError::Fenced {
                partition: *partition,
                epoch: *epoch,
                current: *current,
            },
            HotError::Gap {
                partition,
                seq,
                current,
            } => HotError::Gap {
                partition: *partition,
                seq: *seq,
                current: *current,
            },
            HotError::TooLarge { what, limit } => HotError::TooLarge {
                what,
                limit: *limit,
            },
            HotError::Invalid(why) => HotError::Invalid(why),
            HotError::Mismatch(why) => HotError::Mismatch(why.clone()),
            HotError::Damaged(why) => HotError::Damaged(why.clone()),
            HotError::Unavailable(_) => HotError::Unavailable(Box::new(self.clone())),
        }
    }

    /// What it says that the error around it does not say already.
    fn cause(&self) -> &(dyn std::error::Error + 'static) {
        match &*self.0 {
            HotError::Unavailable(cause) => cause.as_ref(),
            other => other,
        }
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.cause(), f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().source()
    }
}
