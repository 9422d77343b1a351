//! Fragments leave a customer by an unmerge: what was learned under them is taken out of the state,
//! and sent to the one who asked for it.
//!
//! The question comes behind all that the customer who leaves had sent, and waits like any record
//! while the survivor waits for a state. One commit takes the fragments out: their parts stay where
//! they are stored, but nobody lists them any more but the head of the customer, as a state that
//! goes back. Pieces of it go with the next batches. Once all has arrived, the one whose it is asks
//! to let go, and only the answer has it taken in there: a store that loses its newest writes has
//! no state at both.
//!
//! The customer remembers who left. What comes for them by an old word goes on to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::limits::FRAGMENTS;
use decision::{Core, PartKey, PartWrites, Split};
use kernel::CustomerId;
use messages::stream::v1::{CustomerSplit, Record, StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::head::id_bytes;
use crate::key::customer_of;
use crate::moving::{Moving, state_key};
use crate::splitting::{Gone, Returning, SplitWord};

/// A state that leaves: its head, the parts that changed, and the keys of those that leave, as they
/// are at the customer who comes out.
type Divided = (Option<Bytes>, PartWrites, Vec<PartKey>);

impl<C: Core> Worker<C> {
    /// Takes the question of a customer who was part of this one, or their word that all has arrived.
    pub(super) fn take_asked(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        split: &CustomerSplit,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let word = SplitWord::read(split).map_err(|error| cause.failed(error))?;
        let by = CustomerId::try_from_bytes(&split.by_customer_id);
        let by = by.map_err(|error| cause.failed(format!("nobody asks for a state: {error}")))?;
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        if by == customer || self.let_back(work, (by, split.arrived_leave_id, word.epoch), cause)? {
            return self.finish(work, cause);
        }
        let head = &mut self.batch.works[work].cached.head;
        let returning = &mut head.splits_mut().returning;
        let is_asked = |it: &&mut Returning| it.state.from == by && it.state.epoch == word.epoch;
        if let Some(known) = returning.iter_mut().find(is_asked) {
            (known.state.sent_parts, known.state.is_sent) = (0, false);
            self.batch.works[work].change = Change::Write;
            self.batch.count_write(work);
            self.send_word(work, cause)?;
            return self.finish(work, cause);
        }
        let gone = head.gone(by).filter(|it| word.epoch <= it.epoch + 1);
        let is_lost = gone.is_some_and(|it| it.leave_id != 0);
        let since = split.merge_epoch;
        let redirect = head.redirect.map(|it| (it, since.max(head.merge_epoch)));
        let is_here = head.has_or_expects(by) || head.arriving_from(by).is_some();
        let is_here = is_here && head.redirect.is_none();
        let way = head.stayed_with(since).or(redirect);
        let way = way.filter(|_| !is_here);
        if is_lost {
            // It was let go of, and the store of who asks lost it.
            let lost = StateMoved {
                stays: true,
                ..answer(customer, word.epoch)
            };
            let lost = cause.record(by, Some(Body::Returned(lost)));
            self.deliver(C::HOME, lost, cause)?;
        } else if let Some((next, merge_epoch)) = way {
            // Behind the own state.
            let question = CustomerSplit {
                merge_epoch,
                ..split.clone()
            };
            let question = cause.record(next, Some(Body::Split(question)));
            self.send(work, C::HOME, question, cause)?;
        } else {
            self.split_off(definitions, work, (by, word, split.clone()), cause)?;
        }
        self.finish(work, cause)
    }

    /// Returns whether a record asks for what is all here, so that it needs not wait with others: a
    /// customer who waits for the own state is not to wait for those of others.
    pub(super) fn can_divide(&self, work: usize, record: &Record) -> bool {
        let Some(Body::Split(split)) = &record.body else {
            return false;
        };
        if !split.asks {
            return false;
        }
        let by = CustomerId::try_from_bytes(&split.by_customer_id).ok();
        let mut arriving = self.batch.works[work].cached.head.arriving.iter();
        !arriving.any(|moving| {
            let is_part = Some(moving.from) == by && !moving.is_whole();
            !is_part && moving.all_fragments().any(|it| Some(it.customer) == by)
        })
    }

    /// Lets go of a state of which all has arrived, and says so. Returns whether it is known.
    fn let_back(
        &mut self,
        work: usize,
        (by, arrived, epoch): (CustomerId, u64, u64),
        cause: Cause<'_>,
    ) -> Result<bool, Failed> {
        if arrived == 0 {
            return Ok(false);
        }
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let splits = entry.cached.head.splits_mut();
        let mut returning = splits.returning.iter();
        let known = returning.position(|it| it.state.from == by && it.state.leave_id == arrived);
        let known = known.map(|at| splits.returning.remove(at).state);
        let gone = splits.gone.iter_mut().find(|it| it.customer == by);
        let epoch = match (&known, gone) {
            (Some(state), gone) => {
                if let Some(gone) = gone.filter(|it| it.epoch + 1 >= state.epoch) {
                    gone.leave_id = arrived;
                }
                state.epoch
            }
            (None, Some(gone)) if gone.leave_id == arrived => epoch,
            (None, _) => return Ok(false),
        };
        if let Some(state) = known {
            entry.change = Change::Write;
            self.batch.count_write(work);
            for part in state.parts.into_values() {
                self.batch.put_part(work, part, None);
            }
        }
        let released = StateMoved {
            leave_id: arrived,
            released: true,
            ..answer(customer, epoch)
        };
        let released = cause.record(by, Some(Body::Returned(released)));
        self.deliver(C::HOME, released, cause)?;
        Ok(true)
    }

    /// Takes a customer who asks out of the state, and begins to send what was learned under them.
    fn split_off(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        (by, word, split): (CustomerId, SplitWord, CustomerSplit),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        self.stop_arriving(work, by, cause)?;
        let head = &self.batch.works[work].cached.head;
        let mut fragments = head.fragments.iter();
        let own = fragments.find(|it| it.customer == by);
        let own = own.map(|it| it.ordinal);
        let ordinals: Vec<(u16, u16)> = own.into_iter().map(|it| (it, 0)).collect();
        let (state, changed, keys) =
            self.divide(definitions, work, (by, &word, &ordinals), cause)?;
        let state_key = state_key(ordinals.first().map_or(0, |it| it.0));
        let mut parts: BTreeMap<u32, PartKey> = BTreeMap::new();
        if state.is_some() {
            let here = keys.into_iter().filter_map(|key| {
                let mut ordinals = ordinals.iter();
                let (own, _) = ordinals.find(|(_, there)| *there == key.ordinal)?;
                Some(PartKey {
                    ordinal: *own,
                    ..key
                })
            });
            parts = (0..).zip(here.chain([state_key])).collect();
        }
        let leave_id = self.name_leave(state.as_ref(), split.arrived_leave_id);
        let moving = Moving {
            from: by,
            fragments: Vec::new(),
            last_ordinal: 0,
            first_ordinal: 0,
            followed: false,
            part_count: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            parts,
            cause: cause.of_move(),
            leave_id,
            sent_parts: 0,
            is_sent: false,
            awaited: Vec::new(),
            awaited_epochs: BTreeMap::new(),
            waived: Vec::new(),
            absent: Vec::new(),
            epoch: word.epoch,
            since: 0,
        };
        for (key, value) in changed {
            if value.is_some() {
                // The state before the batch may not list it, and it goes where that goes.
                self.batch.works[work].taken_in.push(key);
            }
            self.batch.put_part(work, key, value);
        }
        if let Some(state) = &state {
            self.batch.put_part(work, state_key, Some(state.clone()));
        }
        let head = &mut self.batch.works[work].cached.head;
        head.fragments.retain(|it| it.customer != by);
        head.set_gone(Gone {
            ordinal: own.unwrap_or(0),
            customer: by,
            epoch: word.epoch - 1,
            leave_id: 0,
        });
        let returning = Returning {
            state: moving,
            ordinals,
        };
        self.begin_return(work, (returning, state), cause)?;
        self.go_on_beside(work, (by, word.epoch), cause)
    }

    /// Gives up what has come here of states that go to the customer who asks. They are still with
    /// those who left, who send them there.
    fn stop_arriving(
        &mut self,
        work: usize,
        by: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let arriving = self.batch.works[work].cached.head.arriving.clone();
        for moving in arriving {
            if moving.from == by && !moving.is_whole() {
                self.drop_arriving(work, moving.from);
            } else if moving.all_fragments().any(|it| it.customer == by) {
                return Err(cause.failed(
                    "the state that is to be divided has not been taken in here; try this again \
                     once it has",
                ));
            }
        }
        Ok(())
    }

    /// Has the core divide its state.
    fn divide(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        (to, word, ordinals): (CustomerId, &SplitWord, &[(u16, u16)]),
        cause: Cause<'_>,
    ) -> Result<Divided, Failed> {
        // Under the last one is what many taught, who cannot be told apart.
        let told_apart = ordinals.iter().copied();
        let told_apart = told_apart.filter(|(own, _)| *own < FRAGMENTS - 1);
        let told_apart: Vec<(u16, u16)> = told_apart.collect();
        if told_apart.is_empty() || !self.batch.works[work].cached.head.has_state {
            return Ok(Divided::default());
        }
        let divided = self.call(work, cause, |state, step| {
            let split = Split {
                to,
                ordinals: &told_apart,
                merge_time: word.merge_time,
            };
            let left = C::split_off(definitions, state, split, step);
            let mut changed = PartWrites::default();
            // A step that misses parts is void.
            if left.is_none() || !step.effects.needs.is_empty() {
                return Ok((left, changed, Vec::new()));
            }
            C::drain_parts(state, &mut changed);
            let keys = match &left {
                Some(left) => C::part_keys(&C::decode(left)?),
                None => Vec::new(),
            };
            Ok((left, changed, keys))
        })?;
        // Waits of the core may be due earlier than before.
        self.set_timer(work, Some(cause.now));
        Ok(divided)
    }

    /// Waits no longer for the customer who asked.
    fn go_on_beside(
        &mut self,
        work: usize,
        (by, epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Some(waiting) = self.batch.works[work].cached.head.waiting.as_deref_mut() else {
            return Ok(());
        };
        waiting.set_apart(by, epoch);
        self.end_wait(work);
        self.wake(work, cause)
    }
}

/// An answer to the customer whose state it is, with nothing in it.
pub(super) fn answer(customer: CustomerId, graph_epoch: u64) -> StateMoved {
    StateMoved {
        from_customer_id: id_bytes(customer),
        graph_epoch,
        ..StateMoved::default()
    }
}
