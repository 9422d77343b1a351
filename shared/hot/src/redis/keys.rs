//! Names of keys. All keys of a partition carry one hash tag, so that they share a slot of a
//! cluster.

use kernel::{PartitionCount, PartitionId};

use crate::{Owner, Slot, StreamId};

/// The key that tells how the installation was created.
pub(super) const INSTALLATION: &str = "hp:meta";
/// Hints about a stream are published here, its name following.
pub(super) const CHANNEL: &str = "hp:wake:";
/// Between [`CHANNEL`] and the name of a service there are hints about its commits.
pub(super) const COMMITS: &str = "commits.";
/// Slots of a cluster, by its specification.
const SLOTS: u32 = 16_384;

/// The end of the channel of hints about the commits of a service.
pub(super) fn commits_topic(owner: Owner) -> String {
    format!("{COMMITS}{}", owner.name())
}

/// The first part of the keys of every partition.
#[derive(Debug)]
pub(super) struct Keys {
    prefixes: Vec<Box<str>>,
}

impl Keys {
    /// Chooses the tags of all partitions.
    pub(super) fn new(count: PartitionCount) -> Self {
        let prefixes = count
            .iter()
            .map(|partition| format!("hp:{{{}}}:", tag(count, partition)).into())
            .collect();
        Self { prefixes }
    }

    fn prefix(&self, partition: PartitionId) -> &str {
        &self.prefixes[usize::from(partition.number())]
    }

    fn of_slot(&self, slot: Slot, what: &str) -> String {
        let prefix = self.prefix(slot.partition);
        format!("{prefix}{}:{what}", slot.owner.name())
    }

    fn of_stream(&self, stream: StreamId, what: &str) -> String {
        let prefix = self.prefix(stream.partition);
        format!("{prefix}{what}:{}", stream.name.name())
    }

    /// The head of a slot: a hash.
    pub(super) fn meta(&self, slot: Slot) -> String {
        self.of_slot(slot, "m")
    }

    /// What the keys of all lists of timers of a slot begin with; the number of the bucket follows.
    pub(super) fn timers(&self, slot: Slot) -> String {
        self.of_slot(slot, "t:")
    }

    /// The buckets of which there are lists of timers: a set.
    pub(super) fn buckets(&self, slot: Slot) -> String {
        self.of_slot(slot, "t")
    }

    /// The counters of a group: a hash.
    pub(super) fn counters(&self, slot: Slot, group: &str) -> String {
        let mut key = self.of_slot(slot, "c:");
        key.push_str(group);
        key
    }

    /// The groups that have counters: a set.
    pub(super) fn groups(&self, slot: Slot) -> String {
        self.of_slot(slot, "c")
    }

    /// The marks of streams: a hash.
    pub(super) fn consumed(&self, slot: Slot) -> String {
        self.of_slot(slot, "k")
    }

    /// Messages to other partitions: a stream.
    pub(super) fn outbox(&self, slot: Slot) -> String {
        self.of_slot(slot, "x")
    }

    /// Records set aside: a stream.
    pub(super) fn quarantine(&self, slot: Slot) -> String {
        self.of_slot(slot, "q")
    }

    /// What the keys of all states of a slot begin with.
    pub(super) fn states(&self, slot: Slot) -> Vec<u8> {
        self.of_slot(slot, "s:").into_bytes()
    }

    /// A stream.
    pub(super) fn stream(&self, stream: StreamId) -> String {
        self.of_stream(stream, "stream")
    }

    /// The ids of the last entries of all streams of a partition: a hash.
    pub(super) fn tails(&self, partition: PartitionId) -> String {
        format!("{}tails", self.prefix(partition))
    }

    /// The highest sequence taken from each source of a stream: a hash.
    pub(super) fn marks(&self, stream: StreamId) -> String {
        self.of_stream(stream, "marks")
    }

    /// The last append of each writer that keeps a journal, and whether the gate is closed: a hash.
    pub(super) fn origins(&self, stream: StreamId) -> String {
        self.of_stream(stream, "origins")
    }

    /// Who restores a partition: a hash.
    pub(super) fn gate(&self, partition: PartitionId) -> String {
        format!("{}gate", self.prefix(partition))
    }

    /// The sources of a stream by their last use: a sorted set.
    pub(super) fn uses(&self, stream: StreamId) -> String {
        self.of_stream(stream, "uses")
    }
}

/// The tag of a partition: the first text that falls into the partition's equal share of all slots.
///
/// A cluster gives each node a run of slots, so that partitions spread evenly. It must never
/// change.
fn tag(count: PartitionCount, partition: PartitionId) -> String {
    let (count, number) = (u32::from(count.get()), u32::from(partition.number()));
    let share = number * SLOTS / count..(number + 1) * SLOTS / count;
    (0..)
        .map(|attempt: u32| format!("{number}.{attempt}"))
        .find(|tag| share.contains(&(u32::from(crc16(tag.as_bytes())) % SLOTS)))
        .expect("every slot is the slot of some text")
}

/// CRC16/XMODEM, as the specification of Redis Cluster hashes keys.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn tags_spread_over_all_slots_and_never_change() {
        for count in [1, 3, 64, 1024] {
            let count = PartitionCount::try_new(count).expect("a count");
            for (at, partition) in (0..).zip(count.iter()) {
                let slot = u32::from(crc16(tag(count, partition).as_bytes())) % SLOTS;
                let share = SLOTS / u32::from(count.get());
                assert!(slot.abs_diff(at * SLOTS / u32::from(count.get())) <= share);
            }
        }
        let pinned: Vec<String> = [0, 1, 63]
            .map(|number| tag(PartitionCount::DEFAULT, PartitionId::new(number)))
            .to_vec();
        assert_eq!(pinned, PINNED);
    }

    /// Changing these loses every installation's data.
    const PINNED: [&str; 3] = ["0.178", "1.2", "63.28"];
}
