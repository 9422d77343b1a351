//! The customer that an event would make, as far as its identifiers were accepted.

use kernel::CustomerId;

use super::{Claim, Plan, Planner, Standing, Verdict};
use crate::changes::Need;
use crate::customer::CustomerView;
use crate::limits::{ALIAS_VALUES, FRAGMENTS_PER_CUSTOMER, IDENTIFIERS_PER_CUSTOMER};
use crate::namespace::{Namespace, Uniqueness, WhenFull};
use crate::rules::ConflictRule;
use crate::screen::DropReason;

/// The customer that an event would make.
#[derive(Debug)]
pub(crate) struct Trial<'t, 'p, 'r> {
    pub(super) planner: &'t Planner<'p, 'r>,
    contested: &'t [usize],
    pub(super) plan: Plan,
    fragments: u32,
    identifiers: u32,
    /// For each namespace: the values of the members, and those that the event adds.
    counts: Vec<u32>,
    added: Vec<u32>,
    /// For each namespace: the values that the event names or adds.
    named: Vec<u32>,
    /// For each namespace: the members that have a value.
    having: Vec<u32>,
}

impl<'t, 'p, 'r> Trial<'t, 'p, 'r> {
    /// Nothing is accepted yet.
    pub(super) fn new(planner: &'t Planner<'p, 'r>, contested: &'t [usize]) -> Self {
        let ranks = planner.overlay.rules().iter().len();
        let undecided = Verdict::Drop(DropReason::LimitExceeded);
        Self {
            planner,
            contested,
            plan: Plan {
                verdicts: vec![undecided; planner.claims.len()],
                ..Plan::default()
            },
            fragments: 0,
            identifiers: 0,
            counts: vec![0; ranks],
            added: vec![0; ranks],
            named: vec![0; ranks],
            having: vec![0; ranks],
        }
    }

    pub(super) fn is_contested(&self, place: usize) -> bool {
        self.contested.contains(&place)
    }

    pub(super) fn has(&self, customer: CustomerId) -> bool {
        self.plan.members.contains(&customer)
    }

    pub(super) fn decide(&mut self, place: usize, verdict: Verdict) {
        self.plan.verdicts[place] = verdict;
    }

    /// Notes that the event names a value that the customer has.
    pub(super) fn name(&mut self, rank: usize) {
        self.named[rank] += 1;
    }

    /// Returns what becomes of a value that nobody has.
    pub(super) fn take_new(&mut self, rank: usize) -> Result<Verdict, Need> {
        if let Some(reason) = self.make_room(rank)? {
            return Ok(Verdict::Drop(reason));
        }
        self.add(rank);
        Ok(Verdict::Attach)
    }

    /// Returns why the customer cannot have one more value of a namespace; absent where it can.
    pub(super) fn make_room(&mut self, rank: usize) -> Result<Option<DropReason>, Need> {
        let rule = self.rule();
        let when_full = self.when_full(rank);
        let is_bounded = rule != ConflictRule::UnionAll
            || self.namespace(rank).when_full == Some(WhenFull::DropOldest);
        if is_bounded && self.named[rank] >= self.limit(rank) {
            return Ok(Some(DropReason::LimitExceeded));
        }
        if is_bounded && self.is_over(rank, None, 1)? {
            match when_full {
                WhenFull::RefuseNewest => return Ok(Some(DropReason::LimitExceeded)),
                WhenFull::DropOldest => self.plan.trims = true,
            }
        }
        if self.identifiers >= self.identifier_limit() {
            if rule != ConflictRule::ReassignNewest {
                return Ok(Some(DropReason::CustomerFull));
            }
            self.plan.trims = true;
        }
        Ok(None)
    }

    /// Counts a value that the event adds.
    pub(super) fn add(&mut self, rank: usize) {
        self.added[rank] += 1;
        self.named[rank] += 1;
        self.identifiers += 1;
    }

