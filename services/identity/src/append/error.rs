//! The reasons for which records were not appended, and whether some were.

use engine::EngineError;
use hot::{HotError, Owner, StreamId};
use sea_orm::DbErr;

/// The reason for which records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A stream stayed full until the deadline: try again later.
    #[error("stream {} of partition {} is full", .0.name.name(), .0.partition)]
    Full(StreamId),
    /// A stream stayed full until the deadline, because its partition waits for room in a
    /// quarantine.
    #[error(
        "stream {} of partition {} is full, because the quarantine of {name} there is full: `happypath quarantine {name} \
         list` shows what could not be processed, and `retry` or `discard` makes room", .stream.name.name(),
        .stream.partition, name = .owner.name()
    )]
    QuarantineFull {
        /// The stream.
        stream: StreamId,
        /// The service that has the quarantine.
        owner: Owner,
    },
    /// The consequences of the events before these were still under way at the deadline: send the
    /// same again.
    #[error(
        "what was accepted before is still under way, deliveries included: on stream time events wait for it where \
         definitions hear receipts; `happypath status` shows what does not go on"
    )]
    Unsettled,
    /// It cannot be told whether that is still under way: retry.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// All of it was taken, and how far its source is taken was not kept: retry.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// The hot store did not take it.
    #[error(transparent)]
    Hot(#[from] HotError),
    /// Some events were taken before it went wrong: send the same again.
    #[error(
        "{taken} of the events were taken; send the same again for the others (without a request_id, source or event_id those taken count twice): {cause}"
    )]
    Partly {
        /// The number of events that were taken, those included that were there before.
        taken: usize,
        /// The reason that the others were not.
        cause: Box<AppendError>,
    },
}

impl AppendError {
    /// Adds that some events were taken before.
    #[must_use]
    pub(crate) fn after(self, events: usize) -> Self {
        match self {
            error if events == 0 => error,
            Self::Partly { taken, cause } => Self::Partly {
                taken: taken + events,
                cause,
            },
            error => Self::Partly {
                taken: events,
                cause: Box::new(error),
            },
        }
    }

    /// Returns whether a stream was full.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Full(_) | Self::QuarantineFull { .. } => true,
            Self::Partly { cause, .. } => cause.is_full(),
            Self::Unsettled | Self::Engine(_) | Self::Database(_) | Self::Hot(_) => false,
        }
    }
}
