//! Merged customers: what the engine does with their records for every service, so that a core sees
//! one customer at a time.
//!
//! Of two customers the older one survives, whichever way it was said; so redirects lead to older
//! customers only, and no order of merges makes a circle. The survivor holds the list of those that
//! it took in, its fragments. Whoever holds fragments tells each of them when it is joined into
//! another customer in its turn, and that leaves redirects flat. The first service of the way
//! decides all that; the later ones act upon the words that it passes on. The state itself goes
//! piece by piece (`leave`, `arrive`).

use decision::{Core, Home, Input, Outcome};
use hot::StreamName;
use kernel::CustomerId;
use messages::stream::v1::{Carried, CustomerMerged, Record, record::Body};

use super::Worker;
use super::cause::Cause;
use super::fault::Failed;
use super::verdict::{Verdict, judge};
use crate::head::id_bytes;
use crate::key::customer_of;
use crate::splitting::is_own_answer;

impl<C: Core> Worker<C> {
    /// Takes one record of a customer: hands it to the core, unless it is about where the customer
    /// is.
    pub(super) fn take(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let redirect = self.batch.works[work].cached.head.redirect;
        let elsewhere = self.elsewhere(work, cause);
        if let Some(Body::Moved(moved)) = &record.body
            && (self.is_early(work, moved) || self.is_late_call(work, moved))
        {
            return self.miss_moved(work, moved, cause);
        }
        match (&record.body, redirect) {
            (Some(Body::Moved(moved)), _) if is_own_answer(moved) => {
                self.tell_apart_too(work, moved, cause)
            }
            (Some(Body::Merged(merged)), _) => self.take_merged(definitions, work, merged, cause),
            // It was sent on, and whoever has it asks for themselves.
            (Some(Body::Moved(moved)), Some(_)) if moved.released => Ok(()),
            // Somebody else is told by the one to whom the state is on its way.
            (Some(Body::Moved(moved)), Some(survivor))
                if moved.sought
                    && self.is_leaving(work)
                    && (moved.leave_id != 0 || moved.sought_by_id == id_bytes(survivor)) =>
            {
                self.answer_sought(work, moved.leave_id, cause)
            }
            (Some(Body::Moved(moved)), Some(survivor)) => {
                let merge_epoch = self.batch.works[work].cached.head.merge_epoch;
                let mut epoch = moved.graph_epoch.max(moved.forwarded_epoch);
                if moved.stays && moved.graph_epoch > 0 {
                    // It may be for the customer once they are out, or for who took their wait along.
                    self.note_apart(work, moved, cause)?;
                    epoch = moved.forwarded_epoch;
                }
                let way = self.way_of_moved(work, moved);
                let way = way.unwrap_or((survivor, epoch.max(merge_epoch)));
                self.pass_piece(work, way, moved, cause)
            }
            // A word to itself: what waited goes on before it.
            (Some(Body::Awaited(awaited)), Some(_)) if awaited.from_customer_ids.is_empty() => {
                Ok(())
            }
            // Whoever comes by it says so themselves, and goes on to the survivor.
            (Some(Body::Awaited(awaited)), Some(_)) if awaited.graph_epoch > 0 => {
                self.finish(work, cause)
            }
            (Some(Body::Awaited(_)), Some(survivor)) => {
                let awaited = cause.record(survivor, record.body.clone());
                self.follow(work, awaited, cause)
            }
            (Some(Body::Split(split)), _) if split.asks => {
                self.take_asked(definitions, work, split, cause)
            }
            (Some(Body::Split(split)), _) => self.take_split(definitions, work, split, cause),
            (Some(Body::Returned(moved)), _) => self.take_returned(definitions, work, moved, cause),
            (_, Some(survivor)) => {
                let merge_epoch = self.batch.works[work].cached.head.merge_epoch;
                let since = cause.epochs.since.max(merge_epoch);
                let way = elsewhere.unwrap_or((survivor, since));
                self.follow_first(work, way, record, cause)
            }
            (Some(Body::Moved(moved)), None) => self.take_moved(definitions, work, moved, cause),
            (Some(Body::Awaited(awaited)), None) => self.take_awaited(work, awaited, cause),
            (_, None) => match elsewhere {
                Some(way) => {
                    self.tell_of_fragment(work, way, record, cause)?;
                    self.follow_first(work, way, record, cause)
                }
                None => self.step(definitions, work, Input::Record(record), cause),
            },
        }
    }

