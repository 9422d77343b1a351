//! Limits of the journey core: one budget for the state of a customer, and the share that each part
//! has of it.
//!
//! The shares add up to less than [`STATE_BYTES`], and every part is held to its own: so no input
//! makes a state too large, and two states that are folded into one neither. They are bytes of the
//! stored form, counted at the most.

use decision::limits::HEAD_BYTES;
use kernel::limits::{TRAIT_BYTES_PER_PROFILE, TRAITS_PER_PROFILE};
use kernel::{Duration, Room};

use crate::state::Pages;

/// Bytes of one state: an eighth less than the hot store takes, so that a moved state fits into one
/// commit beside what it causes, and so that parts can grow by what later versions add.
pub const STATE_BYTES: usize = 448 * 1024;

/// The traits: what segmentation keeps. Facts tell only what changes, so a trait for which there
/// was no room here would be missing for good.
pub const TRAITS: Room = Room {
    bytes: TRAIT_BYTES_PER_PROFILE,
    values: TRAITS_PER_PROFILE,
};
/// Bytes of the names of segments: 500 of the longest, some 1,500 as people name them.
pub const SEGMENT_BYTES: usize = 32 * 1024;
/// Positions, one for each map.
pub const POSITIONS: usize = 200;
/// Bytes of the progress on happy paths: five paths of the longest names and the most milestones,
/// some hundred as people write them. Each is counted with all that can still happen on it.
pub const PROGRESS_BYTES: usize = 64 * 1024;
/// Runs under way of one customer: each is looked at with every fact of the customer.
pub const RUNS_ACTIVE: usize = 25;
/// Bytes of the properties that all runs keep of the events that triggered them, for conditions and
/// templates: a share for each run, and one event as large as events may be beside them.
pub const TRIGGER_BYTES: usize = RUNS_ACTIVE * TRIGGER_SHARE + EVENT_BYTES;
/// Bytes of them that every run may have, whatever the others keep.
pub const TRIGGER_SHARE: usize = 4 * 1024;
/// Values of one of these events, which has no more.
pub const TRIGGER_VALUES: usize = 100;
/// Bytes of the properties of an event of 32 KiB, as they are counted here: with its names and
/// frames.
const EVENT_BYTES: usize = 36 * 1024;
/// Ended runs kept for display.
pub const RUNS_ENDED: usize = 20;
/// The same in pages: the end of a run rewrites a kilobyte and a half at the most.
pub(crate) const ENDED_PAGES: Pages = Pages {
    entries: RUNS_ENDED,
    per_page: 4,
};
/// Bytes of the ends of runs kept for re-entry: 2,700 ends of few journeys, 450 of as many with the
/// longest names.
pub const ENDING_BYTES: usize = 48 * 1024;
/// Ends kept of one journey: no journey takes all the room that there is.
pub const ENDINGS_PER_JOURNEY: usize = 1_000;
/// Bytes of the arms that a customer was given: a hundred as people name them, some thirty of the
/// longest names. The oldest make room, and are given anew by the customer's id.
pub const ASSIGNMENT_BYTES: usize = 6 * 1024;
/// Bytes of one stored assignment beside its names.
pub(crate) const ASSIGNMENT_FRAME_BYTES: usize =
    STORED_FRAME + 3 * 2 + 9 + STORED_TIME + STORED_ID + STORED_ORDINAL;
/// History kept for display: a page of it.
pub const HISTORY: usize = 50;
/// The same in pages: a new entry rewrites three kilobytes at the most, half of one as a rule.
pub(crate) const HISTORY_PAGES: Pages = Pages {
    entries: HISTORY,
    per_page: 8,
};
/// Bytes of the detail of one entry of the history: a name, or the beginning of a condition.
pub const DETAIL_BYTES: usize = 200;

/// Bytes of a name of a definition or of a part of one, as the contract has it.
pub const NAME_BYTES: usize = 64;
/// Bytes of a run's key: ids of orders and the like.
pub const KEY_BYTES: usize = 200;
/// Bytes of a trace context that a run keeps: the form in use has 55. A longer one is left out.
pub const TRACE_BYTES: usize = 64;
/// Passages kept of one milestone of a happy path: one ahead of its turn, and one in its turn.
pub const PASSAGES_PER_MILESTONE: usize = 2;

/// The longest time that happy paths remember what came before their beginning, and the usual one:
/// a year of history, imported file by file, and a month.
pub const HORIZON: Duration = Duration::from_days(400);
/// Events remembered of one milestone: the first ones, and the newest.
pub const REMEMBERED_PER_MILESTONE: usize = 8;
/// Bytes of all that happy paths remember: eight paths of three milestones, as people name them.
/// What has no room is not remembered.
pub const REMEMBERED_BYTES: usize = 4 * 1024;

