//! Reads what is kept of one customer.

use activation_core::State;
use bytes::Bytes;
use hot::{HotStore, Owner, Slot};
use kernel::CustomerId;
use rpc::Failure;

use crate::limits;

/// The state of a customer, or of the one that they were merged into. Of whom nothing is known, the state is empty.
///
/// # Errors
/// [`Failure`] where the store does not answer, or holds what cannot be read.
pub(crate) async fn load(hot: &dyn HotStore, customer: CustomerId) -> Result<State, Failure> {
    let mut id = customer;
    for _ in 0..=limits::REDIRECTS {
        let slot = Slot {
            owner: Owner::Activation,
            partition: hot.partition_count().partition_of(id.fragment()),
        };
        let key = Bytes::copy_from_slice(id.as_bytes());
        let found = hot
            .load(slot, &[key])
            .await
            .map_err(Failure::store_unavailable)?;
        let Some(stored) = found.into_iter().next().flatten() else {
            return Ok(State::default());
        };
        let state = State::decode(&stored.value).map_err(Failure::internal)?;
        match state.redirect {
            Some(survivor) => id = survivor,
            None => return Ok(state),
        }
    }
    Err(Failure::internal(format!(
        "customer {customer} was merged more than {} times over",
        limits::REDIRECTS
    )))
}
