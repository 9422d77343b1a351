//! Changes for consumers outside: where each run is, or how it ended, and the stage of the customer in
//! each map.
//!
//! The newest change of a customer and a run, or a map, says all of it, so that nobody has to know of
//! merges: what leaves with a customer leaves by a change of theirs, and comes to the survivor by one
//! of that one. Refusals and happy paths are not told.

use bytes::Bytes;
use kernel::{Reason, Timestamp};
use messages::journey::v1::RunOutcome;
use messages::stream::v1::{ChangeRecord, MapMoved, RunMoved, change_record::Kind};

use crate::limits;
use crate::state::{Name, Position, Run};

use super::Pass;

impl Pass<'_> {
    /// Tells that a run came to its step from another one, or from none where it begins.
    pub(super) fn tell_arrival(&mut self, run: &Run, from: &str, reason: Reason, detail: &str) {
        let moved = RunMoved {
            from_step: from.to_owned(),
            to_step: run.step.as_ref().to_owned(),
            visit: run.visit,
            ..moved(run, reason, detail)
        };
        self.tell(Kind::Transition(moved), self.since);
    }

    /// Tells that a run left with the customer, who is joined into another, or with one who comes
    /// apart from this one.
    pub(super) fn tell_departure(&mut self, run: &Run, reason: Reason) {
        let moved = RunMoved {
            from_step: run.step.as_ref().to_owned(),
            ..moved(run, reason, "")
        };
        self.tell(Kind::Transition(moved), self.since);
    }

    /// Tells that a run ended at its step.
    pub(super) fn tell_end(
        &mut self,
        run: &Run,
        reason: Reason,
        outcome: RunOutcome,
        detail: &str,
    ) {
        let moved = RunMoved {
            from_step: run.step.as_ref().to_owned(),
            outcome: word(outcome).to_owned(),
            ..moved(run, reason, detail)
        };
        self.tell(Kind::Transition(moved), self.since);
    }

    /// Tells that the customer came to a position from a stage of its map, or from outside the map.
    pub(super) fn tell_position(&mut self, position: &Position, from: &str, reason: Reason) {
        let moved = MapMoved {
            from_stage: from.to_owned(),
            to_stage: position.stage.as_ref().to_owned(),
            ..self.moved_in(&position.map, reason)
        };
        self.tell(Kind::Position(moved), position.enter_time);
    }

    /// Tells that the customer left a position, and the map with it.
    pub(super) fn tell_left(&mut self, position: &Position, reason: Reason) {
        let moved = MapMoved {
            from_stage: position.stage.as_ref().to_owned(),
            ..self.moved_in(&position.map, reason)
        };
        self.tell(Kind::Position(moved), self.since);
    }

    fn moved_in(&self, map: &Name, reason: Reason) -> MapMoved {
        let defined = self.definitions.maps.get(map);
        MapMoved {
            journey_map: map.as_ref().to_owned(),
            version: defined.map_or(0, |defined| defined.version),
            reason: reason.code().to_owned(),
            ..MapMoved::default()
        }
    }

    fn tell(&mut self, kind: Kind, time: Timestamp) {
        self.effects.change(ChangeRecord {
            customer_id: self.key.clone(),
            time_ms: time.as_millis(),
            kind: Some(kind),
        });
    }
}

fn moved(run: &Run, reason: Reason, detail: &str) -> RunMoved {
    let detail = &detail[..detail.floor_char_boundary(limits::DETAIL_BYTES)];
    RunMoved {
        run_id: Bytes::copy_from_slice(run.id.as_bytes()),
        journey: run.journey.as_ref().to_owned(),
        version: run.version,
        reason: reason.code().to_owned(),
        is_holdout: run.holdout,
        detail: detail.to_owned(),
        ..RunMoved::default()
    }
}

const fn word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Success => "SUCCESS",
        RunOutcome::Neutral | RunOutcome::Unspecified => "NEUTRAL",
        RunOutcome::Failure => "FAILURE",
    }
}
