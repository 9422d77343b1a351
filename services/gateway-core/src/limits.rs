//! Limits of the tracking API, each with its reason.

use kernel::Duration;

/// Bytes of a call of Segment's dialect, inflated: SDKs that do not split a batch send 4 MiB.
pub const SEGMENT_BYTES: usize = 5 * 1024 * 1024;
/// Bytes of a call of PostHog's dialect, inflated: SDKs for Python send 8 MiB of AI events.
pub const POSTHOG_BYTES: usize = 8 * 1024 * 1024;
/// Events of one call: 5 MiB of small ones. Whoever sends more splits, or sends a file.
pub const EVENTS_PER_CALL: usize = 10_000;
/// Bytes of a dead letter's payload: as much as an event may have. A longer one is cut.
pub const LETTER_BYTES: usize = kernel::limits::EVENT_BYTES;
/// Bytes that a dead letter keeps of the words about it.
pub const LETTER_TEXT_BYTES: usize = 500;
/// Characters of an event's id, which the contracts allow; a hash stands for a longer one.
pub const EVENT_ID_CHARS: usize = 100;
/// Characters of an identifier, which the contracts allow.
pub const IDENTIFIER_CHARS: usize = 400;
/// Identifiers, and groups, of one event, which the contracts allow.
pub const IDENTIFIERS_PER_EVENT: usize = 20;
/// Bytes of events in one request to identity: half of what a message may have, since names of
/// fields take room of their own.
pub const REQUEST_BYTES: usize = kernel::limits::MESSAGE_BYTES / 2;
/// Bytes of a write key: keys have some 60, and those of other products no more than 100.
pub const KEY_BYTES: usize = 200;
/// The time for which an SDK may try to send an event: those that keep what they could not send on
/// a disk give up earlier.
pub const OLDEST_TRY: Duration = Duration::from_days(30);
/// Seconds that senders are asked to wait at the least; a fraction is nothing to an SDK.
pub const LEAST_RETRY_SECONDS: u64 = 1;
/// Seconds that senders are asked to wait at the most: SDKs cap what is longer, or drop.
pub const MOST_RETRY_SECONDS: u64 = 300;
