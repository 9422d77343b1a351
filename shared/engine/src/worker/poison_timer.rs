//! Timers that cannot be processed: each is in the quarantine once, and tried again after waits
//! that grow.
//!
//! Where the core tells the waits of a customer apart, one that fails is set aside alone and all
//! others go on. Otherwise the customer's waits are tried together.

use std::panic::{AssertUnwindSafe, catch_unwind};

use decision::{Core, WaitKey};
use hot::QuarantineId;
use kernel::{Duration, Timestamp};
use messages::convert::{instant, timestamp};
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};

use super::Worker;
use super::aside::retry_delay;
use super::quarantine::of_customer;
use crate::key::Key;
use crate::limits;
use crate::quarantine::{self, StoredEntry};

/// A timer in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PoisonTimer {
    pub(super) id: QuarantineId,
    /// Bytes of its entry.
    bytes: u64,
    /// The wait that cannot be processed. `None` for all of the customer's that are due by
    /// `due_time`.
    pub(super) wait: Option<WaitKey>,
    /// When it was due first.
    pub(super) due_time: Timestamp,
    tries: u32,
    /// When it is tried again.
    retry_time: Timestamp,
}

impl PoisonTimer {
    /// Reads one from its entry.
    pub(super) fn of(entry: &StoredEntry) -> Self {
        let record = &entry.record;
        let tries = record.try_count;
        let last_try = record.last_try_time.as_ref().map(instant);
        Self {
            id: entry.id,
            bytes: entry.bytes,
            wait: record.wait.map(WaitKey),
            due_time: quarantine::due_time(record),
            tries,
            retry_time: last_try.unwrap_or_default() + retry_delay(tries),
        }
    }

    /// Returns whether a step at this instant tries it. One that is not told apart is in every step
    /// of its customer's timer.
    pub(super) fn is_tried(&self, now: Timestamp) -> bool {
        self.wait.is_none() || self.retry_time <= now
    }
}

impl<C: Core> Worker<C> {
    /// The timers of a customer that are in quarantine, as of now in the batch.
    pub(super) fn poison_timers(&self, key: Key) -> &[PoisonTimer] {
        let changed = self.batch.aside.timers.get(&key);
        let timers = changed.or_else(|| self.quarantine.timers.get(&key));
        timers.map_or(&[], Vec::as_slice)
    }

    /// The timer of a customer whose entry this is.
    pub(super) fn poison_timer(&self, key: Key, id: QuarantineId) -> Option<PoisonTimer> {
        let mut timers = self.poison_timers(key).iter().copied();
        timers.find(|timer| timer.id == id)
    }

    fn poison_timers_mut(&mut self, key: Key) -> &mut Vec<PoisonTimer> {
        let known = &self.quarantine.timers;
        let changed = self.batch.aside.timers.entry(key);
        changed.or_insert_with(|| known.get(&key).cloned().unwrap_or_default())
    }

    /// The waits of a customer that a step at this instant passes over.
    pub(super) fn waits_set_aside(&self, key: Key, now: Timestamp) -> Vec<WaitKey> {
        let timers = self.poison_timers(key).iter();
        let resting = timers.filter(|timer| !timer.is_tried(now));
        resting.filter_map(|timer| timer.wait).collect()
    }

    /// The waits of a customer, where the core tells them apart.
    fn waits(&self, work: usize) -> Vec<(WaitKey, Timestamp)> {
        let state = &self.batch.works[work].cached.state;
        let mut waits = Vec::new();
        // A core that fails here fails in its steps too, where that is told.
        let listed = catch_unwind(AssertUnwindSafe(|| C::waits(state, &mut waits)));
        if listed.is_err() {
            waits.clear();
        }
        waits
    }

    /// Sets one wait of a customer aside, or lets it rest for longer. Returns false where that
    /// cannot be: too many are set aside, or there is no room.
    pub(super) fn set_wait_aside(
        &mut self,
        work: usize,
        wait: WaitKey,
        reason: &str,
        now: Timestamp,
    ) -> bool {
        // A wait that comes with the input, as that of another customer who is folded in, is not
        // listed yet.
        let listed = self.waits(work).into_iter().find(|(own, _)| *own == wait);
        let due_time = listed.map_or(now, |(_, due)| due);
        let key = self.batch.works[work].key;
        let timers = self.poison_timers(key);
        let is_known = timers.iter().any(|timer| timer.wait == Some(wait));
        if !is_known && timers.len() >= limits::WAITS_ASIDE {
            return false;
        }
        let deferred = self.defer(work, (Some(wait), due_time), reason, now);
        deferred.is_some()
    }

    /// The timer of a customer cannot be processed, and nobody knows which wait it is: all that the
    /// customer waits for is tried together, later each time. Without room in the quarantine it is
    /// tried again all the same: nothing is lost, so nobody has to wait for room.
    pub(super) fn defer_all(
        &mut self,
        work: usize,
        due_time: Timestamp,
        reason: &str,
        now: Timestamp,
    ) {
        let deferred = self.defer(work, (None, due_time), reason, now);
        let next_try = deferred.unwrap_or_else(|| now + retry_delay(u32::MAX));
        self.set_timer(work, Some(next_try));
    }

