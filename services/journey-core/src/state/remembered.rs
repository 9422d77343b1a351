//! Events of a happy path from before its beginning was known: files are not always imported in the
//! order of time.

use kernel::Timestamp;

use super::Name;

/// The events that one happy path remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The happy path.
    pub path: Name,
    /// The events, by time.
    pub events: Vec<EarlyEvent>,
}

/// An event that came before the beginning of its path was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyEvent {
    /// The milestones that it may stand for, in the order of the path; at least one.
    pub milestones: Vec<Name>,
    /// When.
    pub time: Timestamp,
    /// The fragment that it happened to; 0 is the customer's own.
    pub ordinal: u16,
}
