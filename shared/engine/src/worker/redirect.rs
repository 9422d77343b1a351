//! A redirect comes to lead to a survivor of the survivor.
//!
//! What a customer sent the way before may still be on it, and wait with those who pass it on. What
//! they sent to the new survivor at once would overtake it. So the customer sends a mark that way,
//! and goes on sending what comes. Whoever is at the end of the way returns the mark. Where nothing
//! was sent behind it, the way is empty and the redirect changes; otherwise another mark is sent. A
//! customer for whom something always comes keeps the longer way for as long.

use decision::Core;
use kernel::CustomerId;
use messages::stream::v1::{CustomerMerged, Record, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::head::id_bytes;
use crate::key::customer_of;
use crate::redirect::NextRedirect;
use crate::splitting::Epochs;

impl<C: Core> Worker<C> {
    /// Begins to change the redirect.
    pub(super) fn redirect_to(
        &mut self,
        work: usize,
        survivor: CustomerId,
        merged: &CustomerMerged,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        self.pass_merge_on(work, merged.clone(), cause);
        self.send_mark(work, (survivor, merged.graph_epoch), cause)
    }

    /// Takes a mark: passes it on, returns it at the end of its way, or finds out what became of the
    /// own one.
    pub(super) fn take_mark(
        &mut self,
        work: usize,
        survivor: CustomerId,
        merged: &CustomerMerged,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let marked_by = CustomerId::try_from_bytes(&merged.marked_by_id)
            .map_err(|error| cause.failed(format!("a mark names no customer: {error}")))?;
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let mark = |to, graph_epoch| {
            let merged = CustomerMerged {
                graph_epoch,
                ..merged.clone()
            };
            cause.record(to, Some(Body::Merged(merged)))
        };
        let head = &entry.cached.head;
        let since = merged.graph_epoch;
        // What it follows goes elsewhere than to this one, and than the redirect leads.
        let way = head.way_of(marked_by, Epochs::of(since));
        let way = way.filter(|_| survivor != customer);
        let epoch = since.max(head.merge_epoch);
        match head.redirect {
            _ if customer == marked_by => self.take_own_mark(work, survivor, cause)?,
            _ if let Some((to, since)) = way => self.send(work, C::HOME, mark(to, since), cause)?,
            Some(next) if customer != survivor => {
                self.send(work, C::HOME, mark(next, epoch), cause)?;
            }
            // All that was sent before it is here, or goes on from here.
            _ => self.deliver(C::HOME, mark(marked_by, 0), cause)?,
        }
        self.finish(work, cause)
    }

    /// Takes note that something goes the way of the redirect, so that it is not empty once the mark
    /// comes back.
    pub(super) fn has_sent(&mut self, work: usize, record: &Record) {
        let entry = &mut self.batch.works[work];
        let head = &mut entry.cached.head;
        let survivor = head.redirect.map(id_bytes);
        let Some(next) = head.next_redirect.as_mut().filter(|it| !it.has_sent) else {
            return;
        };
        if survivor.is_some_and(|it| it == record.customer_id) {
            next.has_sent = true;
            entry.change = Change::Write;
            self.batch.count_write(work);
        }
    }

    /// Changes the redirect, or sends another mark.
    fn take_own_mark(
        &mut self,
        work: usize,
        survivor: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let head = &mut entry.cached.head;
        match head.next_redirect {
            Some(next) if next.customer == survivor && next.has_sent => {
                self.send_mark(work, (survivor, next.epoch), cause)
            }
            Some(next) if next.customer == survivor => {
                (head.redirect, head.next_redirect) = (Some(survivor), None);
                // The one before has been part of that one since.
                head.merge_epoch = head.merge_epoch.max(next.epoch);
                entry.change = Change::Write;
                self.batch.count_write(work);
                Ok(())
            }
            // A mark for somebody who has left since.
            Some(_) | None => Ok(()),
        }
    }

    fn send_mark(
        &mut self,
        work: usize,
        (survivor, epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let Some(before) = entry.cached.head.redirect else {
            return Err(cause.failed("a redirect is to change, and there is none"));
        };
        let mark = Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(survivor),
            repoints: true,
            marked_by_id: id_bytes(customer),
            graph_epoch: entry.cached.head.merge_epoch,
            ..CustomerMerged::default()
        });
        self.send(work, C::HOME, cause.record(before, Some(mark)), cause)?;
        let entry = &mut self.batch.works[work];
        entry.cached.head.next_redirect = Some(NextRedirect {
            customer: survivor,
            has_sent: false,
            epoch,
        });
        entry.change = Change::Write;
        self.batch.count_write(work);
        Ok(())
    }
}
