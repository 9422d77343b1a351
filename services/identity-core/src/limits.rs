//! Limits of customers and identifiers, each with its reason.

/// Fragments of one customer. More joins than this are a bridge between strangers, not a person.
pub const FRAGMENTS_PER_CUSTOMER: u32 = 100;
/// Identifiers of one customer: what peers allow, and what an unmerge can recompute at once.
pub const IDENTIFIERS_PER_CUSTOMER: u32 = 1_000;
/// Identifiers of one customer where the newest owner gets them: as in the graphs of Adobe.
pub const IDENTIFIERS_WHERE_REASSIGNED: u32 = 50;
/// Identifiers of one event.
pub const IDENTIFIERS_PER_EVENT: usize = 20;
/// Values of one namespace that an alias may give a customer, whatever the limit of the namespace:
/// a person who was somebody else before was so a few times, and more is a bridge between
/// strangers.
pub const ALIAS_VALUES: u32 = 10;
/// Characters of an identifier's value.
pub const IDENTIFIER_CHARS: usize = 400;
/// Namespaces of one installation: each is compared with each at publishing, and counted for each
/// customer.
pub const NAMESPACES: usize = 100;
/// Customers between whom a value may stand, where its namespace says nothing else.
pub const FAN_OUT: u32 = 20;
/// Customers that are remembered of a value, at the most: 512 bytes.
pub const FAN_OUT_MAX: u32 = 64;
/// The longest window of a limit: ten years.
pub const WINDOW_SECONDS: u64 = 315_360_000;
/// Patterns of blocked values of one namespace: each is tried on each new value.
pub const BLOCKED_PATTERNS: usize = 50;
/// Characters of one such pattern.
pub const PATTERN_CHARS: usize = 200;
/// Bytes that a compiled pattern may take.
pub const PATTERN_BYTES: usize = 64 * 1_024;
/// Values of one namespace that are blocked beside the built-in ones.
pub const BLOCKED_VALUES: usize = 1_000;
/// Domains that an installation says are nobody's.
pub const EXCLUDED_DOMAINS: usize = 1_000;
