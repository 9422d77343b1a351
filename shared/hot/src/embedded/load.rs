//! Filling the memory from disk when the store opens.

use std::sync::Mutex;

use fjall::Keyspace;
use kernel::PartitionCount;

use super::disk::{Disk, failure};
use super::head::{SlotHead, take};
use super::keys;
use super::marks;
use super::memory::{Mark, Partition, SlotMemory, Stream, Tail};
use super::read::accept_time;
use crate::{HotError, StreamId, StreamName};

/// Reads what the memory keeps of all partitions.
pub(super) fn partitions(
    disk: &Disk,
    count: PartitionCount,
) -> Result<Vec<Mutex<Partition>>, HotError> {
    let mut partitions: Vec<Partition> = count.iter().map(|_| Partition::default()).collect();
    scan(&disk.meta, &[keys::HEAD], |key, value| {
        let (slot, _) = slot_of(&mut partitions, key)?;
        slot.head = SlotHead::decode(value)?;
        Some(())
    })?;
    scan(&disk.meta, &[keys::GROUP], |key, _| {
        let (slot, group) = slot_of(&mut partitions, key)?;
        slot.groups.insert(std::str::from_utf8(group).ok()?.into());
        Some(())
    })?;
    scan(&disk.meta, &[keys::MARKS], |key, value| {
        let (slot, stream) = slot_of(&mut partitions, key)?;
        let [stream] = *stream else { return None };
        let stream = *StreamName::ALL.get(usize::from(stream))?;
        slot.marks.insert(stream, marks::decode(value)?);
        Some(())
    })?;
    scan(&disk.meta, &[keys::TAIL], |key, mut value| {
        let (stream, _) = stream_of(&mut partitions, key)?;
        stream.tail = Tail {
            first: take(&mut value)?,
            last: take(&mut value)?,
        };
        Some(())
    })?;
    scan(&disk.meta, &[keys::SOURCE], |key, mut value| {
        let (stream, source) = stream_of(&mut partitions, key)?;
        let mark = Mark {
            sequence: take(&mut value)?,
            entry: take(&mut value)?,
        };
        stream.sources.set(std::str::from_utf8(source).ok()?, mark);
        Some(())
    })?;
    scan(&disk.timers, &[], |key, _| {
        let (slot, rest) = slot_of(&mut partitions, key)?;
        let (time_ms, key) = keys::parse_timer(rest)?;
        slot.timers.add(time_ms, key);
        Some(())
    })?;
    // So that nothing is accepted before what is there, whatever became of the clock meanwhile.
    for (partition, in_memory) in count.iter().zip(&mut partitions) {
        for (name, stream) in StreamName::ALL.into_iter().zip(&mut in_memory.streams) {
            if stream.tail.len() > 0 {
                let own = StreamId { name, partition };
                stream.accept_time = accept_time(disk, own, stream.tail.last)?;
            }
        }
    }
    Ok(partitions.into_iter().map(Mutex::new).collect())
}

/// Reads all keys with a prefix; what `read` cannot make sense of is damage.
fn scan(
    keyspace: &Keyspace,
    prefix: &[u8],
    mut read: impl FnMut(&[u8], &[u8]) -> Option<()>,
) -> Result<(), HotError> {
    for pair in keyspace.prefix(prefix) {
        let (key, value) = pair.into_inner().map_err(failure)?;
        if read(&key, &value).is_none() {
            return Err(HotError::Damaged(format!("the key {key:?} cannot be read")));
        }
    }
    Ok(())
}

fn slot_of<'a, 'k>(
    partitions: &'a mut [Partition],
    key: &'k [u8],
) -> Option<(&'a mut SlotMemory, &'k [u8])> {
    let (partition, owner, rest) = keys::parse_prefix(key)?;
    let partition = partitions.get_mut(usize::from(partition.number()))?;
    Some((partition.slots.get_mut(owner)?, rest))
}

fn stream_of<'a, 'k>(
    partitions: &'a mut [Partition],
    key: &'k [u8],
) -> Option<(&'a mut Stream, &'k [u8])> {
    let (partition, name, rest) = keys::parse_prefix(key)?;
    let partition = partitions.get_mut(usize::from(partition.number()))?;
    Some((partition.streams.get_mut(name)?, rest))
}