    /// Sets a timer aside, or raises the tries of one that is. Returns when it is tried again;
    /// `None` where there is no room for it.
    fn defer(
        &mut self,
        work: usize,
        (wait, due_time): (Option<WaitKey>, Timestamp),
        reason: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (key, customer) = {
            let work = &self.batch.works[work];
            (work.key, work.key_bytes.clone())
        };
        let mut known = self.poison_timers(key).iter();
        if let Some(place) = known.position(|timer| timer.wait == wait) {
            let timer = &mut self.poison_timers_mut(key)[place];
            timer.tries = timer.tries.saturating_add(1);
            timer.retry_time = now + retry_delay(timer.tries);
            let timer = *timer;
            self.batch.aside.raise(timer.id, timer.tries, reason, now);
            return Some(timer.retry_time);
        }
        if !self.has_room() {
            return None;
        }
        let entry = QuarantinedRecord {
            kind: QuarantinedKind::Timer.into(),
            due_time: Some(timestamp(due_time)),
            wait: wait.map(|wait| wait.0),
            ..of_customer(&customer)
        };
        let (id, bytes) = self.set_aside(reason, now, entry);
        let timer = PoisonTimer {
            id,
            bytes,
            wait,
            due_time,
            tries: 1,
            retry_time: now + retry_delay(1),
        };
        self.poison_timers_mut(key).push(timer);
        self.batch.aside.has_new_timer = true;
        Some(timer.retry_time)
    }

    /// Has a timer tried by the next step.
    pub(super) fn hasten(&mut self, key: Key, id: QuarantineId, now: Timestamp) {
        for timer in self.poison_timers_mut(key) {
            if timer.id == id {
                timer.retry_time = now;
            }
        }
    }

    /// A timer leaves the quarantine.
    pub(super) fn release_timer(&mut self, key: Key, timer: PoisonTimer) {
        let aside = &mut self.batch.aside;
        aside.release(timer.id, timer.bytes, timer.tries);
        self.poison_timers_mut(key).retain(|it| it.id != timer.id);
    }

    /// After a step: the due time that counts, where timers of the customer may be in quarantine.
    ///
    /// 1. One that a timer's step tried has left, since the step succeeded. So has one whose wait
    ///    is no longer there, and one that is not told apart where the state waits for nothing that
    ///    was due with it.
    /// 2. While one that is not told apart is left, the timer stays where the next try is.
    /// 3. Otherwise it is at the first wait that is not set aside, or at the next try.
    pub(super) fn due_beside_poison(
        &mut self,
        work: usize,
        due: Option<Timestamp>,
        is_from_timer: bool,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.quarantine.timers.is_empty() && self.batch.aside.timers.is_empty() {
            return due;
        }
        let key = self.batch.works[work].key;
        let timers = self.poison_timers(key).to_vec();
        if timers.is_empty() {
            return due;
        }
        let waits = self.waits(work);
        let is_there = |wait| waits.iter().any(|(listed, _)| *listed == wait);
        for timer in timers {
            let has_left = match timer.wait {
                _ if is_from_timer && timer.is_tried(now) => true,
                Some(wait) => !is_there(wait),
                None => due.is_none_or(|due| due > timer.due_time),
            };
            // An entry that this very commit sets aside cannot leave with it.
            let is_stored = timer.id.commit_seq <= self.position.commit_seq;
            if has_left && is_stored {
                self.release_timer(key, timer);
            }
        }
        let left = self.poison_timers(key);
        let Some(next_try) = left.iter().map(|timer| timer.retry_time).min() else {
            return due;
        };
        if left.iter().any(|timer| timer.wait.is_none()) {
            return Some(next_try);
        }
        // As for a timer that asks for its own instant again.
        let earliest = if is_from_timer {
            now + Duration::from_millis(1)
        } else {
            Timestamp::MIN
        };
        let due = due.and(self.first_wait(work, None));
        let due = due.map(|due| due.max(earliest));
        due.into_iter().chain([next_try]).min()
    }

    /// When the first wait of a customer is due, but for those that are set aside and one more.
    fn first_wait(&self, work: usize, but: Option<WaitKey>) -> Option<Timestamp> {
        let timers = self.poison_timers(self.batch.works[work].key);
        let is_aside = |wait| timers.iter().any(|timer| timer.wait == Some(wait));
        let waits = self.waits(work).into_iter();
        let others = waits.filter(|(wait, _)| Some(*wait) != but && !is_aside(*wait));
        others.map(|(_, due)| due).min()
    }

    /// The state of a customer waits for nothing any more, but for what is set aside.
    pub(super) fn clear_timer(&mut self, work: usize, now: Timestamp) {
        let due = self.due_beside_poison(work, None, true, now);
        self.set_timer(work, due);
    }

    /// Gives up a timer in quarantine, until something else happens to its customer.
    pub(super) fn give_up(&mut self, work: usize, timer: PoisonTimer, now: Timestamp) {
        let Some(wait) = timer.wait else {
            return self.clear_timer(work, now);
        };
        let key = self.batch.works[work].key;
        self.release_timer(key, timer);
        let left = self.poison_timers(key);
        let next_try = left.iter().map(|timer| timer.retry_time).min();
        if left.iter().any(|timer| timer.wait.is_none()) {
            return self.set_timer(work, next_try);
        }
        let due = self.first_wait(work, Some(wait));
        self.set_timer(work, due.into_iter().chain(next_try).min());
    }
}
