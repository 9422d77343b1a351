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

use std::sync::Arc;

use hot::{HotError, Owner, SharedHotStore, Slot, StreamId, StreamName, Unread};
use kernel::{CustomerId, PartitionId, Timestamp};
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use self::commits::Commits;
use crate::find::FindError;
use crate::key::{key_of, keys_of};
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
                let behind = self.last_in(slot, service.bulk, customer, before).await?;
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
                return Err(FindError::Behind {
                    service: slot.owner,
                    partition: slot.partition,
                });
            }
        }
    }

    /// Returns when the last entry of a stream was accepted that has records of a customer and is
    /// not in effect; `newest` where that is not known.
    async fn last_in(
        &self,
        slot: Slot,
        name: StreamName,
        customer: CustomerId,
        newest: Timestamp,
    ) -> Result<Option<Timestamp>, FindError> {
        let store = store(customer);
        let stream = StreamId {
            name,
            partition: slot.partition,
        };
        // Nearly always.
        let unread = self.hot.unread(slot, &[name]).await.map_err(&store)?;
        if unread.oldest.is_none() {
            return Ok(None);
        }
        let head = self.hot.head(slot).await.map_err(&store)?;
        let own = head.cursors.into_iter().find(|(of, _)| *of == name);
        let mut read_to = own.map(|(_, cursor)| cursor).unwrap_or_default();
        let (key, mut last) = (key_of(customer.as_bytes()), None);
        loop {
            let max = limits::ENTRIES_PER_POLL;
            let entries = self.hot.poll(stream, read_to, max).await.map_err(&store)?;
            let is_last = entries.len() < max;
            for entry in entries {
                read_to = entry.cursor;
                let accept_time = entry.accept_time.unwrap_or(newest);
                // Those that came meanwhile follow from something else.
                if accept_time > newest {
                    return Ok(last);
                }
                if keys_of(entry.payload).into_iter().any(|it| Some(it) == key) {
                    last = Some(accept_time);
                }
            }
            if is_last {
                return Ok(last);
            }
        }
    }

    /// Waits until what a slot has sent to other partitions so far is in their streams.
    async fn sent(
        &self,
        slot: Slot,
        customer: CustomerId,
        deadline: Instant,
    ) -> Result<(), FindError> {
        let store = store(customer);
        let max = limits::OUTBOX_PER_READ;
        let mut last = 0;
        loop {
            let page = self.hot.outbox(slot, last, max).await.map_err(&store)?;
            last = page.last().map_or(last, |message| message.seq);
            if page.len() < max {
                break;
            }
        }
        if last == 0 {
            return Ok(());
        }
        let mut wait = Backoff::reading();
        loop {
            let waiting = self.hot.outbox(slot, 0, 1).await.map_err(&store)?;
            if waiting.first().is_none_or(|oldest| oldest.seq > last) {
                return Ok(());
            }
            // Nobody is told of it.
            if !rest(None, &mut wait, deadline).await {
                return Err(FindError::Behind {
                    service: slot.owner,
                    partition: slot.partition,
                });
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
