//! Limits of the tracking API, each with its reason.

use kernel::Duration;

/// Bytes of a call of Segment's dialect, inflated: SDKs that do not split a batch send 4 MiB.
pub const SEGMENT_BYTES: usize = 5 * 1024 * 1024;
/// Bytes of a call of PostHog's dialect, inflated: SDKs for Python send 8 MiB of AI events.
pub const POSTHOG_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a call of `CloudEvents`, inflated: a batch as large as one of Segment's.
pub const CLOUD_EVENTS_BYTES: usize = SEGMENT_BYTES;
/// Bytes of one `CloudEvent`: four times as many as the specification has every receiver take. A
/// mapping may leave most of it out.
pub const CLOUD_EVENT_BYTES: usize = 256 * 1024;
/// Attributes of one `CloudEvent`: the eight of the specification, and more extensions than anybody
/// has. Each is compared with all others.
pub const CLOUD_EVENT_ATTRIBUTES: usize = 100;
/// Work that expressions do with one `CloudEvent`, by the measure of `expr`: enough for a hundred
/// conditions, and some two seconds for the largest call that costs as much as it can.
pub const CLOUD_EVENT_WORK: u64 = 32 * 1024;
/// Work beside that for each byte of the event, which expressions look at.
pub const CLOUD_EVENT_BYTE_WORK: u64 = 128;
/// Events of one call: 5 MiB of small ones. Whoever sends more splits, or sends a file.
pub const EVENTS_PER_CALL: usize = 10_000;
/// Bytes of a post of a webhook, inflated: senders that batch send a hundred things of some KiB.
pub const WEBHOOK_BYTES: usize = SEGMENT_BYTES;
/// Signatures of one post that are compared: one for each secret while those are changed, and for
/// each version.
pub const SIGNATURES_PER_POST: usize = 10;
/// The least distance of a signature's time from now that is allowed: clocks differ.
pub const LEAST_TOLERANCE: Duration = Duration::from_millis(1_000);
/// The most: until then a post that somebody else saw can be sent again.
pub const MOST_TOLERANCE: Duration = Duration::from_days(1);
/// The distance unless the source says otherwise: that of Standard Webhooks, Stripe and HubSpot.
pub const USUAL_TOLERANCE: Duration = Duration::from_millis(5 * 60 * 1_000);
/// Fields of a form.
pub const FORM_FIELDS: usize = 1_000;
/// Elements of a message of Salesforce: a hundred notifications of five hundred fields.
pub const XML_ELEMENTS: usize = 50_000;
/// Levels of such a message: an envelope has seven.
pub const XML_DEPTH: usize = 16;
/// Attributes of one element: an envelope declares four namespaces.
pub const XML_ATTRIBUTES: usize = 50;
/// Headers of a post that a dead letter keeps, and the bytes of each.
pub const KEPT_HEADERS: usize = 30;
/// Bytes of a header that a dead letter keeps: a longer one is no topic and no id.
pub const KEPT_HEADER_BYTES: usize = 300;
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
/// Bytes of a type of a group, which the contracts allow.
pub const GROUP_TYPE_BYTES: usize = 64;
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
