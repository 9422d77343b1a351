//! What a partition is restored from, after the store has lost some or all of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kernel::Timestamp;

use crate::marks::Marks;
use crate::{CounterKey, Origin, OutboxMessage, Quarantined, StateWrite, StreamName};

/// Names one attempt to restore a partition: a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gate(pub u64);

/// A part of a slot's snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateRestore {
    /// States with their timers; every timer that is due is given an entry at its due time,
    /// whatever `adds_entry` says.
    pub states: Vec<StateWrite>,
    /// Counters, as they are.
    pub counters: Vec<(CounterKey, i64)>,
    /// The quarantine, oldest first.
    pub quarantine: Vec<Quarantined>,
    /// What the slot has seen: the last part has it.
    pub head: Option<RestoredHead>,
}

/// What a slot has seen, at the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoredHead {
    /// The number of the last commit in the snapshot.
    pub commit_seq: u64,
    /// The name of that commit.
    pub batch_id: u64,
    /// The watermark.
    pub watermark: Option<Timestamp>,
    /// The marks of streams.
    pub marks: BTreeMap<StreamName, Marks>,
    /// The number of the last message of the outbox.
    pub outbox_seq: u64,
    /// The number of the last message that was forwarded.
    pub forwarded_seq: u64,
    /// Messages above it.
    pub outbox: Vec<(u64, OutboxMessage)>,
}

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamRestore {
    /// Whether this is the first part: what the stream holds is removed.
    pub is_first: bool,
    /// Entries, in order.
    pub entries: Vec<(Origin, Bytes)>,
    /// The last entry taken from each process, from now on.
    pub origins: Vec<Origin>,
    /// The highest sequence taken from each source; a higher one that the stream knows stays.
    pub sources: Vec<(Box<str>, u64)>,
}
