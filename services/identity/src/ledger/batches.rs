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
    /// Those that may not be in their streams.
    open: HashMap<Uuid, Open>,
    /// Those that are.
    settled: Vec<Uuid>,
    /// When the newest entry with an event of the import was accepted, as far as it is known.
    accept_time: Timestamp,
    /// True where the database is to be told of that.
    is_newer: bool,
}

/// A batch that may not be in its streams.
#[derive(Debug, Clone, Copy)]
struct Open {
    number: u64,
    /// The call that brings it there; absent where none of this process does.
    holder: Option<Uuid>,
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
    /// Returns whether the database is to be told something. Batches that are not in their streams
    /// are found there again.
    pub(super) fn is_ahead(&self) -> bool {
        !self.settled.is_empty() || self.is_newer
    }

    pub(super) const fn accept_time(&self) -> Timestamp {
        self.accept_time
    }

    /// Takes note of batches that the database has, and of when an event was accepted.
    pub(super) fn found(&mut self, pending: &[(Uuid, u64)], accept_time: Timestamp) {
        for (id, number) in pending {
            if !self.settled.contains(id) {
                self.open.entry(*id).or_insert(Open {
                    number: *number,
                    holder: None,
                });
            }
        }
        self.accept_time = self.accept_time.max(accept_time);
    }

    /// A call has written a batch and brings it to its streams.
    pub(super) fn begin(&mut self, id: Uuid, number: u64, call: Uuid) {
        let holder = Some(call);
        self.open.insert(id, Open { number, holder });
    }

    /// A call ends: whatever it has not brought to its streams is left to others.
    pub(super) fn leave(&mut self, call: Uuid) {
        for open in self.open.values_mut() {
            open.holder = open.holder.filter(|holder| *holder != call);
        }
    }

    /// Returns whether a call of this process brings a batch to its streams.
    pub(super) fn is_under_way(&self, id: Uuid) -> bool {
        self.open.get(&id).is_some_and(|open| open.holder.is_some())
    }

    /// Returns the batches that no call of this process brings to their streams, in their order.
    pub(super) fn orphans(&self) -> Vec<Uuid> {
        self.sorted(|holder| holder.is_none())
    }

    /// Returns the batches that are not this call's own, in their order.
    pub(super) fn of_others(&self, call: Uuid) -> Vec<Uuid> {
        self.sorted(|holder| holder != Some(call))
    }

    fn sorted(&self, is_wanted: impl Fn(Option<Uuid>) -> bool) -> Vec<Uuid> {
        let wanted = self.open.iter().filter(|(_, open)| is_wanted(open.holder));
        let mut wanted: Vec<_> = wanted.map(|(id, open)| (open.number, *id)).collect();
        wanted.sort_unstable();
        wanted.into_iter().map(|(_, id)| id).collect()
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
