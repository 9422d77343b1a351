//! The properties that runs keep of the events that triggered them.
//!
//! All runs share one pool. Each may have what the others leave of it, and a share is left for each
//! that may still begin: so a customer with few runs keeps large events whole.

use std::sync::Arc;

use kernel::{Properties, Reason, Room, names_around};

use super::Pass;
use crate::definition::Journey;
use crate::limits::{self, TRIGGER_SHARE};
use crate::state::Run;

impl Pass<'_> {
    /// Cuts what a run that begins keeps of its event to what has room beside all other runs.
    pub(super) fn fit_trigger(&mut self, run: &mut Run, journey: &Journey) {
        let room = room_beside(self.state.runs.iter());
        self.fit_into(run, Some(journey), room);
    }

    /// Cuts what a run keeps that came with a merge to what has room beside all other runs.
    pub(super) fn fit_trigger_at(&mut self, place: usize) {
        let runs = self.state.runs.iter().enumerate();
        let room = room_beside(runs.filter(|(at, _)| *at != place).map(|(_, run)| run));
        if self.state.runs[place].trigger.bytes() <= room.bytes {
            return;
        }
        let mut run = self.state.runs[place].clone();
        let versions = self.definitions.journeys.get(&run.journey);
        let journey = versions.and_then(|versions| versions.by_version.get(&run.version));
        self.fit_into(&mut run, journey.map(AsRef::as_ref), room);
        self.state.runs[place] = run;
    }

    fn fit_into(&mut self, run: &mut Run, journey: Option<&Journey>, room: Room) {
        // `has(event.address)` reads what is inside.
        let is_read = |name: &str| {
            let mut names = names_around(name).chain([name]);
            journey.is_some_and(|own| names.any(|name| own.trigger_reads.contains(name)))
        };
        let left_out = Arc::make_mut(&mut run.trigger).fit(room, is_read);
        self.note_left_out(run, &left_out);
    }

    /// Returns the properties that an action carries: all that the run keeps, unless actions of this
    /// pass carry very much already.
    pub(super) fn properties_for_action(&mut self, run: &Run) -> Properties {
        let mut properties = Properties::clone(&run.trigger);
        let share = self.action_bytes / limits::ACTION_SHARE;
        let room = Room {
            bytes: share.max(TRIGGER_SHARE),
            values: limits::TRIGGER_VALUES,
        };
        let left_out = properties.fit(room, |_| false);
        self.note_left_out(run, &left_out);
        self.action_bytes = self.action_bytes.saturating_sub(properties.bytes());
        properties
    }

    fn note_left_out(&mut self, run: &Run, left_out: &[Box<str>]) {
        if !left_out.is_empty() {
            self.note_run(run, Reason::PropertyLimit, left_out.join(", ").into());
        }
    }
}

/// Returns the room that other runs leave for what one keeps: a share at the least, where there are
/// no more of them than may be.
fn room_beside<'a>(others: impl Iterator<Item = &'a Run>) -> Room {
    let (mut count, mut bytes) = (1, 0);
    for other in others {
        count += 1;
        bytes += other.trigger.bytes().max(TRIGGER_SHARE);
    }
    let kept_free = limits::RUNS_ACTIVE.saturating_sub(count) * TRIGGER_SHARE;
    Room {
        bytes: limits::TRIGGER_BYTES.saturating_sub(bytes + kept_free),
        values: limits::TRIGGER_VALUES,
    }
}
