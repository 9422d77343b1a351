//! The progress of time in a partition, on a clock: up to where timers may fire, and the `now` of a
//! step.
//!
//! A timer fires once everything that was accepted before it is due is in effect here. What the
//! services before this one still have before them, the store tells; what waits in the inputs of
//! this one, the worker sees. A worker's own clock says only when to look, and fires nothing early.
//!
//! Low-priority lanes hold nothing up.

use std::time::Instant;

use hot::{Frontier, HotError};
use kernel::{Duration, Timestamp};

use super::cause::Cause;
use super::fault::Failed;
use super::lane::Lane;
use super::position::Position;
use super::run::Room;
use super::{Planned, TickOutcome, Worker};
use crate::key::Key;
use crate::{TimeSource, metrics};
use decision::Core;

/// Up to where timers may fire in a batch, on a clock.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Before each planned record; [`Timestamp::MIN`] where none may.
    pub(crate) before: Vec<Timestamp>,
    /// Once all live records that are planned were run.
    pub(crate) end: Timestamp,
}

/// Timers that fired after the grace, before all that was accepted before them had come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overtaking {
    pub(crate) timers: u64,
    /// The due time of the first of them.
    pub(crate) first_due: Option<Timestamp>,
}

impl Overtaking {
    fn add(&mut self, due_time: Timestamp) {
        self.timers += 1;
        self.first_due.get_or_insert(due_time);
    }

    /// Adds those of a batch. Returns whether a hold-up begins with them.
    fn is_begun_by(&mut self, batch: Self) -> bool {
        self.timers += batch.timers;
        let is_first = self.first_due.is_none();
        self.first_due = self.first_due.or(batch.first_due);
        is_first && batch.timers > 0
    }

    /// Ends a hold-up where what was accepted before the grace has passed the services before this
    /// one. Returns how many timers did not wait in it.
    fn end(&mut self, asked: Frontier, grace: Duration) -> Option<u64> {
        self.first_due?;
        let is_over = asked.time >= asked.now - grace;
        is_over.then(|| std::mem::take(self).timers)
    }
}

impl Reach {
    /// Returns the latest of them.
    pub(crate) fn latest(&self) -> Timestamp {
        self.before.iter().copied().fold(self.end, Timestamp::max)
    }
}

impl<C: Core> Worker<C> {
    /// Returns whether time is that of the records.
    pub(super) fn is_on_stream_time(&self) -> bool {
        matches!(self.config.time, TimeSource::Stream)
    }

    /// Asks the store how far the services before this one are, where a timer may be due.
    ///
    /// The inputs are read after it: what passed those services by then is in them.
    pub(super) async fn ask_frontier(&mut self) -> Result<(), HotError> {
        self.frontier = None;
        if self.is_on_stream_time() || !self.may_have_due() {
            return Ok(());
        }
        let partition = self.position.slot.partition;
        let begun = Instant::now();
        let asked = self.hot().frontier(partition, C::UPSTREAM).await?;
        metrics::asked_frontier(self.position.slot.owner, begun.elapsed());
        self.end_hold_up(asked);
        self.frontier = Some(asked);
        self.inputs.hint_live();
        Ok(())
    }

    /// Returns up to when everything has passed the services before this one, or should have:
    /// nobody waits for longer than the grace.
    fn passed(&self) -> Timestamp {
        let passed = |frontier: Frontier| frontier.time.max(frontier.now - self.config.grace);
        self.frontier.map_or(Timestamp::MIN, passed)
    }

    /// Returns up to where timers may fire in a batch.
    pub(super) fn reach(&self, plan: &[Planned], wall_now: Timestamp) -> Reach {
        let passed = self.passed().min(wall_now);
        let mut taken = vec![0; self.inputs.lanes.len()];
        for planned in plan {
            taken[planned.lane] += 1;
        }
        let lanes = self.inputs.lanes.iter().zip(taken);
        let left = lanes.filter(|(lane, _)| lane.is_live());
        // The oldest of what is still to come: acceptance times are not in order where a stream has
        // two kinds of writers.
        let mut next = left
            .map(|(lane, taken)| lane.oldest_after(taken))
            .fold(Timestamp::MAX, Timestamp::min);
        let mut reach = Reach {
            before: vec![Timestamp::MIN; plan.len()],
            end: passed.min(next),
        };
        for (before, planned) in reach.before.iter_mut().zip(plan).rev() {
            let lane = &self.inputs.lanes[planned.lane];
            if !lane.is_live() {
                continue;
            }
            let accepted = lane.accepted(planned.place);
            next = next.min(accepted.time.unwrap_or(Timestamp::MIN));
            // It came through the services before this one, in order: so did all that is older.
            let is_proof = C::UPSTREAM.is_empty() || accepted.is_of_cause;
            let until = if is_proof && !C::IS_IN_REAL_TIME {
                next
            } else {
                next.min(passed)
            };
            *before = until.min(wall_now);
        }
        reach
    }

    /// On a clock, fires what is due once the live records are run: before low-priority ones, which
    /// it does not wait for.
    pub(super) fn fire_after_live(
        &mut self,
        definitions: &C::Definitions,
        wall_now: Option<Timestamp>,
    ) -> Result<Room, Failed> {
        if wall_now.is_none() {
            return Ok(Room::Left);
        }
        let until = self.known_until(self.reach.end).0;
        self.fire_due(definitions, until, wall_now)
    }

    /// Up to where timers can fire on stream time, and whether that is all of those up to and with
    /// `now`.
    pub(super) fn known_until(&self, now: Timestamp) -> ((Timestamp, Key), bool) {
        let all = (now, Key::MAX);
        match self.batch.horizon {
            Some(horizon) if horizon < all => (horizon, false),
            _ => (all, true),
        }
    }

