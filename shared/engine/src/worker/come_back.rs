//! The state of a customer comes back by an unmerge: its parts are stored as they come, and
//! taken in once all are there and the one who had them has let go.
//!
//! So does a merged state arrive (`arrive`), but that nothing else is known of the customer: the
//! parts have their keys, and the fragments their ordinals, as they come.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Core, Home, Outcome, PartKey};
use kernel::CustomerId;
use messages::stream::v1::{CustomerSplit, Record, StateMoved, record::Body};

use super::Worker;
use super::arrived::Arrived;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::split_off::answer;
use crate::head::{Head, id_bytes};
use crate::key::customer_of;
use crate::moving::{Moving, state_key};
use crate::splitting::SplitWord;

impl<C: Core> Worker<C> {
    /// Takes a piece of the state that comes back, or the word that it can be taken in.
    pub(super) fn take_returned(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let arrived = Arrived::read(moved).map_err(|error| cause.failed(error))?;
        let entry = &self.batch.works[work];
        let Some(coming) = entry.cached.head.coming_back() else {
            // It was taken back.
            return self.finish(work, cause);
        };
        if coming.split.epoch != moved.graph_epoch {
            return self.finish(work, cause);
        }
        let is_whole = coming.state.as_ref().is_some_and(Moving::is_whole);
        if moved.stays {
            // The answer to an older question, where all is here.
            if !is_whole {
                tracing::warn!(
                    service = C::OWNER.name(),
                    partition = self.position.slot.partition.number(),
                    customer = %customer_of(&entry.key_bytes),
                    "what was learned under a customer who became one of their own again is lost"
                );
                self.end_return(definitions, work, (None, None), cause)?;
            }
            return self.finish(work, cause);
        }
        if moved.released {
            let is_here = |head: &Head| {
                let state = head.coming_back().and_then(|it| it.state.as_ref());
                state.is_some_and(|it| it.leave_id == arrived.leave_id && it.is_whole())
            };
            if is_here(&entry.before.head) && is_here(&entry.cached.head) {
                self.take_back(definitions, work, cause)?;
            }
            return self.finish(work, cause);
        }
        match coming.state.as_ref().map(|it| it.leave_id) {
            Some(known) if known > arrived.leave_id => return self.finish(work, cause),
            // The store of who had it lost that it left, and it left once more.
            Some(known) if known < arrived.leave_id => self.drop_returned(work),
            Some(_) | None => {}
        }
        self.store_returned(work, (moved, arrived), cause)?;
        let coming = self.batch.works[work].cached.head.coming_back();
        if let Some(coming) = coming
            && let Some(state) = coming.state.as_ref().filter(|it| it.is_whole())
        {
            let (whole, word) = ((state.from, state.leave_id), coming.split.clone());
            self.confirm(work, whole, &word, cause)?;
        }
        self.finish(work, cause)
    }

    /// Stores the parts that are not here yet.
    fn store_returned(
        &mut self,
        work: usize,
        (moved, arrived): (&StateMoved, Arrived),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        let Some(coming) = &mut entry.cached.head.splits_mut().coming_back else {
            return Ok(());
        };
        let state = coming.state.get_or_insert_with(|| Moving {
            from: arrived.from,
            fragments: arrived.fragments,
            last_ordinal: arrived.last_ordinal,
            first_ordinal: 0,
            followed: false,
            part_count: moved.part_count,
            parts: [].into(),
            cause: cause.of_move(),
            leave_id: arrived.leave_id,
            sent_parts: 0,
            is_sent: false,
            awaited: Vec::new(),
            awaited_epochs: BTreeMap::new(),
            waived: Vec::new(),
            absent: Vec::new(),
            epoch: moved.graph_epoch,
            since: 0,
        });
        let mut news = Vec::new();
        for (index, key, body) in arrived.parts {
            if index >= state.part_count || key.ordinal > state.last_ordinal {
                return Err(cause.failed("a part that comes back is none of its state"));
            }
            if state.parts.insert(index, key).is_none() {
                news.push((key, body));
            }
        }
        self.batch.count_write(work);
        for (key, body) in news {
            self.batch.put_part(work, key, Some(body));
        }
        Ok(())
    }

    /// Forgets what has come of the state.
    fn drop_returned(&mut self, work: usize) {
        let splits = self.batch.works[work].cached.head.splits_mut();
        let state = splits.coming_back.as_mut().and_then(|it| it.state.take());
        let parts = state.map_or_else(Default::default, |it| it.parts);
        for part in parts.into_values() {
            self.batch.put_part(work, part, None);
        }
    }

