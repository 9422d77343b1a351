//! Limits of the audit log, each with its reason.

use std::time::Duration;

/// The least age of entries that are pruned: what happened in the last weeks is still looked into,
/// and a wrong date must not remove it.
pub const KEPT: kernel::Duration = kernel::Duration::from_days(30);
/// Entries that one transaction prunes: some megabytes in memory, and tens of milliseconds in which
/// SQLite lets nobody else write.
pub const PRUNED_PER_WRITE: u64 = 1_000;
/// Entries that one call prunes: seconds, well within the deadline of a call.
pub const PRUNED_PER_CALL: u64 = 50_000;

/// Acts that wait to be written: a few seconds of reads of a busy process, some megabytes.
pub const WAITING: usize = 16_384;
/// Acts that one transaction writes: a statement of SQLite takes 32,766 values, and an entry has
/// thirteen.
pub const ACTS_PER_WRITE: usize = 1_000;
/// The time that a read waits before it is written, with all others of that time: well below the
/// second that is promised.
pub const GATHERED: Duration = Duration::from_millis(200);
/// The time that a read waits for room before it is refused.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// The time for which a store may be away before reads are refused though there is room: what waits
/// is lost with the process. A fail-over of a database takes less.
pub const AWAY: Duration = Duration::from_secs(30);
/// The time that an act waits that must be written before what it tells of is done.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// The time that one write may take before it is given up and tried again.
pub const WRITE_TIME: Duration = Duration::from_secs(10);
/// The first pause after a write that failed.
pub const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest pause after a write that failed.
pub const RETRY_MOST: Duration = Duration::from_secs(1);
/// The time that the rest may take to be written once the process is told to end.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
/// The time that the last entry of a chain may take: it only says that the process ended in order.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);
/// The wait that a caller is asked for whose act cannot be recorded.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Bytes of each text of an entry; what is longer is cut.
pub const TEXT_BYTES: usize = 300;
/// Customers that one call may read: those of a page.
pub const SUBJECTS: usize = 1_000;
/// Entries on a page unless the request says otherwise.
pub const PAGE_SIZE: usize = 100;
/// Rows that an export reads at a time.
pub const ROWS_AT_ONCE: u64 = 500;
/// Answers of an export that wait for their reader.
pub const ANSWERS_AHEAD: usize = 4;
/// The time that an answer of an export may wait for its reader: its snapshot of the database is
/// open for as long.
pub const READER_PATIENCE: Duration = Duration::from_secs(30);
/// Exports at once: each holds a connection and a snapshot of the database.
pub const EXPORTS: usize = 2;
/// Faults of a chain that are listed; the others are counted.
pub const FAULTS: usize = 100;
