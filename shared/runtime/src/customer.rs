//! A customer for a read of an RPC, by any id that they ever had.

use decision::{Core, PartKey};
use engine::{FindError, Found};
use hot::HotStore;
use kernel::CustomerId;
use rpc::{ErrorReason, Failure};

/// Loads a customer, or the one that they were joined into, without the parts that are kept apart.
///
/// # Errors
/// [`Failure`] where the store does not answer, or is damaged.
pub async fn find_customer<C: Core>(
    hot: &dyn HotStore,
    customer: CustomerId,
) -> Result<Found<C::State>, Failure> {
    find_customer_with::<C>(hot, customer, |_| Vec::new()).await
}

/// Loads a customer, or the one that they were joined into, and the parts that `want` names of
/// those that are not loaded, until it wants nothing more.
///
/// # Errors
/// [`Failure`] where the store does not answer, or is damaged.
pub async fn find_customer_with<C: Core>(
    hot: &dyn HotStore,
    customer: CustomerId,
    want: impl Fn(&C::State) -> Vec<PartKey> + Send + Sync,
) -> Result<Found<C::State>, Failure> {
    engine::find_customer_with::<C>(hot, customer, want)
        .await
        .map_err(|error| match error {
            FindError::Store { .. } => Failure::store_unavailable(error),
            FindError::Unreadable { .. }
            | FindError::NotOlder { .. }
            | FindError::TooManyRedirects { .. } => {
                Failure::new(ErrorReason::CustomerDamaged, error.to_string()).with_source(error)
            }
        })
}
