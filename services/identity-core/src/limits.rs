//! Limits of customers and identifiers, each with its reason.

/// Fragments of one customer. More joins than this are a bridge between strangers, not a person.
pub const FRAGMENTS_PER_CUSTOMER: u32 = 100;
/// Identifiers of one customer: what peers allow, and what an unmerge can recompute at once.
pub const IDENTIFIERS_PER_CUSTOMER: u32 = 1_000;
/// Identifiers of one event.
pub const IDENTIFIERS_PER_EVENT: usize = 20;
/// Characters of an identifier's value.
pub const IDENTIFIER_CHARS: usize = 400;
/// Namespaces of one installation: each is compared with each at publishing, and counted for each customer.
pub const NAMESPACES: usize = 100;
