//! Records that come for a customer and are somebody else's, by unmerges: of fragments who have left,
//! or who stayed with the one that the customer came out of. They are sent on.

use decision::Core;
use kernel::CustomerId;
use messages::stream::v1::{Record, StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::head::Head;
use crate::key::customer_of;
use crate::limits;

impl<C: Core> Worker<C> {
    /// Sends a piece of somebody's state on, who was joined into this customer before they came out, to
    /// the one who was asked: that one may wait for it. Who was joined later sends it once more.
    pub(super) fn pass_moved(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let Some(coming) = &mut entry.cached.head.splits_mut().coming_back else {
            return Ok(());
        };
        if moved.graph_epoch > coming.split.epoch {
            let from = CustomerId::try_from_bytes(&moved.from_customer_id);
            let missed = from.ok().filter(|it| !coming.missed.contains(it));
            coming.missed.extend(missed);
            coming.missed.truncate(limits::GONE_CUSTOMERS);
            entry.change = Change::Write;
            self.batch.count_write(work);
            return self.finish(work, cause);
        }
        let asked = coming.asked;
        self.pass_piece(work, (asked, false), moved, cause)
    }

    /// Sends a piece of somebody's state on.
    pub(super) fn pass_piece(
        &mut self,
        work: usize,
        (to, passed_back): (CustomerId, bool),
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let moved = StateMoved {
            followed: true,
            passed_back,
            ..moved.clone()
        };
        let moved = cause.record(to, Some(Body::Moved(moved)));
        self.send(work, C::HOME, moved, cause)?;
        self.finish(work, cause)
    }

    /// Returns the customer that a piece of somebody's state is for, where it is not this one: they
    /// left by an unmerge, or stayed with the one that this customer came out of.
    pub(super) fn owner_of_moved(&self, work: usize, moved: &StateMoved) -> Option<CustomerId> {
        let head = &self.batch.works[work].cached.head;
        let from = CustomerId::try_from_bytes(&moved.from_customer_id).ok()?;
        let epoch = moved.graph_epoch;
        if head.redirect.is_some() || epoch == 0 && !moved.sought || moved.released || moved.stays {
            return None;
        }
        if head.is_gone_since(from, epoch) {
            return head.gone(from).map(|it| it.to);
        }
        let is_old = epoch <= head.split_epoch() && !moved.passed_back;
        head.split_from().filter(|_| is_old && !head.knows(from))
    }

    /// Returns the customer that a record is for, where it is not this one: the fragment that it
    /// names has left by an unmerge, or stayed with the one that this customer came out of.
    pub(super) fn elsewhere(
        &self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Option<CustomerId> {
        let entry = &self.batch.works[work];
        let head = &entry.cached.head;
        let splits = head.splits.as_ref()?;
        let fragment = cause.fragment?;
        let epoch = match &record.body {
            Some(Body::Event(event)) => event.graph_epoch,
            _ => 0,
        };
        if head.is_gone_since(fragment, epoch) {
            return head.gone(fragment).map(|it| it.to);
        }
        let last = splits.last.filter(|_| head.redirect.is_none())?;
        if fragment == customer_of(&entry.key_bytes) || head.knows(fragment) {
            return None;
        }
        let is_old = epoch > 0 && epoch <= last.epoch;
        let followed = cause.followed_from.filter(|it| !head.knows(*it));
        let is_own = followed == Some(customer_of(&entry.key_bytes));
        (is_old || followed.is_some() && !is_own).then_some(last.from)
    }

    /// Returns the next customer on the way of a mark, where what it follows goes elsewhere than to
    /// this one and where its redirect leads.
    pub(super) fn way_of_mark(
        &self,
        head: &Head,
        (customer, marked_by, survivor): (CustomerId, CustomerId, CustomerId),
    ) -> Option<CustomerId> {
        if survivor == customer {
            return None;
        }
        match head.gone(marked_by) {
            Some(gone) => Some(gone.to),
            None if head.redirect.is_some() || head.knows(marked_by) => None,
            None => head.split_from(),
        }
    }
}
