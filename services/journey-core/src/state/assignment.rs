//! Assignments: which arm of each split a customer was given.

use kernel::{CustomerId, Timestamp};

use super::Name;

/// The arm of a split that a customer was given. It stands for as long as it is kept, also where a
/// merge gives the customer another id.
///
/// Where customers who were given different arms are joined, each keeps theirs: that of the oldest
/// of them counts from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The journey.
    pub journey: Name,
    /// The step that splits.
    pub step: Name,
    /// The hash of the split's salt: one with another salt assigns anew.
    pub salt_hash: u64,
    /// The arm.
    pub arm: Name,
    /// When it was given.
    pub time: Timestamp,
    /// The customer that it was given to, who was joined into this one since. `None` for this
    /// customer, who is the oldest.
    pub given_to: Option<CustomerId>,
    /// The fragment that has it; 0 is the customer's own.
    pub ordinal: u16,
}

impl Assignment {
    /// Returns whether another one is of the same split.
    pub fn is_of_split_of(&self, other: &Self) -> bool {
        (&self.journey, &self.step, self.salt_hash)
            == (&other.journey, &other.step, other.salt_hash)
    }
}
