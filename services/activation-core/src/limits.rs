//! Limits of activation decisions, each with its reason.

use kernel::Duration;

/// Activations kept of one customer: what `ListActivations` promises, about 10 kB of state.
pub const ACTIVATIONS: usize = 100;
/// Pending activations of one customer: each holds its action, so more would make the state too large to load often.
pub const PENDING: usize = 20;
/// Send times kept of one customer: the largest limit that a frequency cap may have.
pub const SEND_TIMES: usize = 100;
/// Purposes and channels that one customer has spoken about: far above what any preference centre offers.
pub const CONSENTS: usize = 200;
/// Bytes of detail kept of one activation: enough for a status and the first line of an answer.
pub const DETAIL_BYTES: usize = 300;
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
