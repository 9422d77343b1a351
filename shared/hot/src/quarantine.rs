//! The quarantine of a slot: a queue of what was set aside, each entry with an id that lasts.
//!
//! It does not know what an entry means, nor when a quarantine is full: who fills it does.

use std::fmt;

use bytes::Bytes;

/// Names an entry of a quarantine: the commit that set it aside, and its place among those of that
/// commit.
///
/// Derived rather than drawn, so that a recovery from the journal names the same entry the same.
/// Ids of a slot sort by age. Written `commit-place`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuarantineId {
    /// The number of the commit, from 1.
    pub commit_seq: u64,
    /// The place in [`Commit::quarantine`](crate::Commit::quarantine), from 0.
    pub index: u32,
}

impl QuarantineId {
    /// No id sorts before this one.
    pub(crate) const FIRST: Self = Self {
        commit_seq: 0,
        index: 0,
    };
    /// No id sorts after this one.
    pub(crate) const LAST: Self = Self {
        commit_seq: u64::MAX,
        index: u32::MAX,
    };

    /// Pairs what a commit sets aside with the ids that the entries get.
    pub fn number<T>(
        commit_seq: u64,
        entries: impl IntoIterator<Item = T>,
    ) -> impl Iterator<Item = (Self, T)> {
        let ids = (0..).map(move |index| Self { commit_seq, index });
        ids.zip(entries)
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (commit_seq, index) = text.split_once('-')?;
        Some(Self {
            commit_seq: commit_seq.parse().ok()?,
            index: index.parse().ok()?,
        })
    }
}

impl fmt::Display for QuarantineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.commit_seq, self.index)
    }
}

/// An entry of a quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its name.
    pub id: QuarantineId,
    /// The entry, as it was committed.
    pub payload: Bytes,
}

/// The bounds of a page of a quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageBounds {
    /// Entries at the most.
    pub entries: usize,
    /// Bytes of their payloads at the most. The first entry is in the page whatever its size, so
    /// that only the end of the quarantine is an empty page.
    pub bytes: usize,
}

impl PageBounds {
    /// So many entries, of any size.
    pub const fn entries(entries: usize) -> Self {
        Self {
            entries,
            bytes: usize::MAX,
        }
    }

    /// Returns whether an entry is in a page that has so many entries and bytes before it.
    pub const fn has_room(self, entries: usize, bytes: usize, payload: usize) -> bool {
        entries < self.entries && (entries == 0 || bytes.saturating_add(payload) <= self.bytes)
    }
}

/// The size of a quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuarantineSize {
    /// The number of its entries.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl QuarantineSize {
    /// Counts an entry that comes.
    pub(crate) const fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }

    /// Counts an entry that goes.
    pub(crate) const fn remove(&mut self, bytes: usize) {
        self.records -= 1;
        self.bytes -= bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_it_was_written() {
        for (commit_seq, index, written) in [(1, 0, "1-0"), (u64::MAX, 7, "18446744073709551615-7")]
        {
            let id = QuarantineId { commit_seq, index };
            assert_eq!(id.to_string(), written);
            assert_eq!(QuarantineId::parse(written), Some(id));
        }
        for text in ["", "1", "1-", "-1", "1-2-3", "a-1", "1-4294967296"] {
            assert_eq!(QuarantineId::parse(text), None, "{text}");
        }
    }
}
