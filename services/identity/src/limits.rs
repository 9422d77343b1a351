//! Limits of the identity service, each with its reason.

use std::time::Duration;

/// Identifiers kept in the process: about 100 MB when full, so that an active base is resolved
/// without SQL.
pub const CACHED_IDENTIFIERS: u64 = 500_000;
/// Redirects of merged customers kept in the process, so that what is cached of them stays right.
pub const CACHED_REDIRECTS: u64 = 50_000;
/// The time for which a cached identifier counts: what another replica merged is seen no later.
/// Until then the state of the merged customer forwards the record. What another replica took apart
/// or moved is seen within [`FOLLOW_INTERVAL`].
pub const CACHE_TTL: Duration = Duration::from_secs(600);
/// Requests of a stream of look-ups that are answered at once: as many identifiers as a few
/// statements find.
pub const LOOK_UPS_UNDER_WAY: usize = 1_024;
/// The time for which a customer counts as not known: one who has logged in is known soon after.
pub const UNKNOWN_TTL: Duration = Duration::from_secs(5);
/// Pieces of evidence of one explanation: beyond this nobody reads on.
pub const EVIDENCE_TOLD: usize = 2_000;
/// Sentences of one explanation for people.
pub const SENTENCES_TOLD: usize = 200;
/// Events of one customer that an explanation counts sightings in: those of a busy year.
pub const SIGHTINGS_READ: usize = 10_000;
/// Events of one page of them.
pub const SIGHTINGS_PER_PAGE: usize = 1_000;
/// Simulations under way in one process: each holds up to 10,000 events and their customers.
pub const SIMULATIONS: usize = 4;
/// The time for which one counts where the policy gives identifiers to others and this process did
/// not hear from the tables for as long what other replicas moved: nothing forwards an event to
/// whom it should have gone.
pub const UNFOLLOWED_CACHE_TTL: Duration = Duration::from_secs(5);
/// The pause between two looks for what other processes erased, took apart and moved.
pub const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
/// Moved fragments that one look reads: with more of them everything cached is read anew.
pub const MOVED_READ: u64 = 10_000;
/// Changes whose moved fragments are kept for processes that have not heard of them yet: at a
/// thousand a second those of longer than a process may stand still.
pub const MOVED_KEPT: i64 = 100_000;
/// Changes after which those that are not to be kept are removed.
pub const MOVED_PRUNED: i64 = 1_000;
/// Identifiers looked up by one statement: beyond this, planning costs more than another round
/// trip.
pub const LOOKUP_IDENTIFIERS: usize = 1_000;
/// Customers whose details are looked up by one statement: each has up to a thousand identifiers.
pub const LOOKUP_CUSTOMERS: usize = 100;
/// Looks for what a batch needs to know beyond holders and counts: the first for the customers that
/// were asked for, the next for all, and some more where events that follow ask for others.
pub const NEEDS: u32 = 16;
/// Identifiers that were left out, of which a process remembers that they are on record: 10 MB.
pub const TOLD_DEMOTIONS: u64 = 100_000;
/// Values of a namespace that are read at once where its normaliser is to be changed.
pub const VALUES_PAGE: u64 = 1_000;
/// Values of a namespace up to which a change of its normaliser is held against all of them: it
/// takes a second or two.
pub const VALUES_HELD_AGAINST: usize = 200_000;
/// Rows written by one statement, below the 32,766 parameters that SQLite allows.
pub const ROWS_PER_STATEMENT: usize = 2_000;
/// Attempts to resolve a batch whose customers others change at the same time.
pub const RESOLVE_ATTEMPTS: u32 = 16;
/// The longest pause between two of them.
pub const RESOLVE_PAUSE: Duration = Duration::from_millis(100);
/// Fragments made by one process after which it has PostgreSQL look at the tables for the first
/// time.
pub const FIRST_ANALYSIS: u64 = 1_000;
/// The same for the last time: what grows beyond that is looked at by the server soon enough.
pub const LAST_ANALYSIS: u64 = 1_024_000;
/// Transactions of one process at a time on Postgres: more only wait for each other's rows.
pub const WRITERS: usize = 4;
/// The time for which a unary request tries to append before it is told that a stream is full.
pub const APPEND_PATIENCE: Duration = Duration::from_secs(2);
/// The time for which the caller of a unary request waits before it is told that a store does not
/// answer: longer than an append may take, shorter than clients wait.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(3);
/// The time that a call waits where events are paced and its caller sets no deadline, and that each
/// event of a stream does: longer than an attempt at a webhook that does not answer, of 22 seconds.
pub const PACED_PATIENCE: Duration = Duration::from_secs(60);
/// Unary requests under way at once: far more than a machine can work on, so only a store that does
/// not answer fills it.
pub const REQUESTS_UNDER_WAY: usize = 4_096;
/// The first and the longest pause between two attempts to append.
pub const APPEND_PAUSE: (Duration, Duration) =
    (Duration::from_millis(2), Duration::from_millis(100));