    /// Hands on what follows a merged customer: to the next service, or from the last one to the
    /// survivor.
    pub(super) fn hand_on(
        &mut self,
        work: usize,
        record: &Record,
        carried: &Carried,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if C::OUTPUT.is_some() {
            self.batch.effects.emit(record.clone());
        } else {
            let inner = carried.record.as_deref();
            let inner = inner.ok_or_else(|| cause.failed("nothing is carried"))?;
            self.deliver(carried.home(), inner.clone(), cause)?;
        }
        self.finish(work, cause)
    }

    /// Takes the word that the customer was joined into another.
    fn take_merged(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        merged: &CustomerMerged,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let survivor = CustomerId::try_from_bytes(&merged.into_customer_id);
        let survivor = survivor.map_err(|error| {
            cause.failed(format!(
                "the survivor of a merge names no customer: {error}"
            ))
        })?;
        if !merged.marked_by_id.is_empty() {
            return self.take_mark(work, survivor, merged, cause);
        }
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let arrived = merged.arrived_leave_id;
        if merged.folded_in {
            // Who has not left was brought back by a store that lost that: a service that acted upon
            // the word would be the only one.
            let head = &entry.cached.head;
            let is_part = head.redirect.is_some() && !head.is_before_split(merged.graph_epoch);
            return if is_part || head.coming_back().is_some() {
                self.release_for_nobody(work, cause)
            } else {
                self.finish(work, cause)
            };
        }
        if arrived != 0 {
            let head = &entry.cached.head;
            let is_asked =
                head.released_leave_id == arrived || head.is_leaving_as(arrived, customer);
            if !is_asked && merged.graph_epoch < head.split_epoch() {
                // It was taken back, and what is there is a copy.
                self.tell_apart(work, (survivor, arrived, C::HOME), 0, cause)?;
                return self.finish(work, cause);
            }
            if head.redirect.is_some() || is_asked {
                self.let_go(work, (survivor, arrived), cause)?;
                return self.finish(work, cause);
            }
            if C::HOME != Home::Segmentation {
                self.tell_first(customer, (survivor, merged.graph_epoch), cause)?;
            }
        }
        let entry = &self.batch.works[work];
        match judge(customer, &entry.cached.head, survivor, merged) {
            Verdict::Known => self.answer_old(work, survivor, merged, cause)?,
            Verdict::Leave => self.leave(definitions, work, survivor, merged, cause)?,
            Verdict::Repoint => self.redirect_to(work, survivor, merged, cause)?,
            Verdict::Join { younger, older } => {
                self.tell_merge(younger, (older, merged.graph_epoch), cause)?;
            }
        }
        self.finish(work, cause)
    }

    /// Sends a record of a redirected customer to the survivor.
    fn follow(&mut self, work: usize, record: Record, cause: Cause<'_>) -> Result<(), Failed> {
        self.send(work, C::HOME, record, cause)?;
        self.finish(work, cause)
    }

    /// Sends a record that needs the state of its customer to the survivor. It says whose it was
    /// first.
    fn follow_first(
        &mut self,
        work: usize,
        (to, epoch): (CustomerId, u64),
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        // Who is redirected is part of the survivor. Others only pass on what is somebody else's.
        let is_own = self.batch.works[work].cached.head.redirect == Some(to);
        let own = Some(customer).filter(|_| is_own).or(cause.fragment);
        // By the customer's own redirect, whoever sent it here before.
        let is_home = is_own && cause.fragment == Some(customer);
        let followed_from = cause.followed_from.filter(|_| !is_home);
        let from = followed_from.or(own).unwrap_or(customer);
        // What happened to the customer comes by their redirect.
        let is_of_customer = cause.fragment.is_none_or(|it| it == customer);
        let merge_epoch = self.batch.works[work].cached.head.merge_epoch;
        let merge_epoch = if is_of_customer { merge_epoch } else { 0 };
        let followed = Record {
            forwarded_from_id: id_bytes(from),
            forwarded_epoch: epoch,
            fragment_epoch: cause.epochs.own.max(merge_epoch),
            fragment_id: record.fragment_id.clone(),
            ..cause.record(to, record.body.clone())
        };
        self.follow(work, followed, cause)
    }

