//! Progress on happy paths: what happened, and what it means.

use kernel::Timestamp;
use messages::journey::v1::DeviationKind;

use super::Name;

/// The progress on one happy path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The happy path.
    pub path: Name,
    /// The version of the path that [`measure`](Self::measure) was taken with.
    pub version: u32,
    /// The events that the path is about, in the order in which they were processed; the first began
    /// the path.
    pub passages: Vec<Passage>,
    /// The meaning of the passages.
    pub measure: Measure,
}

/// A milestone and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The milestone.
    pub milestone: Name,
    /// When.
    pub time: Timestamp,
    /// The fragment that it happened to; 0 is the customer's own. A [`Measure`] does not tell them
    /// apart and has 0.
    pub ordinal: u16,
}

/// The measure of how well a customer follows a happy path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measure {
    /// The milestones reached in order, with the time of each.
    pub reached: Vec<Passage>,
    /// Those of them that count: in time, and all required ones before them too.
    pub counted: Vec<Name>,
    /// The deviations.
    pub deviations: Vec<Deviation>,
    /// True where the whole path was followed.
    pub followed: bool,
    /// True where it still can be.
    pub under_way: bool,
    /// The deadline of the next required milestone; absent for none, or where it passed.
    pub due: Option<Timestamp>,
}

/// One way in which the customer left a happy path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The kind.
    pub kind: DeviationKind,
    /// The milestone.
    pub milestone: Name,
    /// When.
    pub time: Timestamp,
}
