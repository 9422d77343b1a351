//! Splits: a merge is undone. What fragments that leave taught goes back to their customer, and each
//! side is where its own fragments are.
//!
//! As with merges, what goes is taken out of the counts of the one partition and added to those of
//! the other. The state goes whole, so that no part is left to move by itself.

use std::sync::Arc;

use bytes::Bytes;
use decision::Split;
use kernel::{CustomerId, Properties, Reason};
use messages::journey::v1::RunOutcome;

use crate::codec;
use crate::counter::{PathCount, StageCount};
use crate::limits;
use crate::state::{
    Assignment, Customer, EndingList as _, HistoryEntry, Name, Paged, Pages, Position, Progress,
    Remembered, Run, State, Trail,
};

use super::Pass;
use super::trail::unmeasured;

impl Pass<'_> {
    /// Takes out what fragments that leave taught. Returns the state of whoever comes out of it,
    /// whole; absent where nothing is known under these ordinals, or where parts are to be loaded
    /// first.
    pub(crate) fn split_off(mut self, split: &Split<'_>) -> Option<Bytes> {
        if !self.kept.not_loaded().is_empty() {
            self.need_all();
            return None;
        }
        self.drop_undefined();
        let others = self.kept.others.split_off(|own| split.ordinal_of(own));
        let mut gone = State::default().open();
        let mut is_known = !others.is_empty();
        is_known |= self.split_runs(&mut gone, split);
        is_known |= self.split_lists(&mut gone, split);
        is_known |= self.split_places(&mut gone, split);
        // Segmentation tells both sides what is theirs. Until then both have what is known of both.
        *gone.traits = Properties::clone(&self.state.traits);
        *gone.segments = self.state.segments.to_vec();
        gone.run_count = self.state.run_count;
        self.kept.take_back(self.state);
        let mut moved = State {
            others,
            ..State::default()
        };
        moved.take_back(gone);
        is_known.then(|| codec::encode_whole(&moved))
    }

    /// Takes back what was split off, at the customer who comes out of it.
    pub(crate) fn take_back(&mut self, other: &State) {
        self.changed = true;
        self.kept.take_in_unknown(other, 0);
        let mut other = other.open();
        self.fold_traits(&other);
        self.fold_segments(&other);
        self.state.endings.take(&other.endings);
        self.shrink_endings();
        self.state.run_count = self.state.run_count.max(other.run_count);
        limits::ENDED_PAGES.unite(&mut self.state.ended, &other.ended, |run| run.end_time);
        limits::HISTORY_PAGES.unite(&mut self.state.history, &other.history, |own| own.time);
        self.add_assignments(std::mem::take(&mut *other.assignments));
        self.put_trails(std::mem::take(&mut *other.trails));
        for run in std::mem::take(&mut *other.runs) {
            self.count_presence(&run, 1);
            self.tell_arrival(&run, "", Reason::Unmerged, "");
            self.add_run(run);
        }
        for position in std::mem::take(&mut *other.positions) {
            self.fold_position(position, Reason::Unmerged);
        }
        for progress in std::mem::take(&mut *other.progress) {
            self.take_back_progress(progress);
        }
        let mut remembered = std::mem::take(&mut *other.remembered);
        remembered.retain(|own| !self.remembers(&own.path));
        self.state.remembered.extend(remembered);
        // Something may have been deleted or redefined on the way. What is due by now has a timer.
        self.drop_undefined();
    }

    /// Erases the customer: what is there is counted and told as gone.
    pub(crate) fn erase(mut self) {
        if !self.kept.not_loaded().is_empty() {
            return self.need_all();
        }
        for run in std::mem::take(&mut *self.state.runs) {
            self.end(run, Reason::Erased, RunOutcome::Neutral, Name::from(""));
        }
        for position in std::mem::take(&mut *self.state.positions) {
            self.count_stage(&position.map, StageCount::Out(&position.stage), 1);
            self.count_stage(&position.map, StageCount::Present(&position.stage), -1);
            self.tell_left(&position, Reason::Erased);
        }
        for progress in std::mem::take(&mut *self.state.progress) {
            self.uncount_progress(&progress);
        }
    }

    fn remembers(&self, path: &Name) -> bool {
        self.state.remembered.iter().any(|own| own.path == *path)
    }

    /// Takes back the progress on a path as it is. Where the customer is on it already, both are
    /// joined.
    fn take_back_progress(&mut self, progress: Arc<Progress>) {
        if self.progress_place(&progress.path).is_some() {
            return self.fold_progress(Arc::unwrap_or_clone(progress));
        }
        self.count_path(&progress.path, PathCount::Started, 1);
        self.count_measure(&progress.path, &progress.measure, 1);
        self.state.progress.push(progress);
    }

    fn split_runs(&mut self, gone: &mut Customer, split: &Split<'_>) -> bool {
        let own = |run: &Run| split.ordinal_of(run.ordinal);
        if !self.state.runs.iter().any(|run| own(run).is_some()) {
            return false;
        }
        for run in std::mem::take(&mut *self.state.runs) {
            match own(&run) {
                Some(ordinal) => {
                    self.count_presence(&run, -1);
                    self.tell_departure(&run, Reason::SplitOff);
                    gone.runs.push(Run { ordinal, ..run });
                }
                None => self.state.runs.push(run),
            }
        }
        true
    }

    /// Takes apart what belongs to neither a map nor a happy path, and is not under way.
    fn split_lists(&mut self, gone: &mut Customer, split: &Split<'_>) -> bool {
        *gone.endings = self.state.endings.take_apart(|own| split.ordinal_of(own));
        *gone.ended = split_pages(limits::ENDED_PAGES, &mut self.state.ended, |own| {
            let ordinal = split.ordinal_of(own.ordinal)?;
            own.ordinal = ordinal;
            Some(())
        });
        let is_theirs = |own: &mut HistoryEntry| {
            own.ordinal = split.ordinal_of(own.ordinal)?;
            Some(())
        };
        *gone.history = split_pages(limits::HISTORY_PAGES, &mut self.state.history, is_theirs);
        let customer = self.customer;
        for own in std::mem::take(&mut *self.state.assignments) {
            match split.ordinal_of(own.ordinal) {
                Some(ordinal) => gone.assignments.push(returned(own, ordinal, customer)),
                None => self.state.assignments.push(own),
            }
        }
        let has_ends = gone.endings.iter().any(|own| !own.ends.is_empty());
        let is_told = !gone.ended.is_empty() || !gone.history.is_empty();
        has_ends || is_told || !gone.assignments.is_empty()
    }

    /// Puts each side where its own fragments are, in maps and on happy paths.
    fn split_places(&mut self, gone: &mut Customer, split: &Split<'_>) -> bool {
        let trails = self.own_trails();
        let is_alone = trails.iter().all(|trail| trail.ordinal == 0);
        if is_alone {
            self.state.trails.clear();
        }
        let (theirs, own): (Vec<Trail>, Vec<Trail>) = trails
            .into_iter()
            .partition(|trail| split.ordinal_of(trail.ordinal).is_some());
        if theirs.is_empty() {
            return false;
        }
        let joined = self.join_trails(&theirs);
        let ordinal_of = |ordinal| split.ordinal_of(ordinal).unwrap_or_default();
        *gone.positions = joined.positions.into_iter().collect();
        *gone.progress = joined.progress;
        *gone.remembered = joined.remembered;
        for position in gone.positions.iter_mut() {
            position.ordinal = ordinal_of(position.ordinal);
        }
        for progress in gone.progress.iter_mut() {
            for passage in &mut Arc::make_mut(progress).passages {
                passage.ordinal = ordinal_of(passage.ordinal);
            }
        }
        renumber_events(&mut gone.remembered, ordinal_of);
        let is_known = theirs.iter().any(|own| !own.is_empty() || own.is_lost);
        *gone.trails = kept_trails(theirs.into_iter().map(|trail| {
            let ordinal = ordinal_of(trail.ordinal);
            trail.renumbered(ordinal)
        }));
        let joined = self.join_trails(&own);
        self.stay_at(joined.positions);
        self.stay_on(joined.progress);
        *self.state.remembered = joined.remembered;
        *self.state.trails = kept_trails(own.into_iter());
        is_known
    }

    /// Puts who stays to the positions of the own fragments: one that a merge replaced comes back.
    fn stay_at(&mut self, positions: Vec<Position>) {
        let before = std::mem::take(&mut *self.state.positions);
        let of = |all: &[Position], map: &Name| all.iter().find(|own| own.map == *map).cloned();
        for left in &before {
            let now = of(&positions, &left.map);
            if now.as_ref().map(|own| &own.stage) == Some(&left.stage) {
                continue;
            }
            self.count_stage(&left.map, StageCount::In(&left.stage), -1);
            self.count_stage(&left.map, StageCount::Present(&left.stage), -1);
            if now.is_none() {
                self.tell_left(left, Reason::SplitOff);
            }
        }
        for now in &positions {
            let left = of(&before, &now.map).map(|own| own.stage);
            if left.as_ref() == Some(&now.stage) {
                continue;
            }
            self.count_stage(&now.map, StageCount::In(&now.stage), 1);
            self.count_stage(&now.map, StageCount::Present(&now.stage), 1);
            let from = left.unwrap_or_else(|| Name::from(""));
            self.tell_position(now, &from, Reason::Unmerged);
        }
        *self.state.positions = positions;
    }

    /// Puts who stays on the happy paths as far as the own fragments came.
    fn stay_on(&mut self, progress: Vec<Arc<Progress>>) {
        for before in std::mem::take(&mut *self.state.progress) {
            self.uncount_progress(&before);
        }
        for now in &progress {
            self.count_path(&now.path, PathCount::Started, 1);
            self.count_measure(&now.path, &now.measure, 1);
        }
        *self.state.progress = progress;
    }
}

