//! Loads a customer by any id that they ever had: the one way that all reads take.

use decision::{Core, PartKey, Poison};
use hot::{HotError, HotStore, Owner, Slot};
use kernel::{CustomerId, PartitionId, Timestamp};

use crate::head::{self, Head, id_bytes};
use crate::limits;
use crate::read::{ReadError, read_customer};
use crate::splitting::Epochs;

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
    /// A read comes after a write that a service has not taken within the time that there was.
    #[error(
        "{} has not taken what was written in partition {partition}: it is behind, or nobody works \
         on that partition", .service.name()
    )]
    Behind {
        /// The service.
        service: Owner,
        /// The partition.
        partition: PartitionId,
    },
    /// A read comes after a write, and a merge of the customer was under way all the time that
    /// there was.
    #[error(
        "a merge of customer {customer} is under way: not all that is known of them is there yet"
    )]
    OnTheWay {
        /// The customer.
        customer: CustomerId,
    },
    /// A read comes after a write of a time that the store has not come to.
    #[error("{time} is ahead of the clock of the hot store, which shows {now}")]
    Ahead {
        /// The time of the write.
        time: Timestamp,
        /// The store's.
        now: Timestamp,
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
    let (mut current, mut way) = (customer, Way::from(customer));
    for redirects in 0..=limits::REDIRECTS_PER_READ {
        let read = look::<C>(hot, current, &want).await?;
        let found = |state| Found {
            customer: current,
            state,
            redirects,
        };
        let Some((head, state)) = read else {
            return Ok(found(None));
        };
        match way.next(current, &head)? {
            None => return Ok(found(head.has_state.then_some(state))),
            Some(survivor) => current = survivor,
        }
    }
    Err(FindError::TooManyRedirects {
        customer,
        limit: limits::REDIRECTS_PER_READ,
    })
}

/// Loads what is kept of one customer, redirected or not, and the parts that `want` names.
pub(crate) async fn look<C: Core>(
    hot: &dyn HotStore,
    customer: CustomerId,
    want: impl Fn(&C::State) -> Vec<PartKey> + Send + Sync,
) -> Result<Option<(Head, C::State)>, FindError> {
    look_with::<C>(hot, customer, |_, state| want(state)).await
}

/// Loads as [`look`] does, where the parts that are wanted hang on the head.
pub(crate) async fn look_with<C: Core>(
    hot: &dyn HotStore,
    customer: CustomerId,
    want: impl Fn(&Head, &C::State) -> Vec<PartKey> + Send + Sync,
) -> Result<Option<(Head, C::State)>, FindError> {
    let slot = Slot {
        owner: C::OWNER,
        partition: hot.partition_count().partition_of(customer.fragment()),
    };
    let read = read_customer::<C>(hot, slot, customer, want).await;
    read.map_err(|error| match error {
        ReadError::Store(source) => FindError::Store { customer, source },
        ReadError::Unreadable(source) => FindError::Unreadable { customer, source },
    })
}

/// Loads the head of what a service keeps of a customer.
pub(crate) async fn look_at_head(
    hot: &dyn HotStore,
    slot: Slot,
    customer: CustomerId,
) -> Result<Option<Head>, FindError> {
    let loaded = hot.load(slot, &[id_bytes(customer)]).await;
    let loaded = loaded.map_err(|source| FindError::Store { customer, source })?;
    let stored = loaded.into_iter().next().flatten();
    let read = stored.map(|stored| head::read_alone(&stored.value));
    read.transpose()
        .map_err(|source| FindError::Unreadable { customer, source })
}

/// The way of a read along redirects, and along unmerges: of those who are met on it, some have
/// come apart from others, though a redirect still leads there.
#[derive(Debug)]
pub(crate) struct Way {
    /// The customer who is looked for.
    who: CustomerId,
    /// Since when they are part of the one who is looked at.
    epochs: Epochs,
    came_out: bool,
}

impl Way {
    /// Begins with the id that is asked for.
    pub(crate) const fn from(customer: CustomerId) -> Self {
        Self {
            who: customer,
            epochs: Epochs::of(0),
            came_out: false,
        }
    }

    /// Returns the customer after one of whom this is the head; `None` at the end.
    pub(crate) fn next(
        &mut self,
        current: CustomerId,
        head: &Head,
    ) -> Result<Option<CustomerId>, FindError> {
        let apart = head.way_of(self.who, self.epochs);
        let apart = apart.filter(|_| current != self.who);
        self.came_out = apart.is_some();
        if let Some((next, since)) = apart {
            self.epochs.since = since;
            return Ok(Some(next));
        }
        if current == self.who {
            self.epochs.own = head.merge_epoch;
        }
        self.epochs.since = self.epochs.since.max(head.merge_epoch);
        survivor_of(current, head)
    }

    /// Returns whether the last step was along an unmerge.
    pub(crate) const fn came_out(&self) -> bool {
        self.came_out
    }
}

/// Returns the customer that one is redirected to, where they are.
fn survivor_of(customer: CustomerId, head: &Head) -> Result<Option<CustomerId>, FindError> {
    match head.redirect {
        Some(survivor) if survivor >= customer => Err(FindError::NotOlder { customer, survivor }),
        redirect => Ok(redirect),
    }
}
