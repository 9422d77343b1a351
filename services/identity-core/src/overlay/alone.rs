//! Events that name nobody: they go to the anonymous customer of a value, always the same, or are
//! refused.

use kernel::{CustomerId, FragmentId};

use super::apply::{Maker, dropped};
use super::{Holder, Overlay};
use crate::changes::{Evidence, Resolution};
use crate::customer::Identifier;
use crate::holding::{FanOut, HolderState, Holding};
use crate::namespace::Uniqueness;
use crate::plan::{Claim, Plan, Standing, Verdict};
use crate::screen::Screened;

impl Overlay<'_> {
    /// Carries out a plan without a customer.
    pub(super) fn leave_alone(
        &mut self,
        screened: &Screened,
        claims: &[Claim],
        plan: &Plan,
        (fragment, now): Maker<'_>,
    ) -> Resolution {
        self.withdraw_all(screened, plan);
        let is_value =
            |place: &usize| matches!(plan.verdicts[*place], Verdict::Aside | Verdict::Contest);
        let values: Vec<usize> = (0..claims.len()).filter(is_value).collect();
        let kept = &screened.kept;
        let mut resolution = Resolution {
            customer: CustomerId::new(uuid::Uuid::nil()),
            fragment: FragmentId::new(uuid::Uuid::nil()),
            is_new: false,
            merged: Vec::new(),
            evidence: Vec::new(),
            dropped: dropped(screened, claims, plan),
            moved: Vec::new(),
            is_refused: values.is_empty(),
        };
        let Some(first) = values.first() else {
            return resolution;
        };
        // A contested value has none of its own where another one of the event has one: it was
        // contested with that.
        let is_contested = |place: usize| claims[place].standing != Standing::Shared;
        let known = values
            .iter()
            .filter(|place| **place == *first || is_contested(*first) && is_contested(**place))
            .find_map(|place| self.alone(&kept[*place].1));
        let (own, customer) = known.unwrap_or_else(|| {
            let made = fragment();
            resolution.is_new = true;
            (made, self.create(made, now))
        });
        for place in values.iter().copied() {
            let identifier = &kept[place].1;
            if is_contested(place) {
                if self.alone(identifier).is_none() {
                    self.leave(identifier, own, customer);
                }
            } else {
                self.leave_shared(identifier, (own, customer), place == *first);
            }
            resolution.evidence.push(Evidence {
                identifier: identifier.clone(),
                fragment: own,
                is_attached: resolution.is_new,
            });
        }
        let is_named = |identifier: &Identifier| {
            let mut named = resolution.evidence.iter();
            named.any(|it| it.identifier == *identifier)
        };
        resolution.dropped.retain(|it| !is_named(&it.identifier));
        (resolution.customer, resolution.fragment) = (customer, own);
        resolution
    }

    /// The anonymous customer of a value.
    fn alone(&self, identifier: &Identifier) -> Option<(FragmentId, CustomerId)> {
        let holder = self.holders.get(identifier)?;
        let own = holder.holding.fragment;
        let is_alone = holder.holding.state == HolderState::Alone;
        is_alone.then(|| (own, self.root_of(own, holder.customer)))
    }

    /// Leaves a contested value to an anonymous customer.
    fn leave(&mut self, identifier: &Identifier, own: FragmentId, customer: CustomerId) {
        if let Some(holder) = self.holders.get_mut(identifier) {
            self.log.touch(identifier, Some(&holder.holding));
            holder.holding.state = HolderState::Alone;
            holder.holding.fragment = own;
            holder.customer = customer;
        }
    }

    fn leave_shared(
        &mut self,
        identifier: &Identifier,
        (own, customer): (FragmentId, CustomerId),
        is_first: bool,
    ) {
        let is_new = is_first && self.alone(identifier).is_none();
        if is_new {
            let holding = Holding {
                fragment: own,
                state: HolderState::Alone,
                fan_out: FanOut::default(),
            };
            self.holders
                .insert(identifier.clone(), Holder { holding, customer });
        }
        let is_there = is_first || self.is_listed(identifier, customer);
        if is_new || !is_there && self.view(customer).is_ok() {
            self.list(identifier, (customer, own), is_new);
        }
    }

    pub(super) fn is_shared(&self, rank: usize) -> bool {
        self.rules.namespaces.at(rank).uniqueness() == Uniqueness::Shared
    }
}