/// Bytes of the trails of a merged customer: some sixty fragments on a happy path or two, as people
/// write them. The largest are lost where there are more: of those fragments only what counts for
/// the joined customer is told apart again.
pub const TRAIL_BYTES: usize = 24 * 1024;
/// Sections of the trails: an event writes those of its fragment, and of every eighth beside it.
pub const TRAIL_SECTIONS: u16 = 8;

/// Sections of what is kept by the name of a definition: positions, progress, ends of runs, arms.
/// Where each has all that it may, a section has two to four kilobytes.
pub const SECTIONS_BY_NAME: u16 = 16;
/// Bytes of the sections that stand in the head of a state together. The largest go apart where
/// there are more.
pub const INLINE_BYTES: usize = HEAD_BYTES - 2_784;
/// Bytes of fields that only a newer version knows, for a merge to take over.
pub const UNKNOWN_BYTES: usize = 1_024;

/// Bytes of a stored name, with its tag and length.
const STORED_NAME: usize = NAME_BYTES + 2;
/// Bytes of a stored instant, count or reason code, with its tag.
const STORED_TIME: usize = 11;
const STORED_COUNT: usize = 6;
const STORED_REASON: usize = 26;
const STORED_ID: usize = 18;
/// Bytes of a stored number of a fragment, with its tag.
const STORED_ORDINAL: usize = 3;
/// Bytes of the tag and length of a stored part.
const STORED_FRAME: usize = 4;

/// Bytes of one stored run, without what it keeps of its event.
const RUN_BYTES: usize = STORED_FRAME
    + STORED_ID
    + 3 * STORED_NAME
    + (KEY_BYTES + 3)
    + (TRACE_BYTES + 2)
    + 2 * STORED_COUNT
    + 4 * STORED_TIME
    + STORED_ORDINAL
    + 2;
/// Bytes of one stored run that ended.
const ENDED_RUN_BYTES: usize = STORED_FRAME
    + STORED_ID
    + STORED_NAME
    + (KEY_BYTES + 3)
    + 2 * STORED_COUNT
    + 2 * STORED_TIME
    + STORED_REASON
    + STORED_ORDINAL
    + 2;
/// Bytes of one stored entry of the history.
const HISTORY_BYTES: usize = STORED_FRAME
    + STORED_ID
    + 2 * STORED_NAME
    + STORED_TIME
    + STORED_REASON
    + (DETAIL_BYTES + 3)
    + STORED_ORDINAL;
/// Bytes of one stored position.
const POSITION_BYTES: usize = STORED_FRAME + 2 * STORED_NAME + STORED_TIME + STORED_ORDINAL;
/// Bytes of one page beside its entries.
const PAGE_BYTES: usize = STORED_FRAME + STORED_COUNT;
/// Parts of one state that may be kept apart.
const PARTS: usize = 3
    + 4 * SECTIONS_BY_NAME as usize
    + TRAIL_SECTIONS as usize
    + RUNS_ACTIVE
    + ENDED_PAGES.most()
    + HISTORY_PAGES.most();
/// Bytes of a part in the list that the head has of them.
const LISTED_BYTES: usize = 2 + 2 + STORED_ORDINAL + 9 + 4 + 2;

const _: () = assert!(
    TRAITS.bytes
        + SEGMENT_BYTES
        + POSITIONS * POSITION_BYTES
        + PROGRESS_BYTES
        + REMEMBERED_BYTES
        + RUNS_ACTIVE * RUN_BYTES
        + TRIGGER_BYTES
        + RUNS_ENDED * ENDED_RUN_BYTES
        + ENDING_BYTES
        + ASSIGNMENT_BYTES
        + TRAIL_BYTES
        + HISTORY * HISTORY_BYTES
        + (ENDED_PAGES.most() + HISTORY_PAGES.most()) * PAGE_BYTES
        + STORED_TIME
        <= STATE_BYTES,
    "the shares add up to more than the state may have"
);
const _: () = assert!(
    INLINE_BYTES + PARTS * LISTED_BYTES + STORED_TIME <= HEAD_BYTES,
    "the head is larger than it should be"
);
const _: () = assert!(
    PARTS <= decision::limits::PARTS_PER_CUSTOMER,
    "more parts than one commit removes"
);

/// Bytes of the values that the actions of one pass carry: with the state they fit into one commit.
/// Each action takes an eighth of what is left at the most, so that the first do not take the room
/// of the others.
pub const ACTION_BYTES_PER_PASS: usize = 512 * 1024;
/// The share that one action may have of what is left.
pub const ACTION_SHARE: usize = 8;
/// Steps that a run takes at once: more means a loop without a wait, which only old versions can
/// hold.
pub const STEPS_PER_PASS: u32 = 100;
/// The longest wait: beyond ten years it is a mistake.
pub const WAIT: Duration = Duration::from_days(3_650);
/// What the shares of a split sum to.
pub const SHARES: u32 = 10_000;
