//! Fires timers: in the order of their due times, whatever the index said when to look.
//!
//! An entry of the index comes up at or before its timer is due. Only then the due time is known to
//! the batch, and since it is never before the entry, taking both off one queue keeps the order
//! exact.

use std::cmp::Reverse;

use kernel::Timestamp;

use super::Worker;
use super::batch::{Change, Wait};
use super::cause::Cause;
use super::fault::Failed;
use super::quarantine::InputId;
use super::run::Room;
use crate::key::Key;
use decision::{Core, Input};

/// The owner of a timer that fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one of the customer, which is the engine's while they wait or leave.
    Customer,
    /// The one of the core, though the customer waits.
    Core,
}

impl<C: Core> Worker<C> {
    /// Fires the timers that are due up to an instant and key, oldest first.
    pub(super) fn fire_due(
        &mut self,
        definitions: &C::Definitions,
        until: (Timestamp, Key),
        wall_now: Option<Timestamp>,
    ) -> Result<Room, Failed> {
        while let Some(Reverse((time, key, wait, number))) = self.batch.timers.peek().copied() {
            if (time, key) > until {
                break;
            }
            let timer = self.batch.works[number].cached.timer;
            let counts = match wait {
                Wait::Entry => timer.entry == Some(time),
                Wait::Due => timer.due == Some(time),
            };
            if counts && self.room() == Room::Full {
                return Ok(Room::Full);
            }
            self.batch.timers.pop();
            match wait {
                Wait::Entry if !counts => self.batch.fired.push((number, time)),
                Wait::Due if !counts => {}
                Wait::Due => self.fire(definitions, (number, time), wall_now)?,
                Wait::Entry => match self.batch.come_up(number, time) {
                    Some(due) if due == time => self.fire(definitions, (number, time), wall_now)?,
                    moved => {
                        self.batch.inputs += 1;
                        if let Some(due) = moved {
                            let waiting = (due, key, Wait::Due, number);
                            self.batch.timers.push(Reverse(waiting));
                        }
                    }
                },
            }
        }
        Ok(Room::Left)
    }

    /// Fires one timer.
    fn fire(
        &mut self,
        definitions: &C::Definitions,
        (number, due_time): (usize, Timestamp),
        wall_now: Option<Timestamp>,
    ) -> Result<(), Failed> {
        self.batch.inputs += 1;
        let now = self.now_of_timer(due_time, wall_now);
        if self.batch.works[number].is_stuck {
            return Ok(());
        }
        let fired = self.fire_now(definitions, (number, due_time), now, Whose::Customer);
        self.unless_stuck(Some(number), fired)
    }

    /// Fires the timer of a customer, or that of the core alone.
    pub(super) fn fire_now(
        &mut self,
        definitions: &C::Definitions,
        (number, due_time): (usize, Timestamp),
        now: Timestamp,
        whose: Whose,
    ) -> Result<(), Failed> {
        let work = &mut self.batch.works[number];
        let key = work.key;
        let origin = InputId::Timer {
            key,
            due_time,
            number: work.fires,
        };
        work.fires += 1;
        // A timer that could not be processed is still the one that was due then.
        let tried = self.poison_timers(key).iter();
        let tried = tried.filter(|timer| timer.is_tried(now));
        let first_due = tried.fold(due_time, |due, timer| due.min(timer.due_time));
        if let Some(reason) = self.refusal(number, origin, None, now) {
            self.defer_all(number, first_due, &reason, now);
            return Ok(());
        }
        let cause = Cause::of_timer(origin, due_time, now);
        let head = &self.batch.works[number].cached.head;
        if whose == Whose::Customer && head.coming_back().is_some() {
            return self.ask_again(number, cause);
        }
        if whose == Whose::Customer && head.is_holding() {
            return self.look_at_wait(number, cause);
        }
        if head.leaving.is_some() {
            return self.send_again(number, cause);
        }
        let input = Input::Timer {
            due_time: first_due,
        };
        self.step(definitions, number, input, cause)
    }

    /// Sets or clears the timer of a state. While its customer waits for the states of others, it
    /// waits too.
    pub(super) fn set_timer(&mut self, number: usize, due: Option<Timestamp>) {
        let work = &mut self.batch.works[number];
        if work.cached.head.is_holding()
            && let Some(waiting) = work.cached.head.waiting.as_deref_mut()
        {
            waiting.due = due;
            work.change = Change::Write;
            self.batch.count_write(number);
            return;
        }
        self.set_timer_of_all(number, due);
    }

    /// Sets or clears the timer of a customer, who may wait for the states of others.
    pub(super) fn set_timer_of_all(&mut self, number: usize, due: Option<Timestamp>) {
        let work = &mut self.batch.works[number];
        if work.cached.timer.due == due {
            // It waits already: here, or in the index behind an entry that has not come up.
            return;
        }
        work.cached.timer.due = due;
        work.timer_changed = true;
        let key = work.key;
        self.batch.count_write(number);
        if let Some(due) = due {
            let waiting = (due, key, Wait::Due, number);
            self.batch.timers.push(Reverse(waiting));
        }
    }
}
