//! Keys of states that are not about customers.

/// The beginning of the keys of states that are notes about entries of a quarantine, and not about
/// customers: no id of a customer is of that time.
pub const QUARANTINE_NOTES: &str = "quarantine/tries/";

/// The beginning of the keys of states that are changes on their way to the log of changes. A
/// number of two bytes follows; together they are shorter than the id of a customer.
pub const PENDING_CHANGES: &str = "changes/";
