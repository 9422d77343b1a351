//! Happy paths: what a fact, or the time, means for the customer's progress on each.

use std::sync::Arc;

use kernel::Reason;
use messages::journey::v1::DeviationKind;

use crate::counter::{Counter, PathCount};
use crate::definition::{HappyPath, Readers};
use crate::limits;
use crate::measure::{Meaning, choose, measure};
use crate::state::{Measure, Name, Passage, Progress};
use crate::wait;

use super::Pass;
use super::happening::{Happening, Match};
use super::remember::began;

impl Pass<'_> {
    /// Takes a fact into every happy path that it concerns.
    pub(super) fn measure_paths(&mut self, readers: &[&Readers], happening: &Happening<'_>) {
        let mut done: Vec<&Name> = Vec::new();
        for readers in readers {
            for path in &readers.paths {
                if !done.contains(&&path.name) {
                    done.push(&path.name);
                    self.measure_path(path, happening);
                }
            }
        }
    }

    fn measure_path(&mut self, path: &HappyPath, happening: &Happening<'_>) {
        let milestones = path.milestones.iter().enumerate();
        let matching: Vec<usize> = milestones
            .filter(|(_, own)| happening.matches(&own.trigger, &self.state) == Match::Yes)
            .map(|(place, _)| place)
            .collect();
        let Some(first) = matching.first() else {
            return;
        };
        let begins = *first == 0;
        let Some(place) = self.progress_place(&path.name) else {
            return match begins {
                true => self.begin_path(path),
                false => self.remember(path, &matching),
            };
        };
        let progress = &self.state.progress[place];
        let is_before = began(path, &progress.passages).is_some_and(|began| self.since < began);
        if is_before && !begins {
            return self.remember(path, &matching);
        }
        let meaning = match is_before {
            // It began earlier than was known.
            true => Meaning::Milestone(0),
            false => {
                let (passages, measure) = (&progress.passages, &progress.measure);
                choose(path, passages, measure, &matching, self.since)
            }
        };
        match meaning {
            Meaning::Milestone(chosen) => {
                let passage = self.passage(path, chosen);
                self.pass_milestone(place, path, passage);
            }
            Meaning::Ahead => self.remember(path, &matching),
            Meaning::Repetition => {}
        }
    }

    fn begin_path(&mut self, path: &HappyPath) {
        if !self.has_room_for_path(path) {
            return self.refuse_path(&path.name);
        }
        let begun = Progress {
            path: Arc::clone(&path.name),
            version: path.version,
            passages: vec![self.passage(path, 0)],
            measure: Measure::default(),
        };
        self.state.progress.push(Arc::new(begun));
        self.changed = true;
        self.count_path(&path.name, PathCount::Started, 1);
        self.recall(self.state.progress.len() - 1, path);
    }

    fn passage(&self, path: &HappyPath, milestone: usize) -> Passage {
        Passage {
            milestone: Arc::clone(&path.milestones[milestone].name),
            time: self.since,
            ordinal: self.ordinal,
        }
    }

    /// Returns whether all that can happen on a path has room beside what can happen on those that
    /// the customer is on.
    pub(super) fn has_room_for_path(&self, path: &HappyPath) -> bool {
        self.progress_bytes() + path.progress_bytes() <= limits::PROGRESS_BYTES
    }

    /// Says that there is no room for progress on a path.
    pub(super) fn refuse_path(&mut self, path: &Name) {
        self.count_path(path, PathCount::Refused(Reason::PathLimit), 1);
        self.note_refusal(path, Reason::PathLimit, Name::from(""));
    }

    fn progress_bytes(&self) -> usize {
        let paths = self.state.progress.iter();
        paths
            .filter_map(|progress| self.definitions.paths.get(&progress.path))
            .map(|path| path.progress_bytes())
            .sum()
    }

    /// Measures again the paths with a deadline that is over.
    pub(super) fn measure_deadlines(&mut self) {
        for place in 0..self.state.progress.len() {
            let progress = &self.state.progress[place];
            let Some(deadline) = progress.measure.due.filter(|due| *due < self.now) else {
                continue;
            };
            let wait = wait::of_deadline(progress, deadline);
            if let Some(path) = self.definitions.paths.get(&progress.path)
                && self.begins(wait)
            {
                self.remeasure(place, path);
            }
        }
        self.effects.end_wait();
    }

    /// Measures again the paths that were redefined, and lets go of those that are not defined any
    /// more.
    pub(super) fn refresh_paths(&mut self) {
        let definitions = self.definitions;
        let mut place = 0;
        let mut is_redefined = false;
        while let Some(progress) = self.state.progress.get(place) {
            let path = definitions.paths.get(&progress.path);
            if let Some(path) = path
                && progress.version == path.version
            {
                place += 1;
                continue;
            }
            if path.is_none_or(|path| path.version < progress.version) {
                self.effects.lack_definition();
            }
            self.changed = true;
            is_redefined = true;
            let began = path.is_some_and(|path| {
                let first = &path.milestones[0].name;
                progress.passages.iter().any(|own| own.milestone == *first)
            });
            match path {
                Some(path) if began => {
                    let progress = Arc::make_mut(&mut self.state.progress[place]);
                    progress.version = path.version;
                    let passages = &mut progress.passages;
                    passages.retain(|own| path.place(&own.milestone).is_some());
                    self.remeasure(place, path);
                    place += 1;
                }
                _ => {
                    let gone = self.state.progress.remove(place);
                    self.uncount_progress(&gone);
                }
            }
        }
        // A path may have become longer: those that began last give way.
        while is_redefined && self.progress_bytes() > limits::PROGRESS_BYTES {
            let began = |own: &Arc<Progress>| own.passages.first().map(|passage| passage.time);
            let paths = self.state.progress.iter().enumerate();
            let last = paths.max_by_key(|(_, own)| (began(own), Arc::clone(&own.path)));
            let Some(place) = last.map(|(place, _)| place) else {
                return;
            };
            let gone = self.state.progress.remove(place);
            self.uncount_progress(&gone);
            self.refuse_path(&gone.path);
        }
    }

    /// Measures one path, counts what changed, and tells what is new.
    pub(super) fn remeasure(&mut self, place: usize, path: &HappyPath) {
        let progress = &self.state.progress[place];
        let new = measure(path, &progress.passages, self.now);
        if new == progress.measure {
            return;
        }
        let progress = Arc::make_mut(&mut self.state.progress[place]);
        let old = std::mem::replace(&mut progress.measure, new.clone());
        self.changed = true;
        self.count_measure(&path.name, &old, -1);
        self.count_measure(&path.name, &new, 1);
        for passage in new.reached.iter().filter(|own| !old.reached.contains(own)) {
            let none = Name::from("");
            self.note_on_path(path, passage, Reason::MilestoneReached, none);
        }
        for deviation in new
            .deviations
            .iter()
            .filter(|own| !old.deviations.contains(own))
        {
            let passage = Passage {
                milestone: Arc::clone(&deviation.milestone),
                time: deviation.time,
                ordinal: 0,
            };
            let kind = deviation_name(deviation.kind).into();
            self.note_on_path(path, &passage, Reason::Deviated, kind);
        }
    }

    /// Tells of a milestone, at its own time: a stall is that of the deadline, whenever it was
    /// noticed.
    fn note_on_path(&mut self, path: &HappyPath, at: &Passage, reason: Reason, detail: Name) {
        let since = std::mem::replace(&mut self.since, at.time);
        self.note(&path.name, None, &at.milestone, reason, detail);
        self.since = since;
    }

    /// Takes a progress out of all counts.
    pub(super) fn uncount_progress(&mut self, progress: &Progress) {
        self.count_path(&progress.path, PathCount::Started, -1);
        self.count_measure(&progress.path, &progress.measure, -1);
    }

    pub(super) fn count_measure(&mut self, path: &str, measure: &Measure, change: i64) {
        if measure.under_way {
            self.count_path(path, PathCount::UnderWay, change);
        }
        if measure.followed {
            self.count_path(path, PathCount::Followed, change);
        }
        for milestone in &measure.counted {
            self.count_path(path, PathCount::Reached(milestone), change);
        }
        for deviation in &measure.deviations {
            let of = PathCount::Deviation {
                kind: deviation.kind,
                milestone: &deviation.milestone,
            };
            self.count_path(path, of, change);
        }
    }

    pub(super) fn progress_place(&self, path: &Name) -> Option<usize> {
        self.state.progress.iter().position(|own| own.path == *path)
    }

    pub(super) fn count_path(&mut self, path: &str, of: PathCount<'_>, change: i64) {
        self.count(Counter::Path { path, of }, change);
    }
}

impl HappyPath {
    /// Bytes that the progress on the path takes where it is stored, whatever may happen on it:
    /// each milestone passed as often as is kept, reached, counted, and missed in every way.
    pub(crate) fn progress_bytes(&self) -> usize {
        const PATH: usize = 40;
        const ENTRY: usize = 17;
        const ENTRIES: usize = limits::PASSAGES_PER_MILESTONE + 1 + 1 + 4;
        let milestones = self.milestones.iter();
        let entries = milestones.map(|own| ENTRIES * (own.name.len() + ENTRY));
        PATH + self.name.len() + entries.sum::<usize>()
    }
}

/// A kind of deviation, for people.
const fn deviation_name(kind: DeviationKind) -> &'static str {
    match kind {
        DeviationKind::Unspecified => "unspecified",
        DeviationKind::Stalled => "stalled",
        DeviationKind::Late => "late",
        DeviationKind::Skipped => "skipped",
        DeviationKind::OutOfOrder => "out of order",
    }
}
