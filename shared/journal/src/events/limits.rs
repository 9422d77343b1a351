//! Limits of searches in the event log, each with its reason.

/// Rows that one statement looks at in one partition, without unpacking them.
pub(crate) const HEADERS: usize = 256;
/// Rows looked at for one page: some tenths of a second; a search goes on with the next page.
pub(crate) const HEADERS_PER_PAGE: usize = 16_384;
/// Partitions whose rows are put in one order of time. A customer has been in a few; a search of all goes through them
/// some at a time.
pub(crate) const PARTITIONS_AT_ONCE: usize = 8;
/// Ranges of time that are looked at around the events of a page, to find repetitions: each takes a statement or two.
pub(crate) const RANGES_AROUND: usize = 16;
/// Rows read by one statement.
pub(crate) const ROWS: usize = 32;
/// Bytes of events on one page, after which it ends early. Answers show them in at the most twice
/// as many, since each identifier is there as evidence too, and ids are texts. Clients take 4 MiB
/// by default.
pub(crate) const EVENT_BYTES_PER_PAGE: usize = 3 * 512 * 1024;
/// Packed bytes read for one page, after which it ends early: what a process can spare for one caller.
pub(crate) const BYTES_PER_PAGE: u64 = 8 * 1024 * 1024;
