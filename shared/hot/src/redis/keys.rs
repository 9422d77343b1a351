//! Names of keys and channels. All keys of a partition carry one hash tag, so that they share a
//! slot of a cluster.
//!
//! Those of an installation begin with `hp:`, or with `hp.NAME:` if it has a name. A name has
//! neither `.` nor `:`, so no beginning is that of another installation's, and a pattern or a
//! right for `hp.NAME:*` is for one installation only.

use std::sync::Arc;

use kernel::{InstallationName, PartitionCount, PartitionId};

use crate::{Owner, Slot, StreamId};

/// Between [`Keys::channel`] and the name of a service there are hints about its commits.
pub(super) const COMMITS: &str = "commits.";
/// Slots of a cluster, by its specification.
const SLOTS: u32 = 16_384;

/// The end of the channel of hints about the commits of a service.
pub(super) fn commits_topic(owner: Owner) -> String {
    format!("{COMMITS}{}", owner.name())
}

/// The key that tells how an installation was created: a hash.
pub(super) fn installation(installation: Option<&InstallationName>) -> String {
    format!("{}meta", root(installation))
}

/// The keys and channels of an installation, as far as they are the same for every call.
#[derive(Debug)]
pub(super) struct Keys {
    meta: Box<str>,
    channel: Arc<str>,
    /// The first part of the keys of every partition.
    prefixes: Vec<Box<str>>,
}

impl Keys {
    /// Chooses the tags of all partitions.
    pub(super) fn new(count: PartitionCount, installation: Option<&InstallationName>) -> Self {
        let root = root(installation);
        let prefixes = count
            .iter()
            .map(|partition| format!("{root}{{{}}}:", tag(count, partition)).into())
            .collect();
        Self {
            meta: self::installation(installation).into(),
            channel: format!("{root}wake:").into(),
            prefixes,
        }
    }

    /// The key that tells how the installation was created: a hash.
    pub(super) fn installation(&self) -> &str {
        &self.meta
    }

    /// The beginning of the channels of hints; the name of a stream follows.
    pub(super) const fn channel(&self) -> &Arc<str> {
        &self.channel
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

/// Returns what all keys and channels of an installation begin with.
fn root(installation: Option<&InstallationName>) -> String {
    match installation {
        None => "hp:".to_owned(),
        Some(name) => format!("hp.{name}:"),
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::StreamName;

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

    /// Every kind of key of an installation with two partitions.
    fn every_key(keys: &Keys) -> Vec<String> {
        let mut all = vec![keys.installation().to_owned(), keys.channel().to_string()];
        for partition in [0, 1].map(PartitionId::new) {
            all.extend([keys.tails(partition), keys.gate(partition)]);
            for name in StreamName::ALL {
                let stream = StreamId { name, partition };
                all.extend([keys.stream(stream), keys.marks(stream)]);
                all.extend([keys.origins(stream), keys.uses(stream)]);
            }
            for owner in Owner::ALL {
                let slot = Slot { owner, partition };
                all.extend([keys.meta(slot), keys.timers(slot), keys.buckets(slot)]);
                all.extend([keys.counters(slot, "hp:"), keys.groups(slot)]);
                all.extend([keys.consumed(slot), keys.outbox(slot)]);
                all.push(keys.quarantine(slot));
                all.push(String::from_utf8(keys.states(slot)).expect("text"));
            }
        }
        all
    }

    /// No name, and all names of up to three of these letters.
    fn names() -> Vec<Option<InstallationName>> {
        let letters = ["", "a", "b", "-", "_", "1"];
        let mut texts = BTreeSet::new();
        for first in ["a", "meta", "wake"] {
            for second in letters {
                texts.extend(letters.map(|third| format!("{first}{second}{third}")));
            }
        }
        let names = texts.iter().map(|text| text.parse().expect("a name"));
        [None].into_iter().chain(names.map(Some)).collect()
    }

    #[test]
    fn no_key_of_an_installation_begins_as_those_of_another() {
        let count = PartitionCount::try_new(2).expect("a count");
        let names = names();
        assert!(names.len() > 90, "{}", names.len());
        for name in &names {
            let keys = every_key(&Keys::new(count, name.as_ref()));
            let distinct: BTreeSet<&String> = keys.iter().collect();
            assert_eq!(distinct.len(), keys.len(), "{name:?}");
            for other in &names {
                let root = root(other.as_ref());
                let is_own = name == other;
                for key in &keys {
                    assert_eq!(key.starts_with(&root), is_own, "{key} and {root}");
                }
            }
        }
    }

    #[test]
    fn a_partition_has_one_tag_whatever_the_name_and_no_name_changes_nothing() {
        let slot = Slot {
            owner: Owner::Journey,
            partition: PartitionId::new(63),
        };
        let keys = |name: Option<&str>| {
            let name = name.map(|name| name.parse().expect("a name"));
            let keys = Keys::new(PartitionCount::DEFAULT, name.as_ref());
            [
                keys.meta(slot),
                keys.installation().to_owned(),
                keys.channel().to_string(),
            ]
        };
        assert_eq!(keys(None), ["hp:{63.28}:journey:m", "hp:meta", "hp:wake:"]);
        assert_eq!(
            keys(Some("a-b")),
            ["hp.a-b:{63.28}:journey:m", "hp.a-b:meta", "hp.a-b:wake:"]
        );
    }

    /// Changing these loses every installation's data.
    const PINNED: [&str; 3] = ["0.178", "1.2", "63.28"];
}
