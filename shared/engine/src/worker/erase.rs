//! Erased customers: all that a service knows of one is removed in one commit, and a mark stays
//! that drops whatever comes later.
//!
//! The word of an erasure waits for nobody and behind nothing: what waits for the customer, or is
//! being sent for them, is removed with the rest. It passes through all services of the partition,
//! and again each time that it comes, so that whoever asks for the erasure can have it repeated: a
//! repeated word removes what could not leave with the first, and gives every service a commit. All
//! customers who were ever joined get it, each by their own id: a redirect becomes a mark as well,
//! and pieces of a state between two of them are dropped where they arrive.

use std::collections::{BTreeMap, BTreeSet};

use decision::{Core, Home};
use hot::{HotError, QuarantineId};
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use messages::stream::v1::change_record::Kind;
use messages::stream::v1::{ChangeRecord, CustomerErased, Record, record::Body};
use prost::Message as _;

use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::lane::Item;
use super::quarantine::{InputId, customer_key};
use super::{Planned, Worker};
use crate::head::Head;
use crate::key::{Key, customer_of, key_of};
use crate::moving::ID_BYTES;
use crate::waiting::parked_key;
use crate::{limits, quarantine};

/// An entry of the quarantine that goes with its customer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Discarded {
    id: QuarantineId,
    bytes: u64,
    tries: u32,
}

/// The customers who are erased in a batch.
#[derive(Debug, Default)]
pub(super) struct Erasing {
    /// Their entries in quarantine.
    entries: BTreeMap<Key, Vec<Discarded>>,
    pub(super) counts: ErasedCounts,
}

impl<C: Core> Worker<C> {
    /// Reads what is in quarantine of customers who are erased in the batch.
    pub(super) async fn find_erased(&mut self, plan: &[Planned]) -> Result<(), HotError> {
        let erased: BTreeSet<Key> = plan
            .iter()
            .filter_map(|planned| {
                let lane = &self.inputs.lanes[planned.lane];
                match lane.item(planned.place) {
                    Item::Record(record) if is_erasure(record) => key_of(&record.customer_id),
                    _ => None,
                }
            })
            .collect();
        self.quarantine.erasing = Erasing::default();
        if erased.is_empty() || self.quarantine.is_empty() {
            return Ok(());
        }
        let (slot, mut after) = (self.position.slot, None);
        loop {
            let page = quarantine::read(self.hot().as_ref(), slot, after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.id);
            for entry in page {
                let keys = customers_of(&entry.record);
                let Some(key) = keys.into_iter().find(|key| erased.contains(key)) else {
                    continue;
                };
                let discarded = Discarded {
                    id: entry.id,
                    bytes: entry.bytes,
                    tries: entry.record.try_count,
                };
                let of_key = self.quarantine.erasing.entries.entry(key).or_default();
                of_key.push(discarded);
            }
        }
    }

    /// Takes the word that a customer is erased.
    pub(super) fn take_erased(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        erased: &CustomerErased,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let erasure: [u8; ID_BYTES] = erased.operation_id.as_ref().try_into().map_err(|_| {
            cause.failed("the word that a customer is erased does not name the erasure")
        })?;
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let word = cause.record(customer, Some(Body::Erased(erased.clone())));
        if self.batch.works[work].cached.head.erased_by.is_none() {
            if self.removes_some_parts(work) {
                // The rest goes with the next ones.
                self.deliver(C::HOME, word, cause)?;
                return self.finish(work, cause);
            }
            self.leave_counters(definitions, work, cause)?;
            self.discard_entries(work);
            self.remove_all(work, erasure);
            self.tell_erased(work, erasure, cause);
            self.quarantine.erasing.counts.customers += 1;
        } else {
            self.discard_entries(work);
        }
        if let Some(changes) = &mut self.changes {
            changes.remove_logged();
        }
        if C::OUTPUT.is_some() {
            self.batch.effects.emit(word);
        }
        self.finish(work, cause)
    }

    /// Drops a record of a customer who is erased.
    pub(super) fn drop_of_erased(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        self.quarantine.erasing.counts.records += 1;
        self.finish(work, cause)
    }

    /// Returns why an erasure cannot be carried out, where its step has failed without the core as
    /// well.
    pub(super) fn erasure_refusal(&self, origin: InputId) -> Option<String> {
        match self.inputs.faults(origin) {
            [_, .., last] => Some(last.reason.clone()),
            _ => None,
        }
    }

