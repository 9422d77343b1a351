//! Limits of activation decisions: one budget for the state of a customer, and the share that each
//! part has of it.
//!
//! The shares add up to less than [`STATE_BYTES`], and every part is held to its own: so no input
//! makes a state too large, and two states that are folded into one neither. They are bytes of the
//! stored form, counted at the most.

use kernel::Duration;

/// Bytes of one state: half of what the hot store takes, so that a moved state fits into one commit
/// beside what it causes, and so that parts can grow by what later versions add.
pub const STATE_BYTES: usize = 256 * 1024;

/// Purposes and channels that one customer has spoken about: far above what any preference centre
/// offers. Beyond it a grant is refused, and a withdrawal counts for all that is not listed: none
/// is ever forgotten.
pub const CONSENTS: usize = 200;
/// Bytes kept of where a consent was said.
pub const SOURCE_BYTES: usize = 100;
/// The time for which a template that was deleted is sent on by runs that began before: longer than
/// runs of most journeys take. What goes on after it ends `UNKNOWN_TEMPLATE`.
pub const GONE_TEMPLATES_KEPT: Duration = Duration::from_days(400);
/// Send times kept of one customer: the largest limit that a frequency cap may have.
pub const SEND_TIMES: usize = 100;
/// Activations kept of one customer: what `ListActivations` promises.
pub const ACTIVATIONS: usize = 100;
/// Bytes of settled activations in the head of a state above which they go into a block of their
/// own: a block of the usual ones has about sixteen.
pub const OPEN_BYTES: usize = 2 * 1024;
/// Bytes of detail kept of a pending activation, which the head has room for [`PENDING`] times:
/// enough for a status and its words.
pub const PENDING_DETAIL_BYTES: usize = 100;
/// Bytes of detail kept of one settled activation: enough for a status and the first line of an
/// answer.
pub const DETAIL_BYTES: usize = 300;
/// Pending activations of one customer: more are a flood, and each is looked at with every step.
pub const PENDING: usize = 20;
/// Bytes of what was admitted of all pending activations of one customer: two of the largest, or
/// [`PENDING`] of [`SEND_SHARE_BYTES`].
pub const PENDING_BYTES: usize = 136 * 1024;
/// Bytes of the values that the template of one pending activation may read.
pub const SEND_BYTES: usize = CONTEXT_BYTES;
/// Bytes of values that any pending activation may keep, whether its template reads them or not:
/// where there are more, only what is read is kept beyond.
pub const SEND_SHARE_BYTES: usize = 6 * 1024;
/// Bytes of a trace context that a pending activation keeps: the form in use has 55. A longer one
/// is left out.
pub const TRACE_BYTES: usize = 64;

/// Bytes of a stored name of a definition or a step, with its tag and length.
const STORED_NAME: usize = 64 + 2;
/// Bytes of a stored instant, count, reason code or id, with its tag.
const STORED_TIME: usize = 11;
const STORED_COUNT: usize = 6;
const STORED_REASON: usize = 26;
const STORED_ID: usize = 18;
const STORED_ORDINAL: usize = 4;
/// Bytes of the tag and length of a stored message.
pub(crate) const FRAME_BYTES: usize = 4;

/// Bytes of one stored consent.
const CONSENT_BYTES: usize =
    FRAME_BYTES + 2 * STORED_NAME + 2 + STORED_TIME + (SOURCE_BYTES + 2) + STORED_ORDINAL;
/// Bytes of one stored settled activation.
const ACTIVATION_BYTES: usize = FRAME_BYTES
    + STORED_ID
    + 4 * STORED_NAME
    + 3 * STORED_COUNT
    + 2 * STORED_TIME
    + STORED_REASON
    + (DETAIL_BYTES + 3)
    + STORED_ORDINAL;
