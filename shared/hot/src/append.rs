//! An append: records from outside a reader's own commits, and what became of them.

use bytes::Bytes;
use kernel::Timestamp;

use crate::{Origin, StreamId};

/// Records to append from outside the reader's own commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub to: StreamId,
    /// The packed records. Those of appends without a source, one after the other, are the payload
    /// of all of them: a store may write them as one entry.
    pub payload: Bytes,
    /// Where they come from, for de-duplication; absent to always append.
    pub source: Option<SourceRange>,
    /// Who wrote it, as its journal counts: taken only in sequence, without gaps, before the source is looked at. Absent
    /// where nobody keeps a journal.
    pub origin: Option<Origin>,
}

/// A range of an ordered source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRange {
    /// Names the source, at most [`crate::limits::SOURCE_BYTES`].
    pub source: Box<str>,
    /// The sequence of the first record.
    pub first: u64,
    /// The sequence of the last record.
    pub last: u64,
}

/// The answer to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendAnswer {
    /// Its outcome.
    pub appended: Appended,
    /// When the newest entry of the stream was accepted: the appended one, or one that is no older
    /// than what was there before. [`Timestamp::MIN`] where nothing of it is in the stream.
    pub newest: Timestamp,
}

impl AppendAnswer {
    /// The answer to an append of which nothing is in the stream.
    pub const fn refused(appended: Appended) -> Self {
        Self {
            appended,
            newest: Timestamp::MIN,
        }
    }
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the stream.
    Applied,
    /// All of it was there before: `last` is not above the source's mark.
    Replayed,
    /// Some of it was there before, and nothing was appended: send again only what is above `mark`.
    Overlaps {
        /// The highest sequence taken from the source.
        mark: u64,
    },
    /// The stream is at its limit, and nothing was appended: try again later. Never the answer to an append with an
    /// origin, which was accepted already.
    Full,
    /// Entries of the same writer are missing before this one, and nothing was appended: the store has lost them, and its
    /// partition is to be recovered.
    Gap {
        /// The last entry of the writer that the stream took.
        mark: u64,
    },
}