    /// Returns why a customer cannot be one with what was accepted; absent where it can.
    pub(super) fn unfit(
        &self,
        rank: usize,
        customer: CustomerId,
    ) -> Result<Option<DropReason>, Need> {
        let overlay = self.planner.overlay;
        let view = overlay.view(customer)?;
        let is_first = self.plan.members.is_empty() && self.added.iter().all(|it| *it == 0);
        if is_first {
            return Ok(None);
        }
        let members = self.plan.members.iter();
        if members
            .clone()
            .any(|it| overlay.is_cannot_link(*it, customer))
        {
            return Ok(Some(DropReason::CannotLink));
        }
        if !self.planner.is_alias && view.is_known(overlay.rules()) {
            let is_weak = overlay.is_weak(rank);
            let is_refused = self.rule() == ConflictRule::RefuseIfKnown
                && (!self.plan.members.is_empty() || self.adds_person());
            if is_weak || is_refused {
                return Ok(Some(DropReason::KnownCustomer));
            }
        }
        if self.is_full_with(view) {
            return Ok(Some(DropReason::CustomerFull));
        }
        if self.rule() == ConflictRule::UnionAll {
            return Ok(None);
        }
        let is_broken = self.breaks_limit(view)?;
        Ok(is_broken.then_some(DropReason::LimitExceeded))
    }

    /// Joins a customer; under [`ConflictRule::UnionAll`] a value that bridges too many is
    /// quarantined.
    pub(super) fn join(&mut self, place: usize, customer: CustomerId) -> Result<Verdict, Need> {
        let Claim { rank, .. } = self.planner.claims[place];
        let view = self.planner.overlay.view(customer)?;
        if self.rule() == ConflictRule::UnionAll && !self.planner.is_alias {
            let is_named = !self.plan.members.is_empty() || self.added.iter().any(|it| *it > 0);
            if is_named && self.breaks_limit(view)? {
                if self.planner.fan_out.is_beyond(place, None) {
                    return Ok(Verdict::Quarantine);
                }
                self.plan.conflicts.push(place);
            }
        }
        self.plan.trims |= self.is_over_dropping(view);
        self.fragments += view.fragment_count;
        self.identifiers += view.identifier_count();
        for (rank, namespace) in self.planner.overlay.rules().iter().enumerate() {
            let count = view.identifiers_in(namespace.name());
            self.counts[rank] += count;
            self.having[rank] += u32::from(count > 0);
        }
        self.plan.members.push(customer);
        self.name(rank);
        Ok(Verdict::Keep)
    }

    /// Returns the plan.
    pub(super) fn finish(mut self) -> Result<Plan, Need> {
        self.plan.trims |= self.rule() == ConflictRule::ReassignNewest
            && self.identifiers > self.identifier_limit();
        if self.plan.trims {
            self.need_detail(None)?;
        }
        Ok(self.plan)
    }

    /// The oldest customer that was accepted: who all are, in the end.
    pub(super) fn oldest(&self) -> Option<CustomerId> {
        let views = self.plan.members.iter();
        let views = views.filter_map(|it| self.planner.overlay.view(*it).ok());
        let oldest = views.min_by_key(|view| (view.create_time, view.id));
        oldest.map(|view| view.id)
    }

    /// Fails where the details of a customer who is judged are not loaded: those of the members,
    /// and of another one.
    pub(super) fn need_detail(&self, other: Option<CustomerId>) -> Result<(), Need> {
        let customers = self.plan.members.iter().copied().chain(other);
        let lacking: Vec<_> = customers
            .flat_map(|it| self.planner.overlay.lacking(it))
            .copied()
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        // Whoever else the event names is likely to be judged in the same way.
        let mut all = lacking;
        for claim in self.planner.claims {
            if let Standing::Held(customer, _) = claim.standing {
                all.extend(self.planner.overlay.lacking(customer));
            }
        }
        all.sort_unstable();
        all.dedup();
        Err(Need::Detail(all))
    }