    /// Has the core take the customer off its counters. Where it cannot, or nobody can read what is
    /// stored, the customer is removed without.
    fn leave_counters(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let has_failed = !self.inputs.faults(cause.origin).is_empty();
        if has_failed || entry.fault.is_some() {
            tracing::warn!(
                service = C::OWNER.name(),
                partition = self.position.slot.partition.number(),
                "a customer is erased without being taken off the counters: the state cannot be read, or fails"
            );
            self.batch.begin_step(work);
            return Ok(());
        }
        if !entry.cached.head.has_state {
            return Ok(());
        }
        self.call(work, cause, |state, step| {
            C::erase(definitions, state, step);
            Ok(())
        })
    }

    /// Removes the state with its parts, whatever is on its way or waits, and the timer. The mark
    /// stays.
    fn remove_all(&mut self, work: usize, erasure: [u8; ID_BYTES]) {
        let parts: Vec<_> = self.batch.works[work].cached.head.parts().collect();
        self.batch.forget_state(work);
        for part in parts {
            self.batch.put_part(work, part, None);
        }
        self.set_timer_of_all(work, None);
        let entry = &mut self.batch.works[work];
        entry.cached.head = Head::erased_by(erasure);
        // It is known now what there is, and a batch that is taken again reads it again.
        entry.fault = None;
        entry.is_stepped = true;
        entry.change = Change::Write;
        self.batch.count_write(work);
    }

    /// Removes some of the parts of states on their way, and of records that wait, where there are
    /// more than one commit removes. False where there are not.
    fn removes_some_parts(&mut self, work: usize) -> bool {
        let most = limits::PARTS_ERASED;
        let head = &mut self.batch.works[work].cached.head;
        if head.parts().count() <= most {
            return false;
        }
        let mut removed = Vec::with_capacity(most);
        if let Some(waiting) = head.waiting.as_deref_mut() {
            let first = waiting.first;
            waiting.first = waiting.next.min(first.saturating_add(most as u64));
            removed.extend((first..waiting.first).map(parked_key));
        }
        for moving in head.states_mut() {
            while removed.len() < most
                && let Some((_, part)) = moving.parts.pop_first()
            {
                removed.push(part);
            }
        }
        for part in removed {
            self.batch.put_part(work, part, None);
        }
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        self.batch.count_write(work);
        true
    }

    /// Discards what is in quarantine of the customer, as much as one commit releases: a repeated
    /// word removes the rest.
    fn discard_entries(&mut self, work: usize) {
        let key = self.batch.works[work].key;
        for entry in self
            .quarantine
            .erasing
            .entries
            .remove(&key)
            .unwrap_or_default()
        {
            let aside = &mut self.batch.aside;
            if aside.is_full() || aside.released.contains(&entry.id) {
                continue;
            }
            match self.poison_timer(key, entry.id) {
                Some(timer) => self.release_timer(key, timer),
                None => self.batch.aside.release(entry.id, entry.bytes, entry.tries),
            }
        }
    }

    /// Tells consumers outside, behind all that they are told of the customer.
    fn tell_erased(&mut self, work: usize, erasure: [u8; ID_BYTES], cause: Cause<'_>) {
        if C::HOME == Home::Segmentation {
            self.batch.effects.change(ChangeRecord {
                customer_id: self.batch.works[work].key_bytes.clone(),
                time_ms: cause.time.as_millis(),
                kind: Some(Kind::ErasedById(bytes::Bytes::copy_from_slice(&erasure))),
            });
        }
    }
}

/// Customers that a batch erased, and records of such that it dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ErasedCounts {
    pub(crate) customers: u64,
    pub(crate) records: u64,
}

/// Returns whether a record is the word of an erasure.
pub(super) const fn is_erasure(record: &Record) -> bool {
    matches!(record.body, Some(Body::Erased(_)))
}

/// The customers that an entry of the quarantine is about: whose it is, and of whom its record is,
/// or came.
pub(crate) fn customers_of(entry: &QuarantinedRecord) -> Vec<Key> {
    let mut keys = Vec::new();
    keys.extend(customer_key(entry).and_then(|key| key_of(&key)));
    if entry.kind() == QuarantinedKind::Record
        && let Ok(record) = Record::decode(entry.record.clone())
    {
        keys.extend(key_of(&record.customer_id));
        keys.extend(key_of(&record.forwarded_from_id));
    }
    keys
}
