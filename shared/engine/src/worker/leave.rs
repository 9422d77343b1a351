//! A merged customer leaves: the state goes to the survivor, piece by piece, over as many commits as
//! that takes, and stays until it has arrived.
//!
//! A state without parts goes at once. Otherwise the first commit makes it final: its head is
//! stored like a part, no core sees it any more, and the head of the customer lists what is to be
//! sent. Each batch that meets a record of the customer then sends some pieces first, and marks
//! them as sent in the same commit. The record comes after all of them (`turn`). A word to the
//! customer itself makes sure that there is such a record.
//!
//! The survivor asks once it has stored all of the state. Only then do its parts go here, and the
//! answer lets the survivor fold the state in. Whoever is asked about a leave that never was, since
//! the store lost it, leaves now, under a greater name, so that the survivor takes this state for
//! the other.
//!
//! A survivor that leaves in its turn sends on what has arrived of others, as theirs. It tells those
//! first whose states are part of its own.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use decision::{Core, Home, PartKey, PartLoad, PartWrites};
use kernel::{CustomerId, StableHash};
use messages::stream::v1::{ChangeRecord, CustomerMerged, change_record::Kind, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::parts::stored_parts;
use crate::head::{Head, id_bytes};
use crate::key::customer_of;
use crate::limits;
use crate::moving::{Fragment, Leaving, MoveCause, Moving, state_key};

/// A state that is about to leave: its head, the parts that changed, and the keys of all parts.
type Final = (Option<Bytes>, PartWrites, Vec<PartKey>);

impl<C: Core> Worker<C> {
    /// Begins to send the state after the survivor, and leaves a redirect. The name of the leave is
    /// above one that the survivor was told of.
    pub(super) fn leave(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        survivor: CustomerId,
        merged: &CustomerMerged,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let (state, changed, parts) = self.take_final(definitions, work, cause)?;
        self.tell_merged(work, survivor, cause);
        let leave_id = self.name_leave(state.as_ref(), merged.arrived_leave_id);
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let mut head = std::mem::replace(&mut entry.cached.head, Head::redirected_to(survivor));
        entry.change = Change::Write;
        let waiting = head.waiting.take().unwrap_or_default();
        // Records that wait follow the state, and wait there.
        let mut lacked = waiting.clone();
        // Those who come by a later merge come to whoever has this customer then.
        let epochs = lacked.epochs.clone();
        let is_later = |it: &CustomerId| epochs.get(it).is_some_and(|it| *it > merged.graph_epoch);
        lacked
            .awaited
            .retain(|it| merged.graph_epoch == 0 || !is_later(it));
        entry.cached.head.waiting = waiting.into_parked().map(Box::new);
        entry.cached.head.fragments.clone_from(&head.fragments);
        entry.cached.head.splits = head.splits.take();
        entry.cached.head.merge_epoch = merged.graph_epoch;
        entry.cached.head.graph_epoch = head.graph_epoch.max(merged.graph_epoch);
        self.batch.count_write(work);
        let arriving = std::mem::take(&mut head.arriving);
        let (leaves, stays) = arriving
            .into_iter()
            .partition(|it| it.is_whole() || it.epoch == 0 || merged.graph_epoch == 0);
        head.arriving = leaves;
        self.leave_behind(work, stays);
        let news = CustomerMerged {
            into_customer_id: id_bytes(survivor),
            graph_epoch: merged.graph_epoch,
            ..CustomerMerged::default()
        };
        self.pass_merge_on(work, news, cause);
        self.tell_folded_in(work, &head.fragments, merged.graph_epoch, cause)?;
        self.tell_gone(work, (survivor, merged.graph_epoch), cause)?;
        let mut own = Moving {
            from: customer,
            fragments: head.fragments,
            last_ordinal: head.last_ordinal,
            first_ordinal: 0,
            followed: false,
            part_count: 0,
            parts: BTreeMap::new(),
            cause: cause.of_move(),
            leave_id,
            sent_parts: 0,
            is_sent: false,
            awaited: lacked.awaited,
            awaited_epochs: lacked.epochs,
            waived: lacked.waived,
            absent: lacked.absent,
            epoch: merged.graph_epoch,
            since: 0,
        };
        // A commit has room for a small state twice: in a record, and where it stays.
        let is_small = parts.is_empty()
            && head.arriving.is_empty()
            && state
                .as_ref()
                .is_none_or(|it| it.len() <= limits::PIECE_BYTES);
        if state.is_some() {
            // The head is the last: what follows the state comes right behind it, and no state is
            // whole before it.
            let all = parts.into_iter().chain([state_key(0)]);
            own.parts = (0..).zip(all).collect();
            own.part_count = u32::try_from(own.parts.len()).unwrap_or(u32::MAX);
        }
        if is_small {
            return self.leave_at_once(work, (own, state, changed), survivor, cause);
        }
        self.drop_packed(work, &own, cause)?;
        for (key, value) in changed {
            self.batch.put_part(work, key, value);
        }
        if let Some(state) = state {
            self.batch.put_part(work, state_key(0), Some(state));
        }
        let arriving = head.arriving.into_iter().map(|moving| Moving {
            followed: true,
            // Whoever sent it did so for this customer.
            since: moving.since.max(merged.graph_epoch),
            ..moving
        });
        let entry = &mut self.batch.works[work];
        entry.cached.state = C::State::default();
        entry.cached.head.leaving = Some(Box::new(Leaving {
            states: std::iter::once(own).chain(arriving).collect(),
            cause: cause.of_move(),
            tries: 0,
        }));
        self.batch.count_parts(work, PartLoad::default());
        // Only now: waits of the state that are in quarantine go with it.
        self.clear_timer(work, cause.now);
        self.send_word(work, cause)
    }

    /// Gives up what has come of states that are not all here. They are still with those who sent
    /// them, who do so once more when the own state has arrived.
    fn leave_behind(&mut self, work: usize, arriving: Vec<Moving>) {
        for moving in arriving {
            for part in moving.parts.values() {
                self.batch.put_part(work, *part, None);
            }
            let epoch = moving.epoch.max(moving.since);
            let head = &mut self.batch.works[work].cached.head;
            head.set_missed(moving.from, epoch);
        }
    }

    /// Tells consumers outside that the customer was joined into another, whether or not anything is
    /// known of either. A customer leaves once, and the first service decides that for all.
    fn tell_merged(&mut self, work: usize, survivor: CustomerId, cause: Cause<'_>) {
        if C::HOME == Home::Segmentation {
            self.batch.effects.change(ChangeRecord {
                customer_id: self.batch.works[work].key_bytes.clone(),
                time_ms: cause.time.as_millis(),
                kind: Some(Kind::MergedIntoId(id_bytes(survivor))),
            });
        }
    }

    /// Tells all fragments, before the state goes, that theirs are part of it. A copy of one that was
    /// sent twice may overtake it: whoever asks about that copy gets no answer.
    fn tell_folded_in(
        &mut self,
        work: usize,
        fragments: &[Fragment],
        graph_epoch: u64,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        for fragment in fragments {
            let folded = Body::Merged(CustomerMerged {
                into_customer_id: id_bytes(customer),
                folded_in: true,
                graph_epoch,
                ..CustomerMerged::default()
            });
            let record = cause.record(fragment.customer, Some(folded));
            self.send(work, C::HOME, record, cause)?;
        }
        Ok(())
    }

    /// Removes the parts that the core packed into the head of the state that leaves.
    fn drop_packed(&mut self, work: usize, own: &Moving, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let stored = stored_parts::<C>(entry).map_err(|reason| cause.failed(reason))?;
        let taken_in = std::mem::take(&mut entry.taken_in);
        let leaving: BTreeSet<PartKey> = own.parts.values().copied().collect();
        let all = stored.into_iter().chain(taken_in);
        let head = &entry.cached.head;
        // What goes back to somebody stays until it has arrived.
        let all = all.filter(|part| !leaving.contains(part) && !head.is_returning(*part));
        for part in all.collect::<Vec<_>>() {
            self.batch.put_part(work, part, None);
        }
        Ok(())
    }

    /// Sends a state that is one part, or none.
    fn leave_at_once(
        &mut self,
        work: usize,
        (mut own, state, changed): (Moving, Option<Bytes>, PartWrites),
        survivor: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        self.batch.forget_state(work);
        self.clear_timer(work, cause.now);
        // The state before the batch does not list what was folded in since.
        for (key, _) in changed.into_iter().filter(|(_, value)| value.is_none()) {
            self.batch.put_part(work, key, None);
        }
        let mut piece = own.piece();
        if let Some(state) = state {
            piece
                .parts
                .push(own.moved_part(0, state_key(0), state.clone()));
            self.batch.put_part(work, state_key(0), Some(state));
        }
        (own.sent_parts, own.is_sent) = (own.part_count, true);
        self.batch.works[work].cached.head.leaving = Some(Box::new(Leaving {
            states: [own].into(),
            cause: cause.of_move(),
            tries: 0,
        }));
        self.watch_leave(work, 0, cause.now);
        self.send_piece(work, survivor, piece, cause)?;
        self.end_leave(work, cause)?;
        self.wake(work, cause)
    }

    /// Names a leave: later ones of the customer have greater names, also where a store lost its
    /// newest writes, since epochs only grow and commits of one epoch are numbered.
    ///
    /// Within one epoch a commit may be lost and its number given again. The lowest byte tells such
    /// leaves apart where their states differ.
    pub(super) fn name_leave(&self, state: Option<&Bytes>, above: u64) -> u64 {
        let state = state.map_or(&[][..], |state| state);
        let digest = StableHash::new().with(state).finish() & 0xff;
        let seq = self.position.commit_seq & 0xffff_ffff;
        let own = (self.position.epoch << 40) | (seq << 8) | digest;
        own.max(above.saturating_add(1))
    }

    /// Lets the core take leave, and hands out the parts that changed.
    fn take_final(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        cause: Cause<'_>,
    ) -> Result<Final, Failed> {
        if !self.batch.works[work].cached.head.has_state {
            return Ok(Final::default());
        }
        self.call(work, cause, |state, step| {
            let left = C::take_leave(definitions, state, step);
            let mut changed = PartWrites::default();
            // A step that misses parts is void, and one of whom nothing is known has none.
            if left.is_none() || !step.effects.needs.is_empty() {
                return Ok((left, changed, Vec::new()));
            }
            C::drain_parts(state, &mut changed);
            Ok((left, changed, C::part_keys(state)))
        })
    }

    /// Says to all fragments where they are now. Behind the state and what waited: whatever they send
    /// the short way from now on comes after it.
    pub(super) fn end_leave(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let head = &mut self.batch.works[work].cached.head;
        let epoch = head.merge_epoch;
        let Some(survivor) = head.redirect else {
            return Ok(());
        };
        if head.is_sending() || head.has_parked() {
            return Ok(());
        }
        for fragment in std::mem::take(&mut head.fragments) {
            self.tell_repoint(work, fragment.customer, (survivor, epoch), cause)?;
        }
        Ok(())
    }
}

impl Cause<'_> {
    /// What a state that moves remembers of it.
    pub(super) fn of_move(self) -> MoveCause {
        MoveCause {
            is_bulk: self.bulk,
            time: self.time,
            trace_parent: self.trace_parent.to_owned(),
        }
    }
}
