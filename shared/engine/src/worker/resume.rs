//! A customer who waited goes on: with the states of the others, or without.
//!
//! Records that waited are taken in order, before anything else of the customer, over as many
//! batches as it takes. Records that come meanwhile wait behind them (`turn`).

use decision::{Core, PartKey};
use kernel::{CustomerId, Timestamp};
use messages::engine::state_v1 as stored;
use messages::stream::v1::Record;
use prost::Message;

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::fire::Whose;
use super::parts::Asked;
use super::quarantine::InputId;
use super::run::Room;
use crate::key::customer_of;
use crate::metrics::WaitEnd;
use crate::moving::Fragment;
use crate::waiting::parked_key;

impl<C: Core> Worker<C> {
    /// Takes a share of what waited for states that are there. Returns whether more is to come before
    /// a record of the customer.
    pub(super) fn go_on_waiting(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        now: Timestamp,
    ) -> Result<bool, Failed> {
        if let Some(why) = self.end_of_patience(work, now) {
            self.go_on_anyway(work, why, now)?;
        }
        loop {
            let entry = &self.batch.works[work];
            let head = &entry.cached.head;
            let Some(waiting) = head.waiting.as_deref().filter(|_| head.has_free()) else {
                return Ok(false);
            };
            let before = entry.before.head.waiting.as_deref();
            let is_stored = before.is_some_and(|before| waiting.first < before.next);
            let number = waiting.first;
            let origin = InputId::Move { key: entry.key };
            let is_behind = head.is_sending() && self.inputs.faults(origin).is_empty();
            if is_behind
                || !is_stored
                || entry.unparked >= self.config.parked_per_batch
                || self.room() == Room::Full
            {
                return Ok(true);
            }
            self.batch.inputs += 1;
            self.batch.works[work].unparked += 1;
            let gone_on = self.unpark(definitions, work, number, now);
            self.unless_stuck(Some(work), gone_on)?;
            if self.batch.works[work].is_stuck {
                return Ok(false);
            }
        }
    }

    /// Returns why a customer waits for no state any longer, where too much waits or for too long.
    fn end_of_patience(&self, work: usize, now: Timestamp) -> Option<WaitEnd> {
        let waiting = self.batch.works[work].cached.head.waiting.as_deref();
        let waiting = waiting.filter(|it| !it.awaited.is_empty())?;
        let head = &self.batch.works[work].cached.head;
        if head.redirect.is_some() {
            // They are to come out, and nothing goes on before.
            return None;
        }
        if waiting.is_full(self.config.parked_records) {
            return Some(WaitEnd::Full);
        }
        // The timer of the wait may be behind much else that was accepted before it is due.
        let is_late = self.is_too_long(waiting.since?, now);
        is_late.then_some(WaitEnd::Late)
    }

    /// Waits for no state any longer.
    fn go_on_anyway(&mut self, work: usize, why: WaitEnd, now: Timestamp) -> Result<(), Failed> {
        self.waive(work, |_| true, why);
        if self.is_on_stream_time() {
            return Ok(());
        }
        let key = self.batch.works[work].key;
        let cause = Cause::of_timer(InputId::Move { key }, now, now);
        self.wake(work, cause)?;
        self.finish(work, cause)
    }

    /// Takes a record that waited.
    fn unpark(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        number: u64,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let (key, part) = (self.batch.works[work].key, parked_key(number));
        let origin = InputId::Parked { key, number };
        let Some(body) = self.batch.raw.get(&(key, part)).cloned() else {
            if let Some(Asked::Refused(reason)) = self.batch.asked.get(&(key, part)) {
                tracing::error!(
                    service = C::OWNER.name(),
                    partition = self.position.slot.partition.number(),
                    reason,
                    "a record that waited is lost"
                );
                self.pass_parked(work, part, 0);
                return self.end_parked(work, Cause::of_timer(origin, now, now));
            }
            return Err(self.read_parked(work, number, now));
        };
        let bytes = body.len() as u64;
        // Written by this program, so that both can be read.
        let parked = stored::ParkedRecord::decode(body).unwrap_or_default();
        let record = Record::decode(parked.record).unwrap_or_default();
        let until = Timestamp::from_millis(parked.now_ms).min(now);
        self.fire_before(definitions, work, until, now)?;
        if let Some(reason) = self.refusal(work, origin, Some(&record), now) {
            let cause = Cause::of_record(origin, parked.is_bulk, &record, now);
            self.refuse_parked(work, &record, (parked.stream, &reason), cause)?;
        } else {
            let traced = self.steps.begin(&record);
            let record = traced.as_ref().unwrap_or(&record);
            let cause = Cause::of_record(origin, parked.is_bulk, record, now);
            if self.comes_before_split(work, record, cause) {
                // It stays the first of those that wait.
                self.hold_split(work, cause);
                return self.finish(work, cause);
            }
            if self.lacks_evidence(work, record, cause)? {
                return self.finish(work, cause);
            }
            self.run_at_once(definitions, work, record, cause)?;
        }
        self.pass_parked(work, part, bytes);
        let cause = Cause {
            bulk: parked.is_bulk,
            ..Cause::of_timer(origin, until, now)
        };
        self.end_parked(work, cause)
    }

