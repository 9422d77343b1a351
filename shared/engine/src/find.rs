//! Loads a customer by any id that they ever had: the one way that all reads take.

use decision::{Core, PartKey, Poison};
use hot::{HotError, HotStore, Slot};
use kernel::CustomerId;

use crate::limits;
use crate::read::{ReadError, read_customer};

/// A customer, and whose id they have after all merges.
#[derive(Debug, Clone)]
pub struct Found<S> {
    /// The customer.
    pub customer: CustomerId,
    /// The state that the service keeps. `None` where it knows nothing, also while a merged
    /// customer moves from one to the other.
    pub state: Option<S>,
    /// The redirects that led there: none or one, but for the moment in which several merges meet.
    pub redirects: usize,
}

/// A customer cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The store does not answer, or is damaged: its error says which.
    #[error("customer {customer} cannot be loaded from the hot store")]
    Store {
        /// The customer.
        customer: CustomerId,
        /// The error of the store.
        source: HotError,
    },
    /// The stored value is not one.
    #[error("what is kept of customer {customer} cannot be read")]
    Unreadable {
        /// The customer.
        customer: CustomerId,
        /// The fault of the value.
        source: Poison,
    },
    /// Redirects lead to older customers only, so that none comes round again. This one does not.
    #[error(
        "customer {customer} is redirected to {survivor}, who is not older: the redirect is damaged"
    )]
    NotOlder {
        /// The customer.
        customer: CustomerId,
        /// Where the redirect leads.
        survivor: CustomerId,
    },
    /// Merges are flattened, so that a chain this long is damaged, or is followed too slowly.
    #[error("customer {customer} is redirected more than {limit} times over")]
    TooManyRedirects {
        /// The customer that was asked for.
        customer: CustomerId,
        /// The number that is followed.
        limit: usize,
    },
}

/// Loads a customer, or the one that they were joined into, without the parts that are kept apart.
///
/// # Errors
/// [`FindError`] where the store does not answer, or what is there is damaged.
pub async fn find_customer<C: Core>(
    hot: &dyn HotStore,
    customer: CustomerId,
) -> Result<Found<C::State>, FindError> {
    find_customer_with::<C>(hot, customer, |_| Vec::new()).await
}

/// Loads a customer, or the one that they were joined into, and the parts that `want` names of
/// those that are not loaded. It is asked again once they are, until it wants nothing more. Head
/// and parts are of one commit.
///
/// # Errors
/// [`FindError`] where the store does not answer, or what is there is damaged.
pub async fn find_customer_with<C: Core>(
    hot: &dyn HotStore,
    customer: CustomerId,
    want: impl Fn(&C::State) -> Vec<PartKey> + Send + Sync,
) -> Result<Found<C::State>, FindError> {
    let mut current = customer;
    for redirects in 0..=limits::REDIRECTS_PER_READ {
        let slot = Slot {
            owner: C::OWNER,
            partition: hot.partition_count().partition_of(current.fragment()),
        };
        let read = read_customer::<C>(hot, slot, current, &want).await;
        let read = read.map_err(|error| match error {
            ReadError::Store(source) => FindError::Store {
                customer: current,
                source,
            },
            ReadError::Unreadable(source) => FindError::Unreadable {
                customer: current,
                source,
            },
        })?;
        let found = |state| Found {
            customer: current,
            state,
            redirects,
        };
        let Some((head, state)) = read else {
            return Ok(found(None));
        };
        match head.redirect {
            None => return Ok(found(head.has_state.then_some(state))),
            Some(survivor) if survivor < current => current = survivor,
            Some(survivor) => {
                return Err(FindError::NotOlder {
                    customer: current,
                    survivor,
                });
            }
        }
    }
    Err(FindError::TooManyRedirects {
        customer,
        limit: limits::REDIRECTS_PER_READ,
    })
}
