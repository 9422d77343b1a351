//! Limits of segmentation, each with its reason.

use kernel::Duration;

/// The newest events of a history, each kept by itself, so that windows over no more of them are
/// exact.
pub const EXACT_EVENTS: u64 = 512;
/// Runs in a block of a history: an edge of a window scans one block, and a late event rewrites
/// one.
pub const BLOCK_RUNS: usize = 64;
/// Runs in a block of joined runs: they are read where an edge of a window lies among them and
/// rewritten when more are joined. Larger ones are fewer, and each has its sums in the index of its
/// history, which every block that is sealed rewrites.
pub const JOINED_BLOCK_RUNS: usize = 256;
/// Sealed blocks that the head of a history lists with their sums. The index of more is a part of
/// its own, so that an event does not rewrite it. As many as the exact part has: most customers
/// have fewer, and need no further key.
pub const LISTED_BLOCKS: usize = 8;
/// Numbers of blocks that are read from the listings of one state: far more than a customer has
/// parts, so that a damaged state is refused before it takes the memory of a process.
pub const LISTED_NUMBERS: usize = 65_536;
/// Bytes of the histories that stand in the head of a state together: half of what a head should
/// have. The largest go apart when there are more.
pub const INLINE_BYTES: usize = decision::limits::HEAD_BYTES / 2;
/// Bytes of the histories that stand in the head after a merge above which those of fragments are
/// joined, so that many merged customers with many small histories fit one state.
pub const FRAGMENTS_INLINE_BYTES: usize = 64 * 1024;
/// Bytes of the fragments of a merged customer that stand in the head of its state together, beside
/// their histories: a quarter of what a head should have. The largest go apart when there are more.
pub const FRAGMENTS_BYTES: usize = decision::limits::HEAD_BYTES / 4;
/// Bytes of a history below which it stays in the head: a key of its own costs the store more than
/// that.
pub const LEAST_APART_BYTES: usize = 128;
/// Runs that gather behind the exact part, beyond half as many as there are, before they are
/// joined.
pub const GATHERED_RUNS: u32 = 128;
/// What part of a window its oldest edge may be off by, once events behind the exact part are
/// joined.
pub const WINDOW_PARTS: i64 = 256;
/// How long a history is kept and fed after the last segment that reads it is gone: a segment that
/// is deleted and made again, or a window that shrinks and grows again, within that time loses
/// nothing.
pub const UNREAD_KEPT: Duration = Duration::from_days(7);
/// How much later than it happened an event may arrive and still be placed at its exact effective
/// time.
pub const LATE_HORIZON: Duration = Duration::from_days(7);
/// Names of events counted for one customer: a state is loaded whole. Names that definitions read
/// are always counted.
pub const NAMES_PER_CUSTOMER: usize = 200;
/// Bytes of all values of traits of one customer, so that a state stays far below what a store
/// takes. They are counted as journeys count them, which keep the same traits in the same room.
pub const TRAIT_BYTES: usize = kernel::limits::TRAIT_BYTES_PER_PROFILE;
/// Traits without a value of which is remembered that they have none, the latest: removed ones, so
/// that no late event brings them back, and those that found no room. A customer whose events
/// remove more loses what was removed first; a late event can set that again. With names of
/// ordinary length they take 2 KB.
pub const ABSENT_TRAITS: usize = 64;
/// Events shown as the recent past.
pub const RECENT_EVENTS: usize = 20;
/// Properties of a recent event that are kept for people.
pub const RECENT_PROPERTIES: usize = 20;
/// Characters of a text of a recent event that are kept for people.
pub const RECENT_TEXT_CHARS: usize = 120;
/// Bytes of a recent event that are kept for people, so that all of them take less than a sixth of
/// a state, whatever letters their texts have: properties that find no room are not shown.
pub const RECENT_EVENT_BYTES: usize = 4 * 1024;
/// Values of a list of a recent event that are kept for people.
pub const RECENT_LIST_VALUES: usize = 8;
/// The newest ids of events that stand in the head of a state at the least: a sender repeats what
/// it sent last, and most customers have no more of them in the time for which ids are remembered.
pub const HEAD_EVENT_IDS: usize = 32;
/// Ids that leave the head for a block at once: a block is written as seldom, and the head has at
/// the most so many more. A block is full with a whole number of them.
pub const MOVED_EVENT_IDS: usize = 32;
/// Ids that stand in the head of a merged customer at the most. The fragments take turns, so that
/// each has blocks of some size: a block is of one fragment.
pub const MERGED_HEAD_EVENT_IDS: usize = 128;
/// Ids in a full block: some 5 KB, of which the key takes less than 3 %.
pub const EVENT_IDS_IN_BLOCK: usize = 512;
/// Instants at which time changed something, caught up in one step; the rest follows at once, by
/// the timer.
pub const INSTANTS_PER_STEP: usize = 256;
/// Instants tried to place the effective time of a change by a late event.
pub const LATE_INSTANTS: usize = 1_024;
/// Names of events that a partition counts one by one; all further ones are counted together. Ten
/// times as many as one customer keeps, and 64 partitions hold no more than some 10 MB of them.
pub const EVENT_NAMES: usize = 2_000;
