//! Keys on disk. Numbers are big-endian, so that keys sort as they count; changing anything here is
//! a new schema.

use kernel::PartitionId;

use crate::{QuarantineId, Slot, StreamId, StreamName};

/// The key that tells how the store was created: the oldest program that can live with it, by the
/// schema which that one writes, and the partitions. Programs of before [`WRITTEN_SCHEMA`] want
/// theirs there.
pub(super) const FORMAT: [u8; 1] = [0];
/// The key of the newest schema that was written; absent where it is the same.
pub(super) const WRITTEN_SCHEMA: [u8; 2] = [0, 1];
/// The key of the id by which the database of the installation knows it.
pub(super) const INSTALLATION: [u8; 2] = [0, 2];
/// First bytes of the keys of the `meta` keyspace.
pub(super) const HEAD: u8 = 1;
pub(super) const COUNTER: u8 = 2;
pub(super) const TAIL: u8 = 3;
pub(super) const SOURCE: u8 = 4;
pub(super) const GROUP: u8 = 5;
pub(super) const MARKS: u8 = 6;
/// First bytes of the keys of the `logs` keyspace.
const STREAM: u8 = 1;
const OUTBOX: u8 = 2;
const QUARANTINE: u8 = 3;

/// Bytes of the part of a key that names a partition and a service or stream, first byte included.
pub(super) const PREFIX: usize = 4;

fn prefix(kind: u8, partition: PartitionId, index: usize) -> [u8; PREFIX] {
    let [high, low] = partition.number().to_be_bytes();
    let index = u8::try_from(index).expect("services and streams are few");
    [kind, high, low, index]
}

fn join(prefix: [u8; PREFIX], rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX + rest.len());
    key.extend_from_slice(&prefix);
    key.extend_from_slice(rest);
    key
}

/// Reads the partition and the place in its list from the front of a key.
pub(super) fn parse_prefix(key: &[u8]) -> Option<(PartitionId, usize, &[u8])> {
    let ([_, high, low, index], rest) = key.split_first_chunk()?;
    let partition = PartitionId::new(u16::from_be_bytes([*high, *low]));
    Some((partition, usize::from(*index), rest))
}

/// The key of a state.
pub(super) fn of_slot(slot: Slot, key: &[u8]) -> Vec<u8> {
    join(prefix(0, slot.partition, slot.owner.index()), key)
}

/// The key of an entry of the index of timers: its time, sorting as it counts, then the key of its
/// state.
pub(super) fn timer(slot: Slot, time_ms: i64, key: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(8 + key.len());
    rest.extend_from_slice(&(time_ms.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    rest.extend_from_slice(key);
    of_slot(slot, &rest)
}

/// Reads the time and the key of a state from the end of the key of an entry of the index of
/// timers.
pub(super) fn parse_timer(rest: &[u8]) -> Option<(i64, &[u8])> {
    let (time, key) = rest.split_first_chunk()?;
    Some(((u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed(), key))
}

/// The key of the head of a slot.
pub(super) fn head(slot: Slot) -> [u8; PREFIX] {
    prefix(HEAD, slot.partition, slot.owner.index())
}

/// The key of a counter; with an empty name the prefix of all of a group, whose length comes before
/// it.
pub(super) fn counter(slot: Slot, group: &str, name: &str) -> Vec<u8> {
    let length = u16::try_from(group.len()).expect("groups have short names");
    let group = [&length.to_be_bytes(), group.as_bytes()].concat();
    join(
        prefix(COUNTER, slot.partition, slot.owner.index()),
        &[&group, name.as_bytes()].concat(),
    )
}

/// The key that says that a group has counters.
pub(super) fn group(slot: Slot, group: &str) -> Vec<u8> {
    join(
        prefix(GROUP, slot.partition, slot.owner.index()),
        group.as_bytes(),
    )
}

/// The key of what a slot has consumed of a stream.
pub(super) fn marks(slot: Slot, stream: StreamName) -> Vec<u8> {
    let index = u8::try_from(stream.index()).expect("streams are few");
    join(prefix(MARKS, slot.partition, slot.owner.index()), &[index])
}

/// The key of the first and last number of a stream.
pub(super) fn tail(stream: StreamId) -> [u8; PREFIX] {
    prefix(TAIL, stream.partition, stream.name.index())
}

/// The key of what a stream remembers of a source.
pub(super) fn source(stream: StreamId, source: &str) -> Vec<u8> {
    join(
        prefix(SOURCE, stream.partition, stream.name.index()),
        source.as_bytes(),
    )
}

fn numbered(prefix: [u8; PREFIX], number: u64) -> [u8; PREFIX + 8] {
    let mut key = [0; PREFIX + 8];
    key[..PREFIX].copy_from_slice(&prefix);
    key[PREFIX..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The key of an entry of a stream.
pub(super) fn entry(stream: StreamId, number: u64) -> [u8; PREFIX + 8] {
    numbered(
        prefix(STREAM, stream.partition, stream.name.index()),
        number,
    )
}

/// The key of a message of an outbox.
pub(super) fn outgoing(slot: Slot, number: u64) -> [u8; PREFIX + 8] {
    numbered(prefix(OUTBOX, slot.partition, slot.owner.index()), number)
}

/// The key of a quarantined entry.
pub(super) fn quarantined(slot: Slot, id: QuarantineId) -> [u8; PREFIX + 12] {
    let mut key = [0; PREFIX + 12];
    key[..PREFIX].copy_from_slice(&quarantine(slot));
    key[PREFIX..PREFIX + 8].copy_from_slice(&id.commit_seq.to_be_bytes());
    key[PREFIX + 8..].copy_from_slice(&id.index.to_be_bytes());
    key
}

/// The beginning of the keys of all quarantined entries of a slot.
fn quarantine(slot: Slot) -> [u8; PREFIX] {
    prefix(QUARANTINE, slot.partition, slot.owner.index())
}

/// Reads the id out of the key of a quarantined entry.
pub(super) fn parse_quarantined(key: &[u8]) -> Option<QuarantineId> {
    let (_, _, id) = parse_prefix(key)?;
    let (commit_seq, index) = id.split_first_chunk()?;
    Some(QuarantineId {
        commit_seq: u64::from_be_bytes(*commit_seq),
        index: u32::from_be_bytes(index.try_into().ok()?),
    })
}

/// Reads the number at the end of the key of an entry or a message.
pub(super) fn parse_number(key: &[u8]) -> Option<u64> {
    let (_, number) = key.split_last_chunk()?;
    Some(u64::from_be_bytes(*number))
}
