//! Each policy's answer to an identifier whose holder cannot be one with the event's customer.

use kernel::CustomerId;

use super::{Plan, Planner, Standing, Trial, Verdict};
use crate::changes::Need;
use crate::limits::FRAGMENTS_PER_CUSTOMER;
use crate::namespace::Uniqueness;
use crate::rules::ConflictRule;
use crate::screen::DropReason;

impl Planner<'_, '_> {
    /// An event with more values of a namespace than a customer may have is refused whole where the
    /// newest owner would get them: nobody can say whose it is.
    pub(super) fn refused_whole(&self) -> Option<Plan> {
        let rules = self.overlay.rules();
        if rules.policy.rule != ConflictRule::ReassignNewest || self.is_alias {
            return None;
        }
        let is_over = rules.iter().enumerate().any(|(rank, namespace)| {
            let named = self.claims.iter().filter(|claim| claim.rank == rank);
            namespace.uniqueness != Uniqueness::Shared
                && named.fold(0, |count: u32, _| count + 1) > namespace.limit()
        });
        is_over.then(|| Plan {
            verdicts: vec![Verdict::Drop(DropReason::ConflictingValues); self.claims.len()],
            ..Plan::default()
        })
    }
}

impl Trial<'_, '_, '_> {
    /// Returns the accepted claims that bridge two people together with the one in conflict: where
    /// the event names no person, it is nobody's.
    pub(super) fn bridge(
        &self,
        holder: CustomerId,
        reason: DropReason,
    ) -> Result<Vec<usize>, Need> {
        let overlay = self.planner.overlay;
        if self.rule() != ConflictRule::AmbiguousAnonymous
            || self.planner.is_alias
            || reason == DropReason::CustomerFull
        {
            return Ok(Vec::new());
        }
        let is_person = |rank: usize| self.namespace(rank).names_people();
        let names_person = self
            .planner
            .claims
            .iter()
            .any(|claim| is_person(claim.rank));
        if names_person || !overlay.view(holder)?.is_known(overlay.rules()) {
            return Ok(Vec::new());
        }
        let mut bridging = Vec::new();
        for (place, claim) in self.planner.claims.iter().enumerate() {
            let Standing::Held(customer, _) = claim.standing else {
                continue;
            };
            let is_accepted = self.has(customer) && !self.is_contested(place);
            if is_accepted && overlay.view(customer)?.is_known(overlay.rules()) {
                bridging.push(place);
            }
        }
        Ok(bridging)
    }

    /// Returns what becomes of a claim in conflict.
    pub(super) fn conflict(
        &mut self,
        place: usize,
        holder: CustomerId,
        reason: DropReason,
    ) -> Result<Verdict, Need> {
        if self.planner.is_alias {
            return Ok(Verdict::Drop(reason));
        }
        if self.planner.fan_out.is_beyond(place, self.oldest()) {
            return Ok(Verdict::Quarantine);
        }
        self.plan.conflicts.push(place);
        let rank = self.planner.claims[place].rank;
        let is_events_fault = self.named(rank) >= self.limit(rank);
        match self.rule() {
            ConflictRule::DropLowestPriority
            | ConflictRule::RefuseIfKnown
            | ConflictRule::UnionAll => Ok(Verdict::Drop(reason)),
            _ if is_events_fault => Ok(Verdict::Drop(DropReason::LimitExceeded)),
            ConflictRule::AmbiguousAnonymous if reason == DropReason::CustomerFull => {
                Ok(Verdict::Drop(reason))
            }
            ConflictRule::AmbiguousAnonymous => Ok(Verdict::Contest),
            ConflictRule::SwitchSession => self.move_to_customer(rank, false),
            ConflictRule::ReassignNewest => {
                self.need_detail(Some(holder))?;
                if self.fragments() >= FRAGMENTS_PER_CUSTOMER {
                    return Ok(Verdict::Drop(DropReason::CustomerFull));
                }
                self.move_to_customer(rank, reason != DropReason::CannotLink)
            }
        }
    }

    fn move_to_customer(&mut self, rank: usize, is_with_fragment: bool) -> Result<Verdict, Need> {
        if let Some(reason) = self.make_room(rank)? {
            return Ok(Verdict::Drop(reason));
        }
        self.add(rank);
        Ok(Verdict::Move(is_with_fragment))
    }
}