/// The time for which an event of a namespace that is not known waits for word whether another
/// process defined it: as long as that takes to be known everywhere.
pub const DEFINITIONS_PATIENCE: Duration = Duration::from_millis(500);
/// The wait that the caller of a full stream is asked for before it tries again.
pub const RETRY_DELAY: Duration = Duration::from_millis(500);
/// The wait that a caller is asked for whose partition has a full quarantine: an operator acts.
pub const QUARANTINE_RETRY_DELAY: Duration = Duration::from_secs(10);
/// The wait that a caller is asked for where there is no memory for the ledger of its import:
/// another import has to end.
pub const LEDGER_RETRY_DELAY: Duration = Duration::from_secs(10);
/// The pause between two looks for merges whose announcement was interrupted.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(500);
/// The age of a merge after which somebody else announces it. With [`ANNOUNCE_INTERVAL`] a second,
/// for which the survivor waits. A merge that is announced twice, since its first announcement
/// waits for room, changes nothing.
pub const ANNOUNCE_AFTER: kernel::Duration = kernel::Duration::from_millis(500);
/// The time for which one who took over an announcement is left alone with it: longer than it
/// tries, which is [`APPEND_PATIENCE`], and than it takes to note that it is done.
pub const ANNOUNCE_CLAIM: kernel::Duration = kernel::Duration::from_millis(5_000);
/// Overdue announcements under way in one process, beyond which it looks for no more.
pub const ANNOUNCEMENTS_UNDER_WAY: usize = 1_000;
/// Sources whose events were resolved, joined customers, and did not come into their streams, and
/// are not sent again yet: beyond so many, each one is taken for one of them.
pub const INTERRUPTED_SOURCES: usize = 10_000;
/// Merges taken over by one look.
pub const ANNOUNCE_MERGES: u64 = 100;
/// Memberships of one customer, those that ended among them: more than anybody has jobs and clubs.
pub const MEMBERSHIPS_OF_CUSTOMER: u64 = 1_000;
/// Memberships of one account, those that ended among them: they are counted when news of it are
/// told, which takes a tenth of a second then.
pub const MEMBERSHIPS_OF_ACCOUNT: u64 = 100_000;
/// Buying groups of one account: opportunities that a team can keep an eye on.
pub const BUYING_GROUPS_OF_ACCOUNT: u64 = 1_000;
/// Memberships that events said, of which a process remembers that they are on record: 20 MB.
pub const CACHED_MEMBERSHIPS: u64 = 200_000;
/// Pairs of a customer and an account that are looked up in that memory one by one where others
/// ended memberships of theirs: beyond this it is gone through.
pub const PAIRS_LOOKED_UP: usize = 10_000;
/// News of accounts taken over by one look.
pub const ACCOUNT_NEWS_TAKEN: u64 = 100;
/// Fragments whose memberships one look goes through.
pub const ACCOUNT_MOVES_TAKEN: u64 = 4;
/// Memberships of a merge or an unmerge that are told of at once; those behind them are told in
/// bulk.
pub const MEMBERSHIPS_TOLD_LIVE: u64 = 50;
/// Memberships of a merge or an unmerge that one look goes through.
pub const MEMBERSHIPS_MOVED: u64 = 500;
/// Memberships of whoever is erased that are deleted by one transaction.
pub const MEMBERSHIPS_FORGOTTEN: u64 = 500;
/// Customers of a page, where the request says nothing.
pub const PAGE_SIZE: usize = 100;
/// Fractions of a batch that may wait between resolution and the streams: one is resolved while one
/// is appended.
pub const BATCHES_AHEAD: usize = 1;
/// Messages of one stream under way at once: as many as small senders have calls.
pub const BATCHES_UNDER_WAY: usize = 128;
/// Events of the messages of one stream under way, at which no further message is begun.
pub const EVENTS_UNDER_WAY: usize = 4_000;
/// Bytes of those messages as they came, at which no further message is begun: with a message of
/// the largest size behind them they leave most of the memory for streams to others.
pub const BYTES_UNDER_WAY: usize = 2 * 1024 * 1024;
/// Dropped identifiers that one answer of a stream names, about 100 KB of usual ones: a batch that
/// has more of them has one cause.
pub const DROPPED_TOLD: usize = 1_000;
/// Bytes of faults that one answer lists beyond the first fault of each refused event. With that,
/// and with the identifiers above, an answer stays below the 4 MiB that clients take by default.
pub const REJECTED_BYTES: usize = 1024 * 1024;
/// Time for which a stream goes by the mark of its source that it read: what another call took of
/// the source meanwhile is told by the ids of the events, for a day.
pub const SOURCE_MARK_TTL: Duration = Duration::from_secs(600);
/// Time for which the ledger of an import knows an event that it has taken, as the contract says.
pub const IMPORT_RETENTION: kernel::Duration = kernel::Duration::from_days(30);
/// Time beyond that in which a ledger in memory may still know an event: a ledger is read anew once
/// for it, and an import that goes on every day has something to forget at any time.
pub const IMPORT_GRACE: kernel::Duration = kernel::Duration::from_millis(3_600_000);
/// Time beyond [`IMPORT_RETENTION`] after which batches are removed: longer than
/// [`IMPORT_GRACE`], so that nobody goes on from the number of a batch that is gone.
pub const IMPORT_PRUNE_AFTER: kernel::Duration = kernel::Duration::from_days(1);
/// The pause between two looks for batches of imports that are to be removed.
pub const PRUNE_INTERVAL: kernel::Duration = kernel::Duration::from_millis(3_600_000);
/// Batches of imports removed by one statement: some ten megabytes of marks.
pub const PRUNED_AT_ONCE: u64 = 1_000;
/// Bytes of all ledgers of imports in a process: 17 million events, in a quarter of the memory that
/// a container has. Of those whose calls are over, the one used longest ago is forgotten first.
pub const LEDGER_BYTES: usize = 192 * 1024 * 1024;
/// Bytes that a ledger counts for beside its events, so that there are not too many of them.
pub const LEDGER_OWN_BYTES: usize = 1_024;
/// Time after which a ledger in memory is forgotten that no call needs.
pub const LEDGER_IDLE: Duration = Duration::from_secs(600);
/// Batches of a ledger that are read by one statement: 2.5 MB at the most usual size, 5 at 1,000
/// events.
pub const LEDGER_PAGE: u64 = 512;
/// Bytes of the records of one imported batch, unpacked: a message, as much again for what is known
/// of its customers, and twice that for the accounts of its groups: each has the id and the name of
/// the event, and the news of its new member.
pub const RECORDS_BYTES: usize = 4 * kernel::limits::MESSAGE_BYTES;
/// The pause between two looks for imported batches that are not in their streams yet, after which
/// the records of those that are there are removed.
pub const LEDGER_INTERVAL: Duration = Duration::from_secs(1);
/// The age of such a batch after which anybody brings it there: longer than most appends take.
/// It may go twice, since the streams know how far they have taken a call.
pub const BATCH_OVERDUE: kernel::Duration = kernel::Duration::from_millis(10_000);
/// Overdue batches that are brought to their streams by one look.
pub const OVERDUE_BATCHES: u64 = 64;
/// The time by which an event may be dated ahead of the wall clock: a sender's clock in any zone,
/// set by hand, is less wrong.
pub const EVENT_AHEAD: kernel::Duration = kernel::Duration::from_days(1);
/// The earliest time of an event: no computer told the time of what happened before it, and a
/// customer would have been first seen then for good.
pub const EARLIEST: kernel::Timestamp = kernel::Timestamp::from_millis(0);
/// A sender's clock may be so far ahead of this process's: it is corrected by no less, and a time
/// further ahead is taken for the time of receiving, so that no trait is locked until then.
/// Networks take time and never give any, so a message that was sent later than it came says how
/// wrong a clock is.
pub const SENDER_AHEAD: kernel::Duration = kernel::Duration::from_millis(60_000);
/// And so far behind: a message that was sent earlier may have been on its way for long, as a later
/// try that says when the first one was sent.
pub const SENDER_BEHIND: kernel::Duration = kernel::Duration::from_millis(3_600_000);
/// The time by which one event may move a virtual clock: a year of silence is a story, more is a
/// mistyped date that would let every timer fire.
pub const VIRTUAL_LEAP: kernel::Duration = kernel::Duration::from_days(400);

const _: () = assert!(
    APPEND_PATIENCE.as_millis() * 2 <= ANNOUNCE_CLAIM.as_millis().unsigned_abs() as u128,
    "a claim lasts longer than its holder tries",
);
const _: () = assert!(
    IMPORT_GRACE.as_millis() < IMPORT_PRUNE_AFTER.as_millis(),
    "a ledger is read anew before its batches are removed",
);
