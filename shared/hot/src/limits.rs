//! Limits of the hot store, each with its reason.

/// States in one commit: 128 are about a millisecond of Redis, and a longer call starves the
/// server's other users. Whoever commits plans for 256; one customer who goes takes up to 2,048
/// parts along, and that is one commit. A function of Redis can be given at most some 8,000 values.
pub const STATES_PER_COMMIT: usize = 3_072;
/// Entries of the index of timers that one commit takes away: more than the states of a commit, for
/// stale entries need no state.
pub const FIRED_PER_COMMIT: usize = 4_096;
/// Bytes in one commit, all parts together but for what it sets aside, and in one append, for the
/// same reason.
pub const COMMIT_BYTES: usize = 1024 * 1024;
/// Bytes of one quarantined entry: the largest record is as large as an append, and is kept whole.
/// The rest is for what is said about it.
pub const QUARANTINED_BYTES: usize = COMMIT_BYTES + 16 * 1024;
/// Bytes that one commit sets aside, beside [`COMMIT_BYTES`] of everything else: a batch that is
/// half full may still meet the largest record.
pub const QUARANTINED_PER_COMMIT_BYTES: usize = 2 * COMMIT_BYTES;
/// Quarantined entries that one commit releases: a store may read each to count its bytes.
pub const RELEASED_PER_COMMIT: usize = 64;
/// Bytes that the quarantine of one slot should hold. No store refuses more: whoever feeds the slot
/// stops at this. Room for some ten thousand usual records or fifteen of the largest; 64 partitions
/// of three services stay below 3 GiB when all of them are full.
pub const QUARANTINE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one state: a customer's record is loaded and written whole.
pub const STATE_BYTES: usize = 512 * 1024;
/// Bytes of a state key: 16 of a customer, and 11 more of a part.
pub const KEY_BYTES: usize = 64;
/// Bytes of the name of a counter, and of that of its group: longer than any name that people
/// choose.
pub const COUNTER_BYTES: usize = 1_024;
/// Groups of counters that one commit removes: each may be some thousand counters to take apart.
pub const DROPPED_PER_COMMIT: usize = 64;
/// Groups of counters that are read from a server in one round trip.
pub const GROUPS_PER_READ: usize = 256;
/// Bytes of the name of a source.
pub const SOURCE_BYTES: usize = 128;
/// Sources remembered by one stream; the one used longest ago is forgotten first. Twice as many as
/// there can be partitions, so that the outboxes of all leave room for clients.
pub const SOURCES_PER_STREAM: usize = 2_048;
/// Entries of one stream before appends from outside are refused: about 100 MB at 1 kB each over 64
/// partitions.
pub const STREAM_ENTRIES: u64 = 2_000;
/// Hints that wait for a slow subscriber before they are replaced by one that means all.
pub const WAKES: usize = 4_096;
/// The time that a gate is respected whose holder says nothing more, unless somebody says
/// otherwise: half of the time of a lease, so that a partition whose restore died with its process
/// is restored by another one within that time.
pub const GATE_TTL: std::time::Duration =
    std::time::Duration::from_millis(kernel::limits::LEASE_TTL.as_millis().unsigned_abs() / 2);
