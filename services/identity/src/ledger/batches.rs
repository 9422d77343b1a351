//! The batches of an import whose records are still in the database: those that may not be in
//! their streams, and those that are and wait to be removed.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::Timestamp;
use uuid::Uuid;

use super::Import;
use crate::store::Settled;

/// The batches of one import.
#[derive(Debug)]
pub(super) struct Batches {
    /// Those that may not be in their streams, each with the call that brings it there; absent
    /// where none of this process does.
    open: HashMap<Uuid, Option<u64>>,
    /// Those that are.
    settled: Vec<Uuid>,
    /// When the newest entry with an event of the import was accepted, as far as it is known.
    accept_time: Timestamp,
    /// Whether the database is to be told of that.
    is_newer: bool,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            settled: Vec::new(),
            accept_time: Timestamp::MIN,
            is_newer: false,
        }
    }
}

impl Batches {
    /// Returns whether nothing is to be done about any.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.settled.is_empty() && !self.is_newer
    }

    pub(super) const fn accept_time(&self) -> Timestamp {
        self.accept_time
    }

    /// Takes note of batches that the database has, and of when an event was accepted.
    pub(super) fn found(&mut self, pending: &[Uuid], accept_time: Timestamp) {
        for id in pending {
            if !self.settled.contains(id) {
                self.open.entry(*id).or_insert(None);
            }
        }
        self.accept_time = self.accept_time.max(accept_time);
    }

    /// A call has written a batch and brings it to its streams.
    pub(super) fn begin(&mut self, id: Uuid, call: u64) {
        self.open.insert(id, Some(call));
    }

    /// A call ends: whatever it has not brought to its streams is left to others.
    pub(super) fn leave(&mut self, call: u64) {
        for holder in self.open.values_mut() {
            if *holder == Some(call) {
                *holder = None;
            }
        }
    }

    /// Returns whether a call of this process brings a batch to its streams.
    pub(super) fn is_under_way(&self, id: Uuid) -> bool {
        matches!(self.open.get(&id), Some(Some(_)))
    }

    /// Returns the batches that no call of this process brings to their streams.
    pub(super) fn orphans(&self) -> Vec<Uuid> {
        let open = self.open.iter();
        open.filter_map(|(id, holder)| holder.is_none().then_some(*id))
            .collect()
    }

    /// Returns the batches that are not this call's own.
    pub(super) fn of_others(&self, call: u64) -> Vec<Uuid> {
        let open = self.open.iter();
        open.filter_map(|(id, holder)| (*holder != Some(call)).then_some(*id))
            .collect()
    }

    /// A batch is in its streams, and its records are still in the database.
    pub(super) fn arrived(&mut self, id: Uuid, accept_time: Timestamp) {
        self.open.remove(&id);
        self.settled.push(id);
        self.accepted(accept_time);
    }

    /// The records of a batch are gone: it is in its streams.
    pub(super) fn gone(&mut self, id: Uuid, accept_time: Timestamp) {
        self.open.remove(&id);
        self.accepted(accept_time);
    }

    /// Takes what the database is to be told.
    pub(super) fn take_settled(&mut self) -> Settled {
        Settled {
            ids: std::mem::take(&mut self.settled),
            accept_time: std::mem::take(&mut self.is_newer).then_some(self.accept_time),
        }
    }

    /// Gives that back where the database may not have heard of it.
    pub(super) fn give_back(&mut self, settled: Settled) {
        self.settled.extend(settled.ids);
        self.is_newer |= settled.accept_time.is_some();
    }

    fn accepted(&mut self, time: Timestamp) {
        if time > self.accept_time {
            self.accept_time = time;
            self.is_newer = true;
        }
    }
}

/// A batch on its way to its streams.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) import: Arc<Import>,
    pub(super) id: Uuid,
}

impl Ticket {
    /// The batch is in its streams.
    pub(crate) fn arrived(self, accept_time: Timestamp) {
        self.import.slot.batches().arrived(self.id, accept_time);
    }
}
