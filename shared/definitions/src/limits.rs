//! Limits of definitions, each with its reason.

use std::time::Duration;

/// Bytes of one file of definitions: a directory of large ones fits one request.
pub const FILE_BYTES: usize = 1024 * 1024;
/// Levels of nesting of a document: three times the deepest contract.
pub const DOCUMENT_DEPTH: usize = 64;
/// Values in one file: more than 1 MiB of sensible YAML holds.
pub const FILE_NODES: usize = 200_000;
/// Mistakes reported at once.
pub const MISTAKES: usize = 100;
/// The pause between two looks of a replica for changes: live everywhere within a second.
pub const POLL: Duration = Duration::from_millis(500);
/// Definitions of one owner: a set is checked and indexed as a whole.
pub const DEFINITIONS: usize = 10_000;
/// Superseded versions of one definition that a catalog may see, newest first.
pub const OLDER_VERSIONS: usize = 20;
/// Rows that one statement writes, or names that it asks for: SQLite takes 32,766 values in a
/// statement, and a row has seven.
pub const STATEMENT_ROWS: usize = 1_000;
/// Definitions on a page unless the request says otherwise.
pub const PAGE_SIZE: usize = 100;
/// Definitions that one statement reads for a page: the largest have a megabyte.
pub const READ_AT_ONCE: usize = 32;
/// Bytes of one definition: an answer with it stays below the 4 MiB that clients take by default.
pub const DEFINITION_BYTES: usize = 1024 * 1024;
/// Definitions on a page that is asked of another process: few round trips, and an answer of
/// bounded size.
pub const REMOTE_PAGE_SIZE: u32 = 100;
/// Referrers that a refused deletion names in its message; the violations name more.
pub const SHOWN_REFERRERS: usize = 5;
/// Attempts at a change that other processes are faster than: each lost one is somebody else's
/// change made.
pub const ATTEMPTS: u32 = 16;
/// The pause after a lost attempt, growing by as much with each.
pub const CONTENTION_PAUSE: Duration = Duration::from_millis(5);
