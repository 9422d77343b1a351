//! Limits of the journey service, each with its reason.

/// How many merges a customer's id is followed through: each was one customer joined into another by hand or evidence.
pub const REDIRECTS: usize = 32;