/// An assignment as it is with the customer who comes out of a split.
fn returned(own: Assignment, ordinal: u16, from: CustomerId) -> Assignment {
    let given_to = own.given_to.unwrap_or(from);
    Assignment {
        ordinal,
        given_to: (ordinal != 0).then_some(given_to),
        ..own
    }
}

/// The trails that a customer goes on with: none where there is only that of the own fragment.
fn kept_trails(trails: impl Iterator<Item = Trail>) -> Vec<Trail> {
    let mut trails: Vec<Trail> = trails.map(unmeasured).collect();
    trails.sort_by_key(|own| own.ordinal);
    if trails.iter().all(|own| own.ordinal == 0) {
        trails.clear();
    }
    trails
}

fn renumber_events(remembered: &mut [Remembered], ordinal_of: impl Fn(u16) -> u16) {
    for event in remembered.iter_mut().flat_map(|own| &mut own.events) {
        event.ordinal = ordinal_of(event.ordinal);
    }
}

/// Takes out the entries that are renumbered, oldest first.
fn split_pages<E: Clone>(
    pages: Pages,
    list: &mut Vec<Paged<E>>,
    renumber: impl Fn(&mut E) -> Option<()>,
) -> Vec<Paged<E>> {
    let mut gone = Vec::new();
    list.retain_mut(|own| match renumber(own) {
        Some(()) => {
            pages.push(&mut gone, E::clone(own));
            false
        }
        None => true,
    });
    gone
}
