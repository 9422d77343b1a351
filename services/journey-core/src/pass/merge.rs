//! Merges: what is kept of a customer leaves, and is folded in at the survivor.
//!
//! Everything that moves is taken out of the counts of the one partition and added to those of the
//! other, so that sums over all partitions stay what they were.

use std::sync::Arc;

use bytes::Bytes;
use decision::Moved;
use kernel::{Properties, Reason};

use crate::codec;
use crate::counter::{PathCount, StageCount};
use crate::limits;
use crate::state::{
    Customer, EndingList as _, Measure, Passage, Position, Progress, State, TrailList as _,
};

use super::Pass;
use super::trail::unmeasured;

impl Pass<'_> {
    /// Takes the customer off the counters, and tells that runs and positions left. Returns the state
    /// that moves, all of it; absent where parts are to be loaded first.
    pub(crate) fn take_leave(mut self) -> Option<Bytes> {
        if !self.kept.not_loaded().is_empty() {
            self.need_all();
            return None;
        }
        self.drop_undefined();
        for run in self.state.runs.clone() {
            self.count_presence(&run, -1);
            self.tell_departure(&run, Reason::MergedInto);
        }
        for position in self.state.positions.clone() {
            self.count_stage(&position.map, StageCount::In(&position.stage), -1);
            self.count_stage(&position.map, StageCount::Present(&position.stage), -1);
            self.tell_left(&position, Reason::MergedInto);
        }
        for progress in self.state.progress.clone() {
            self.uncount_progress(&progress);
        }
        self.kept.take_back(self.state);
        // All of it moves at once: no part is left to move by itself.
        let state = std::mem::take(self.kept);
        Some(codec::encode_whole(&state))
    }

    /// Folds in the state of a customer who was joined into this one. What it learned has the
    /// ordinals of its fragments from now on.
    ///
    /// All of it can be taken apart again, but for the run of one key that ended, and whatever had
    /// no room: see [`crate::inseparable`]. Traits and memberships are told anew by segmentation.
    pub(crate) fn fold_in(&mut self, other: &State, moved: &Moved<'_>) {
        self.drop_undefined();
        self.changed = true;
        self.kept.take_in_unknown(other, moved.ordinal_of(0));
        let mut other = other.open();
        other.renumber(moved);
        self.fold_traits(&other);
        self.fold_segments(&other);
        self.state.endings.take(&other.endings);
        self.shrink_endings();
        self.state.run_count += other.run_count;
        limits::ENDED_PAGES.unite(&mut self.state.ended, &other.ended, |run| run.end_time);
        limits::HISTORY_PAGES.unite(&mut self.state.history, &other.history, |own| own.time);
        self.fold_trails(&other);
        self.fold_assignments(std::mem::take(&mut *other.assignments));
        for run in std::mem::take(&mut *other.runs) {
            self.fold_run(run);
        }
        for position in std::mem::take(&mut *other.positions) {
            self.fold_position(position, Reason::Merged);
        }
        for progress in std::mem::take(&mut *other.progress) {
            self.fold_progress(Arc::unwrap_or_clone(progress));
        }
        self.fold_remembered(std::mem::take(&mut *other.remembered));
        // Something that moved may have been due on its way, or refer to what was deleted
        // meanwhile.
        self.catch_up();
    }

    /// Begins, or goes on, to keep apart what each fragment did in maps and on happy paths. Two
    /// whose fragments have no place of their own any more become one.
    fn fold_trails(&mut self, other: &Customer) {
        let is_placeless = |own: &Customer| {
            own.positions.is_empty() && own.progress.is_empty() && own.remembered.is_empty()
        };
        if self.state.trails.is_empty()
            && other.trails.is_empty()
            && is_placeless(&self.state)
            && is_placeless(other)
        {
            return;
        }
        if self.state.trails.is_empty() {
            let own = self.own_trails();
            self.put_trails(own);
        }
        for trail in self.trails_of(other) {
            let known = self.state.trails.of_fragment(trail.ordinal);
            let trail = match known.is_empty() && !known.is_lost {
                true => trail,
                false => unmeasured(self.join_trails(&[known, trail])),
            };
            self.put_trails([trail]);
        }
    }

    /// A segment that either was in is nothing new to the customer. Segmentation judges the joined
    /// customer next, and tells the whole: see [`Pass::take_profile`].
    pub(super) fn fold_segments(&mut self, other: &Customer) {
        for segment in other.segments.iter() {
            if let Err(place) = self.state.segment_place(segment) {
                self.state.segments.insert(place, segment.clone());
            }
        }
        self.fit_segments();
    }

    /// A trait of the survivor stands, until segmentation tells the whole; one that it lacks is
    /// taken over.
    pub(super) fn fold_traits(&mut self, other: &Customer) {
        let mut traits = Properties::clone(&self.state.traits);
        for (name, value) in other.traits.iter() {
            if traits.value(name).is_none() {
                traits.set(name, value.clone());
            }
        }
        *self.state.traits = self.fitting_traits(traits);
    }

    /// The newer position stands.
    pub(super) fn fold_position(&mut self, position: Position, reason: Reason) {
        let map = Arc::clone(&position.map);
        self.count_stage(&map, StageCount::In(&position.stage), 1);
        self.count_stage(&map, StageCount::Present(&position.stage), 1);
        let left = match self.position_place(&map) {
            None if self.state.positions.len() < limits::POSITIONS => {
                self.tell_position(&position, "", reason);
                self.state.positions.push(position);
                return;
            }
            None => {
                self.refuse_position(&map);
                position
            }
            Some(place) => {
                if position.enter_time > self.state.positions[place].enter_time {
                    let left = self.state.positions[place].clone();
                    if left.stage != position.stage {
                        self.tell_position(&position, &left.stage, reason);
                    }
                    self.state.positions[place] = position;
                    left
                } else {
                    position
                }
            }
        };
        self.count_stage(&map, StageCount::Out(&left.stage), 1);
        self.count_stage(&map, StageCount::Present(&left.stage), -1);
    }

    /// Everything that happened to either happened to the customer; the path began when the first
    /// of them began it.
    pub(super) fn fold_progress(&mut self, mut other: Progress) {
        let path = self.definitions.paths.get(&other.path);
        if path.is_none_or(|path| path.version < other.version) {
            self.effects.lack_definition();
        }
        let Some(path) = path else {
            return;
        };
        // A milestone that the path does not name any more has no share of the room.
        let passages = &mut other.passages;
        passages.retain(|own| path.place(&own.milestone).is_some());
        let first = &path.milestones[0].name;
        if !other.passages.iter().any(|own| own.milestone == *first) {
            return;
        }
        let place = if let Some(place) = self.progress_place(&path.name) {
            let own = Arc::make_mut(&mut self.state.progress[place]);
            own.passages = union(&own.passages, &other.passages);
            place
        } else if !self.has_room_for_path(path) {
            return self.refuse_path(&path.name);
        } else {
            self.count_path(&path.name, PathCount::Started, 1);
            self.state.progress.push(Arc::new(Progress {
                version: path.version,
                measure: Measure::default(),
                ..other
            }));
            self.state.progress.len() - 1
        };
        self.recall(place, path);
    }
}

/// The passages of both, by time; of each milestone the two earliest, as one customer has at the
/// most.
fn union(own: &[Passage], other: &[Passage]) -> Vec<Passage> {
    let mut all: Vec<Passage> = own.iter().chain(other).cloned().collect();
    all.sort_by_key(|passage| passage.time);
    let mut kept: Vec<Passage> = Vec::with_capacity(all.len());
    for passage in all {
        let known = kept
            .iter()
            .filter(|kept| kept.milestone == passage.milestone);
        if known.count() < limits::PASSAGES_PER_MILESTONE {
            kept.push(passage);
        }
    }
    kept
}
