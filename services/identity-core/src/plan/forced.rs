//! Merges by the word of somebody who knows.

use kernel::CustomerId;

use crate::customer::CustomerView;
use crate::limits::{FRAGMENTS_PER_CUSTOMER, IDENTIFIERS_PER_CUSTOMER};

/// Customers cannot be joined: the result would be above a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "together they have {fragments} fragments and {identifiers} identifiers: a customer has at most {FRAGMENTS_PER_CUSTOMER} and {IDENTIFIERS_PER_CUSTOMER}"
)]
pub struct TooLarge {
    /// The fragments of all.
    pub fragments: u32,
    /// The identifiers of all.
    pub identifiers: u32,
}

/// Plans a forced merge: the survivor first, then the others, oldest first.
///
/// Somebody who names the customers knows better than the limits of namespaces; the caps hold all
/// the same.
///
/// # Errors
/// [`TooLarge`] where the result would be above a cap.
///
/// # Panics
/// Where there is no customer.
pub fn plan_merge(customers: &[&CustomerView]) -> Result<(CustomerId, Vec<CustomerId>), TooLarge> {
    let mut sorted = customers.to_vec();
    sorted.sort_by_key(|view| (view.create_time, view.id));
    let fragments = sorted.iter().map(|view| view.fragment_count).sum();
    let identifiers = sorted.iter().map(|view| view.identifier_count()).sum();
    if fragments > FRAGMENTS_PER_CUSTOMER || identifiers > IDENTIFIERS_PER_CUSTOMER {
        return Err(TooLarge {
            fragments,
            identifiers,
        });
    }
    let (oldest, others) = sorted.split_first().expect("a merge names customers");
    Ok((oldest.id, others.iter().map(|view| view.id).collect()))
}
