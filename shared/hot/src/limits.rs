//! Limits of the hot store, each with its reason.

/// States in one commit: 128 are about a millisecond of Redis, and a longer call starves the server's other users.
pub const STATES_PER_COMMIT: usize = 256;
/// Entries of the index of timers that one commit takes away: more than the states of a commit, for stale entries need no
/// state.
pub const FIRED_PER_COMMIT: usize = 4_096;
/// Bytes in one commit, all parts together, and in one append, for the same reason.
pub const COMMIT_BYTES: usize = 1024 * 1024;
/// Bytes of one state: a customer's record is loaded and written whole.
pub const STATE_BYTES: usize = 512 * 1024;
/// Bytes of a state key.
pub const KEY_BYTES: usize = 64;
/// Bytes of the name of a source.
pub const SOURCE_BYTES: usize = 128;
/// Sources remembered by one stream; the one used longest ago is forgotten first. Twice as many as there can be
/// partitions, so that the outboxes of all leave room for clients.
pub const SOURCES_PER_STREAM: usize = 2_048;
/// Entries of one stream before appends from outside are refused: about 100 MB at 1 kB each over 64 partitions.
pub const STREAM_ENTRIES: u64 = 2_000;
/// Hints that wait for a slow subscriber before they are replaced by one that means all.
pub const WAKES: usize = 4_096;
/// How long a gate is respected whose process says nothing more: a process that died in the middle of a restore.
pub const GATE_TTL: std::time::Duration = std::time::Duration::from_secs(15);
