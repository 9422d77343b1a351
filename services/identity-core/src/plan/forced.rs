//! Merges by the word of somebody who knows.

use kernel::CustomerId;

use crate::customer::CustomerView;
use crate::limits::{FRAGMENTS_PER_CUSTOMER, IDENTIFIERS_PER_CUSTOMER};
use crate::rules::Rules;

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

/// A subject is of another kind than those that are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct OtherKind(
    /// The subject.
    pub CustomerId,
);

impl OtherKind {
    fn text(self) -> String {
        match self.0.is_account() {
            true => format!(
                "`{}` is an account, and never joined with a customer",
                self.0
            ),
            false => format!(
                "`{}` is a customer, and never joined with an account",
                self.0
            ),
        }
    }
}

/// The reason for which subjects cannot be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MergeFault {
    /// The result would be above a cap.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// One is of another kind than these rules decide of.
    #[error(transparent)]
    OtherKind(#[from] OtherKind),
}

/// Plans a forced merge: the survivor first, then the others, oldest first.
///
/// Somebody who names the customers knows better than the limits of namespaces; the caps hold all
/// the same.
///
/// # Errors
/// [`MergeFault`] where the result would be above a cap, or one is an account and the rules are
/// those of customers, or the other way round.
///
/// # Panics
/// Where there is no customer.
pub fn plan_merge(
    rules: &Rules,
    customers: &[&CustomerView],
) -> Result<(CustomerId, Vec<CustomerId>), MergeFault> {
    let mut sorted = customers.to_vec();
    sorted.sort_by_key(|view| (view.create_time, view.id));
    let is_other = |view: &&&CustomerView| !rules.decide_of(view.id.fragment());
    if let Some(other) = sorted.iter().find(is_other) {
        return Err(OtherKind(other.id).into());
    }
    let fragments = sorted.iter().map(|view| view.fragment_count).sum();
    let identifiers = sorted.iter().map(|view| view.identifier_count()).sum();
    if fragments > FRAGMENTS_PER_CUSTOMER || identifiers > IDENTIFIERS_PER_CUSTOMER {
        return Err(MergeFault::TooLarge(TooLarge {
            fragments,
            identifiers,
        }));
    }
    let (oldest, others) = sorted.split_first().expect("a merge names customers");
    Ok((oldest.id, others.iter().map(|view| view.id).collect()))
}
