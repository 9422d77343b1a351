//! Happy paths: what a fact, or the time, means for the customer's progress on each.

use std::sync::Arc;

use kernel::Reason;
use messages::journey::v1::DeviationKind;

use crate::counter::{Counter, PathCount};
use crate::definition::{HappyPath, Readers};
use crate::measure::{choose, measure};
use crate::state::{Measure, Name, Passage, Progress};

use super::Pass;
use super::happening::{Happening, Match};

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
            .filter(|(_, own)| happening.matches(&own.trigger, self.state) == Match::Yes)
            .map(|(place, _)| place)
            .collect();
        let Some(first) = matching.first() else {
            return;
        };
        let Some(place) = self.progress_place(&path.name) else {
            if *first == 0 {
                self.begin_path(path);
            }
            return;
        };
        let progress = &mut self.state.progress[place];
        let began = progress.passages.first().map(|passage| passage.time);
        if began.is_some_and(|began| self.since < began) {
            return;
        }
        if let Some(chosen) = choose(path, &progress.passages, &progress.measure, &matching) {
            progress.passages.push(Passage {
                milestone: Arc::clone(&path.milestones[chosen].name),
                time: self.since,
            });
            self.changed = true;
            self.remeasure(place, path);
        }
    }

    fn begin_path(&mut self, path: &HappyPath) {
        self.state.progress.push(Progress {
            path: Arc::clone(&path.name),
            version: path.version,
            passages: vec![Passage {
                milestone: Arc::clone(&path.milestones[0].name),
                time: self.since,
            }],
            measure: Measure::default(),
        });
        self.changed = true;
        self.count_path(&path.name, PathCount::Started, 1);
        self.remeasure(self.state.progress.len() - 1, path);
    }

    /// Measures again the paths with a deadline that is over.
    pub(super) fn measure_deadlines(&mut self) {
        for place in 0..self.state.progress.len() {
            let progress = &self.state.progress[place];
            if progress.measure.due.is_some_and(|due| due < self.now)
                && let Some(path) = self.definitions.paths.get(&progress.path)
            {
                self.remeasure(place, path);
            }
        }
    }

    /// Measures again the paths that were redefined, and lets go of those that are not defined any more.
    pub(super) fn refresh_paths(&mut self) {
        let definitions = self.definitions;
        let mut place = 0;
        while let Some(progress) = self.state.progress.get_mut(place) {
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
            let began = path.is_some_and(|path| {
                let first = &path.milestones[0].name;
                progress.passages.iter().any(|own| own.milestone == *first)
            });
            match path {
                Some(path) if began => {
                    progress.version = path.version;
                    progress
                        .passages
                        .retain(|own| path.place(&own.milestone).is_some());
                    self.remeasure(place, path);
                    place += 1;
                }
                _ => {
                    let gone = self.state.progress.remove(place);
                    self.uncount_progress(&gone);
                }
            }
        }
    }

    /// Measures one path, counts what changed, and tells what is new.
    pub(super) fn remeasure(&mut self, place: usize, path: &HappyPath) {
        let progress = &mut self.state.progress[place];
        let new = measure(path, &progress.passages, self.now);
        let old = std::mem::replace(&mut progress.measure, new.clone());
        if new == old {
            return;
        }
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
            };
            let kind = deviation_name(deviation.kind).into();
            self.note_on_path(path, &passage, Reason::Deviated, kind);
        }
    }

    /// Tells of a milestone, at its own time: a stall is that of the deadline, whenever it was noticed.
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

    fn count_measure(&mut self, path: &str, measure: &Measure, change: i64) {
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
