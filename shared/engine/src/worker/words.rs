//! Words of merges and unmerges are acted upon in the order of their graph epochs, and what comes by
//! a later one waits.
//!
//! Identity gives each merge and unmerge a graph epoch, and tells it to both customers. A customer
//! goes by the last that they acted upon:
//!
//! 1. A word that is not above it is old: whoever said it is told so.
//! 2. A word waits, in the head, while an earlier one is not done: while the customer waits for the own
//!    state, for the answer of who left for them, or until the own state has arrived at a survivor.
//! 3. A piece of a state that comes by a greater one is left with whoever sent it. They send it once
//!    more when the customer has got there.
//! 4. While the own state is on its way, pieces of others stay with those as well, and questions and
//!    marks wait: what follows the state finds a survivor who has it.
//!
//! So whatever follows a customer is for the one whom it comes to, or that one knows where it went.
//! Each of these waits is for an older customer, or for an answer that waits for nobody: they make no
//! circle.

use decision::Core;
use kernel::CustomerId;
use messages::stream::v1::{MergeAwaited, Record, StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::turn::is_word;
use crate::limits;
use crate::splitting::{Word, epoch_of_word};
use crate::waiting::write_ids;

impl<C: Core> Worker<C> {
    /// Has a record wait in the head that comes before its time. Returns whether it does.
    pub(super) fn waits_in_head(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<bool, Failed> {
        let head = &self.batch.works[work].cached.head;
        let is_change = epoch_of_word(record).is_some();
        if is_change && (head.has_words() || !head.can_take_word(record)) {
            self.keep_word(work, record, cause)?;
            return Ok(true);
        }
        if head.holds(record) {
            self.keep_word(work, record, cause)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn keep_word(&mut self, work: usize, record: &Record, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let splits = entry.cached.head.splits_mut();
        let is_change = epoch_of_word(record).is_some();
        let words = if is_change {
            &mut splits.words
        } else {
            &mut splits.held
        };
        if words.len() >= limits::WORDS {
            return Err(cause.failed(
                "more words of merges and unmerges of the customer wait for those of before than \
                 can; try this again once they are done",
            ));
        }
        words.add(Word {
            record: record.clone(),
            is_bulk: cause.bulk,
        });
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.finish(work, cause)
    }

    /// Returns whether a piece of somebody's state comes before the customer has got to the graph
    /// epoch by which it does.
    pub(super) fn is_early(&self, work: usize, moved: &StateMoved) -> bool {
        if moved.released || moved.stays || moved.sought {
            return false;
        }
        let entry = &self.batch.works[work];
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        let Some(from) = from.ok().filter(|it| entry.key_bytes != it.as_bytes()[..]) else {
            return false;
        };
        let epoch = moved.graph_epoch.max(moved.forwarded_epoch);
        entry.cached.head.is_early(from, epoch)
    }

    /// Returns whether a piece asks the customer to send their state once more, which is not on its way
    /// any more.
    pub(super) fn is_late_call(&self, work: usize, moved: &StateMoved) -> bool {
        let is_own = moved.from_customer_id == self.batch.works[work].key_bytes;
        moved.sought && moved.leave_id == 1 && is_own && !self.is_leaving(work)
    }

    /// Goes on with what waits in the head, once the customer takes a word of their own.
    pub(super) fn go_on_with_words(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if !self.batch.works[work].cached.head.has_ready() {
            return Ok(());
        }
        if !is_word(record) {
            self.send_word(work, cause)?;
            return self.finish(work, cause);
        }
        loop {
            let entry = &mut self.batch.works[work];
            let head = &mut entry.cached.head;
            if !head.has_ready() {
                break;
            }
            let Some(word) = head.splits_mut().words.take_first() else {
                self.go_on_behind(definitions, work, cause)?;
                break;
            };
            entry.change = Change::Write;
            self.batch.count_write(work);
            let by_word = cause.of_word(&word);
            self.take(definitions, work, &word.record, by_word)?;
        }
        self.end_words(work);
        self.wake(work, cause)?;
        self.finish(work, cause)
    }

    /// Goes on with what waited until the customer had got somewhere: states that came too early are
    /// sent once more, and questions and marks go on.
    fn go_on_behind(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let head = &mut entry.cached.head;
        let reach = head.reach();
        let splits = head.splits_mut();
        let missed: Vec<_> = splits.missed.extract_if(.., |it| it.1 <= reach).collect();
        let mut all = std::mem::take(&mut splits.held);
        let held = all.take_where(|it| !head.holds(it));
        head.splits_mut().held = all;
        entry.change = Change::Write;
        self.batch.count_write(work);
        for (from, _) in missed {
            self.seek(work, (from, 1), cause)?;
        }
        for word in held {
            let by_word = cause.of_word(&word);
            self.take(definitions, work, &word.record, by_word)?;
        }
        Ok(())
    }

    /// Forgets who said that they do not come, once nothing waits that could name them.
    pub(super) fn end_words(&mut self, work: usize) {
        let head = &mut self.batch.works[work].cached.head;
        if head.has_parked() || head.is_changing() {
            return;
        }
        if let Some(splits) = head.splits.as_mut() {
            splits.apart.clear();
        }
    }

    /// Takes note of the graph epoch of a word that the customer acts upon.
    pub(super) fn raise_graph_epoch(&mut self, work: usize, epoch: u64) -> bool {
        let entry = &mut self.batch.works[work];
        let head = &mut entry.cached.head;
        if epoch <= head.graph_epoch {
            return false;
        }
        head.graph_epoch = epoch;
        entry.change = Change::Write;
        self.batch.count_write(work);
        true
    }

    /// Tells the next service whom the customer waits for by a graph epoch, or has waited for: it
    /// goes by the same one.
    pub(super) fn pass_awaited_on(
        &mut self,
        work: usize,
        (awaited, graph_epoch): (&[CustomerId], u64),
        cause: Cause<'_>,
    ) {
        if C::OUTPUT.is_none() || awaited.is_empty() {
            return;
        }
        let customer = crate::key::customer_of(&self.batch.works[work].key_bytes);
        let awaited = Body::Awaited(MergeAwaited {
            from_customer_ids: write_ids(awaited),
            graph_epoch,
        });
        let record = cause.record(customer, Some(awaited));
        self.batch.effects.emit(record);
    }
}

impl Cause<'_> {
    /// The same input, as the cause of what a word brings that waited until then.
    fn of_word<'w>(self, word: &'w Word) -> Cause<'w> {
        Cause::of_record(self.origin, word.is_bulk, &word.record, self.now)
    }
}

/// Returns whether a record carries something about a state that moves by a graph epoch, and is not
/// that of the customer who leaves.
pub(super) fn carries_others(record: &Record, customer: CustomerId) -> bool {
    let Some(Body::Carried(carried)) = &record.body else {
        return false;
    };
    match carried.record.as_ref().and_then(|it| it.body.as_ref()) {
        Some(Body::Moved(moved)) => {
            moved.graph_epoch > 0 && moved.from_customer_id != customer.as_bytes()[..]
        }
        Some(Body::Returned(_) | Body::Split(_)) => true,
        _ => false,
    }
}

/// Returns whether a record carries a state, or asks for one. Who waits for the state of somebody
/// does not hold up their own.
pub(super) fn carries_state(record: &Record) -> bool {
    let Some(Body::Carried(carried)) = &record.body else {
        return false;
    };
    let body = carried.record.as_ref().and_then(|it| it.body.as_ref());
    matches!(
        body,
        Some(Body::Moved(_) | Body::Returned(_) | Body::Split(_))
    )
}

/// Returns whether a record is about states that move, so that it does not wait for one.
pub(super) fn is_of_merge(record: &Record) -> bool {
    match &record.body {
        Some(Body::Moved(_) | Body::Awaited(_) | Body::Merged(_) | Body::Returned(_)) => true,
        Some(Body::Split(split)) => split.arrived_leave_id != 0,
        _ => carries_state(record),
    }
}
