//! Limits of the gateway, each with its reason.

use std::time::Duration;

/// Dead letters of one source: a day of an SDK that sends one bad event a second. The oldest give
/// way.
pub const LETTERS_PER_SOURCE: u64 = 100_000;
/// The time for which a dead letter is kept: long enough to notice, short for personal data that
/// nobody can find by customer.
pub const LETTER_KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Dead letters that a process adds before it looks whether a source has too many: the look reads
/// an index of 100,000 entries.
pub const LETTERS_BETWEEN_LOOKS: u64 = 1_000;
/// Rows that one statement writes: SQLite takes 32,766 values, a row has twelve, and the largest
/// 32 KiB.
pub const STATEMENT_ROWS: usize = 200;
/// Rows that one statement removes: others write in between.
pub const REMOVED_ROWS: u64 = 1_000;
/// Dead letters that one statement reads for a page: the largest have 32 KiB.
pub const READ_AT_ONCE: u64 = 100;
/// Dead letters on a page unless the request says otherwise.
pub const PAGE_SIZE: usize = 100;
/// Dead letters that one order is about: 16 MiB of memory at the most.
pub const LETTERS_PER_ORDER: u64 = 500;
/// Events that one request to identity carries in a replay: below the 500 of its contract, and
/// 3.2 MiB of the largest.
pub const REPLAYED_AT_ONCE: usize = 100;
/// The pause between two writes of statistics: with the time of a write, every process shows what
/// another counted within ten seconds.
pub const STATISTICS_PAUSE: Duration = Duration::from_secs(3);
/// The time for which statistics are kept.
pub const STATISTICS_KEPT_DAYS: i32 = 30;
/// Sources that are counted one by one: as many as there may be keys. Others are counted as
/// nobody's.
pub const COUNTED_SOURCES: usize = 10_000;
/// The pause between two looks for what is too old.
pub const UPKEEP_PAUSE: Duration = Duration::from_secs(60);
/// The wait that a caller is asked for whose service does not answer: another replica is connected
/// to by then.
pub const PEER_RETRY: Duration = Duration::from_secs(1);
/// Definitions on a page over all services unless the request says otherwise.
pub const DEFINITIONS_PER_PAGE: u32 = 100;
/// Partitions on such a page.
pub const PARTITIONS_PER_PAGE: u32 = 1_000;
/// The time that the body of a call may take to arrive: SDKs give up after 10 to 30 seconds.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// The time that identity may take for the events of a call: SDKs give up after 10 seconds or more,
/// and a call that is answered later is sent twice.
pub const SEND_TIME: Duration = Duration::from_secs(9);
/// Bytes of memory for each byte of a call: its text, the events made of it, and their message.
pub const BODY_COST: usize = 3;
/// Bytes of a list of headers that a preflight gets back.
pub const PREFLIGHT_BYTES: usize = 1_000;
/// Bytes of a body that are read after the call was refused, so that its sender hears that: four
/// times as much as SDKs send.
pub const DRAINED_BYTES: usize = 32 * 1024 * 1024;
/// The time for that.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
