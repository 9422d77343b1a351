//! Limits of the engine, each with its reason.

use std::time::Duration;

pub use kernel::limits::LEASE_TTL;

/// Heartbeats of a process while a lease lasts: one may be lost.
pub const HEARTBEATS_PER_LEASE: u32 = 3;
/// The least time that the database has to answer a heartbeat, however short leases are.
pub const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// The clock of a machine may differ from the database's by so much, beyond what the time of an
/// answer explains; a process whose clock differs by more owns nothing. Machines that are told the
/// time differ by milliseconds, and waits that are off by some seconds hurt nobody.
pub const CLOCK_SKEW: kernel::Duration = kernel::Duration::from_millis(5_000);
/// How often placement looks at the members: a partition that is handed over rests for up to this
/// and a little more.
pub const PLACEMENT_ROUND: Duration = Duration::from_millis(500);
/// How soon a partition that another process still holds is tried again.
pub const ACQUIRE_RETRY: Duration = Duration::from_millis(100);
/// Bytes of encoded states kept decoded in one engine, over the partitions that it owns: about 200
/// MB decoded when full.
pub const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// How soon a partition that was lost is had again, if it was lost before within [`LOST_OFTEN`].
pub const LOST_AGAIN_RETRY: Duration = Duration::from_millis(200);
/// How long after a loss another one means that having it again at once does not help.
pub const LOST_OFTEN: Duration = Duration::from_millis(2_000);
/// How long a partition waits for word of newer definitions before it asks again: others wait for
/// its turn meanwhile, and a process that ends for all of them.
pub const REFRESH: Duration = Duration::from_secs(2);
/// How long a process that ends waits for the round of placement that is under way, which takes
/// milliseconds.
pub const LAST_ROUND: Duration = Duration::from_secs(1);
/// How long a process that ends tries to give its leases back, which lapse otherwise.
pub const HAND_OVER: Duration = Duration::from_secs(3);
/// Partitions that work at once: about four commits in flight fill a Redis primary, or the disk of a
/// journal, and who waits grows its batch, which costs little more than a small one.
pub const PARALLEL_TICKS: usize = 4;
/// States of a partition that hold changes on their way to the log of changes. A worker commits
/// some hundred times a second and the log is written ten times, so that some tens are in use.
/// A worker whose log is behind by all of them waits.
pub const CHANGE_STATES: u16 = 256;
/// Bytes of changes in one such state: half of what a state may hold, so that a change is far from
/// being too large for one.
pub const CHANGES_PER_STATE_BYTES: usize = hot::limits::STATE_BYTES / 2;
/// Such states that a commit of legal size can write: of two that follow each other, both together
/// are over [`CHANGES_PER_STATE_BYTES`]. Fewer that are free make a worker wait.
pub const CHANGE_STATES_PER_COMMIT: u16 = 8;
/// Bytes of changes of a partition that are not in the log and make its worker wait: all partitions
/// of three services together stay below 1 GiB in Redis while SQL is away.
pub const CHANGES_BYTES: usize = 4 * 1024 * 1024;
/// States of changes that are in the log and that a commit removes beside what else it does. A
/// commit that adds some writes over others that are, so that this is more than one adds.
pub const LOGGED_PER_COMMIT: usize = 16;
/// Bytes of changes that are in the log and that an idle partition keeps: what is left then is no
/// more than a few states of customers, and not worth a commit.
pub const LOGGED_BYTES: usize = 64 * 1024;
/// Customers touched by one batch, and keys written by it before it is cut: about two milliseconds
/// of Redis. A commit may write more, for the parts of one customer change together.
pub const STATES_PER_BATCH: usize = 256;
/// Parts of states read at once: at 1 to 2 KiB each about two megabytes of an answer.
pub const PARTS_PER_READ: usize = 1_024;
/// The first wait of a read for a commit that nobody tells of; it doubles up to [`READ_RETRY_MAX`].
/// A commit takes some milliseconds, and nearly all are told of.
pub const READ_RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest such wait: a read that is told of nothing asks so often.
pub const READ_RETRY_MAX: Duration = Duration::from_millis(640);
/// Messages of an outbox that a read looks at in one call.
pub const OUTBOX_PER_READ: usize = 64;
/// Such calls before a read waits until those messages have left: they may have megabytes.
pub const OUTBOX_READS: usize = 4;
/// Unread entries of a low-priority stream that a read looks through for records of its customer.
/// Where more wait, the read waits until there are fewer. Twice [`OUTPUT_ENTRIES`], at which the
/// writers of such a stream wait, so that this is rare.
pub const ENTRIES_LOOKED_THROUGH: u64 = 2 * OUTPUT_ENTRIES;
/// Looks of a reader at a customer who changes meanwhile, or whose parts lead to others.
pub const READ_ROUNDS: usize = 8;
/// Records in one batch: several of one customer share a write.
pub const RECORDS_PER_BATCH: usize = 1_024;
/// Bytes that a batch plans to commit: half of what a commit may hold, since states may grow.
pub const BYTES_PER_BATCH: usize = hot::limits::COMMIT_BYTES / 2;
/// Timers fired by one batch, so that records get their turn after an outage.
pub const TIMERS_PER_BATCH: usize = STATES_PER_BATCH / 2;
/// Entries read at once from a stream.
pub const ENTRIES_PER_POLL: usize = 64;
/// The longest that a timer which is due waits for a service before this one that does not go on.
/// An outage that is longer costs order, a shorter one only time.
pub const GRACE: kernel::Duration = kernel::Duration::from_millis(300_000);
/// The share of a batch, one in this many, that low-priority records get while live ones wait.
pub const BULK_SHARE: usize = 4;
/// The share of a batch, one in this many, that is kept for each other live stream that waits.
pub const LIVE_SHARE: usize = 8;
/// Entries of an output stream that make its writer wait for its reader. Far below what the store
/// allows, so that records from outside still find room.
pub const OUTPUT_ENTRIES: u64 = 512;
/// Redirects of a merged customer that a read follows. Flattening leaves one, and a customer has at
/// most 100 fragments: ten times as many are damage.
pub const REDIRECTS_PER_READ: usize = 1_000;
/// Bytes of a piece of a state that moves, with more than one part in it: four fill a batch, and a
/// reader that takes in one has room for much else in its commit.
pub const PIECE_BYTES: usize = 128 * 1024;
/// Parts of a piece: the batch that stores or removes them has room for other states.
pub const PARTS_PER_PIECE: usize = 64;
/// Pieces of one customer that one batch sends: as many bytes as it plans to commit. On a clock it is
/// half as many, so that other customers have room.
pub const PIECES_PER_BATCH: usize = BYTES_PER_BATCH / PIECE_BYTES;
/// Records of one customer that wait for the state of another: where more come, the customer goes
/// on without, and what was done with those of the other is not known. As many as five hundred a
/// second in the time that a state may take ([`MERGE_GRACE`]).
pub const PARKED_RECORDS: u64 = 16_384;
/// Bytes of those records: a kilobyte for each.
pub const PARKED_BYTES: u64 = PARKED_RECORDS * 1_024;
/// Records that waited and that one batch takes before anything else of their customer: a quarter
/// of its states, so that other customers have the rest.
pub const PARKED_PER_BATCH: usize = 64;
/// Parts of states on their way, and of records that wait, that a commit removes of a customer who
/// is erased, beside those of the state itself: together they are below what a store takes.
pub const PARTS_ERASED: usize = 900;
/// The time after which the other customer is told again, where one waits for a state, or the own
/// one has not arrived; it doubles. A word is only lost where the store lost its newest writes.
pub const MERGE_RETRY: kernel::Duration = kernel::Duration::from_millis(5_000);
/// The same on stream time, where hours may pass in the milliseconds that a state takes.
pub const MERGE_RETRY_STREAM: kernel::Duration = kernel::Duration::from_millis(6 * 3_600_000);
/// The most times that such a wait doubles.
pub const MERGE_DOUBLINGS: u32 = 8;
/// The time that a customer waits for the state of another before it goes on without. A state takes
/// some hundred milliseconds at the most, unless a service on its way is away: its successor has
/// its partitions within the time of a lease, 10 s.
pub const MERGE_GRACE: kernel::Duration = kernel::Duration::from_millis(30_000);
/// Customers who left another by unmerges and that it remembers, so that what comes for them goes on
/// to them: as many as a customer may have fragments. Where there were more, what comes for the
/// oldest by an old cache is taken by the one they were part of.
pub const GONE_CUSTOMERS: usize = 100;
/// Unmerges by which a customer came out of others, and that it remembers. Where there were more,
/// what comes by caches that are older than these goes where the oldest of them leads.
pub const PAST_SPLITS: usize = 32;
/// Words of merges and unmerges of a customer that wait until those of before are done, and questions
/// of others: as many as a customer may have fragments, and some more. Beyond that they are set aside.
pub const WORDS: usize = 128;
/// Messages forwarded from an outbox at once.
pub const FORWARDS_PER_READ: usize = 64;
/// Messages to other partitions under one lease, at the most: two years of a thousand a second.
/// Numbers of messages of 134 million leases fit into the signed integers of SQL.
pub const MESSAGES_PER_LEASE: u64 = 1 << 36;
/// The time that a waiting worker trusts that it was told of every new record, in a process that
/// owns up to [`SAFETY_POLL_PARTITIONS`]. With more it is longer in proportion, so that partitions
/// in which nothing happens cost as much together however many they are.
pub const SAFETY_POLL: Duration = Duration::from_secs(10);
/// The partitions that a process looks at within [`SAFETY_POLL`], each with some calls of a store.
pub const SAFETY_POLL_PARTITIONS: usize = 64;
/// The first wait for the reader of an output; it doubles up to [`HELD_RETRY_MAX`].
pub const HELD_RETRY_MIN: Duration = Duration::from_millis(5);
/// The longest wait for the reader of an output: it has hundreds of entries to read meanwhile.
pub const HELD_RETRY_MAX: Duration = Duration::from_millis(40);
/// The first wait with a due timer for the services before this one; it doubles up to
/// [`BEHIND_RETRY_MAX`].
pub const BEHIND_RETRY_MIN: Duration = Duration::from_millis(5);
/// The longest such wait, where there is no news: each look is a call of the store.
pub const BEHIND_RETRY_MAX: Duration = Duration::from_millis(320);
/// The longest wait of a partition without room in its quarantine before it tries the record again
/// that it waits with: it is told of every command that may make room.
pub const FULL_RETRY: Duration = Duration::from_secs(1);
/// The first wait after a store did not answer; it doubles up to [`RETRY_MAX`].
pub const RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest wait after a store did not answer.
pub const RETRY_MAX: Duration = Duration::from_millis(500);
/// Calls of a store made at once by one question of an operator.
pub const PARALLEL_READS: usize = 16;
/// Bytes of the text that says why a record was quarantined.
pub const REASON_BYTES: usize = 500;
/// Quarantined records read at once: a note about further tries is read with each.
pub const QUARANTINED_PER_READ: usize = 64;
/// Bytes of quarantined records read at once, and of one page of them, but for a record that is
/// larger alone: with their text beside them they fit into an answer.
pub const QUARANTINED_PAGE_BYTES: usize = 256 * 1024;
/// Quarantined records that one request retries or discards: its commands fit into one entry of a
/// stream.
pub const QUARANTINED_PER_ORDER: usize = 500;
/// Commands about the quarantine in one batch: each may need a whole record and a state, and as
/// many again may wait.
pub const COMMANDS_PER_BATCH: usize = 32;
/// Inputs that are found to be poison in one batch: each has everything before it in the batch run
/// again.
pub const POISON_PER_BATCH: usize = 16;
/// Waits of one customer that are set aside alone: where more fail, something is wrong with all of
/// them, and they are tried together.
pub const WAITS_ASIDE: usize = 16;
/// The first wait of a timer that cannot be processed; it doubles up to [`TIMER_RETRY_MAX`].
pub const TIMER_RETRY_MIN: kernel::Duration = kernel::Duration::from_millis(10_000);
/// The longest such wait: a program that has learned to process it does so within the hour.
pub const TIMER_RETRY_MAX: kernel::Duration = kernel::Duration::from_millis(3_600_000);
/// How often an engine that is measured looks at what its partitions have before them.
pub const BACKLOG_INTERVAL: Duration = Duration::from_secs(5);
/// How often a question whether all is done looks again at deliveries under way, which send no
/// news.
pub const DISPATCH_POLL: Duration = Duration::from_millis(5);
/// What a state is expected to grow by in one batch, for planning its commit.
pub const STATE_GROWTH_BYTES: usize = 256;
/// How long a partition rests that cannot be worked on, such as one whose store is damaged.
pub const LOST_RETRY: Duration = Duration::from_millis(5_000);
