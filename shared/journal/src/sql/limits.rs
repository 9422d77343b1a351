//! Limits of the log in SQL, each with its reason.

use std::time::Duration;

/// Statements of one kind under way at once on Postgres: while one waits for the disk, the next is
/// collected and sent. With more, each carries less.
pub(super) const FLUSHES_IN_FLIGHT: usize = 2;
/// Connections to Postgres for everything but appends. A recovery reads while callers whose
/// partitions are closed ask again and again, and would wait behind them with each of its
/// statements. Two are enough for those that a process recovers at once, whose statements take a
/// millisecond.
pub(super) const READERS: u32 = 2;
/// Rows written by one statement: about the partitions of an installation, so that each can be in
/// it.
pub(super) const FLUSH_ROWS: usize = 256;
/// Bytes after which a statement takes no further row: a few milliseconds of a disk.
pub(super) const FLUSH_BYTES: usize = 4 * 1024 * 1024;
/// Rows that wait for a statement before their callers wait outside.
pub(super) const QUEUED_ROWS: usize = 1_024;
/// How long a statement that writes rows may take before it counts as lost.
pub(super) const FLUSH: Duration = Duration::from_secs(5);
/// How long a caller waits for its row to be written, the statements before its own included:
/// longer than [`FLUSH`], and below the deadline of most calls.
pub(super) const APPEND: Duration = Duration::from_secs(8);
/// How long any other statement may take. They read or remove some megabytes at the most.
pub(super) const STATEMENT: Duration = Duration::from_secs(10);
/// Bytes from which a payload is compressed: below, there is little to gain.
pub(super) const COMPRESS_BYTES: usize = 1_024;
/// Rows looked at by one statement that reads.
pub(super) const ROWS: i64 = 1_000;
/// Bytes of a payload once unpacked: what says more is damaged. Four times what the hot store takes
/// in one commit, for the overhead of packing, and what a commit may set aside.
pub(super) const UNPACKED_BYTES: usize =
    4 * hot::limits::COMMIT_BYTES + hot::limits::QUARANTINED_PER_COMMIT_BYTES;
/// Entries written by one statement where the log is written anew: their columns are values, of
/// which SQLite takes 32,766.
pub(super) const REWRITTEN_ROWS: usize = 256;
/// Bytes after which such a statement takes no further entry.
pub(super) const REWRITTEN_BYTES: usize = 1024 * 1024;
