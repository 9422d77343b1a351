//! Events that come before their turn on a happy path: each is remembered, and counts once the
//! beginning arrives, or what comes before it.
//!
//! Files are imported one after another, purchases before sign-ups as likely as after. A path is a
//! matter of when things happened, not of when they came here.

use std::collections::VecDeque;
use std::sync::Arc;

use kernel::Timestamp;

use crate::codec;
use crate::definition::HappyPath;
use crate::limits;
use crate::measure::{Meaning, choose, measure};
use crate::state::{EarlyEvent, Passage, Remembered};

use super::Pass;

impl Pass<'_> {
    /// Remembers an event that may stand for these milestones of a path once others arrive.
    pub(super) fn remember(&mut self, path: &HappyPath, matching: &[usize]) {
        if path.horizon == kernel::Duration::ZERO {
            return;
        }
        let names = matching
            .iter()
            .map(|place| Arc::clone(&path.milestones[*place].name));
        let event = EarlyEvent {
            milestones: names.collect(),
            time: self.since,
            ordinal: self.ordinal,
        };
        let known = self.remembered_events(path);
        let mut events = known.to_vec();
        add(&mut events, event);
        keep(&mut events, path);
        if events != known {
            self.put_remembered(path, events);
        }
    }

    /// Takes what is remembered from the beginning of a path on into its passages, as far as it
    /// stands for anything by now, and measures the path.
    pub(super) fn recall(&mut self, place: usize, path: &HappyPath) {
        let passages = &self.state.progress[place].passages;
        let began = began(path, passages);
        let known = self.remembered_events(path);
        let Some(began) = began.filter(|began| known.iter().any(|own| own.time >= *began)) else {
            return self.remeasure(place, path);
        };
        let mut early = known.to_vec();
        let from = early.partition_point(|own| own.time < began);
        let mut waiting: VecDeque<EarlyEvent> = early.split_off(from).into();
        let mut passages = passages.clone();
        while let Some(event) = waiting.pop_front() {
            let milestones = event.milestones.iter();
            let matching: Vec<usize> = milestones.filter_map(|name| path.place(name)).collect();
            let measured = measure(path, &passages, self.now);
            match choose(path, &passages, &measured, &matching, event.time) {
                Meaning::Milestone(chosen) => {
                    let passage = Passage {
                        milestone: Arc::clone(&path.milestones[chosen].name),
                        time: event.time,
                        ordinal: event.ordinal,
                    };
                    match add_passage(path, &mut passages, passage, self.now) {
                        // An event that is read next may bring its turn.
                        Some(gone) if gone.time > event.time => {
                            let place = waiting.partition_point(|own| own.time <= gone.time);
                            waiting.insert(place, early_event(gone));
                        }
                        Some(gone) => add(&mut early, early_event(gone)),
                        None => {}
                    }
                }
                Meaning::Ahead => add(&mut early, event),
                Meaning::Repetition => {}
            }
        }
        Arc::make_mut(&mut self.state.progress[place]).passages = passages;
        self.put_remembered(path, early);
        self.remeasure(place, path);
    }

    /// Adds a passage of a milestone to those of a path, and measures it.
    pub(super) fn pass_milestone(&mut self, place: usize, path: &HappyPath, passage: Passage) {
        let progress = Arc::make_mut(&mut self.state.progress[place]);
        let gone = add_passage(path, &mut progress.passages, passage, self.now);
        self.changed = true;
        if let Some(gone) = gone {
            let mut events = self.remembered_events(path).to_vec();
            add(&mut events, early_event(gone));
            keep(&mut events, path);
            self.put_remembered(path, events);
        }
        self.recall(place, path);
    }

    /// Takes over what another customer remembered, who was joined into this one.
    pub(super) fn fold_remembered(&mut self, other: Vec<Remembered>) {
        for own in other {
            let Some(path) = self.definitions.paths.get(&own.path) else {
                continue;
            };
            let mut events = self.remembered_events(path).to_vec();
            for event in own.events {
                add(&mut events, event);
            }
            keep(&mut events, path);
            self.put_remembered(path, events);
            if let Some(place) = self.progress_place(&path.name) {
                self.recall(place, path);
            }
        }
    }

    fn remembered_events(&self, path: &HappyPath) -> &[EarlyEvent] {
        let mut all = self.state.remembered.iter();
        let own = all.find(|own| own.path == path.name);
        own.map_or(&[], |own| &own.events)
    }

    /// Keeps these events of a path, those of paths that are not defined any more not, and nothing
    /// for which there is no room: then they are not remembered.
    fn put_remembered(&mut self, path: &HappyPath, events: Vec<EarlyEvent>) {
        let paths = &self.definitions.paths;
        let all = &mut *self.state.remembered;
        all.retain(|own| own.path != path.name && paths.contains_key(&own.path));
        let own = Remembered {
            path: Arc::clone(&path.name),
            events,
        };
        let taken: usize = all.iter().map(codec::remembered_bytes).sum();
        let room = limits::REMEMBERED_BYTES.saturating_sub(taken);
        if !own.events.is_empty() && codec::remembered_bytes(&own) <= room {
            all.push(own);
        }
        self.changed = true;
    }
}

