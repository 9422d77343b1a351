//! Limits of the journal, each with its reason.

use std::time::Duration;

/// Bytes read from the log at once, and written to a stream at once, by a recovery: a few large
/// calls, and little memory.
pub(crate) const READ_BYTES: usize = 1024 * 1024;
/// States written to the hot store at once by a recovery: about two milliseconds of Redis, and
/// fewer than a commit may have.
pub(crate) const STATES_PER_PART: usize = 256;
/// States, counters, timers and messages that commits of one call change together: with their
/// arguments, half of what a function of Redis can be given.
pub(crate) const RUN_PARTS: usize = 1_024;
/// The number of times that the holder of a gate says within the gate's time that it is alive: a
/// call that takes long, or is lost, leaves time for others.
pub(crate) const HOLDS_PER_TTL: u32 = 4;
/// The shortest time for which a gate is respected, whatever the time of leases: a machine that is
/// busy with a recovery is this late at times.
pub(crate) const GATE_TTL_LEAST: Duration = Duration::from_secs(1);
/// The time between two lines that a long recovery logs.
pub(crate) const PROGRESS_INTERVAL: Duration = Duration::from_secs(4);
/// Partitions that one process recovers at once: enough to keep the database and the hot store busy
/// in turn, few enough that the first ones serve again long before the last.
pub(crate) const RECOVERIES_AT_ONCE: usize = 4;
/// The time after which one who waits for a turn looks whether somebody else has recovered the
/// partition.
pub(crate) const TURN_LOOK: Duration = Duration::from_millis(200);
/// The time after which it is looked again whether a partition is whole, where others recover it or
/// the store loses something meanwhile, before the caller is told to try again.
pub(crate) const LOOKS: u32 = 4;
/// The number of times that a recovery begins again because the store has gone back meanwhile, to a
/// copy in which its gate is closed.
pub(crate) const RECOVERY_ROUNDS: u32 = 8;
/// How far a fence is raised above the last epoch that the store or the journal know: further than
/// a partition is opened without a commit, which a store that is an older copy of itself knows
/// nothing of.
pub(crate) const FENCED_EPOCHS: u64 = 100;
/// Entries of a writer that are read from before those that are needed, to find which of two with
/// the same source was taken: two processes race for a source within seconds.
pub(crate) const ENTRIES_LOOKED_BACK: u64 = 256;
/// Writers that are asked for such entries, the newest first: the others ended long ago.
pub(crate) const WRITERS_LOOKED_BACK: usize = 64;
/// How long an open waits for entries that are in the log and not yet in the store, since whoever
/// wrote them is about to bring them; the waits double up to this, and then they count as lost.
pub(crate) const ENTRY_ON_ITS_WAY: Duration = Duration::from_millis(320);
/// The first of those waits.
pub(crate) const ENTRY_FIRST_WAIT: Duration = Duration::from_millis(10);
/// How often an append is tried again with a store that does not answer, before its caller is told
/// so.
pub(crate) const APPEND_ATTEMPTS: u32 = 6;
/// The first wait before that; it doubles.
pub(crate) const APPEND_FIRST_WAIT: Duration = Duration::from_millis(10);
/// Bytes of appends that one row carries together: more would only make rows and entries large, of
/// which each is read as a whole.
pub(crate) const JOINED_BYTES: usize = 64 * 1024;
/// Answers kept for callers that were told to try again; who does not soon has given up. As many as
/// one row may answer.
pub(crate) const UNASKED_ANSWERS: usize = 64;
/// Bytes of those appends, of each stream.
pub(crate) const UNASKED_BYTES: usize = 1024 * 1024;
/// Appends that one row carries together.
pub(crate) const JOINED_APPENDS: usize = UNASKED_ANSWERS;
/// How long the length of a stream that was read is trusted.
pub(crate) const LENGTH_TTL: Duration = Duration::from_secs(1);
/// Appends of this process to a stream before its length is read again: others append too.
pub(crate) const LENGTH_APPENDS: u64 = 64;
/// How long the sources of a stream that were read are trusted: a client that moves to another
/// process and back finds its mark there, and what it sends twice within is told apart by the
/// store.
pub(crate) const SOURCES_TTL: Duration = Duration::from_secs(5);
/// How often the background task looks for appends that were accepted and did not reach the store.
pub(crate) const REDELIVERY_INTERVAL: Duration = Duration::from_secs(1);
/// How often the background task looks for partitions to fold.
pub(crate) const FOLD_INTERVAL: Duration = Duration::from_secs(5);
/// Bytes of commits after a snapshot before it is made anew, however small it is: reading them back
/// takes a second or so.
pub(crate) const FOLD_LEAST_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of commits taken into one snapshot: they are in memory while it is made.
pub(crate) const FOLD_MOST_BYTES: u64 = 64 * 1024 * 1024;
/// The least age of commits that are cut because they hold what is erased: several times as
/// long as a statement that began before them may be under way, and as clocks differ.
pub(crate) const FORGOTTEN_COMMIT_AGE: kernel::Duration = kernel::Duration::from_millis(60_000);
/// The same for entries.
pub(crate) const FORGOTTEN_ENTRY_AGE: kernel::Duration = kernel::Duration::from_millis(45_000);
/// Rows of the event log that are looked at in one call for what is erased, without their events.
pub(crate) const ERASED_HEADERS: usize = 4_096;
/// Rows that are looked at by one statement of it.
pub(crate) const ERASED_HEADERS_PER_READ: usize = 512;
/// Rows that are read with their events in one call: some tenths of a second.
pub(crate) const ERASED_ROWS: usize = 256;
/// How often a slot is asked for events that are older than they are kept: so many times while they
/// get that old.
pub(crate) const EVENT_CUTS: u32 = 24;
/// The shortest time between: a few statements for each partition.
pub(crate) const EVENT_CUT_LEAST: Duration = Duration::from_secs(60);
/// The longest.
pub(crate) const EVENT_CUT_MOST: Duration = Duration::from_secs(6 * 3_600);
/// Batches that are cut of a stream before other slots have their turn.
pub(crate) const CUT_BATCHES: usize = 16;
/// How long a snapshot counts at the least before it is made anew only so that the events after it
/// can be cut.
pub(crate) const EVENT_FOLD_AGE: Duration = Duration::from_secs(3_600);
/// How old commits get before they are folded, where that costs little.
pub(crate) const FOLD_AGE: Duration = Duration::from_secs(300);
/// A snapshot that is at most this many times as large as the commits after it is made anew by age.
pub(crate) const FOLD_AGE_RATIO: u64 = 16;
/// Bytes of a chunk of a snapshot: a row that SQL reads in one go, and little memory. One state may
/// add its own size.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of a chunk, or of what a snapshot says beside its chunks, once decompressed: what claims
/// more is damaged.
pub(crate) const UNPACKED_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of a chunk of a run while partitions are changed: one of each new partition is in memory,
/// and one of each old one.
pub(crate) const RUN_BYTES: usize = 64 * 1024;
/// Bytes of entries that wait and go on where the number of partitions changes: they are in memory
/// together, and what waits for long is behind for a reason.
pub(crate) const WAITING_BYTES: usize = 256 * 1024 * 1024;
/// Places with something left that a message names.
pub(crate) const LEFT_SHOWN: usize = 8;