    /// Takes the state in of which all is here.
    fn take_back(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let key = entry.key;
        let coming = entry.cached.head.coming_back();
        let Some(state) = coming.and_then(|it| it.state.clone()) else {
            return Ok(());
        };
        let mut outcome = None;
        if state.part_count > 0 {
            let state_key = state_key(0);
            let Some(body) = self.batch.raw.get(&(key, state_key)).cloned() else {
                let lacked = self.batch.effects.lacks_definition;
                self.batch.effects.need(state_key);
                return Err(self.miss(work, cause, lacked));
            };
            outcome = Some(self.call(work, cause, |own, step| {
                C::take_back(definitions, own, &body, step)
            })?);
            self.batch.put_part(work, state_key, None);
            // They go with the state, where the core forgets it in this batch.
            let parts = state.parts.values().copied();
            let parts = parts.filter(|part| part.kind != PartKey::ENGINE_KIND);
            self.batch.works[work].taken_in.extend(parts);
        }
        self.end_return(definitions, work, (Some(state), outcome), cause)
    }

    /// Ends the wait for the own state: the customer goes on with it, or with nothing.
    fn end_return(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        (state, outcome): (Option<Moving>, Option<Outcome>),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if state.is_none() {
            self.drop_returned(work);
        }
        let head = &mut self.batch.works[work].cached.head;
        let Some(coming) = head.splits_mut().coming_back.take() else {
            return Ok(());
        };
        let (fragments, last_ordinal) =
            state.map_or_else(Default::default, |it| (it.fragments, it.last_ordinal));
        (head.fragments, head.last_ordinal) = (fragments, last_ordinal);
        // A copy of the state that left is taken in by nobody from now on.
        head.released_leave_id = 0;
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        entry.last = Some(cause.origin);
        self.batch.count_write(work);
        self.set_timer_of_all(work, None);
        if let Some(outcome) = outcome {
            // The timer of the core waits with what waits.
            self.apply_outcome(work, outcome, false, cause.now);
        }
        if let Some(into) = coming.split.into {
            self.leave_along(definitions, work, (into, coming.split.epoch), cause)?;
        } else {
            self.gather(work, &coming.split, cause)?;
        }
        self.end_words(work);
        self.wake(work, cause)
    }

    /// Has the fragments that came out with the customer come: each comes out by itself, wherever it
    /// is. The first service tells them, and what they pass on tells the others.
    fn gather(&mut self, work: usize, word: &SplitWord, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &entry.cached.head;
        let others = word.fragments.iter().copied();
        // A service that said so of an earlier word says so of this one: the later ones may not know.
        let is_first = C::HOME == Home::Segmentation;
        let is_apart = |it: &CustomerId| !is_first && head.is_apart(*it, word.epoch);
        let lacking: Vec<CustomerId> = others
            .filter(|it| !head.knows(*it) && !is_apart(it))
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        self.await_lacking(work, &lacking, word.epoch, cause);
        if C::HOME != Home::Segmentation {
            return Ok(());
        }
        for fragment in lacking {
            let split = CustomerSplit {
                fragment_ids: Bytes::new(),
                into_customer_id: id_bytes(customer),
                ..word.message.clone()
            };
            self.deliver(
                C::HOME,
                cause.record(fragment, Some(Body::Split(split))),
                cause,
            )?;
        }
        Ok(())
    }

    /// Answers for a customer who is erased: what comes back is let go of, and who asks goes on with
    /// nothing.
    pub(super) fn answer_of_erased(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let answer = match &record.body {
            Some(Body::Returned(moved)) if !moved.released && !moved.stays => {
                let split = CustomerSplit {
                    from_customer_id: moved.from_customer_id.clone(),
                    asks: true,
                    graph_epoch: moved.graph_epoch,
                    by_customer_id: id_bytes(customer),
                    arrived_leave_id: moved.leave_id,
                    ..CustomerSplit::default()
                };
                (moved.from_customer_id.clone(), Body::Split(split))
            }
            Some(Body::Split(split)) if split.asks => {
                let lost = StateMoved {
                    stays: true,
                    ..answer(customer, split.graph_epoch)
                };
                (split.by_customer_id.clone(), Body::Returned(lost))
            }
            _ => return Ok(()),
        };
        let to = CustomerId::try_from_bytes(&answer.0);
        let to = to.map_err(|error| cause.failed(format!("it names no customer: {error}")))?;
        self.deliver(C::HOME, cause.record(to, Some(answer.1)), cause)
    }
}
