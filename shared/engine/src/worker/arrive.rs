//! The state of a merged customer arrives: its parts are stored as they come, in any order, each
//! once, and it is folded in when all are there and who left has let go of it.
//!
//! The first piece reserves ordinals, so that a part has its lasting key at once. The core knows
//! nothing of a state before all of it is there. Then the survivor asks who left: a store that lost
//! its newest writes may have lost that they did. Only their answer has the state folded in, so
//! that no state is at both.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Core, Moved, PartKey};
use kernel::CustomerId;
use messages::stream::v1::{CustomerMerged, StateMoved, record::Body};

use super::Worker;
use super::arrived::{Arrived, reserve};
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::head::{Head, id_bytes};
use crate::key::customer_of;
use crate::metrics::WaitEnd;
use crate::moving::{Moving, has_head, state_key};
use crate::splitting::Epochs;

impl<C: Core> Worker<C> {
    /// Takes a piece of the state of a customer who was joined into this one, or the word that it
    /// can be folded in.
    pub(super) fn take_moved(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let arrived = Arrived::read(moved).map_err(|error| cause.failed(error))?;
        let (from, leave_id) = (arrived.from, arrived.leave_id);
        if let Some(way) = self.way_of_moved(work, moved) {
            return self.pass_piece(work, way, moved, cause);
        }
        if moved.sought {
            return self.take_sought(work, from, cause);
        }
        let entry = &mut self.batch.works[work];
        if from == customer_of(&entry.key_bytes) {
            return Err(cause.failed("a state was moved to the customer whose it is"));
        }
        if moved.stays && moved.graph_epoch > 0 {
            return self.go_on_apart(work, from, moved, cause);
        }
        if moved.stays {
            let fragments = arrived.fragments.iter().map(|it| it.customer);
            let staying: Vec<CustomerId> = std::iter::once(from).chain(fragments).collect();
            return self.go_on_without(work, &staying, cause);
        }
        if moved.released {
            return self.take_released(definitions, work, (from, leave_id), cause);
        }
        let is_last = moved.part_count == 0 || has_head(moved);
        if entry.cached.head.has_or_expects(from) {
            // It is here, or on its way as part of another: who left may not know.
            if is_last {
                self.ask(work, (from, leave_id), cause)?;
            }
            return self.finish(work, cause);
        }
        match entry.cached.head.arriving_from(from).map(|it| it.leave_id) {
            // The store lost the later leave: it has to have a greater name than that.
            Some(known) if known > leave_id => {
                self.ask(work, (from, known), cause)?;
                return self.finish(work, cause);
            }
            // The store of who left lost its newest writes, and they left once more.
            Some(known) if known < leave_id => self.drop_arriving(work, from),
            Some(_) | None => {}
        }
        let was_whole = self.is_whole(work, from);
        let head = &mut self.batch.works[work].cached.head;
        if head.arriving_from(from).is_none() {
            let moving = reserve(head, &arrived, moved, cause)?;
            for fragment in moving.all_fragments() {
                head.forget_gone(fragment.customer, moving.epoch.max(1));
            }
            head.arriving.push(moving);
        }
        if is_last {
            // What follows the state comes behind its head.
            let epoch = moved.graph_epoch.max(moved.forwarded_epoch);
            self.await_state(work, (from, epoch), cause);
            // Copies that overtook it: it has them as parts, and nobody lets go of them.
            for fragment in &arrived.fragments {
                self.drop_arriving(work, fragment.customer);
            }
        }
        self.store_parts(work, moved, arrived, cause)?;
        self.is_coming(work, from);
        if self.is_whole(work, from) && (!was_whole || is_last) {
            self.ask(work, (from, leave_id), cause)?;
        }
        self.finish(work, cause)
    }

    /// Looks for a state that is waited for: sends the word along the way that it would have taken.
    /// It comes back behind whatever is on that way. With the name of a leave, which is not 0, who
    /// left sends the state once more.
    pub(super) fn seek(
        &mut self,
        work: usize,
        (from, leave_id): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let sought = StateMoved {
            from_customer_id: id_bytes(from),
            sought: true,
            leave_id,
            sought_by_id: self.batch.works[work].key_bytes.clone(),
            ..StateMoved::default()
        };
        let sought = cause.record(from, Some(Body::Moved(sought)));
        self.deliver(C::HOME, sought, cause)
    }

    /// Waits no longer for a state that nobody has: a store lost it with its newest writes.
    fn take_sought(
        &mut self,
        work: usize,
        from: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let head = &mut self.batch.works[work].cached.head;
        let is_coming = head.is_changing() || head.has_missed(from);
        if !is_coming && !head.has_or_expects(from) && head.arriving_from(from).is_none() {
            self.waive(work, |it| it == from, WaitEnd::Lost);
            self.wake(work, cause)?;
        }
        self.finish(work, cause)
    }

    /// Returns whether the state of the customer is on its way to the survivor.
    pub(super) fn is_leaving(&self, work: usize) -> bool {
        self.batch.works[work].cached.head.leaving.is_some()
    }