    /// Says to the next service what was said to this one.
    pub(super) fn pass_merge_on(&mut self, work: usize, merged: CustomerMerged, cause: Cause<'_>) {
        if C::OUTPUT.is_some() {
            let customer = customer_of(&self.batch.works[work].key_bytes);
            let record = cause.record(customer, Some(Body::Merged(merged)));
            self.batch.effects.emit(record);
        }
    }

    /// Tells another customer that they were joined into a third. The first service does that for
    /// all.
    fn tell_merge(
        &mut self,
        customer: CustomerId,
        survivor: (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if C::HOME != Home::Segmentation {
            return Ok(());
        }
        // News, which nothing has to come before.
        self.tell_first(customer, survivor, cause)
    }

    /// Tells another customer where they are now. The first service does that for all.
    pub(super) fn tell_repoint(
        &mut self,
        work: usize,
        customer: CustomerId,
        (survivor, graph_epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if C::HOME != Home::Segmentation {
            return Ok(());
        }
        let merged = Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(survivor),
            repoints: true,
            graph_epoch,
            told_by_id: self.batch.works[work].key_bytes.clone(),
            ..CustomerMerged::default()
        });
        let record = cause.record(customer, Some(merged));
        self.send(work, C::HOME, record, cause)
    }

    /// Sends a record to another customer, through the services that come after this one: it leaves
    /// at the last, behind all that these send.
    pub(super) fn send(
        &mut self,
        work: usize,
        home: Home,
        record: Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        self.has_sent(work, &record);
        if C::OUTPUT.is_none() {
            return self.deliver(home, record, cause);
        }
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let carried = Body::Carried(Box::new(Carried {
            home: home.into(),
            record: Some(Box::new(record)),
        }));
        let record = cause.record(customer, Some(carried));
        self.batch.effects.emit(record);
        Ok(())
    }

    /// Tells the first service, without a detour, that a customer was joined into another. What it
    /// knows already changes nothing.
    pub(super) fn tell_first(
        &mut self,
        customer: CustomerId,
        (survivor, graph_epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let merged = Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(survivor),
            graph_epoch,
            ..CustomerMerged::default()
        });
        let record = cause.record(customer, Some(merged));
        self.deliver(Home::Segmentation, record, cause)
    }

    /// Puts a record into the stream of its customer that a service reads.
    pub(super) fn deliver(
        &mut self,
        home: Home,
        record: Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let stream = match home {
            Home::Segmentation => StreamName::Events,
            Home::Journey => StreamName::Facts,
            Home::Activation => StreamName::Actions,
            Home::Unspecified => return Err(cause.failed("what is carried has no home")),
        };
        let customer = CustomerId::try_from_bytes(&record.customer_id)
            .map_err(|error| cause.failed(format!("what is carried names no customer: {error}")))?;
        let count = self.config.hot.partition_count();
        let partition = count.partition_of(customer.fragment());
        self.batch.effects.forward(partition, stream, record);
        Ok(())
    }

    /// Takes note of the cause, and of what it caused.
    pub(super) fn finish(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        self.batch.works[work].last = Some(cause.origin);
        self.apply_effects(work, cause)
    }

    /// Takes one step of the core, or none for the timer of a redirected customer.
    pub(super) fn step(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        input: Input<'_>,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let is_timer = matches!(input, Input::Timer { .. });
        let head = &self.batch.works[work].cached.head;
        let is_gone = head.redirect.is_some() || head.erased_by.is_some();
        let outcome = if is_timer && is_gone {
            Outcome::Unchanged
        } else {
            self.call(work, cause, |state, step| {
                C::step(definitions, state, input, step)
            })?
        };
        self.apply_outcome(work, outcome, is_timer, cause.now);
        self.finish(work, cause)
    }
}