/// The beginning of a path: the first passage of its first milestone.
pub(super) fn began(path: &HappyPath, passages: &[Passage]) -> Option<Timestamp> {
    let first = &path.milestones[0].name;
    let begins = passages.iter().filter(|own| own.milestone == *first);
    begins.map(|own| own.time).min()
}

/// Adds a passage. Of a milestone that was passed as often as is kept, the first stays, and the one
/// that reaches it in its turn, or else the next. Returns the one that gives way.
fn add_passage(
    path: &HappyPath,
    passages: &mut Vec<Passage>,
    passage: Passage,
    now: Timestamp,
) -> Option<Passage> {
    let milestone = Arc::clone(&passage.milestone);
    passages.push(passage);
    let places = passages.iter().enumerate();
    let same = places.filter(|(_, own)| own.milestone == milestone);
    let mut same: Vec<(usize, Timestamp)> = same.map(|(place, own)| (place, own.time)).collect();
    if same.len() <= limits::PASSAGES_PER_MILESTONE {
        return None;
    }
    same.sort_by_key(|(_, time)| *time);
    let measured = measure(path, passages, now);
    let mut reached = measured.reached.iter();
    let reached = reached.find(|own| own.milestone == milestone);
    let reached = reached.map(|own| own.time);
    // The first stays whatever it is.
    let gives_way = |(_, time): &&(usize, Timestamp)| Some(*time) != reached;
    let (place, _) = same[1..].iter().rev().find(gives_way)?;
    Some(passages.remove(*place))
}

/// A passage that gave way: it may be in its turn once others arrive.
pub(super) fn early_event(passage: Passage) -> EarlyEvent {
    EarlyEvent {
        milestones: vec![passage.milestone],
        time: passage.time,
        ordinal: passage.ordinal,
    }
}

/// Adds an event to those of a path, which stay in the order of time.
pub(super) fn add(events: &mut Vec<EarlyEvent>, event: EarlyEvent) {
    let place = events.partition_point(|own| own.time <= event.time);
    events.insert(place, event);
}

/// Keeps what is no older than the horizon before the newest, and of each milestone the first ones
/// and the newest: a beginning that arrives later is one that came before the first, as a rule.
fn keep(events: &mut Vec<EarlyEvent>, path: &HappyPath) {
    let is_known = |own: &EarlyEvent| own.milestones.iter().all(|name| path.place(name).is_some());
    events.retain(is_known);
    let Some(newest) = events.last().map(|own| own.time) else {
        return;
    };
    events.retain(|own| own.time + path.horizon >= newest);
    for milestone in &path.milestones {
        let of = |own: &EarlyEvent| own.milestones.first() == Some(&milestone.name);
        let count = events.iter().filter(|own| of(own)).count();
        let mut nth = 0;
        events.retain(|own| {
            if !of(own) {
                return true;
            }
            nth += 1;
            nth < limits::REMEMBERED_PER_MILESTONE || nth == count
        });
    }
}
