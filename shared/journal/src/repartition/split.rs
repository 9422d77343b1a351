//! Where everything goes when the number of partitions changes. Pure.
//!
//! A state goes where its customer goes, a counter where its group goes, and an entry where the
//! customers of its records go: in pieces, where these part. Nothing is decided by where it was.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{CounterKey, StateKey, StateWrite};
use kernel::{CustomerId, PartitionCount, PartitionId, StableHash};
use prost::Message as _;

use crate::events::event_of;

/// Bytes of a customer's id, with which every key of a customer's state begins.
const ID_BYTES: usize = 16;

/// Bytes that follow it in the key of a part.
const PART_BYTES: usize = 11;

/// Returns the partition of a state; `None` where its key is not that of a customer or of a part of
/// one.
pub(super) fn partition_of_state(to: PartitionCount, key: &StateKey) -> Option<PartitionId> {
    let (id, part) = key.split_at_checked(ID_BYTES)?;
    let is_known = part.is_empty() || part.len() == PART_BYTES;
    partition_of_customer(to, id).filter(|_| is_known)
}

/// Returns whether a state is what there is of every customer once.
pub(super) const fn is_head(key: &StateKey) -> bool {
    key.len() == ID_BYTES
}

/// Returns the partition of the counters of a group. Who reads counters sums those of all
/// partitions, so that it only matters that all of a group are together: whether a group is empty
/// is asked of one partition.
pub(super) fn partition_of_group(to: PartitionCount, group: &str) -> PartitionId {
    let hash = StableHash::new().with(group.as_bytes()).finish();
    let number = hash % u64::from(to.get());
    PartitionId::new(u16::try_from(number).unwrap_or_default())
}

fn partition_of_customer(to: PartitionCount, id: &[u8]) -> Option<PartitionId> {
    let customer = CustomerId::try_from_bytes(id).ok()?;
    Some(to.partition_of(customer.fragment()))
}

/// The counters of all partitions of a service.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<CounterKey, i64>);

impl Sums {
    /// Adds the counters of a partition.
    pub(super) fn add(&mut self, counters: impl IntoIterator<Item = (CounterKey, i64)>) {
        for (key, value) in counters {
            let sum = self.0.entry(key).or_default();
            *sum = sum.saturating_add(value);
        }
    }

    /// Returns the counters of a partition to come, by key.
    pub(super) fn of(
        &self,
        to: PartitionCount,
        partition: PartitionId,
    ) -> impl Iterator<Item = (&CounterKey, i64)> {
        let all = self.0.iter();
        all.filter(move |(key, _)| partition_of_group(to, &key.group) == partition)
            .map(|(key, sum)| (key, *sum))
    }
}

/// Puts the states of several partitions in the order of their keys. Of each partition one state is
/// held: whoever takes it offers the next.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    heads: BTreeMap<StateKey, (usize, StateWrite)>,
}

impl InOrder {
    /// Offers the next state of a run. False where another run has the same state, so that it is
    /// not known which one counts.
    pub(super) fn offer(&mut self, run: usize, state: StateWrite) -> bool {
        let before = self.heads.insert(state.key.clone(), (run, state));
        before.is_none()
    }

    /// Takes the state that comes first, with its run.
    pub(super) fn take(&mut self) -> Option<(usize, StateWrite)> {
        self.heads.pop_first().map(|(_, head)| head)
    }
}

/// A batch of records, but for what they are.
#[derive(Clone, PartialEq, prost::Message)]
struct Packed {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    records: Vec<Bytes>,
    #[prost(uint64, tag = "2")]
    commit_seq: u64,
    #[prost(int64, repeated, tag = "3")]
    accept_times_ms: Vec<i64>,
}

/// The customer of a record.
#[derive(Clone, PartialEq, prost::Message)]
struct Whose {
    #[prost(bytes = "bytes", tag = "1")]
    customer_id: Bytes,
}

/// The reason why an entry cannot be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indivisible {
    /// It cannot be read.
    Damaged,
    /// A record is of no customer, but of the partition: a tick or a command.
    OfNobody,
}

/// Divides an entry whose first `done` records have been consumed. The pieces keep the order of the
/// records and carry `commit_seq` as the number of the commit that wrote them, where one did.
pub(super) fn divide_entry(
    to: PartitionCount,
    payload: Bytes,
    done: u64,
    commit_seq: u64,
) -> Result<BTreeMap<PartitionId, Bytes>, Indivisible> {
    let packed = Packed::decode(payload).map_err(|_| Indivisible::Damaged)?;
    let was_committed = packed.commit_seq > 0;
    let has_times = packed.accept_times_ms.len() == packed.records.len();
    let mut pieces: BTreeMap<PartitionId, Packed> = BTreeMap::new();
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    for (at, record) in packed.records.into_iter().enumerate().skip(done) {
        let whose = Whose::decode(record.clone()).map_err(|_| Indivisible::Damaged)?;
        if whose.customer_id.is_empty() {
            return Err(Indivisible::OfNobody);
        }
        let partition = partition_of_customer(to, &whose.customer_id);
        let piece = pieces
            .entry(partition.ok_or(Indivisible::Damaged)?)
            .or_default();
        piece.records.push(record);
        piece.commit_seq = if was_committed { commit_seq } else { 0 };
        if has_times {
            piece.accept_times_ms.push(packed.accept_times_ms[at]);
        }
    }
    Ok(encode(pieces))
}

/// Divides a row of the event log, or the first `most` records of it: what else than events is in
/// these has taken effect, and nobody reads it again.
pub(super) fn divide_events(
    to: PartitionCount,
    payload: Bytes,
    most: u64,
) -> Result<BTreeMap<PartitionId, Bytes>, Indivisible> {
    let packed = Packed::decode(payload).map_err(|_| Indivisible::Damaged)?;
    let mut pieces: BTreeMap<PartitionId, Packed> = BTreeMap::new();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    for record in packed.records.into_iter().take(most) {
        let Some((customer, _)) = event_of(&record) else {
            continue;
        };
        let partition = partition_of_customer(to, &customer).ok_or(Indivisible::Damaged)?;
        pieces.entry(partition).or_default().records.push(record);
    }
    Ok(encode(pieces))
}

fn encode(pieces: BTreeMap<PartitionId, Packed>) -> BTreeMap<PartitionId, Bytes> {
    let pieces = pieces.into_iter();
    pieces
        .map(|(partition, piece)| (partition, piece.encode_to_vec().into()))
        .collect()
}

#[cfg(test)]
mod tests;
