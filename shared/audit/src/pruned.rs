//! The record of what was removed from the beginning of a chain. Pure.

use kernel::{Timestamp, from_hex, to_hex};
use proto::audit::v1 as api;
use proto::convert::{instant, timestamp};

use crate::chain::{Hash, NO_HASH};
use crate::{ChainId, Entry};

/// The action of an entry that seals what was removed.
pub(crate) const PRUNE: &str = "audit.prune";

/// The entries that were removed from the beginning of a chain: all up to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The number of the last of them, which is how many there were.
    pub sequence: u64,
    /// The hash of that entry.
    pub hash: Hash,
    /// The time of the earliest of them.
    pub first_time: Timestamp,
    /// The time of the latest of them.
    pub last_time: Timestamp,
}

impl Pruned {
    /// No entries.
    pub(crate) const NONE: Self = Self {
        sequence: 0,
        hash: NO_HASH,
        first_time: Timestamp::MAX,
        last_time: Timestamp::MIN,
    };

    /// Returns these and the next entry; `None` where the entry was changed, or does not follow.
    pub(crate) fn and(self, entry: &Entry) -> Option<Self> {
        let is_next = self.sequence.checked_add(1) == Some(entry.sequence);
        let follows = is_next && entry.previous == self.hash;
        (follows && entry.is_intact()).then(|| Self {
            sequence: entry.sequence,
            hash: entry.hash,
            first_time: self.first_time.min(entry.time),
            last_time: self.last_time.max(entry.time),
        })
    }

    /// The object of the entry that seals them.
    pub(crate) fn object(&self, chain: ChainId) -> String {
        format!(
            "{chain} up to {} {} from {} to {}",
            self.sequence,
            to_hex(&self.hash),
            self.first_time,
            self.last_time
        )
    }

    /// Reads the object of an entry that seals them.
    pub(crate) fn parse(object: &str) -> Option<(ChainId, Self)> {
        let words: Vec<&str> = object.split(' ').collect();
        let [chain, "up", "to", sequence, hash, "from", first, "to", last] = words[..] else {
            return None;
        };
        let pruned = Self {
            sequence: sequence.parse().ok()?,
            hash: from_hex(hash)?,
            first_time: first.parse().ok()?,
            last_time: last.parse().ok()?,
        };
        Some((chain.parse().ok()?, pruned))
    }
}

impl From<Pruned> for api::PrunedEntries {
    fn from(pruned: Pruned) -> Self {
        Self {
            sequence: pruned.sequence,
            hash: pruned.hash.to_vec().into(),
            start_time: Some(timestamp(pruned.first_time)),
            end_time: Some(timestamp(pruned.last_time)),
        }
    }
}

impl From<&api::PrunedEntries> for Pruned {
    /// Reads what was exported. A hash of another length than hashes have fits no entry.
    fn from(pruned: &api::PrunedEntries) -> Self {
        let time = |time: &Option<prost_types::Timestamp>| instant(&time.unwrap_or_default());
        Self {
            sequence: pruned.sequence,
            hash: Hash::try_from(pruned.hash.as_ref()).unwrap_or(NO_HASH),
            first_time: time(&pruned.start_time),
            last_time: time(&pruned.end_time),
        }
    }
}
