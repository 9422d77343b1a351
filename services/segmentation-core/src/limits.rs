//! Limits of segmentation, each with its reason.

use kernel::Duration;

/// Events of one name that are kept with their times: windows over more than these count the newest ones only.
pub const EVENTS_PER_NAME: usize = 512;
/// How much later than it happened an event may arrive and still be placed at its exact effective time.
pub const LATE_HORIZON: Duration = Duration::from_days(7);
/// Names of events counted for one customer: a state is loaded whole. Names that definitions read are always counted.
pub const NAMES_PER_CUSTOMER: usize = 200;
/// Bytes of a text that filters over the past can read; a longer one is unknown to them.
pub const PAST_TEXT_BYTES: usize = 128;
/// Values in a list that filters over the past can read; a longer one is unknown to them.
pub const PAST_LIST_VALUES: usize = 8;
/// Bytes of the names and texts of all traits of one customer, so that a state stays far below what a store takes.
pub const TRAIT_BYTES: usize = 64 * 1024;
/// Events shown as the recent past.
pub const RECENT_EVENTS: usize = 20;
/// Properties of a recent event that are kept for people.
pub const RECENT_PROPERTIES: usize = 20;
/// Characters of a text of a recent event that are kept for people.
pub const RECENT_TEXT_CHARS: usize = 120;
/// Event ids that are remembered to drop repetitions: senders repeat what they sent last.
pub const REMEMBERED_EVENT_IDS: usize = 32;
/// Instants at which time changed something, caught up in one step; the rest follows at once, by the timer.
pub const INSTANTS_PER_STEP: usize = 256;
/// Instants tried to place the effective time of a change by a late event.
pub const LATE_INSTANTS: usize = 1_024;
