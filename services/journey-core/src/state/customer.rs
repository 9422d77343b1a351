//! A customer as a step, or a reader, sees them: every section in place, none copied before it is
//! looked at.

use std::sync::Arc;

use decision::{Lent, LentGroup, Moved};
use kernel::{Duration, Properties, Timestamp};

use super::{
    Assignments, EndedRuns, EndingSections, HappyPaths, History, Name, Positions, Remembered, Runs,
    Trails,
};

/// A customer whose sections were lent. One that is not loaded reads as an empty one, and takes
/// note of that: see [`Customer::is_missed`].
#[derive(Debug)]
pub struct Customer {
    /// The traits, as facts told them.
    pub traits: Lent<Properties>,
    /// The segments that the customer is in, sorted.
    pub segments: Lent<Vec<Name>>,
    /// The positions in maps, one for each.
    pub positions: LentGroup<Positions>,
    /// The progress on happy paths, one for each.
    pub progress: LentGroup<HappyPaths>,
    /// The runs under way, in the order in which they started.
    pub runs: LentGroup<Runs>,
    /// The newest runs that ended, oldest first.
    pub ended: LentGroup<EndedRuns>,
    /// When runs of each journey and key last ended.
    pub endings: LentGroup<EndingSections>,
    /// The newest things that happened, oldest first.
    pub history: LentGroup<History>,
    /// The arms of splits that the customer was given.
    pub assignments: LentGroup<Assignments>,
    /// The events that happy paths remember of before their beginning.
    pub remembered: Lent<Vec<Remembered>>,
    /// Of a merged customer, what each fragment did by itself in maps and on happy paths.
    pub trails: LentGroup<Trails>,
    /// The number of runs that ever started.
    pub run_count: u64,
}

impl Customer {
    /// Returns whether something was looked at that is not loaded: then all that was seen is void.
    pub const fn is_missed(&self) -> bool {
        self.traits.is_missed()
            || self.segments.is_missed()
            || self.positions.is_missed()
            || self.progress.is_missed()
            || self.runs.is_missed()
            || self.ended.is_missed()
            || self.endings.is_missed()
            || self.history.is_missed()
            || self.assignments.is_missed()
            || self.remembered.is_missed()
            || self.trails.is_missed()
    }

    /// Returns whether the customer is in a segment.
    pub fn is_in_segment(&self, segment: &str) -> bool {
        self.segment_place(segment).is_ok()
    }

    /// The place where a segment is, or would be, among the sorted ones.
    pub(crate) fn segment_place(&self, segment: &str) -> Result<usize, usize> {
        self.segments
            .binary_search_by(|own| own.as_ref().cmp(segment))
    }

    /// The place of the run of a journey and key.
    pub(crate) fn run_place(&self, journey: &Name, key: &Name) -> Option<usize> {
        self.runs
            .iter()
            .position(|run| run.journey == *journey && run.key == *key)
    }

    /// The time of the last thing that happened that runs, positions and happy paths go by; absent where there
    /// are none.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        let runs = self.runs.iter().map(|run| run.since);
        let positions = self.positions.iter().map(|position| position.enter_time);
        let progress = self.progress.iter();
        let passages = progress.flat_map(|own| own.passages.iter().map(|passage| passage.time));
        runs.chain(positions).chain(passages).max()
    }

    /// When the customer wants to be looked at again. A deadline of a happy path is missed a
    /// millisecond after it.
    pub fn next_due(&self) -> Option<Timestamp> {
        let runs = self.runs.iter().filter_map(|run| run.due);
        let deadlines = self
            .progress
            .iter()
            .filter_map(|progress| progress.measure.due.map(after_deadline));
        runs.chain(deadlines).min()
    }

    /// Gives everything the ordinal that it has at the survivor of a merge: see [`Moved::ordinal_of`].
    ///
    /// Traits and memberships have none, since segmentation tells the whole of them after each
    /// merge, and after its undoing.
    pub(crate) fn renumber(&mut self, moved: &Moved<'_>) {
        for run in self.runs.iter_mut() {
            run.ordinal = moved.ordinal_of(run.ordinal);
        }
        for position in self.positions.iter_mut() {
            position.ordinal = moved.ordinal_of(position.ordinal);
        }
        for progress in self.progress.iter_mut() {
            for passage in &mut Arc::make_mut(progress).passages {
                passage.ordinal = moved.ordinal_of(passage.ordinal);
            }
        }
        for own in self.remembered.iter_mut() {
            for event in &mut own.events {
                event.ordinal = moved.ordinal_of(event.ordinal);
            }
        }
        for run in self.ended.iter_mut() {
            run.ordinal = moved.ordinal_of(run.ordinal);
        }
        for own in self.assignments.iter_mut() {
            own.given_to.get_or_insert(moved.from);
            own.ordinal = moved.ordinal_of(own.ordinal);
        }
        for own in self.history.iter_mut() {
            own.ordinal = moved.ordinal_of(own.ordinal);
        }
        for own in self.endings.iter_mut() {
            for end in &mut Arc::make_mut(own).ends {
                end.ordinal = moved.ordinal_of(end.ordinal);
            }
        }
        for trail in self.trails.iter_mut() {
            let ordinal = moved.ordinal_of(trail.ordinal);
            *trail = std::mem::take(trail).renumbered(ordinal);
        }
    }
}

/// The first instant at which a deadline is missed: exactly at it still counts.
pub(crate) fn after_deadline(deadline: Timestamp) -> Timestamp {
    deadline + Duration::from_millis(1)
}
