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
/// The time that identity may take for events of a webhook: less than all of it may take.
pub const WEBHOOK_SEND_TIME: Duration = Duration::from_secs(3);
/// The time that a post of a webhook may take once it arrived: Shopify, HubSpot and Intercom wait
/// for 5 seconds in all, and count what is answered later as failed.
pub const WEBHOOK_TIME: Duration = Duration::from_secs(4);
/// Bytes of memory for each byte of a call: its text, the events made of it, and their message.
pub const BODY_COST: usize = 3;
/// Bytes of a list of headers that a preflight gets back.
pub const PREFLIGHT_BYTES: usize = 1_000;
/// Bytes of a body that are read after the call was refused, so that its sender hears that: four
/// times as much as SDKs send.
pub const DRAINED_BYTES: usize = 32 * 1024 * 1024;
/// The time for that.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
/// The pause between two looks for new changes, while somebody waits for them: the writer of the
/// log gathers for as long.
pub const POLL_PAUSE: Duration = Duration::from_millis(100);
/// New changes that a process keeps for all who wait for them: a second of a busy installation,
/// some megabytes.
pub const RECENT_CHANGES: usize = 20_000;
/// The time for which it keeps them: who waits takes them at once, and what is erased in the log
/// must not be here for longer.
pub const RECENT_TIME: Duration = Duration::from_secs(2);
/// New rows that one who waits takes at once: others take theirs in between.
pub const ROWS_AT_ONCE: usize = 64;
/// Bytes of changes that one who is behind reads at once: some thousand changes, and a few
/// milliseconds of a processor.
pub const PAGE_BYTES: usize = 512 * 1024;
/// Pages that are read at once: each holds a connection to the database.
pub const PAGES_AT_ONCE: usize = 4;
/// Changes in a message unless the request says otherwise, as the contract has it.
pub const CHANGES_PER_MESSAGE: usize = 1_000;
/// Bytes of the changes in a message: clients take 4 MiB by default, and each consumer that does
/// not read holds one.
pub const WATCH_MESSAGE_BYTES: usize = 1024 * 1024;
/// The time for which changes are gathered in one message: beyond it they are late for whom few
/// match.
pub const GATHER_TIME: Duration = Duration::from_millis(50);
/// The time after which a stream without a change gets its position, as the contract has it.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// The time for which a page is kept for a consumer that does not read.
pub const PAGE_KEPT: Duration = Duration::from_secs(1);
/// The time after which the stream of a consumer that does not read ends, as the contract has it.
pub const READER_PATIENCE: Duration = Duration::from_secs(60);
/// Streams of changes at once: consumers are systems and not people, and each may hold two
/// messages.
pub const WATCHES: usize = 100;
/// Streams of one caller at once: one for each replica of a consumer, and some that have not ended
/// yet.
pub const WATCHES_OF_CALLER: usize = 20;
/// The wait that a consumer is asked for before it comes back.
pub const WATCH_RETRY: Duration = Duration::from_secs(1);
/// Subscriptions of an installation: each has a task in one process, and while it posts up to a
/// megabyte.
pub const SUBSCRIPTIONS: usize = 100;
/// Changes in a batch unless the definition says otherwise, as the contract has it.
pub const BATCH_SIZE: usize = 100;
/// The time for which a batch that is not full waits for more, unless its definition says another.
pub const BATCH_DELAY: Duration = Duration::from_secs(1);
/// The longest that a definition may have it wait.
pub const BATCH_DELAY_MOST: Duration = Duration::from_secs(3_600);
/// The time for which changes that were read for a batch may be posted without being read again:
/// what is erased in the log must not be posted long after.
pub const BATCH_FRESH: Duration = Duration::from_secs(2);
/// Subscriptions of a process that keep what they have read while they post: each page has some
/// megabytes. Others read it again.
pub const PAGES_KEPT: usize = 8;
/// The pause between two notes of how far a subscription has looked where nothing matches: it looks
/// through as much again after a crash.
pub const SCAN_NOTED: Duration = Duration::from_secs(5);
/// The time for which the word of a process counts that it is alive: another one posts for its
/// subscriptions after that.
pub const POSTER_TTL: kernel::Duration = kernel::Duration::from_millis(5_000);
/// The pause between two looks of a process at its share of the subscriptions: a few for each word.
pub const POSTER_PAUSE: Duration = Duration::from_secs(1);
/// The time that a look waits for tasks that are to end, so that others take their places at once:
/// the next look finds those that took longer.
pub const POSTER_HANDOVER: Duration = Duration::from_millis(200);
/// The time that posts under way may take to end when the process does: most receivers answer
/// within that, and the others get the same batch again.
pub const POSTER_DRAIN: Duration = Duration::from_secs(5);
/// The pause before a subscription asks the database again that did not answer.
pub const POSTER_RETRY: Duration = Duration::from_secs(1);
/// The time without a success after which a subscription is stopped, as the contract has it.
pub const RECEIVER_GIVEN_UP: kernel::Duration = kernel::Duration::from_days(5);
/// The shortest wait that a receiver may ask for: it asks because it has too much to do.
pub const RETRY_AFTER_LEAST: Duration = Duration::from_secs(1);
/// The longest wait that a receiver may ask for, as with activation.
pub const RETRY_AFTER_MOST: Duration = Duration::from_secs(24 * 3_600);
/// Letters that are kept of an error of a receiver.
pub const POST_ERROR_LETTERS: usize = 500;
