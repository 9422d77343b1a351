//! Limits that several services share, each with its reason.

use crate::Duration;

/// Events in one unary request: more belong on a stream, which costs a fortieth each.
pub const EVENTS_PER_REQUEST: usize = 500;
/// Events in one message of a stream: about 300 kB, a millisecond of a core.
pub const EVENTS_PER_BATCH: usize = 1_000;
/// Bytes of one event, names and values together: what peers accept.
pub const EVENT_BYTES: usize = 32 * 1024;
/// Properties (or traits) of one event, flattened.
pub const PROPERTIES_PER_EVENT: usize = 100;
/// Levels that properties may nest: deeper ones are kept whole, for templates and destinations.
pub const PROPERTY_DEPTH: usize = 4;
/// Bytes of the name of an event, and of the path of a property or trait, dots included: names of
/// senders are sentences at the most.
pub const NAME_BYTES: usize = 200;
/// Bytes of one text value.
pub const TEXT_BYTES: usize = 8 * 1024;
/// Levels that JSON may nest at all: what reads it recurses as far.
pub const JSON_DEPTH: usize = 32;
/// Values in one list; longer ones are kept whole.
pub const LIST_VALUES: usize = 100;
/// Traits of one profile: a profile is loaded whole.
pub const TRAITS_PER_PROFILE: usize = 200;
/// Bytes of the traits of one profile, as [`Properties::bytes`](crate::Properties::bytes) counts
/// them.
pub const TRAIT_BYTES_PER_PROFILE: usize = 64 * 1024;
/// Characters of a name that is compared with known ones, to say which was meant: the time grows
/// with their square.
pub const COMPARED_NAME_CHARS: usize = 64;
/// Bytes of one gRPC message: a batch of large events, or a directory of definitions.
pub const MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// The time that a lease lasts: a dead process holds up its partitions for as long.
pub const LEASE_TTL: Duration = Duration::from_millis(9_000);
/// The time for which the id of an event counts once: senders keep what they could not send for
/// some hours, and a day of ids is what a customer's state has room for.
pub const REPETITION_TIME: Duration = Duration::from_days(1);
/// The last events of a customer whose ids count once: 100 KB of the busiest customers, and more
/// than a person does in a day.
pub const REPETITION_EVENTS: usize = 10_000;
