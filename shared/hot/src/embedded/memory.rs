//! What the store keeps in memory of each partition: small, and enough to answer without reading
//! from disk where a stream ends, what is due, and what a source has sent.
//!
//! It is changed only after the disk has taken the same change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use kernel::Timestamp;

use super::head::SlotHead;
use crate::marks::Marks;
use crate::{Owner, StreamName};

/// One partition of all services.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) slots: [SlotMemory; Owner::ALL.len()],
    pub(super) streams: [Stream; StreamName::ALL.len()],
}

/// One slot.
#[derive(Debug, Default)]
pub(super) struct SlotMemory {
    pub(super) head: SlotHead,
    pub(super) marks: BTreeMap<StreamName, Marks>,
    /// The groups that have counters.
    pub(super) groups: BTreeSet<Box<str>>,
    pub(super) timers: Timers,
}

/// Where a stream begins and ends. Its entries are numbered without gaps.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tail: Tail,
    /// When the last entry was accepted, as far as this process knows.
    pub(super) accept_time: Timestamp,
    pub(super) sources: Sources,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            tail: Tail { first: 1, last: 0 },
            accept_time: Timestamp::MIN,
            sources: Sources::default(),
        }
    }
}

/// The numbers of the first and the last entry; an empty stream ends before it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Tail {
    /// How many entries there are.
    pub(super) fn len(self) -> u64 {
        self.last + 1 - self.first
    }

    /// How many entries there are after a number.
    pub(super) fn after(self, number: u64) -> u64 {
        self.last.saturating_sub(number).min(self.len())
    }
}

/// The entries of the index of timers, in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    entries: BTreeSet<(i64, Bytes)>,
}

impl Timers {
    /// Adds an entry.
    pub(super) fn add(&mut self, time_ms: i64, key: &[u8]) {
        // A copy: the caller's key may be a slice of a large buffer.
        self.entries.insert((time_ms, Bytes::copy_from_slice(key)));
    }

    /// Takes an entry away.
    pub(super) fn remove(&mut self, time_ms: i64, key: &Bytes) {
        self.entries.remove(&(time_ms, key.clone()));
    }

    /// The entries by time; of the same time, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Bytes)> {
        self.entries.iter().map(|(time_ms, key)| (*time_ms, key))
    }
}

/// What a stream remembers of its sources.
#[derive(Debug, Default)]
pub(super) struct Sources {
    marks: HashMap<Arc<str>, Mark>,
    by_use: BTreeMap<u64, Arc<str>>,
}

/// How far a source is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The highest sequence taken.
    pub(super) sequence: u64,
    /// The number of the entry that took it.
    pub(super) entry: u64,
}

impl Sources {
    /// The highest sequence taken from a source; 0 before the first.
    pub(super) fn sequence(&self, source: &str) -> u64 {
        self.marks.get(source).map_or(0, |mark| mark.sequence)
    }

    /// The source to forget before another one is remembered; absent while there is room or where
    /// it is known.
    pub(super) fn victim(&self, source: &str, room: usize) -> Option<Arc<str>> {
        if self.marks.contains_key(source) || self.marks.len() < room {
            return None;
        }
        self.by_use
            .first_key_value()
            .map(|(_, oldest)| Arc::clone(oldest))
    }

    /// Remembers a source.
    pub(super) fn set(&mut self, source: &str, mark: Mark) {
        self.forget(source);
        let source: Arc<str> = source.into();
        self.by_use.insert(mark.entry, Arc::clone(&source));
        self.marks.insert(source, mark);
    }

    /// Forgets a source.
    pub(super) fn forget(&mut self, source: &str) {
        if let Some(mark) = self.marks.remove(source) {
            self.by_use.remove(&mark.entry);
        }
    }
}
