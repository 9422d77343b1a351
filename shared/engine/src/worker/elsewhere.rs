//! Records that come for a customer and are somebody else's, by unmerges: of fragments who have left,
//! or who stayed with the one that the customer came out of. They are sent on.

use decision::{Core, Home};
use kernel::CustomerId;
use messages::stream::v1::{CustomerMerged, Record, StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::head::id_bytes;
use crate::key::customer_of;
use crate::moving::Moving;
use crate::splitting::{Epochs, Gone};

impl<C: Core> Worker<C> {
    /// Takes a piece of somebody's state that comes while the customer waits for their own: who was
    /// joined into them since they came out sends it once more, and what is somebody else's goes on.
    pub(super) fn pass_moved(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let way = self.way_of_moved(work, moved);
        let entry = &self.batch.works[work];
        let Ok(from) = CustomerId::try_from_bytes(&moved.from_customer_id) else {
            return self.finish(work, cause);
        };
        if from == customer_of(&entry.key_bytes) {
            return self.finish(work, cause);
        }
        if let Some(way) = way {
            return self.pass_piece(work, way, moved, cause);
        }
        self.miss_moved(work, moved, cause)
    }

    /// Takes note that somebody's state came who was joined into the customer after an unmerge that
    /// is not done here. They send it once more then.
    pub(super) fn miss_moved(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        if let Some(from) = from.ok().filter(|_| !moved.sought) {
            let entry = &mut self.batch.works[work];
            let epoch = moved.graph_epoch.max(moved.forwarded_epoch);
            entry.cached.head.set_missed(from, epoch);
            entry.change = Change::Write;
            self.batch.count_write(work);
        }
        self.finish(work, cause)
    }

    /// Sends a piece of somebody's state on, or the word that looks for it, who is part of another
    /// customer since a graph epoch. One for whoever left is a copy of what they have.
    pub(super) fn pass_piece(
        &mut self,
        work: usize,
        (to, epoch): (CustomerId, u64),
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if moved.from_customer_id == id_bytes(to) {
            return self.finish(work, cause);
        }
        let moved = StateMoved {
            followed: true,
            forwarded_epoch: epoch,
            ..moved.clone()
        };
        let moved = cause.record(to, Some(Body::Moved(moved)));
        self.send(work, C::HOME, moved, cause)?;
        self.finish(work, cause)
    }

    /// Returns the customer that a piece of somebody's state is for, where it is not for this one, nor
    /// for whom this one is redirected to.
    pub(super) fn way_of_moved(
        &self,
        work: usize,
        moved: &StateMoved,
    ) -> Option<(CustomerId, u64)> {
        if moved.released || moved.stays {
            return None;
        }
        let from = CustomerId::try_from_bytes(&moved.from_customer_id).ok()?;
        let head = &self.batch.works[work].cached.head;
        let (own, since) = (moved.graph_epoch, moved.forwarded_epoch);
        let since = own.max(since);
        head.way_of_state(from, Epochs { own, since })
    }

    /// Returns the customer that a record is for, where it is not for this one, nor for whom this one
    /// is redirected to: the fragment that it names became its own, or stayed with one that this
    /// customer came out of.
    pub(super) fn elsewhere(&self, work: usize, cause: Cause<'_>) -> Option<(CustomerId, u64)> {
        let entry = &self.batch.works[work];
        let head = &entry.cached.head;
        let fragment = cause.fragment?;
        if fragment == customer_of(&entry.key_bytes) {
            return None;
        }
        // Who emits a fact names nobody's graph epoch. It was the customer's then.
        let is_direct = cause.followed_from.is_none();
        let is_of_now = cause.epochs.own == 0 && is_direct;
        let way = head.way_of(fragment, cause.epochs);
        let way = way.filter(|way| !is_of_now || way.0 == fragment);
        // In an earlier service, or where the record was before, they were part of a customer who is
        // part of this one, and came out of that one before it came here.
        let is_later = is_direct && C::HOME != Home::Segmentation;
        let from = cause.followed_from.filter(|_| cause.epochs.own > 0);
        let is_passed = is_later || from.is_some_and(|it| it != fragment);
        let is_nobody = is_passed && head.redirect.is_none() && head.graph_epoch > 0;
        let is_nobody = is_nobody && !head.knows(fragment);
        way.or_else(|| is_nobody.then_some((fragment, 0)))
    }

    /// Tells somebody to whom an event goes on whose fragment they are by it: they may not know.
    pub(super) fn tell_of_fragment(
        &mut self,
        work: usize,
        (to, _): (CustomerId, u64),
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let head = &self.batch.works[work].cached.head;
        let is_told = C::HOME == Home::Segmentation && head.gone(to).is_none();
        let (Some(Body::Event(event)), Some(named)) = (&record.body, cause.followed_from) else {
            return Ok(());
        };
        if !is_told || event.graph_epoch == 0 || cause.fragment != Some(to) || named == to {
            return Ok(());
        }
        self.tell_first(to, (named, event.graph_epoch), cause)
    }

    /// Takes note of the word of a customer that they do not come by a merge: this one may wait for
    /// them once they are out, or has taken the wait along.
    pub(super) fn note_apart(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        let entry = &mut self.batch.works[work];
        if let (Ok(from), 0) = (from, moved.leave_id) {
            let head = &mut entry.cached.head;
            if head.is_changing() {
                head.set_apart(from, moved.graph_epoch);
            }
            let leaving = head.leaving.iter_mut().flat_map(|it| &mut it.states);
            leaving.for_each(|it| it.set_apart(from, moved.graph_epoch));
            entry.change = Change::Write;
            self.batch.count_write(work);
        }
        self.finish(work, cause)
    }

    /// Takes the word of a customer who came out of another that they do not come by a merge before
    /// that.
    pub(super) fn go_on_apart(
        &mut self,
        work: usize,
        from: CustomerId,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let (epoch, leave_id) = (moved.graph_epoch, moved.leave_id);
        let head = &mut self.batch.works[work].cached.head;
        let is_copy = |it: &mut Moving| leave_id != 0 && it.leave_id == leave_id;
        if head.arriving_from(from).is_some_and(is_copy) {
            // The answer to who has a copy of a state that was taken back.
            self.drop_arriving(work, from);
        }
        let head = &mut self.batch.works[work].cached.head;
        let arriving = head.arriving.iter_mut();
        arriving.for_each(|it| it.set_apart(from, epoch));
        // Customers who waited for them may have taken the wait along, and come out since.
        let since = Some(moved.forwarded_epoch).filter(|it| *it > 0);
        if let Some(way) = since.and_then(|it| head.stayed_with(it)) {
            self.pass_piece(work, way, moved, cause)?;
        }
        let head = &mut self.batch.works[work].cached.head;
        if head.has_or_expects(from) || head.arriving_from(from).is_some() {
            return self.finish(work, cause);
        }
        if head.is_changing() || head.has_parked() {
            head.set_apart(from, epoch);
        }
        let is_known = head.gone(from).is_some_and(|it| epoch <= it.epoch);
        if !is_known {
            head.set_gone(Gone {
                customer: from,
                epoch,
                leave_id: 0,
                ordinal: 0,
            });
        }
        if let Some(waiting) = head.waiting.as_deref_mut() {
            waiting.set_apart(from, epoch);
        }
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.end_wait(work);
        self.wake(work, cause)?;
        self.finish(work, cause)
    }

    /// Answers the word of a merge that is undone: whoever says so may wait for the customer.
    pub(super) fn answer_old(
        &mut self,
        work: usize,
        survivor: CustomerId,
        merged: &CustomerMerged,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &entry.cached.head;
        let is_part = survivor == customer || head.redirect == Some(survivor);
        let epoch = merged.graph_epoch;
        let is_passed = head.redirect.is_none() && epoch > 0 && epoch <= head.graph_epoch;
        // A customer who is part of another since that epoch may be part of the survivor by it.
        let is_since = head.redirect.is_some() && head.graph_epoch <= epoch;
        let is_old = head.is_before_split(epoch) && !is_since || is_passed;
        if C::HOME != Home::Segmentation || merged.repoints || is_part || !is_old {
            return Ok(());
        }
        self.tell_apart(work, (survivor, 0, C::HOME), epoch, cause)
    }

    /// Tells whoever waits for this customer by a merge that is undone that they do not come by it,
    /// or that what came of their state is a copy. The word of the merge that is refused had a graph
    /// epoch, or 0. Each of the later services says so once it has come as far: the state may be on its
    /// way there.
    pub(super) fn tell_apart(
        &mut self,
        work: usize,
        (to, leave_id, home): (CustomerId, u64, Home),
        refused: u64,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let mut apart = StateMoved {
            from_customer_id: id_bytes(customer),
            leave_id,
            stays: true,
            graph_epoch: refused.max(entry.cached.head.split_epoch().saturating_sub(1)),
            forwarded_epoch: refused,
            ..StateMoved::default()
        };
        let told = cause.record(to, Some(Body::Moved(apart.clone())));
        if leave_id == 0 && C::OUTPUT.is_some() {
            apart.sought_by_id = id_bytes(to);
            let own = cause.record(customer, Some(Body::Moved(apart)));
            self.batch.effects.emit(own);
        }
        self.deliver(home, told, cause)
    }

    /// Tells the survivor who left this customer by an unmerge after the merge by which it leaves now,
    /// where the words of those came in the other order: the survivor may wait for them.
    pub(super) fn tell_gone(
        &mut self,
        work: usize,
        (survivor, epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let head = &self.batch.works[work].cached.head;
        let gone = head.splits.iter().flat_map(|it| &it.gone);
        let is_later = |it: &&Gone| epoch > 0 && epoch <= it.epoch && it.customer > survivor;
        let later = gone.filter(|it| is_later(it) && !head.has_fragment(it.customer));
        for gone in later.copied().collect::<Vec<Gone>>() {
            let apart = StateMoved {
                from_customer_id: id_bytes(gone.customer),
                stays: true,
                graph_epoch: gone.epoch,
                forwarded_epoch: epoch,
                ..StateMoved::default()
            };
            let told = cause.record(survivor, Some(Body::Moved(apart)));
            self.send(work, C::HOME, told, cause)?;
        }
        Ok(())
    }

    /// Says the same as the service before: that the customer does not come to somebody by a merge.
    pub(super) fn tell_apart_too(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let to = CustomerId::try_from_bytes(&moved.sought_by_id);
        let to = to.map_err(|error| cause.failed(format!("it names no customer: {error}")))?;
        self.tell_apart(work, (to, 0, C::HOME), moved.forwarded_epoch, cause)?;
        self.finish(work, cause)
    }
}
