//! The turn of a record whose customer has something on its way: a state that leaves, or records
//! that waited.
//!
//! Each batch goes on with that first, by a share. The record comes after all of it. On a clock it is
//! stored behind what waits, so that its lane goes on with other customers. The lane waits where
//!
//! 1. time is that of the records, which have to be decided in the order of one stream,
//! 2. the customer is to leave with all that waited,
//! 3. no more can wait, or the batch is full.
//!
//! A word to the customer itself takes the next share. Whoever takes it sends the next one while
//! something is left, so that there is always one on its way.

use decision::Core;
use kernel::Timestamp;
use messages::stream::v1::{MergeAwaited, Record, record::Body};

use super::Worker;
use super::cause::Cause;
use super::fault::Failed;
use super::quarantine::InputId;
use super::run::Room;
use super::words::{carries_others, carries_state};
use crate::key::customer_of;

impl<C: Core> Worker<C> {
    /// Goes on with what is on its way, before a record of its customer. Returns whether the record,
    /// and its lane, has to wait for the next batch.
    ///
    /// A state that fails is left out here. The word that the customer gets for it is set aside with
    /// the reason, and so are the records that wait behind it.
    pub(super) fn has_to_wait(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        body: Option<&Body>,
        now: Timestamp,
    ) -> Result<bool, Failed> {
        self.go_on_returning(work, now)?;
        let entry = &self.batch.works[work];
        let head = &entry.cached.head;
        let is_quiet = head.leaving.is_none() && head.waiting.is_none();
        if is_quiet || entry.is_stuck || entry.fault.is_some() || self.is_question(work, body) {
            return Ok(false);
        }
        let is_left_out = self.is_left_out(work);
        if is_left_out && !(head.is_sending() && head.has_parked()) {
            return Ok(false);
        }
        let inputs = self.batch.inputs;
        let has_more = if head.is_sending() && !is_left_out {
            self.go_on_sending(work, now)?
        } else {
            self.go_on_waiting(definitions, work, now)?
        };
        let entry = &self.batch.works[work];
        if entry.is_stuck {
            return Ok(false);
        }
        // So that what does not fit into one commit is cut to two.
        if self.batch.inputs > inputs && self.room() == Room::Full {
            return Ok(true);
        }
        let head = &entry.cached.head;
        let is_merge = matches!(body, Some(Body::Merged(merged)) if merged.marked_by_id.is_empty());
        let is_to_leave = head.redirect.is_none() && is_merge;
        let most = self.config.parked_records;
        let is_full = head.waiting.as_ref().is_some_and(|it| it.is_full(most));
        let has_no_place = self.is_on_stream_time()
            || is_left_out
            || is_to_leave
            || is_full
            || self.room() == Room::Full;
        Ok(has_more && has_no_place)
    }

    /// Sends some of a state that leaves, once in a batch. Returns whether more is to come before a
    /// record of the customer.
    fn go_on_sending(&mut self, work: usize, now: Timestamp) -> Result<bool, Failed> {
        let entry = &mut self.batch.works[work];
        if entry.cached.head.leaving.is_none() {
            return Ok(false);
        }
        // The store has what is sent.
        if entry.before.head.leaving.is_none() || std::mem::replace(&mut entry.has_sent, true) {
            return Ok(true);
        }
        let Some(leaving) = entry.cached.head.leaving.clone() else {
            return Ok(false);
        };
        let moved_by = leaving.cause.clone();
        let cause = Cause {
            bulk: moved_by.is_bulk,
            trace_parent: &moved_by.trace_parent,
            ..Cause::of_timer(InputId::Move { key: entry.key }, moved_by.time, now)
        };
        self.batch.inputs += 1;
        let sent = self.send_pieces(work, *leaving, cause);
        self.unless_stuck(Some(work), sent)?;
        let head = &self.batch.works[work].cached.head;
        Ok(head.is_sending() || head.waiting.is_some())
    }

    /// Returns whether what is on its way of a customer failed in this batch.
    fn is_left_out(&self, work: usize) -> bool {
        let key = self.batch.works[work].key;
        !self.inputs.faults(InputId::Move { key }).is_empty()
    }

    /// Returns whether a record of a redirected customer is stored behind what goes to the survivor
    /// first. So is a state that came for them: theirs may have it as a part.
    pub(super) fn comes_behind(&self, work: usize, record: &Record) -> bool {
        let head = &self.batch.works[work].cached.head;
        let is_pending = head.is_pending();
        let has_before = head.is_sending() || head.has_parked() || is_pending;
        // Pieces of others do not wait until the customer comes out, which nothing else comes before.
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let waiting = head.waiting.as_ref();
        let is_held = waiting.is_some_and(|it| it.awaited.contains(&customer));
        let goes_on = match &record.body {
            // The own state has arrived.
            Some(Body::Moved(moved)) if moved.graph_epoch > 0 || moved.leave_id == 1 => true,
            Some(Body::Moved(_)) => is_held,
            // What it asks for has left. Whoever asks may be waited for.
            Some(Body::Split(split)) if split.asks => is_held && !head.is_sending(),
            Some(Body::Split(_)) => !is_pending,
            // An earlier service may wait for it before it tells this one what ends the wait here.
            Some(Body::Carried(_)) => {
                is_held && carries_state(record) || carries_others(record, customer)
            }
            _ => false,
        };
        head.redirect.is_some() && has_before && !goes_on && !is_word(record)
    }

    /// Sends a customer a word, so that what is on its way goes on whatever else comes.
    pub(super) fn send_word(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let word = Body::Awaited(MergeAwaited::default());
        self.deliver(C::HOME, cause.record(customer, Some(word)), cause)
    }

    /// Sends the next word, where one was taken and something is left. On stream time the word waited
    /// until nothing was.
    pub(super) fn pass_word_on(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let head = &self.batch.works[work].cached.head;
        let is_word = is_word(record);
        let returns = head.has_to_return();
        let goes_on = (head.is_sending() || head.has_free()) && !self.is_on_stream_time();
        if !is_word || !(goes_on || returns) || self.is_left_out(work) {
            return Ok(());
        }
        self.send_word(work, cause)?;
        self.finish(work, cause)
    }
}

/// Returns whether a record is the word of a customer to itself.
pub(super) fn is_word(record: &Record) -> bool {
    match &record.body {
        Some(Body::Awaited(awaited)) => awaited.from_customer_ids.is_empty(),
        _ => false,
    }
}
