//! Finds a customer as they are after a write, through redirects.

use std::ops::Range;

use decision::{Core, PartKey};
use hot::Slot;
use kernel::{CustomerId, PartitionId};
use tokio::time::Instant;

use super::{Follower, Goal, Lanes, WAY, Written, place_of, rest, store};
use crate::find::{FindError, Found, Way, look, look_at_head};
use crate::head::Head;
use crate::limits;
use crate::partition::Backoff;

impl Follower {
    /// Loads a customer, or the one that they were joined into, as they are after a write, and the
    /// parts that `want` names, as [`find_customer_with`](crate::find_customer_with) does.
    ///
    /// # Errors
    /// As there; [`FindError::Behind`] and [`FindError::OnTheWay`] where that takes longer than the
    /// deadline, [`FindError::Ahead`] where the store has not come to the time of the write.
    pub async fn find_customer_with<C: Core>(
        &self,
        customer: CustomerId,
        written: Written,
        deadline: Instant,
        want: impl Fn(&C::State) -> Vec<PartKey> + Send + Sync,
    ) -> Result<Found<C::State>, FindError> {
        self.commits.listen().await;
        let mut goal = Goal::of(written);
        let (mut current, mut joined) = (customer, Vec::new());
        let mut way = Way::from(customer);
        for redirects in 0..=limits::REDIRECTS_PER_READ {
            let partition = self.partition_of(current);
            self.pass(partition, current, C::OWNER, goal, deadline)
                .await?;
            let mut settled = self.settled::<C>(current, &joined, deadline, &want).await?;
            let is_merged = settled.as_ref().is_some_and(|(head, _)| head.has_merges());
            if is_merged && goal.first < place_of(C::OWNER) {
                // A service before this one may keep what was written.
                let earlier = goal.first..place_of(C::OWNER);
                goal = self.let_through(current, earlier, goal, deadline).await?;
                self.pass(partition, current, C::OWNER, goal, deadline)
                    .await?;
                settled = self.settled::<C>(current, &joined, deadline, &want).await?;
            }
            let found = |state| Found {
                customer: current,
                state,
                redirects,
            };
            let Some((head, state)) = settled else {
                return Ok(found(None));
            };
            let Some(survivor) = way.next(current, &head)? else {
                return Ok(found(head.has_state.then_some(state)));
            };
            goal = self.follow::<C>(current, survivor, goal, deadline).await?;
            if way.came_out() {
                // They left those who were met before.
                joined.clear();
            } else {
                joined.push(current);
            }
            current = survivor;
        }
        Err(FindError::TooManyRedirects {
            customer,
            limit: limits::REDIRECTS_PER_READ,
        })
    }

    fn partition_of(&self, customer: CustomerId) -> PartitionId {
        self.hot.partition_count().partition_of(customer.fragment())
    }

    /// Reads a customer once nothing is on its way to or from them, and all of those who are known
    /// to be joined into them is here.
    async fn settled<C: Core>(
        &self,
        customer: CustomerId,
        joined: &[CustomerId],
        deadline: Instant,
        want: impl Fn(&C::State) -> Vec<PartKey> + Send + Sync,
    ) -> Result<Option<(Head, C::State)>, FindError> {
        let slot = Slot {
            owner: C::OWNER,
            partition: self.partition_of(customer),
        };
        let mut wait = Backoff::reading();
        loop {
            let next = self.commits.next(slot);
            let read = look::<C>(self.hot.as_ref(), customer, &want).await?;
            let is_settled = match &read {
                None => joined.is_empty(),
                Some((head, _)) => head.is_settled(joined),
            };
            if is_settled {
                return Ok(read);
            }
            if !rest(next, &mut wait, deadline).await {
                return Err(FindError::OnTheWay { customer });
            }
        }
    }

    /// Waits until some services have taken what is waited for, one after the other, and nothing of
    /// it waits there for the state of another. Returns what is to be waited for in the next one.
    async fn let_through(
        &self,
        customer: CustomerId,
        services: Range<usize>,
        goal: Goal,
        deadline: Instant,
    ) -> Result<Goal, FindError> {
        let partition = self.partition_of(customer);
        let mut goal = goal;
        for service in &WAY[services] {
            let owner = service.owner;
            self.pass(partition, customer, owner, goal, deadline)
                .await?;
            let slot = Slot { owner, partition };
            let mut wait = Backoff::reading();
            loop {
                let next = self.commits.next(slot);
                let head = look_at_head(self.hot.as_ref(), slot, customer).await?;
                if head.is_none_or(|head| head.lets_through()) {
                    break;
                }
                // Records that wait may go on by any lane.
                goal.lanes = Lanes::Both;
                if !rest(next, &mut wait, deadline).await {
                    return Err(FindError::OnTheWay { customer });
                }
            }
            let unread = self.hot.unread(slot, &[]).await;
            goal.time = unread.map_err(store(customer))?.newest;
        }
        Ok(goal)
    }

    /// Waits until what came for a merged customer has left for the survivor. Returns what is to be
    /// waited for in the survivor's partition.
    ///
    /// Whatever leaves passes through all services that come after, and then through an outbox. It
    /// may have taken any lane, and arrives in the live one.
    async fn follow<C: Core>(
        &self,
        customer: CustomerId,
        survivor: CustomerId,
        goal: Goal,
        deadline: Instant,
    ) -> Result<Goal, FindError> {
        if goal.first > place_of(C::OWNER) {
            // It does not come to this service.
            return Ok(goal);
        }
        let goal = Goal {
            lanes: Lanes::Both,
            ..goal
        };
        let partition = self.partition_of(customer);
        let all = goal.first..WAY.len();
        self.let_through(customer, all, goal, deadline).await?;
        for service in WAY.iter().skip(goal.first) {
            let owner = service.owner;
            let slot = Slot { owner, partition };
            self.sent(slot, customer, deadline).await?;
        }
        let slot = Slot {
            owner: C::OWNER,
            partition: self.partition_of(survivor),
        };
        let unread = self.hot.unread(slot, &[]).await;
        let time = unread.map_err(store(survivor))?.newest;
        Ok(Goal { time, ..goal })
    }
}
