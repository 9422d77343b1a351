//! Limits of the log of changes, each with its reason.

use std::time::Duration;

/// Changes of one row: a reader unpacks a whole row, and skips what it has had.
pub const ROW_CHANGES: u32 = 4_096;
/// Bytes of a row before it is compressed, unless one change is larger: some milliseconds of a
/// reader. The gain of compression does not grow beyond.
pub const ROW_BYTES: usize = 256 * 1024;
/// Bytes of commits that one transaction brings to the log: four full rows. Compressing them takes
/// a few milliseconds, in which the thread does nothing else.
pub const FLUSH_BYTES: usize = 1024 * 1024;
/// Commits that one transaction brings to the log, each of which is looked at.
pub const FLUSH_COMMITS: usize = 4_096;
/// The time that a change waits for others before they are written together. All processes write to
/// one log in turn, and a transaction takes milliseconds: ten a second of each leave room for tens
/// of processes.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// The time that one transaction may take, the wait for its turn included, before it is given up
/// and tried again. The server ends a transaction that rests for as long.
pub const FLUSH_TIME: Duration = Duration::from_secs(10);
/// The first pause after a write that failed.
pub const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest pause after a write that failed.
pub const RETRY_MOST: Duration = Duration::from_secs(1);
/// The time that the rest may take to be written once the process is told to end. What is left is
/// in its store, and the next owner of the partition writes it.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Connections to Postgres that a process writes to the log with: one transaction at a time. Its
/// own, so that a wait for the log holds up nobody else.
pub const CONNECTIONS: u32 = 1;
/// Rows that one statement inserts: SQLite takes 32,766 values, and a row has five.
pub(crate) const INSERTED_ROWS: usize = 64;

/// Rows that one statement reads, small ones: their numbers and sizes are read first.
pub(crate) const READ_ROWS: i64 = 1_000;
/// Bytes from which a body is compressed: below, there is little to gain.
pub(crate) const COMPRESS_BYTES: usize = 256;
/// Bytes of a body once it is unpacked: one that says more is damaged. Four times what a
/// commit has at the most, and so a change of it.
pub(crate) const UNPACKED_BYTES: usize = 4 * 1024 * 1024;

/// Rows that one transaction prunes: it keeps writers of the log waiting meanwhile.
pub(crate) const PRUNED_ROWS: i64 = 1_000;
/// Bytes of rows, once unpacked, after which such a transaction takes no further row: Postgres
/// keeps a large body in pieces of 2 KiB, and marks each.
pub(crate) const PRUNED_BYTES: i64 = 32 * 1024 * 1024;
/// The pause between two looks for rows that are too old. A look that finds none reads two rows.
pub const PRUNE_PAUSE: Duration = Duration::from_secs(60);

/// Bytes of rows, once unpacked, that an erasure holds at a time.
pub(crate) const ERASED_BYTES: usize = 4 * 1024 * 1024;
