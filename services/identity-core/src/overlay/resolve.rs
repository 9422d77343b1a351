//! One event: looked up, planned, and carried out.

use kernel::{CustomerId, FragmentId, Timestamp};

use super::Overlay;
use crate::changes::{Evidence, Need, Resolution};
use crate::customer::Identifier;
use crate::holding::HolderState;
use crate::namespace::Uniqueness;
use crate::plan::{Claim, FanOuts, Plan, Planner, Standing, Verdict};
use crate::screen::Screened;

/// The customers between whom the values of an event stood.
#[derive(Debug)]
struct EventFanOuts<'a, 'r> {
    overlay: &'a Overlay<'r>,
    kept: &'a [(usize, Identifier)],
}

impl FanOuts for EventFanOuts<'_, '_> {
    fn is_beyond(&self, place: usize, customer: Option<CustomerId>) -> bool {
        let (rank, identifier) = &self.kept[place];
        let Some(holder) = self.overlay.holders.get(identifier) else {
            return false;
        };
        let known = &holder.holding.fan_out;
        let is_another = customer.is_none_or(|it| !known.contains(it));
        let limit = self.overlay.rules.namespaces.at(*rank).fan_out_limit;
        known.count() + u32::from(is_another) > limit
    }
}

impl Overlay<'_> {
    /// Decides one event. `fragment` is used where somebody is seen for the first time, at `now`,
    /// the time of acceptance.
    ///
    /// # Errors
    /// [`Need`]: this event has changed nothing.
    pub fn resolve(
        &mut self,
        screened: &Screened,
        mut fragment: impl FnMut() -> FragmentId,
        now: Timestamp,
    ) -> Result<Resolution, Need> {
        let claims = self.claims(&screened.kept);
        if let Some(resolution) = self.only_holder(screened, &claims) {
            self.log.event += 1;
            return Ok(resolution);
        }
        let plan = self.plan(screened, &claims, now)?;
        let resolution = if plan.has_customer() {
            self.carry_out(screened, &claims, &plan, (&mut fragment, now))
        } else {
            self.leave_alone(screened, &claims, &plan, (&mut fragment, now))
        };
        self.log.event += 1;
        Ok(resolution)
    }

    fn plan(&self, screened: &Screened, claims: &[Claim], now: Timestamp) -> Result<Plan, Need> {
        for claim in claims {
            if let Standing::Held(customer, _) = claim.standing {
                self.view(customer)?;
            }
        }
        let fan_out = EventFanOuts {
            overlay: self,
            kept: &screened.kept,
        };
        let planner = Planner {
            overlay: self,
            claims,
            fan_out: &fan_out,
            is_alias: screened.is_alias,
            now,
        };
        planner.plan()
    }

    fn claims(&self, kept: &[(usize, Identifier)]) -> Vec<Claim> {
        let claim = |(rank, identifier): &(usize, Identifier)| Claim {
            rank: *rank,
            standing: self.standing(*rank, identifier),
        };
        kept.iter().map(claim).collect()
    }

    fn standing(&self, rank: usize, identifier: &Identifier) -> Standing {
        let holder = self.holders.get(identifier);
        if holder.is_some_and(|it| !self.rules.decide_of(it.holding.fragment)) {
            return Standing::OtherSubject;
        }
        if self.rules.namespaces.at(rank).uniqueness() == Uniqueness::Shared {
            return Standing::Shared;
        }
        let Some(holder) = holder else {
            return Standing::New;
        };
        let fragment = holder.holding.fragment;
        match holder.holding.state {
            HolderState::Live => Standing::Held(self.root_of(fragment, holder.customer), fragment),
            HolderState::Contested | HolderState::Alone => Standing::Contested,
            HolderState::Quarantined => Standing::Quarantined,
        }
    }

    /// The answer where one customer has all identifiers already: nothing changes, so that no limit
    /// can break; limits lowered since do not undo what is.
    fn only_holder(&self, screened: &Screened, claims: &[Claim]) -> Option<Resolution> {
        let held = |claim: &Claim| match claim.standing {
            Standing::Held(customer, fragment) => Some((customer, fragment)),
            _ => None,
        };
        let customer = claims.iter().find_map(held)?.0;
        let mut first = None;
        let mut evidence = Vec::with_capacity(claims.len());
        for (claim, (_, identifier)) in claims.iter().zip(&screened.kept) {
            let fragment = match held(claim) {
                Some((own, fragment)) => {
                    first = first.or(Some(fragment));
                    (own == customer).then_some(fragment)?
                }
                None if claim.standing == Standing::Shared => self
                    .is_listed(identifier, customer)
                    .then(|| customer.fragment())?,
                None => return None,
            };
            evidence.push(Evidence {
                identifier: identifier.clone(),
                fragment,
                is_attached: false,
            });
        }
        Some(Resolution {
            customer,
            fragment: first?,
            is_new: false,
            merged: Vec::new(),
            evidence,
            dropped: screened.dropped.clone(),
            moved: Vec::new(),
            is_refused: false,
        })
    }

    pub(super) fn is_listed(&self, identifier: &Identifier, customer: CustomerId) -> bool {
        let listed = self.listed.get(identifier).into_iter().flatten();
        let mut roots = listed.map(|(fragment, told)| self.root_of(*fragment, *told));
        roots.any(|root| root == customer)
    }
}

/// Returns the places of claims of which something was decided.
pub(super) fn places(plan: &Plan, is: impl Fn(Verdict) -> bool) -> Vec<usize> {
    let all = plan.verdicts.iter().enumerate();
    all.filter(|(_, verdict)| is(**verdict))
        .map(|(place, _)| place)
        .collect()
}
