//! What a partition is restored from, after the store has lost some or all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kernel::Timestamp;

use crate::marks::Marks;
use crate::{CounterKey, Origin, OutboxMessage, Quarantined, StateWrite, StreamName};

/// Names one attempt to restore a partition: a number that no other process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gate(pub u64);

/// The gates of a partition, as a store knows them. It forgets both with everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gates {
    /// The gate that is closed; absent where the partition is open.
    pub closed: Option<Gate>,
    /// The gate that was opened last; absent where none was since the store was empty.
    pub opened: Option<Gate>,
}

/// A request to close the gate of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateClaim {
    /// The name of the attempt.
    pub gate: Gate,
    /// The time that the gate is respected after the last call of its holder.
    pub ttl: Duration,
    /// The gate that was opened last, as the claimant saw it before it looked whether anything is
    /// lost. Where another one was opened since, somebody has restored the partition meanwhile.
    pub opened: Option<Gate>,
}

/// The answer to a request to close a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateAnswer {
    /// It is closed, and the claimant holds it.
    Closed,
    /// Another claimant holds it, and is taken to be alive: wait.
    Held,
    /// Another gate was opened since: look again whether anything is lost.
    Passed,
}

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