    /// Ends a leave behind the last record that waited.
    fn end_parked(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        self.end_words(work);
        if self.batch.works[work].cached.head.redirect.is_none() {
            return Ok(());
        }
        self.end_leave(work, cause)?;
        self.finish(work, cause)
    }

    /// Asks for the next records that wait.
    fn read_parked(&mut self, work: usize, number: u64, now: Timestamp) -> Failed {
        let entry = &self.batch.works[work];
        let cause = Cause::of_timer(InputId::Move { key: entry.key }, now, now);
        let before = entry.before.head.waiting.as_deref();
        let end = before.map_or(0, |before| before.next);
        let asked = &self.batch.asked;
        let next = (number..end).map(parked_key);
        let next = next.filter(|part| !asked.contains_key(&(entry.key, *part)));
        let needs: Vec<PartKey> = next.take(self.config.parked_per_batch).collect();
        let lacked = self.batch.effects.lacks_definition;
        self.batch.effects.needs.extend(needs);
        self.miss(work, cause, lacked)
    }

    /// Takes note that the first record that waited is taken.
    fn pass_parked(&mut self, work: usize, part: PartKey, bytes: u64) {
        self.batch.put_part(work, part, None);
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        let key = entry.key;
        entry.last.get_or_insert(InputId::Move { key });
        if let Some(waiting) = entry.cached.head.waiting.as_deref_mut() {
            waiting.first += 1;
            waiting.bytes = waiting.bytes.saturating_sub(bytes);
        }
        self.batch.count_write(work);
        self.end_wait(work);
    }

    /// Fires the timer of a customer that was due before a record that waited with it.
    fn fire_before(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let head = &self.batch.works[work].cached.head;
        let due = head.waiting.as_deref().and_then(|waiting| waiting.due);
        let Some(due_time) = due.filter(|due| *due <= until && head.redirect.is_none()) else {
            return Ok(());
        };
        self.fire_now(definitions, (work, due_time), now, Whose::Core)
    }

    /// Waits no longer for some of the states.
    pub(super) fn waive(&mut self, work: usize, which: impl Fn(CustomerId) -> bool, why: WaitEnd) {
        let entry = &mut self.batch.works[work];
        let key = entry.key;
        let Some(waiting) = entry.cached.head.waiting.as_deref_mut() else {
            return;
        };
        let awaited = std::mem::take(&mut waiting.awaited).into_iter();
        let (waived, awaited): (Vec<_>, Vec<_>) = awaited.partition(|it| which(*it));
        waiting.awaited = awaited;
        if waived.is_empty() {
            return;
        }
        tracing::warn!(
            service = C::OWNER.name(),
            partition = self.position.slot.partition.number(),
            customer = %customer_of(&entry.key_bytes),
            states = waived.len(),
            reason = why.word(),
            "a customer goes on without the state of one who was joined into it"
        );
        waiting.waived.extend(&waived);
        if matches!(why, WaitEnd::Refused | WaitEnd::Lost) {
            waiting.absent.extend(waived);
        }
        self.batch.wait_ends.push(why);
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        entry.last.get_or_insert(InputId::Move { key });
        self.batch.count_write(work);
        self.end_wait(work);
    }

    /// Takes note that the states of customers are folded in.
    pub(super) fn has_arrived(
        &mut self,
        work: usize,
        fragments: impl Iterator<Item = Fragment>,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Some(waiting) = self.batch.works[work].cached.head.waiting.as_deref_mut() else {
            return Ok(());
        };
        let was_awaited = !waiting.awaited.is_empty();
        for fragment in fragments {
            waiting.has_come(fragment.customer);
        }
        if was_awaited && waiting.awaited.is_empty() {
            self.batch.wait_ends.push(WaitEnd::Joined);
        }
        self.end_wait(work);
        self.wake(work, cause)
    }

    /// Sends the customer a word, so that what waits goes on whatever else comes.
    pub(super) fn wake(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let head = &self.batch.works[work].cached.head;
        if !head.has_free() && !head.has_ready() {
            return Ok(());
        }
        self.send_word(work, cause)
    }

    /// Ends a wait once nothing holds: the timer of the core counts again.
    pub(super) fn end_wait(&mut self, work: usize) {
        let entry = &mut self.batch.works[work];
        let is_redirected = entry.cached.head.redirect.is_some();
        let Some(waiting) = entry.cached.head.waiting.as_deref_mut() else {
            return;
        };
        if waiting.is_holding() {
            return;
        }
        let due = waiting.due.take();
        let was_holding = waiting.since.take().is_some();
        if waiting.waived.is_empty() {
            entry.cached.head.waiting = None;
        }
        if was_holding && !is_redirected && entry.cached.head.coming_back().is_none() {
            self.set_timer_of_all(work, due);
        }
    }
}
