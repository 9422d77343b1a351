//! Records that come for a customer and are somebody else's, by unmerges: of fragments who have left,
//! or who stayed with the one that the customer came out of. They are sent on.

use decision::{Core, Home};
use kernel::CustomerId;
use messages::stream::v1::{CustomerMerged, StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::head::id_bytes;
use crate::key::customer_of;
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
            entry.cached.head.set_missed(from);
            entry.change = Change::Write;
            self.batch.count_write(work);
        }
        self.finish(work, cause)
    }

    /// Has those send their states once more who are waited for and were missed.
    pub(super) fn seek_missed(
        &mut self,
        work: usize,
        awaited: &[CustomerId],
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Some(splits) = self.batch.works[work].cached.head.splits.as_mut() else {
            return Ok(());
        };
        let missed = splits.missed.extract_if(.., |it| awaited.contains(it));
        let missed: Vec<CustomerId> = missed.collect();
        for from in missed {
            self.seek(work, (from, 1), cause)?;
        }
        Ok(())
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
        head.way_of(from, Epochs { own, since })
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
        let is_of_now = cause.epochs.own == 0 && cause.followed_from.is_none();
        let way = head.way_of(fragment, cause.epochs)?;
        (!is_of_now || way.0 == fragment).then_some(way)
    }

    /// Takes note of the word of a customer that they do not come by a merge, which this one may wait
    /// for once they are out.
    pub(super) fn note_apart(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        if let (Ok(from), 0) = (from, moved.leave_id) {
            entry.cached.head.set_apart(from, moved.graph_epoch);
            entry.change = Change::Write;
            self.batch.count_write(work);
            if C::OUTPUT.is_some() {
                let record = cause.record(customer, Some(Body::Moved(moved.clone())));
                self.batch.effects.emit(record);
            }
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
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &mut entry.cached.head;
        if leave_id != 0 {
            // The answer to who has a copy of a state that was taken back.
            if head
                .arriving_from(from)
                .is_some_and(|it| it.leave_id == leave_id)
            {
                self.drop_arriving(work, from);
            }
        } else if C::OUTPUT.is_some() {
            let record = cause.record(customer, Some(Body::Moved(moved.clone())));
            self.batch.effects.emit(record);
        }
        let head = &mut self.batch.works[work].cached.head;
        if head.has_or_expects(from) || head.arriving_from(from).is_some() {
            return self.finish(work, cause);
        }
        if head.coming_back().is_some() || head.catches_up() {
            head.set_apart(from, epoch);
        }
        // In the later services the state may be on its way, though it is not in the first.
        let is_known = head.gone(from).is_some_and(|it| epoch <= it.epoch);
        if C::HOME == Home::Segmentation && !is_known {
            head.set_gone(Gone {
                customer: from,
                epoch,
                leave_id: 0,
                ordinal: 0,
            });
        }
        if let Some(waiting) = head.waiting.as_deref_mut() {
            waiting.has_come(from);
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
        let is_old = head.is_before_split(merged.graph_epoch);
        if C::HOME != Home::Segmentation || merged.repoints || is_part || !is_old {
            return Ok(());
        }
        self.tell_apart(work, (survivor, 0, C::HOME), cause)
    }

    /// Tells whoever waits for this customer by a merge that is undone that they do not come by it,
    /// or that what came of their state is a copy.
    pub(super) fn tell_apart(
        &mut self,
        work: usize,
        (to, leave_id, home): (CustomerId, u64, Home),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let apart = StateMoved {
            from_customer_id: id_bytes(customer),
            leave_id,
            stays: true,
            graph_epoch: entry.cached.head.split_epoch() - 1,
            ..StateMoved::default()
        };
        self.deliver(home, cause.record(to, Some(Body::Moved(apart))), cause)
    }
}
