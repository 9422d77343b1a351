//! A customer for a read of an RPC, by any id that they ever had, and as they are after a write
//! where that is asked for.

use decision::{Core, PartKey};
use engine::{FindError, Follower, Found};
use hot::SharedHotStore;
use kernel::CustomerId;
use rpc::{Deadline, ErrorReason, Failure};
use tokio::time::Instant;

use crate::limits::{READ_PATIENCE, READ_RETRY};
use crate::position::{PositionScope, read_after, refused};

/// Reads customers for the RPCs of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CustomerReads {
    hot: SharedHotStore,
    follower: Follower,
}

impl CustomerReads {
    /// Reads from a store.
    pub fn new(hot: SharedHotStore) -> Self {
        Self {
            follower: Follower::new(hot.clone()),
            hot,
        }
    }

    /// Loads a customer, or the one that they were joined into, and the parts that `want` names of
    /// those that are not loaded, until it wants nothing more. `after` is a position that the
    /// caller has of a write, which is waited for; empty for the customer as they are now.
    ///
    /// # Errors
    /// [`Failure`] where the store does not answer, or is damaged.
    /// [`ErrorReason::PositionInvalid`] for what is no position,
    /// [`ErrorReason::PositionNotReached`] where the write is waited for until shortly before the
    /// deadline of the call, or for [`READ_PATIENCE`] where it has none.
    pub async fn find<C: Core>(
        &self,
        customer: CustomerId,
        after: &str,
        want: impl Fn(&C::State) -> Vec<PartKey> + Send + Sync,
    ) -> Result<Found<C::State>, Failure> {
        let found = match read_after(PositionScope::of(self.hot.as_ref()), after)? {
            None => engine::find_customer_with::<C>(self.hot.as_ref(), customer, want).await,
            Some(written) => {
                let deadline = patience();
                self.follower
                    .find_customer_with::<C>(customer, written, deadline, want)
                    .await
            }
        };
        let asked = found.as_ref().map_or(customer, |found| found.customer);
        audit::subject(asked);
        found.map_err(failure)
    }
}

/// Returns the failure of a read for its caller.
pub(crate) fn failure(error: FindError) -> Failure {
    match error {
        FindError::Store { .. } => Failure::store_unavailable(error),
        FindError::Behind { .. } | FindError::OnTheWay { .. } => {
            Failure::new(ErrorReason::PositionNotReached, error.to_string())
                .with_retry_after(READ_RETRY)
        }
        FindError::Ahead { time, now } => refused(format!(
            "is of {time}, and the hot store has come to {now}: it is of another installation, or the \
             clock of the store was set back; write again for a new one, or leave it empty"
        )),
        FindError::Unreadable { .. }
        | FindError::NotOlder { .. }
        | FindError::TooManyRedirects { .. } => {
            Failure::new(ErrorReason::CustomerDamaged, error.to_string()).with_source(error)
        }
    }
}

/// Returns until when a write is waited for: so long before the deadline of the call that the
/// caller still gets the reason.
fn patience() -> Instant {
    match Deadline::current() {
        None => Instant::now() + READ_PATIENCE,
        Some(deadline) => deadline.last_wait(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_is_waited_for_until_shortly_before_the_deadline() {
        let now = Instant::now();
        assert_eq!(patience(), now + READ_PATIENCE);
        for (allowed_ms, waits_ms) in [(100_000, 99_900), (400, 300), (100, 75), (0, 0)] {
            let deadline = Deadline::after(Duration::from_millis(allowed_ms));
            let until = Deadline::scope(Some(deadline), async { patience() }).await;
            assert_eq!(until, now + Duration::from_millis(waits_ms), "{allowed_ms}");
        }
    }
}
