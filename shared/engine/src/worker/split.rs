//! A customer comes out of another one by an unmerge: they ask for what was learned under them, and
//! wait for it.
//!
//! The word follows all that was accepted for the customer before. What is undone has to be done
//! first: who has not heard of the merge leaves for the survivor, and a state that left has to be
//! folded in there. Only then the redirect goes, and the question follows all that went that way. So
//! whatever the customer sent is with the survivor before the state is divided.
//!
//! All that comes for the customer from then on waits, also the word of another merge: what is
//! known of them is still on its way. Each service does that for itself.
//!
//! This does not divide the state (`split_off`), nor take it back (`come_back`).

use decision::{Core, Home};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{
    ChangeRecord, CustomerMerged, CustomerSplit, Record, change_record::Kind, record::Body,
};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::turn::is_word;
use super::wait::clock_now;
use super::words::{carries_state, is_of_merge};
use crate::head::{Head, id_bytes};
use crate::key::customer_of;
use crate::splitting::{ComingBack, PastSplit, SplitWord};
use crate::waiting::Waiting;

impl<C: Core> Worker<C> {
    /// Returns whether a record comes after an unmerge of the customer, who is to come out first.
    pub(super) fn comes_before_split(
        &self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> bool {
        let head = &self.batch.works[work].cached.head;
        let is_split = matches!(record.body, Some(Body::Split(_)));
        head.is_behind(cause.epochs.since) && !is_split && !is_of_merge(record)
    }

    /// Has what comes for a customer who is redirected wait until they come out.
    pub(super) fn hold_split(&mut self, work: usize, cause: Cause<'_>) {
        let since = clock_now(&self.config.time, cause.now);
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let before = entry.before.head.waiting.as_deref();
        let waiting = &mut entry.cached.head.waiting;
        let waiting = waiting.get_or_insert_with(|| Box::new(Waiting::behind(before)));
        if !waiting.awaited.contains(&customer) {
            waiting.awaited.push(customer);
            waiting.since = Some(since);
        }
        entry.change = Change::Write;
        self.batch.count_write(work);
    }

    /// Has a customer come out whose state has left, and is folded in now.
    pub(super) fn come_out_now(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let head = &mut self.batch.works[work].cached.head;
        let (Some(asked), None) = (head.redirect, &head.leaving) else {
            return Ok(());
        };
        let pending = head.splits.as_mut().and_then(|it| it.pending.take());
        match pending {
            Some(word) => self.come_out(work, (word, asked), cause),
            None => Ok(()),
        }
    }

    /// Takes the word that the customer is one of their own again.
    pub(super) fn take_split(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        split: &CustomerSplit,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let mut word = SplitWord::read(split).map_err(|error| cause.failed(error))?;
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &entry.cached.head;
        if !is_news(head, split) {
            if let Some(into) = word.into
                && C::HOME == Home::Segmentation
                && word.epoch < head.split_epoch().max(head.graph_epoch)
                && head.redirect != Some(into)
            {
                self.tell_apart(work, (into, 0, C::HOME), word.epoch, cause)?;
            }
            return self.finish(work, cause);
        }
        if word.epoch == 0 {
            word.epoch = head.split_epoch() + 1;
            word.message.graph_epoch = word.epoch;
        }
        let Some(asked) = head.redirect else {
            if let Some(into) = word.into {
                // All of it is here.
                return self.go_along(definitions, work, (word, into), cause);
            }
            if word.from >= customer {
                return Err(cause.failed("an unmerge names a survivor who is not older"));
            }
            // The merge that is undone comes first. Its graph epoch was some one after the last unmerge.
            let last = head.split_epoch();
            let merged = CustomerMerged {
                graph_epoch: if last > 0 { last + 1 } else { 0 },
                ..CustomerMerged::default()
            };
            let from = word.from;
            self.batch.works[work].cached.head.splits_mut().pending = Some(word);
            self.leave(definitions, work, from, &merged, cause)?;
            self.hold_split(work, cause);
            return self.finish(work, cause);
        };
        if head.leaving.is_some() {
            self.batch.works[work].cached.head.splits_mut().pending = Some(word);
            self.hold_split(work, cause);
            return self.finish(work, cause);
        }
        self.come_out(work, (word, asked), cause)?;
        self.finish(work, cause)
    }

    /// Leaves for the customer who came out together with this one.
    fn go_along(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        (word, into): (SplitWord, CustomerId),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let head = &mut self.batch.works[work].cached.head;
        let (epoch, from) = (word.epoch, word.from);
        head.add_split(PastSplit {
            since: epoch - 1,
            epoch,
            from,
        });
        self.pass_split_on(work, &word, cause);
        self.leave_along(definitions, work, (into, epoch), cause)?;
        self.finish(work, cause)
    }

    /// Leaves for the customer who came out together with this one.
    pub(super) fn leave_along(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        (into, epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let merged = CustomerMerged {
            graph_epoch: epoch,
            ..CustomerMerged::default()
        };
        self.leave(definitions, work, into, &merged, cause)
    }

    /// Says to the next service what was said to this one.
    fn pass_split_on(&mut self, work: usize, word: &SplitWord, cause: Cause<'_>) {
        if C::OUTPUT.is_some() {
            let customer = customer_of(&self.batch.works[work].key_bytes);
            let record = cause.record(customer, Some(Body::Split(word.message.clone())));
            self.batch.effects.emit(record);
        }
    }

    /// Leaves a survivor: the redirect goes, and what was learned under the customer is asked for.
    fn come_out(
        &mut self,
        work: usize,
        (mut word, asked): (SplitWord, CustomerId),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let head = &mut self.batch.works[work].cached.head;
        let epoch = head.merge_epoch;
        // All of them stay. Those who are the customer's now come out by themselves.
        let staying = std::mem::take(&mut head.fragments);
        word.message.merge_epoch = epoch;
        // Behind all that went that way. The later services pass it on before they wait.
        self.send(
            work,
            C::HOME,
            asks((customer, asked), &word, 0, cause),
            cause,
        )?;
        for fragment in staying {
            self.tell_repoint(work, fragment.customer, (asked, epoch), cause)?;
        }
        self.pass_split_on(work, &word, cause);
        if C::HOME == Home::Segmentation && word.into.is_none() {
            self.batch.effects.change(ChangeRecord {
                customer_id: self.batch.works[work].key_bytes.clone(),
                time_ms: cause.time.as_millis(),
                kind: Some(Kind::SplitFromId(id_bytes(word.from))),
            });
        }
        let entry = &mut self.batch.works[work];
        let head = &mut entry.cached.head;
        let since = head.merge_epoch;
        head.graph_epoch = head.graph_epoch.max(word.epoch);
        (head.redirect, head.next_redirect, head.merge_epoch) = (None, None, 0);
        let epoch = word.epoch;
        head.add_split(PastSplit {
            since,
            epoch,
            from: asked,
        });
        head.splits_mut().coming_back = Some(ComingBack {
            split: word,
            asked,
            cause: cause.of_move(),
            state: None,
            tries: 0,
        });
        if let Some(waiting) = head.waiting.as_deref_mut() {
            waiting.has_come(customer);
        }
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.end_wait(work);
        self.watch_return(work, 0, cause.now);
        Ok(())
    }

    /// Has the timer of a customer who waits for the own state say when that should have come.
    fn watch_return(&mut self, work: usize, tries: u32, now: Timestamp) {
        let next = clock_now(&self.config.time, now) + self.merge_retry(tries);
        self.set_timer_of_all(work, Some(next));
    }

    /// Asks once more: a store may have lost the question, or the answer.
    pub(super) fn ask_again(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let splits = entry.cached.head.splits_mut();
        let Some(coming) = &mut splits.coming_back else {
            return Ok(());
        };
        coming.tries = coming.tries.saturating_add(1);
        let (tries, asked, word) = (coming.tries, coming.asked, coming.split.clone());
        let state = coming.state.as_ref().filter(|it| it.is_whole());
        let whole = state.map(|it| (it.from, it.leave_id));
        entry.change = Change::Write;
        self.batch.count_write(work);
        match whole {
            Some(whole) => self.confirm(work, whole, &word, cause)?,
            None => self.send(
                work,
                C::HOME,
                asks((customer, asked), &word, 0, cause),
                cause,
            )?,
        }
        self.watch_return(work, tries, cause.now);
        self.finish(work, cause)
    }

    /// Tells who has the state that all of it is here.
    pub(super) fn confirm(
        &mut self,
        work: usize,
        (holder, leave_id): (CustomerId, u64),
        word: &SplitWord,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let question = asks((customer, holder), word, leave_id, cause);
        self.deliver(C::HOME, question, cause)
    }

    /// Returns whether a record waits until the customer has what was learned under them: all but
    /// what ends that wait, and what others wait for.
    pub(super) fn comes_before_return(&self, work: usize, record: &Record) -> bool {
        let head = &self.batch.works[work].cached.head;
        if head.coming_back().is_none() {
            return false;
        }
        match &record.body {
            Some(Body::Returned(_)) => false,
            Some(Body::Moved(moved)) if moved.stays && moved.graph_epoch > 0 => false,
            Some(Body::Merged(merged)) => {
                let is_asked = merged.arrived_leave_id != 0
                    && merged.arrived_leave_id == head.released_leave_id;
                !is_asked && !merged.folded_in
            }
            // What it asks for is not here. Whoever asks may be waited for.
            Some(Body::Split(split)) if split.asks => false,
            _ => !is_word(record) && !carries_state(record),
        }
    }

    /// Stores a record until the customer has what was learned under them.
    ///
    /// # Errors
    /// [`Failed`] where no more can wait: the record is set aside.
    pub(super) fn park_before_return(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let waiting = self.batch.works[work].cached.head.waiting.as_deref();
        if waiting.is_some_and(|it| it.is_full(self.config.parked_records)) {
            return Err(cause.failed(
                "more waits for what was learned under the customer, who became one of their own \
                 again, than can; try this again once that is there",
            ));
        }
        if let Some(Body::Moved(moved)) = &record.body
            && !moved.released
            && !moved.stays
        {
            return self.pass_moved(work, moved, cause);
        }
        self.park(work, record, cause)?;
        let since = clock_now(&self.config.time, cause.now);
        if let Some(waiting) = self.batch.works[work].cached.head.waiting.as_deref_mut() {
            // The timer of the core is set once nothing waits any more.
            waiting.since.get_or_insert(since);
        }
        Ok(())
    }
}

/// Returns whether the word of an unmerge is not known yet.
fn is_news(head: &Head, split: &CustomerSplit) -> bool {
    split.graph_epoch == 0 || split.graph_epoch > head.split_epoch().max(head.graph_epoch)
}

/// The question for what was learned under a customer; with the name of a leave, the word that all
/// of it has arrived.
pub(super) fn asks(
    (customer, asked): (CustomerId, CustomerId),
    word: &SplitWord,
    arrived_leave_id: u64,
    cause: Cause<'_>,
) -> Record {
    let question = CustomerSplit {
        asks: true,
        by_customer_id: id_bytes(customer),
        arrived_leave_id,
        ..word.message.clone()
    };
    cause.record(asked, Some(Body::Split(question)))
}
