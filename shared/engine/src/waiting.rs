//! A customer who waits for the states of others that were joined into them, and the records that
//! wait with them.
//!
//! This does not hold anybody up, nor let anybody go on: `worker::wait` does.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::PartKey;
use kernel::{CustomerId, Timestamp};
use messages::engine::state_v1 as stored;

use crate::limits;
use crate::moving::{ID_BYTES, text};

/// A customer who waits for the states of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Those whose states are waited for.
    pub(crate) awaited: Vec<CustomerId>,
    /// The graph epochs by which they are part of this customer, where those are known.
    pub(crate) epochs: BTreeMap<CustomerId, u64>,
    /// Those whose states are not here either, and are waited for no longer.
    pub(crate) waived: Vec<CustomerId>,
    /// Those of `waived` whose states do not come by themselves: they cannot be read or cannot leave
    /// before somebody mends that, or a store lost them.
    pub(crate) absent: Vec<CustomerId>,
    /// When it began. `None` where nothing is waited for.
    pub(crate) since: Option<Timestamp>,
    /// The number of the first record that waits, and the one after that of the last.
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// Bytes of those.
    pub(crate) bytes: u64,
    /// When the core wants to look at the customer. Its timer waits too.
    pub(crate) due: Option<Timestamp>,
    /// The number of times that they were asked for again.
    pub(crate) tries: u32,
}

/// The key of a record that waits, by its number.
pub(crate) const fn parked_key(number: u64) -> PartKey {
    PartKey {
        ordinal: 0,
        kind: PartKey::ENGINE_KIND,
        // 0 is the head of a state on its way.
        name: number + 1,
    }
}

impl Waiting {
    /// Begins behind the numbers of an earlier wait, since a batch may have taken what waited then.
    pub(crate) fn behind(earlier: Option<&Self>) -> Self {
        let number = earlier.map_or(0, |earlier| earlier.next);
        Self {
            first: number,
            next: number,
            ..Self::default()
        }
    }

    /// Returns what is left of it at a customer who leaves: the records that wait, which follow.
    pub(crate) fn into_parked(self) -> Option<Self> {
        self.has_parked().then(|| Self {
            first: self.first,
            next: self.next,
            bytes: self.bytes,
            ..Self::default()
        })
    }

    /// Returns whether records wait.
    pub(crate) const fn has_parked(&self) -> bool {
        self.first < self.next
    }

    /// Returns whether what comes for the customer has to wait.
    pub(crate) const fn is_holding(&self) -> bool {
        !self.awaited.is_empty() || self.has_parked()
    }

    /// Returns whether no more records can wait, of which there may be `most`.
    pub(crate) const fn is_full(&self, most: u64) -> bool {
        self.next - self.first >= most || self.bytes >= limits::PARKED_BYTES
    }

    /// Returns whether a customer is known not to be here.
    pub(crate) fn knows(&self, customer: CustomerId) -> bool {
        self.awaited.contains(&customer) || self.waived.contains(&customer)
    }

    /// Returns whether the state of a customer does not come by itself.
    pub(crate) fn is_absent(&self, customer: CustomerId) -> bool {
        self.absent.contains(&customer)
    }

    /// Takes note that the state of a customer does not come by itself, and is waited for no longer.
    /// Returns whether that is news.
    pub(crate) fn set_absent(&mut self, customer: CustomerId) -> bool {
        if self.is_absent(customer) {
            return false;
        }
        self.set_waived(customer);
        self.absent.push(customer);
        true
    }

    /// Takes note that the state of a customer is waited for no longer.
    pub(crate) fn set_waived(&mut self, customer: CustomerId) {
        self.awaited.retain(|it| *it != customer);
        if !self.waived.contains(&customer) {
            self.waived.push(customer);
        }
    }

    /// Takes note that the state of a customer is here.
    pub(crate) fn has_come(&mut self, customer: CustomerId) {
        for ids in [&mut self.awaited, &mut self.waived, &mut self.absent] {
            ids.retain(|it| *it != customer);
        }
        self.epochs.remove(&customer);
    }

    /// Waits for customers who are part of this one by a graph epoch; 0 where nobody knows it.
    pub(crate) fn add(&mut self, customers: &[CustomerId], epoch: u64) {
        for customer in customers {
            if epoch > 0 {
                self.epochs.insert(*customer, epoch);
            }
            if !self.awaited.contains(customer) {
                self.awaited.push(*customer);
            }
        }
    }

    /// The graph epoch by which somebody is waited for; 0 where nobody knows it.
    pub(crate) fn epoch_of(&self, customer: CustomerId) -> u64 {
        self.epochs.get(&customer).copied().unwrap_or(0)
    }

    /// Takes note that a customer does not come by merges up to a graph epoch.
    pub(crate) fn set_apart(&mut self, customer: CustomerId, epoch: u64) {
        if self.epoch_of(customer) <= epoch {
            self.has_come(customer);
        }
    }

    pub(crate) fn read(message: &stored::Waiting) -> Result<Self, String> {
        let awaited = read_ids(&message.awaited_ids)?;
        Ok(Self {
            epochs: read_epochs(&awaited, &message.awaited_epochs),
            awaited,
            waived: read_ids(&message.waived_ids)?,
            absent: read_ids(&message.absent_ids)?,
            since: message.since_ms.map(Timestamp::from_millis),
            first: message.first_parked,
            next: message.next_parked,
            bytes: message.parked_bytes,
            due: message.due_ms.map(Timestamp::from_millis),
            tries: message.tries,
        })
    }

    pub(crate) fn write(&self) -> stored::Waiting {
        stored::Waiting {
            awaited_ids: write_ids(&self.awaited),
            waived_ids: write_ids(&self.waived),
            absent_ids: write_ids(&self.absent),
            since_ms: self.since.map(Timestamp::as_millis),
            first_parked: self.first,
            next_parked: self.next,
            parked_bytes: self.bytes,
            due_ms: self.due.map(Timestamp::as_millis),
            tries: self.tries,
            awaited_epochs: write_epochs(&self.awaited, &self.epochs),
        }
    }
}

/// Reads the graph epochs of some customers, as far as they are known.
pub(crate) fn read_epochs(ids: &[CustomerId], epochs: &[u64]) -> BTreeMap<CustomerId, u64> {
    let all = ids.iter().copied().zip(epochs.iter().copied());
    all.filter(|(_, epoch)| *epoch > 0).collect()
}

/// Writes the graph epochs of some customers, one for each; nothing where none is known.
pub(crate) fn write_epochs(ids: &[CustomerId], epochs: &BTreeMap<CustomerId, u64>) -> Vec<u64> {
    if epochs.is_empty() {
        return Vec::new();
    }
    let of = |id: &CustomerId| epochs.get(id).copied().unwrap_or(0);
    ids.iter().map(of).collect()
}

/// Reads ids that stand one behind another.
///
/// # Errors
/// The words for people, where they are none.
pub(crate) fn read_ids(ids: &[u8]) -> Result<Vec<CustomerId>, String> {
    let ids = ids.chunks(ID_BYTES);
    ids.map(|id| CustomerId::try_from_bytes(id).map_err(text))
        .collect()
}

/// Writes ids one behind another.
pub(crate) fn write_ids(ids: &[CustomerId]) -> Bytes {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
    bytes.into()
}