    pub(super) fn rule(&self) -> ConflictRule {
        self.planner.overlay.rules().policy.rule
    }

    pub(super) fn namespace(&self, rank: usize) -> &'p Namespace {
        self.planner.overlay.rules().namespaces.at(rank)
    }

    pub(super) fn limit(&self, rank: usize) -> u32 {
        let limit = self.namespace(rank).limit();
        if self.planner.is_alias {
            limit.max(ALIAS_VALUES)
        } else {
            limit
        }
    }

    pub(super) fn named(&self, rank: usize) -> u32 {
        self.named[rank]
    }

    pub(super) const fn fragments(&self) -> u32 {
        self.fragments
    }

    /// Returns whether the event adds a value that names a person.
    fn adds_person(&self) -> bool {
        let mut added = self.added.iter().enumerate();
        added.any(|(rank, count)| *count > 0 && self.namespace(rank).names_people())
    }

    fn when_full(&self, rank: usize) -> WhenFull {
        let usual = match self.rule() {
            ConflictRule::ReassignNewest => WhenFull::DropOldest,
            _ => WhenFull::RefuseNewest,
        };
        self.namespace(rank).when_full.unwrap_or(usual)
    }

    fn identifier_limit(&self) -> u32 {
        let limit = self.planner.overlay.rules().policy.identifier_limit;
        limit.min(IDENTIFIERS_PER_CUSTOMER)
    }

    fn is_full_with(&self, view: &CustomerView) -> bool {
        let limit = match self.rule() {
            // The oldest of too many go.
            ConflictRule::ReassignNewest => IDENTIFIERS_PER_CUSTOMER,
            _ => self.identifier_limit(),
        };
        self.fragments + view.fragment_count > FRAGMENTS_PER_CUSTOMER
            || self.identifiers + view.identifier_count() > limit
    }

    /// Returns whether the customer would have more than one may have of any namespace. A limit
    /// that was lowered since is not broken by who gets nothing of that namespace.
    fn breaks_limit(&self, view: &CustomerView) -> Result<bool, Need> {
        for (rank, namespace) in self.planner.overlay.rules().iter().enumerate() {
            let is_loose = namespace.uniqueness == Uniqueness::Shared
                || namespace.when_full == Some(WhenFull::DropOldest);
            let brings = view.identifiers_in(namespace.name()) > 0;
            let grows = self.having[rank] + u32::from(brings) > 1
                || (self.added[rank] > 0 && (brings || self.having[rank] > 0));
            if !is_loose && grows && self.is_over(rank, Some(view), 0)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether a union has too much of a namespace of which the oldest values go.
    fn is_over_dropping(&self, view: &CustomerView) -> bool {
        let mut all = self.planner.overlay.rules().iter().enumerate();
        all.any(|(rank, namespace)| {
            namespace.when_full == Some(WhenFull::DropOldest)
                && self.counts[rank] + self.added[rank] + view.identifiers_in(namespace.name())
                    > self.limit(rank)
        })
    }

    /// Returns whether there are more values of a namespace than a customer may have: of the
    /// members, of another customer, those that the event adds, and more.
    fn is_over(&self, rank: usize, other: Option<&CustomerView>, more: u32) -> Result<bool, Need> {
        let namespace = self.namespace(rank);
        let brought = other.map_or(0, |view| view.identifiers_in(namespace.name()));
        let added = self.added[rank] + more;
        if self.counts[rank] + brought + added <= self.limit(rank) {
            return Ok(false);
        }
        let Some(since) = namespace.since(self.planner.now) else {
            return Ok(true);
        };
        self.need_detail(other.map(|view| view.id))?;
        let members = self.plan.members.iter();
        let views = members.map(|it| self.planner.overlay.view(*it));
        let mut count = added;
        for view in views.chain(other.map(Ok)) {
            count += view?.count_since(namespace.name(), since);
        }
        Ok(count > self.limit(rank))
    }
}
