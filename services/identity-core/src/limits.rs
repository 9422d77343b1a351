//! Limits of customers and identifiers, each with its reason.

/// Fragments of one customer. More joins than this are a bridge between strangers, not a person.
pub const FRAGMENTS_PER_CUSTOMER: u32 = 100;
/// Identifiers of one customer: what peers allow, and what an unmerge can recompute at once.
pub const IDENTIFIERS_PER_CUSTOMER: u32 = 1_000;
/// Identifiers of one event.
pub const IDENTIFIERS_PER_EVENT: usize = 20;
/// Values of one namespace that an alias may give a customer, whatever the limit of the namespace: a
/// person who was somebody else before was so a few times, and more is a bridge between strangers.
pub const ALIAS_VALUES: u32 = 10;
/// Characters of an identifier's value.
pub const IDENTIFIER_CHARS: usize = 400;
/// Namespaces of one installation: each is compared with each at publishing, and counted for each customer.
pub const NAMESPACES: usize = 100;