    /// Asks a customer whose state is all stored here to let go of it.
    pub(super) fn ask(
        &mut self,
        work: usize,
        (from, leave_id): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let arriving = entry.cached.head.arriving_from(from);
        let question = CustomerMerged {
            into_customer_id: id_bytes(customer),
            arrived_leave_id: leave_id,
            graph_epoch: arriving.map_or(0, |it| it.epoch),
            ..CustomerMerged::default()
        };
        let question = cause.record(from, Some(Body::Merged(question)));
        self.deliver(C::HOME, question, cause)
    }

    /// Folds a state in that its customer has let go of. One that this batch stores is not in the
    /// store yet: after a loss it may come with the answer to an earlier question. It is asked for
    /// again.
    fn take_released(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        (from, leave_id): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let is_here = |head: &Head| {
            let mut arriving = head.arriving.iter().filter(|it| it.from == from);
            arriving.any(|it| it.leave_id == leave_id && it.is_whole())
        };
        if is_here(&entry.before.head) && is_here(&entry.cached.head) {
            return self.fold_arrived(definitions, work, from, cause);
        }
        // It was folded in, or is at somebody whom this customer was joined into.
        Ok(())
    }

    /// Forgets what has arrived of a state.
    pub(super) fn drop_arriving(&mut self, work: usize, from: CustomerId) {
        let head = &mut self.batch.works[work].cached.head;
        let parts: Vec<PartKey> = head
            .arriving_from(from)
            .map(|moving| moving.parts.values().copied().collect())
            .unwrap_or_default();
        head.arriving.retain(|it| it.from != from);
        for part in parts {
            self.batch.put_part(work, part, None);
        }
    }

    fn is_whole(&mut self, work: usize, from: CustomerId) -> bool {
        let head = &mut self.batch.works[work].cached.head;
        head.arriving_from(from).is_some_and(|it| it.is_whole())
    }

    /// Stores the parts that are not here yet.
    fn store_parts(
        &mut self,
        work: usize,
        moved: &StateMoved,
        arrived: Arrived,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        let Some(moving) = entry.cached.head.arriving_from(arrived.from) else {
            return Ok(());
        };
        moving.followed |= moved.followed;
        let mut news = Vec::new();
        for (index, key, body) in arrived.parts {
            let is_one = index < moving.part_count && key.ordinal <= moving.last_ordinal;
            let key = key.raised(moving.first_ordinal).filter(|_| is_one);
            let key = key.ok_or_else(|| cause.failed("a moved part is none of its state"))?;
            if let std::collections::btree_map::Entry::Vacant(place) = moving.parts.entry(index) {
                place.insert(key);
                news.push((key, body));
            }
        }
        self.batch.count_write(work);
        for (key, body) in news {
            self.batch.put_part(work, key, Some(body));
        }
        Ok(())
    }

    /// Folds in a state of which all has arrived.
    fn fold_arrived(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        from: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let key = entry.key;
        let Some(moving) = entry.cached.head.arriving_from(from).cloned() else {
            return Ok(());
        };
        let state_key = state_key(moving.first_ordinal);
        let state = self.batch.raw.get(&(key, state_key)).cloned();
        if moving.part_count > 0 && state.is_none() {
            let lacked = self.batch.effects.lacks_definition;
            self.batch.effects.need(state_key);
            return Err(self.miss(work, cause, lacked));
        }
        let raw = self.batch.raw.iter();
        let parts = raw.filter(|((of, part), _)| *of == key && moving.holds(*part));
        let parts = parts.map(|((_, part), body)| (*part, body.clone()));
        let parts = parts.filter(|(part, _)| *part != state_key).collect();
        if state.is_some() {
            self.batch.put_part(work, state_key, None);
        }
        let head = &mut self.batch.works[work].cached.head;
        head.arriving.retain(|it| it.from != from);
        self.fold(definitions, work, &moving, (state, parts), cause)
    }

    fn fold(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        moving: &Moving,
        (state, parts): (Option<Bytes>, BTreeMap<PartKey, Bytes>),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let parts_here = moving.parts.values();
        let parts_here = parts_here.filter(|part| part.kind != PartKey::ENGINE_KIND);
        // They go with the state, also where the core forgets it at once.
        self.batch.works[work].taken_in.extend(parts_here);
        if let Some(state) = &state {
            let moved = Moved {
                from: moving.from,
                ordinal: moving.first_ordinal,
                state,
                parts: &parts,
            };
            let outcome = self.call(work, cause, |state, step| {
                C::fold_in(definitions, state, moved, step)
            })?;
            self.apply_outcome(work, outcome, false, cause.now);
        }
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        entry.change = Change::Write;
        entry.cached.head.fragments.extend(moving.all_fragments());
        self.batch.count_write(work);
        if moving.followed {
            // They were told of somebody who has left since.
            for fragment in moving.all_fragments() {
                let survivor = (customer, moving.epoch.max(moving.since));
                self.tell_repoint(work, fragment.customer, survivor, cause)?;
            }
        }
        // Before the wait for this state ends.
        let epochs = Epochs {
            own: moving.epoch,
            since: moving.epoch.max(moving.since),
        };
        for from in &moving.awaited {
            let own = moving.awaited_epochs.get(from).copied();
            let epochs = Epochs {
                own: own.unwrap_or(epochs.own),
                ..epochs
            };
            self.await_merges(work, &[*from], (epochs, 0), cause)?;
        }
        self.take_over_waived(work, moving);
        self.has_arrived(work, moving.all_fragments(), cause)?;
        self.finish(work, cause)
    }
}
