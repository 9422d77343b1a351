//! Limits of SQL storage, each with its reason.

use std::time::Duration;

/// Connections to a SQLite file: one writes, the others read beside it.
pub const SQLITE_CONNECTIONS: u32 = 4;
/// Connections to Postgres of one process: statements are short, and servers allow about a hundred
/// in all.
pub const POSTGRES_CONNECTIONS: u32 = 8;
/// Bytes of a SQLite file that are read as memory, without a call and a copy for each page.
pub const SQLITE_MAPPED_BYTES: u64 = 256 * 1024 * 1024;
/// The time that a statement waits for another writer of a SQLite file.
pub const SQLITE_BUSY: Duration = Duration::from_secs(10);
/// The time that a caller waits for a connection before it is told that the database is
/// unavailable.
pub const ACQUIRE: Duration = Duration::from_secs(10);
/// The time that a call about leases or members may take, the wait for a connection included.
pub const LEASE_CALL: Duration = Duration::from_secs(10);
/// The time that a change of the number of partitions waits for the tables: longer than statements
/// of services take, and than their last ones do when they end.
pub(crate) const RECOUNT_LOCK: Duration = Duration::from_secs(10);
/// The time that a transaction may rest between two statements before Postgres ends it, with its
/// locks. Ours rest for milliseconds, unless their process is gone, cut off or stopped.
pub const IDLE_TRANSACTION: Duration = Duration::from_secs(10);
/// The time after which the last word of a dead process is forgotten, once anybody leaves.
pub const MEMBER_KEPT: kernel::Duration = kernel::Duration::from_days(1);
/// The time for which the answer to a request id is kept: longer than any client retries.
pub const REQUEST_KEPT: kernel::Duration = kernel::Duration::from_days(1);
/// The time after which the process that does a request counts as dead, unless it has said that it
/// is still at it: for as long the same request waits at another process. Some times
/// [`REQUEST_HOLD`], so that a slow database takes no request from who is at it.
pub const REQUEST_UNDER_WAY: kernel::Duration = kernel::Duration::from_millis(10_000);
/// The time between two such words.
pub const REQUEST_HOLD: Duration = Duration::from_secs(2);
/// Attempts to open a SQLite file that another process is just setting up, which takes it
/// milliseconds.
pub(crate) const CONNECT_ATTEMPTS: u32 = 40;
/// Between two attempts.
pub(crate) const CONNECT_PAUSE: Duration = Duration::from_millis(25);