    /// Returns the `now` of the step of a record. On a clock that is when its cause was accepted,
    /// but never before what the partition has seen; on stream time it is the time of the
    /// partition, which comes to `time` where the record has one.
    pub(super) fn now_of(
        &mut self,
        lane: &Lane,
        place: (usize, usize),
        wall_now: Option<Timestamp>,
        time: Option<Timestamp>,
    ) -> Timestamp {
        let Some(wall_now) = wall_now else {
            self.batch.watermark = time.unwrap_or(self.batch.watermark);
            return self.batch.watermark;
        };
        if C::IS_IN_REAL_TIME || lane.is_commands() {
            return wall_now;
        }
        let watermark = self.batch.watermark;
        let Some(time) = lane.accepted(place).time else {
            return wall_now.max(watermark);
        };
        let now = time.min(wall_now).max(watermark);
        if lane.is_live() {
            self.batch.watermark = now;
        }
        now
    }

    /// Returns the acceptance time of what follows from a cause: no later than that of the records
    /// that are still to come, so that readers never take it for a sign that these have passed. A
    /// record that an operator tries again, or that a recovery has put back, is taken before them.
    pub(super) fn accept_time_of(&self, cause: Cause<'_>) -> Timestamp {
        match self.batch.watermark {
            Timestamp::MIN => cause.now,
            _ if cause.bulk => cause.now,
            watermark => cause.now.min(watermark),
        }
    }

    /// Returns the `now` of a timer.
    pub(super) fn now_of_timer(
        &mut self,
        due_time: Timestamp,
        wall_now: Option<Timestamp>,
    ) -> Timestamp {
        if let Some(wall_now) = wall_now {
            metrics::timer_fired(C::OWNER, due_time, wall_now);
            if self.frontier.is_some_and(|asked| asked.time < due_time) && due_time <= self.passed()
            {
                self.batch.overtaking.add(due_time);
            }
            if C::IS_IN_REAL_TIME {
                return wall_now;
            }
        }
        self.batch.watermark = self.batch.watermark.max(due_time);
        self.batch.watermark
    }

    /// Tells of timers that fired after the whole grace, once they did: each is counted, and the
    /// first one of a hold-up is logged.
    pub(super) fn tell_of_overtaking(&mut self) {
        let overtaking = self.batch.overtaking;
        let Some(due_time) = overtaking.first_due else {
            return;
        };
        metrics::overtook(C::OWNER, overtaking.timers);
        if self.position.overtaking.is_begun_by(overtaking) {
            tracing::warn!(
                service = C::OWNER.name(),
                partition = self.position.slot.partition.number(),
                %due_time,
                "timers fire though a service before this one has not taken what was accepted \
                 before them: start that service"
            );
        }
    }

    /// Tells how many timers did not wait, once the services before this one go on again.
    fn end_hold_up(&mut self, asked: Frontier) {
        let Some(timers) = self.position.overtaking.end(asked, self.config.grace) else {
            return;
        };
        tracing::info!(
            service = C::OWNER.name(),
            partition = self.position.slot.partition.number(),
            timers,
            "the services before this one go on again, after so many timers did not wait for them"
        );
    }

    /// Returns whether others wait for a timer that is due as far as they know, and is not. On
    /// stream time nobody asks.
    pub(super) fn has_told_too_early(&self) -> bool {
        if self.is_on_stream_time() {
            return false;
        }
        let Position {
            told_next_due,
            no_timer_before,
            ..
        } = &self.position;
        let (Some(told), Some(known)) = (told_next_due, no_timer_before) else {
            return false;
        };
        told < known && *told <= self.reach.end
    }

    /// Returns an instant before which no timer is due; none where there is no timer.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        self.position
            .no_timer_before
            .filter(|next| *next < Timestamp::MAX)
    }

    /// Rests until the next timer is due, or until what was accepted before it is here.
    pub(super) fn rest_until_due(&self) -> TickOutcome {
        let TimeSource::Wall(clock) = &self.config.time else {
            return TickOutcome::Idle { next_due: None };
        };
        let (next_due, now) = (self.position.no_timer_before, clock.now());
        let Some(due) = next_due.filter(|due| *due <= now) else {
            return TickOutcome::Idle { next_due };
        };
        match self.frontier {
            // Nothing holds it: only the store's clock is behind the worker's.
            Some(asked) if asked.time == asked.now && asked.now < due => TickOutcome::Idle {
                next_due: Some(now + due.since(asked.now)),
            },
            _ => TickOutcome::Behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_hold_up_is_told_once_and_its_timers_are_counted() {
        let grace = Duration::from_millis(10);
        let asked = |time, now| Frontier {
            time: at(time),
            now: at(now),
        };
        let batch = |due_times: &[i64]| {
            let mut batch = Overtaking::default();
            due_times.iter().for_each(|due| batch.add(at(*due)));
            batch
        };
        let mut known = Overtaking::default();
        for _ in 0..2 {
            assert_eq!(known.end(asked(0, 100), grace), None, "none has begun");
            assert!(!known.is_begun_by(batch(&[])));
            assert!(known.is_begun_by(batch(&[20, 21])));
            assert!(!known.is_begun_by(batch(&[22])));
            assert_eq!(known.first_due, Some(at(20)));
            assert_eq!(known.end(asked(89, 100), grace), None, "it goes on");
            assert!(!known.is_begun_by(batch(&[23])));
            assert_eq!(known.end(asked(90, 100), grace), Some(4));
        }
    }
}
