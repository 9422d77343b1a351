//! Reads that come after a write: they wait until the services have taken what was accepted by
//! then, and show it.
//!
//! # What is promised
//! 1. The state that is found has what was written, and what came of it in the services before this
//!    one. What could not be processed and was set aside counts as taken.
//! 2. That holds for every lane. A write to a low-priority lane waits for that lane. A live one
//!    does so only where records of its customer are there, since what follows goes behind them.
//! 3. It holds for a customer who was joined into another, by the id of either. What followed them
//!    on the way to the survivor, outboxes included, is waited for; and nobody is shown while a
//!    state is on its way to or from them ([`Head::is_settled`](crate::Head)).
//!
//! Timers are not waited for: they come when they are due. Nor are other customers, but for what
//! was accepted in the same partition before.
//!
//! # How
//! A service emits what follows from a record in the commit that takes the record. So who has seen
//! a service pass a time asks for the newest entry of the partition in the same call: what followed
//! is no newer than that, and the next service is to pass that one. Times of causes are not used,
//! and no clock is compared with another.

mod commits;
mod find;
mod unread;

use std::sync::Arc;

use hot::{HotError, Owner, SharedHotStore, Slot, StreamName, Unread};
use kernel::{CustomerId, PartitionId, Timestamp};
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use self::commits::Commits;
use crate::find::FindError;
use crate::limits;
use crate::partition::Backoff;

/// A write, as its answer told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The stream that took it.
    pub stream: StreamName,
    /// When the newest entry of it was accepted, by the clock of the store.
    pub time: Timestamp,
}

/// Finds customers as they are after a write. Cheap to clone; clones share one subscription.
#[derive(Debug, Clone)]
pub struct Follower {
    hot: SharedHotStore,
    commits: Arc<Commits>,
}

/// A service on the way, with its two lanes.
#[derive(Debug)]
struct Service {
    owner: Owner,
    live: StreamName,
    bulk: StreamName,
}

/// The services, in the order in which records pass through them.
const WAY: [Service; 3] = [
    Service {
        owner: Owner::Segmentation,
        live: StreamName::Events,
        bulk: StreamName::EventsBulk,
    },
    Service {
        owner: Owner::Journey,
        live: StreamName::Facts,
        bulk: StreamName::FactsBulk,
    },
    Service {
        owner: Owner::Activation,
        live: StreamName::Actions,
        bulk: StreamName::ActionsBulk,
    },
];

/// The lanes that a record may have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lanes {
    /// The live one; behind records of the customer in the other one from the second service on.
    Live,
    /// The low-priority one, and any from the second service on.
    Bulk,
    /// Any.
    Both,
}

/// Names a record that is waited for in a partition.
#[derive(Debug, Clone, Copy)]
struct Goal {
    /// The place in [`WAY`] of the service that a record came to first.
    first: usize,
    lanes: Lanes,
    /// When it was accepted at the latest.
    time: Timestamp,
}

impl Goal {
    fn of(written: Written) -> Self {
        let takes = |service: &Service| {
            let own = [service.live, service.bulk];
            own.contains(&written.stream) || service.owner == written.stream.reader()
        };
        let first = WAY.iter().position(takes).unwrap_or(0);
        Self {
            first,
            lanes: if WAY[first].bulk == written.stream {
                Lanes::Bulk
            } else {
                Lanes::Live
            },
            time: written.time,
        }
    }
}

/// Returns the place of a service in [`WAY`]; the last one for who reads at no place of it.
fn place_of(owner: Owner) -> usize {
    let place = WAY.iter().position(|service| service.owner == owner);
    place.unwrap_or(WAY.len() - 1)
}

impl Follower {
    /// Reads from a store.
    pub fn new(hot: SharedHotStore) -> Self {
        Self {
            commits: Arc::new(Commits::new(Arc::clone(&hot))),
            hot,
        }
    }

    /// Waits until the services from the first one on, up to and with `last`, have taken what is
    /// waited for and what followed from it. Returns a time that nothing of that is newer than.
    async fn pass(
        &self,
        partition: PartitionId,
        customer: CustomerId,
        last: Owner,
        goal: Goal,
        deadline: Instant,
    ) -> Result<Timestamp, FindError> {
        let way = WAY.iter().take(place_of(last) + 1).skip(goal.first);
        let mut time = goal.time;
        for (place, service) in way.enumerate() {
            let slot = Slot {
                owner: service.owner,
                partition,
            };
            let both = [service.live, service.bulk];
            let streams = match goal.lanes {
                Lanes::Live => &both[..1],
                Lanes::Bulk if place == 0 => &both[1..],
                Lanes::Bulk | Lanes::Both => &both[..],
            };
            let before = time;
            time = self
                .taken(slot, customer, streams, before, deadline)
                .await?;
            if goal.lanes == Lanes::Live && place > 0 {
                let behind = self
                    .last_in(slot, service.bulk, customer, before, deadline)
                    .await?;
                if let Some(behind) = behind {
                    let (bulk, until) = (&both[1..], behind.min(before));
                    time = self.taken(slot, customer, bulk, until, deadline).await?;
                }
            }
        }
        Ok(time)
    }

    /// Waits until a service has taken all of some streams that was accepted up to and with a time.
    /// Returns when the newest entry of the partition was accepted by then.
    async fn taken(
        &self,
        slot: Slot,
        customer: CustomerId,
        streams: &[StreamName],
        until: Timestamp,
        deadline: Instant,
    ) -> Result<Timestamp, FindError> {
        let mut wait = Backoff::reading();
        loop {
            // Before the question, so that no commit after it is missed.
            let next = self.commits.next(slot);
            let asked = self.hot.unread(slot, streams).await;
            let Unread { oldest, newest } = asked.map_err(store(customer))?;
            if until > newest + limits::CLOCK_SKEW {
                return Err(FindError::Ahead {
                    time: until,
                    now: newest,
                });
            }
            if oldest.is_none_or(|oldest| oldest > until) {
                return Ok(newest);
            }
            if !rest(next, &mut wait, deadline).await {
                return Err(behind(slot));
            }
        }
    }
}

/// Waits for a commit, or a while. False where the deadline has passed.
async fn rest(next: Option<Notified<'_>>, wait: &mut Backoff, deadline: Instant) -> bool {
    let until = deadline.min(Instant::now() + wait.next());
    let told = async {
        match next {
            Some(next) => next.await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = told => true,
        () = tokio::time::sleep_until(until) => until < deadline,
    }
}

/// Returns an error of the store that stands in the way of a customer.
fn store(customer: CustomerId) -> impl Fn(HotError) -> FindError {
    move |source| FindError::Store { customer, source }
}

/// Returns the error for a service that had not come far enough at the deadline.
fn behind(slot: Slot) -> FindError {
    FindError::Behind {
        service: slot.owner,
        partition: slot.partition,
    }
}
