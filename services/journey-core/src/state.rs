//! The state of one customer: what earlier facts left behind.
//!
//! Names are shared texts, so that a copy of the state, which the engine takes before each step, costs no copies of
//! them. How it is stored is in `codec`.

mod endings;

use std::collections::VecDeque;
use std::sync::Arc;

use kernel::{Properties, Reason, RunId, Timestamp};
use messages::journey::v1::{DeviationKind, RunOutcome};

pub(crate) use endings::NEW_END_BYTES;
pub use endings::{Ended, Endings, JourneyEndings};

/// A shared name.
pub type Name = Arc<str>;

/// One customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Whether anything of the customer was ever processed.
    pub known: bool,
    /// The traits, as facts told them.
    pub traits: Arc<Properties>,
    /// The segments that the customer is in, sorted.
    pub segments: Vec<Name>,
    /// The positions in maps, one for each.
    pub positions: Vec<Position>,
    /// The progress on happy paths, one for each.
    pub progress: Vec<Progress>,
    /// The runs under way, in the order in which they started.
    pub runs: Vec<Run>,
    /// The newest runs that ended, oldest first.
    pub ended: VecDeque<EndedRun>,
    /// When runs of each journey and key last ended.
    pub endings: Arc<Endings>,
    /// How many runs ever started.
    pub run_count: u64,
    /// The newest things that happened, oldest first.
    pub history: Arc<VecDeque<HistoryEntry>>,
}

/// A position in one map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The map.
    pub map: Name,
    /// The stage.
    pub stage: Name,
    /// Since when.
    pub enter_time: Timestamp,
}

/// The progress on one happy path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The happy path.
    pub path: Name,
    /// The version of the path that [`measure`](Self::measure) was taken with.
    pub version: u32,
    /// What happened that the path is about, in the order in which it was processed; the first began the path.
    pub passages: Vec<Passage>,
    /// What the passages mean.
    pub measure: Measure,
}

/// A milestone and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The milestone.
    pub milestone: Name,
    /// When.
    pub time: Timestamp,
}

/// How well a customer follows a happy path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measure {
    /// The milestones reached in order, with the time of each.
    pub reached: Vec<Passage>,
    /// Those of them that count: in time, and all required ones before them too.
    pub counted: Vec<Name>,
    /// The deviations.
    pub deviations: Vec<Deviation>,
    /// Whether the whole path was followed.
    pub followed: bool,
    /// Whether it still can be.
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

/// A run under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The journey.
    pub journey: Name,
    /// The version that it walks.
    pub version: u32,
    /// The key that names it; empty for the only one.
    pub key: Name,
    /// The step that it is at.
    pub step: Name,
    /// How many visits of steps it has made.
    pub visit: u32,
    /// When it started.
    pub start_time: Timestamp,
    /// When it came to its step.
    pub arrive_time: Timestamp,
    /// The time of what brought it there; older events are not waited for.
    pub since: Timestamp,
    /// When it goes on by time alone.
    pub due: Option<Timestamp>,
    /// Properties of the event that started it.
    pub trigger: Arc<Properties>,
    /// Whether it is in a control group.
    pub holdout: bool,
    /// The newest arm that it was assigned; empty for none.
    pub arm: Name,
    /// The trace of what brought it to its step: what time alone causes belongs to it. Empty where nothing is traced.
    pub trace_parent: Box<str>,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// Its id.
    pub id: RunId,
    /// The journey.
    pub journey: Name,
    /// The version that it walked.
    pub version: u32,
    /// The key that named it.
    pub key: Name,
    /// How many visits of steps it made.
    pub visit: u32,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// Why.
    pub reason: Reason,
    /// How it went.
    pub outcome: RunOutcome,
}

/// Something that happened, or a decision that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When it took effect.
    pub time: Timestamp,
    /// The journey, map or happy path concerned, or `profile`.
    pub subject: Name,
    /// The run, if one is concerned.
    pub run: Option<RunId>,
    /// The step, stage or milestone; empty for none.
    pub step: Name,
    /// Why.
    pub reason: Reason,
    /// Detail for people.
    pub detail: Name,
}

impl State {
    /// When the last thing happened that runs, positions and happy paths go by; absent where there are none.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        let runs = self.runs.iter().map(|run| run.since);
        let positions = self.positions.iter().map(|position| position.enter_time);
        let progress = self.progress.iter();
        let passages = progress.flat_map(|own| own.passages.iter().map(|passage| passage.time));
        runs.chain(positions).chain(passages).max()
    }

    /// Whether the customer is in a segment.
    pub fn is_in_segment(&self, segment: &str) -> bool {
        self.segment_place(segment).is_ok()
    }

    /// Where a segment is, or would be, among the sorted ones.
    pub(crate) fn segment_place(&self, segment: &str) -> Result<usize, usize> {
        self.segments
            .binary_search_by(|own| own.as_ref().cmp(segment))
    }

    /// When the state wants to be looked at again. A deadline of a happy path is missed a millisecond after it.
    pub fn next_due(&self) -> Option<Timestamp> {
        let runs = self.runs.iter().filter_map(|run| run.due);
        let deadlines = self
            .progress
            .iter()
            .filter_map(|progress| progress.measure.due.map(after_deadline));
        runs.chain(deadlines).min()
    }
}

/// The first instant at which a deadline is missed: exactly at it still counts.
pub(crate) fn after_deadline(deadline: Timestamp) -> Timestamp {
    deadline + kernel::Duration::from_millis(1)
}