/// Bytes of one stored pending activation beside its detail and what was admitted.
pub(crate) const PENDING_FRAME_BYTES: usize = FRAME_BYTES
    + STORED_ID
    + 5 * STORED_COUNT
    + 4 * STORED_TIME
    + STORED_REASON
    + 4
    + STORED_ORDINAL;
/// Bytes of what was admitted beside the values of the action.
const ADMITTED_BYTES: usize = FRAME_BYTES
    + STORED_ID
    + 5 * STORED_NAME
    + 2 * STORED_COUNT
    + STORED_TIME
    + 2
    + (TRACE_BYTES + 2)
    + FRAME_BYTES;
/// Bytes of one stored send: instants of this millennium have six or seven as a difference.
pub(crate) const SEND_TIME_BYTES: usize = 7 + 2;
/// Bytes that a block of settled activations takes in a head beside the hashes of its ids.
pub(crate) const BLOCK_FRAME_BYTES: usize = 2 + 2 * STORED_COUNT + 3;

const _: () = assert!(
    CONSENTS * CONSENT_BYTES
        + SEND_TIMES * (STORED_TIME + 2)
        + ACTIVATIONS * ACTIVATION_BYTES
        + PENDING_BYTES
        + 2 * STORED_ID
        + STORED_TIME
        <= STATE_BYTES,
    "the shares add up to more than the state may have"
);
const _: () = assert!(
    PENDING_FRAME_BYTES + PENDING_DETAIL_BYTES <= ACTIVATION_BYTES,
    "an activation takes no more while it is pending"
);
const _: () = assert!(
    PENDING * (SEND_SHARE_BYTES + ADMITTED_BYTES) <= PENDING_BYTES
        && 2 * (SEND_BYTES + ADMITTED_BYTES) <= PENDING_BYTES,
    "what one pending activation may keep does not fit as often as is said"
);
const _: () = assert!(
    PENDING * (PENDING_FRAME_BYTES + PENDING_DETAIL_BYTES)
        + SEND_TIMES * SEND_TIME_BYTES
        + (ACTIVATIONS - PENDING) * (BLOCK_FRAME_BYTES + 8)
        <= decision::limits::HEAD_BYTES,
    "what never leaves the head of a state has no room in it"
);

/// Attempts of a delivery where its channel does not say.
pub const DEFAULT_ATTEMPTS: u32 = 8;
/// How long an attempt may be under way before it counts as lost: three times what the deliverer allows itself.
pub const LEASE: Duration = Duration::from_millis(60_000);
/// Lost attempts of one activation before it is given up. The lease doubles with each, so this is two years of stream
/// time, which may run much faster than the deliverer.
pub const LAPSES: u32 = 20;
/// The longest wait that a destination may ask for: later, its answer is stale.
pub const RETRY_AFTER: Duration = Duration::from_days(1);

/// Bytes of a subject template.
pub const SUBJECT_TEMPLATE_BYTES: usize = 1_000;
/// Bytes of a body template.
pub const BODY_TEMPLATE_BYTES: usize = 64 * 1024;
/// Bytes of a rendered subject or body: above what mail and webhook receivers take.
pub const OUTPUT_BYTES: usize = 256 * 1024;
/// Bytes of the values that a template sees: with [`TEMPLATE_GROWTH`], a rendering stays below 4 MiB.
pub const CONTEXT_BYTES: usize = 64 * 1024;
/// How many copies of what it sees a template may hold in one value.
pub const TEMPLATE_GROWTH: usize = 64;
/// Instructions of one rendering: about ten milliseconds.
pub const TEMPLATE_FUEL: u64 = 100_000;
/// Tokens in one tag of a template: the parser recurses over them.
pub const TAG_TOKENS: usize = 200;
/// `elif` tags in one template: the parser recurses over them.
pub const ELIFS: usize = 50;
/// Elements of one `range`.
pub const RANGE: i64 = 1_000;
/// How deep values given to a template may nest.
pub const CONTEXT_DEPTH: usize = 16;
