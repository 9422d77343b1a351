//! How well a customer follows a happy path: a pure function of what happened and of the instant.
//!
//! The page on its meaning is `services/journey/README.md`.

use kernel::Timestamp;
use messages::journey::v1::DeviationKind;

use crate::definition::{HappyPath, Milestone};
use crate::state::{Deviation, Measure, Passage};

/// Measures, as of `now`, a path that began with the first passage of its first milestone.
pub(crate) fn measure(path: &HappyPath, passages: &[Passage], now: Timestamp) -> Measure {
    let mut stamps: Vec<(Timestamp, usize)> = passages
        .iter()
        .filter_map(|passage| Some((passage.time, path.place(&passage.milestone)?)))
        .collect();
    // Stable: what has the same time keeps the order in which it was processed.
    stamps.sort_by_key(|(time, _)| *time);
    let Some(begin) = stamps.iter().find(|(_, place)| *place == 0) else {
        return Measure::default();
    };
    let start = begin.0;
    let mut line = Line::start(path, start);
    for (time, place) in stamps.into_iter().filter(|(time, _)| *time >= start) {
        line.check_deadline(time);
        line.pass(place, time);
    }
    line.check_deadline(now);
    line.finish()
}

/// The meaning of an event for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It stands for this milestone.
    Milestone(usize),
    /// It repeats what is known.
    Repetition,
    /// It is ahead of its turn, as another one before it was: it may be in its turn once others
    /// arrive late.
    Ahead,
}

/// Returns the meaning of an event of `time` that matches some milestones, by what happened until
/// then: the next one that it can reach in order; else it repeats one that was reached; else it
/// reaches one ahead of its turn, or after its turn.
///
/// `measured` is the measure of the passages as of any later instant.
pub(crate) fn choose(
    path: &HappyPath,
    passages: &[Passage],
    measured: &Measure,
    matching: &[usize],
    time: Timestamp,
) -> Meaning {
    if passages.iter().all(|own| own.time <= time) {
        return meaning(path, passages, measured, matching);
    }
    let until = passages.iter().filter(|own| own.time <= time);
    let until: Vec<Passage> = until.cloned().collect();
    meaning(path, &until, &measure(path, &until, time), matching)
}

fn meaning(
    path: &HappyPath,
    passages: &[Passage],
    measure: &Measure,
    matching: &[usize],
) -> Meaning {
    let is_reached = |place: usize| {
        let name = &path.milestones[place].name;
        let mut reached = measure.reached.iter();
        reached.any(|passage| passage.milestone == *name)
    };
    let furthest = (0..path.milestones.len())
        .rev()
        .find(|place| is_reached(*place));
    let Some(furthest) = furthest else {
        return Meaning::Repetition;
    };
    let next = path.next_required(furthest).unwrap_or(furthest);
    let in_order = |place: &&usize| **place > furthest && **place <= next;
    if let Some(place) = matching.iter().find(in_order) {
        return Meaning::Milestone(*place);
    }
    if matching.iter().any(|place| is_reached(*place)) {
        return Meaning::Repetition;
    }
    let Some(place) = matching.first().copied() else {
        return Meaning::Repetition;
    };
    let name = &path.milestones[place].name;
    match passages.iter().any(|own| own.milestone == *name) {
        true if place > furthest => Meaning::Ahead,
        true => Meaning::Repetition,
        false => Meaning::Milestone(place),
    }
}

impl HappyPath {
    /// The place of a milestone.
    pub(crate) fn place(&self, milestone: &str) -> Option<usize> {
        self.milestones
            .iter()
            .position(|own| own.name.as_ref() == milestone)
    }

    /// The next milestone after a place that cannot be left out.
    fn next_required(&self, after: usize) -> Option<usize> {
        (after + 1..self.milestones.len()).find(|place| !self.milestones[*place].optional)
    }
}

/// The path walked so far.
struct Line<'a> {
    path: &'a HappyPath,
    passed: Vec<bool>,
    ahead: Vec<bool>,
    /// The furthest milestone reached in order, and when.
    furthest: usize,
    since: Timestamp,
    /// The milestone whose deadline passed last.
    stalled: Option<usize>,
    /// No deadline missed so far.
    in_time: bool,
    measure: Measure,
}

impl<'a> Line<'a> {
    fn start(path: &'a HappyPath, start: Timestamp) -> Self {
        let count = path.milestones.len();
        Self {
            path,
            passed: vec![false; count],
            ahead: vec![false; count],
            furthest: 0,
            since: start,
            stalled: None,
            in_time: true,
            measure: Measure::default(),
        }
    }

    fn milestone(&self, place: usize) -> &'a Milestone {
        &self.path.milestones[place]
    }

    /// When a milestone that follows the furthest one is due.
    fn deadline(&self, place: usize) -> Option<Timestamp> {
        self.milestone(place)
            .within
            .map(|within| self.since + within)
    }

    fn deviate(&mut self, kind: DeviationKind, place: usize, time: Timestamp) {
        let milestone = &self.milestone(place).name;
        let known = |own: &Deviation| own.kind == kind && own.milestone == *milestone;
        if !self.measure.deviations.iter().any(known) {
            self.measure.deviations.push(Deviation {
                kind,
                milestone: milestone.clone(),
                time,
            });
        }
    }

    /// The next required milestone stalls once its deadline is over; at exactly the deadline it is not.
    fn check_deadline(&mut self, time: Timestamp) {
        let Some(next) = self.path.next_required(self.furthest) else {
            return;
        };
        if let Some(deadline) = self.deadline(next)
            && time > deadline
            && self.stalled != Some(next)
        {
            self.deviate(DeviationKind::Stalled, next, deadline);
            self.stalled = Some(next);
            self.in_time = false;
        }
    }

    fn pass(&mut self, place: usize, time: Timestamp) {
        if self.passed[place] {
            return;
        }
        if place != 0 && place < self.furthest {
            self.passed[place] = true;
            self.deviate(DeviationKind::OutOfOrder, place, time);
            return;
        }
        let missing: Vec<usize> = (self.furthest + 1..place)
            .filter(|between| !self.milestone(*between).optional)
            .collect();
        if missing.is_empty() {
            self.reach(place, time);
        } else {
            self.ahead[place] = true;
            for between in missing {
                self.deviate(DeviationKind::Skipped, between, time);
            }
        }
    }

    fn reach(&mut self, place: usize, time: Timestamp) {
        let milestone = self.milestone(place);
        let is_late = place != 0
            && (self.stalled == Some(place) || self.deadline(place).is_some_and(|due| time > due));
        if is_late {
            self.deviate(DeviationKind::Late, place, time);
            self.in_time &= milestone.optional;
        }
        if self.ahead[place + 1..].contains(&true) {
            self.deviate(DeviationKind::OutOfOrder, place, time);
        }
        self.passed[place] = true;
        self.furthest = place;
        self.since = time;
        self.measure.reached.push(Passage {
            milestone: milestone.name.clone(),
            time,
            ordinal: 0,
        });
        if self.in_time && !is_late {
            self.measure.counted.push(milestone.name.clone());
        }
    }

    fn finish(mut self) -> Measure {
        let last = self.path.milestones.last().map(|milestone| &milestone.name);
        self.measure.followed = self.measure.counted.last() == last;
        self.measure.under_way = self.in_time && !self.measure.followed;
        self.measure.due = self
            .path
            .next_required(self.furthest)
            .filter(|next| self.stalled != Some(*next))
            .and_then(|next| self.deadline(next));
        self.measure
    }
}
