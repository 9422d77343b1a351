//! A plan, carried out.

use kernel::{CustomerId, FragmentId, Timestamp};

use super::Overlay;
use super::resolve::places;
use crate::changes::{Evidence, EvidenceKind, Resolution, SharedListing};
use crate::customer::Identifier;
use crate::holding::HolderState;
use crate::limits::FRAGMENTS_PER_CUSTOMER;
use crate::plan::{Claim, Plan, Standing, Verdict};
use crate::rules::ConflictRule;
use crate::screen::{DropReason, Dropped, Screened};

/// The maker of fragments, and the time of acceptance.
pub(super) type Maker<'m> = (&'m mut dyn FnMut() -> FragmentId, Timestamp);

impl Overlay<'_> {
    /// Carries out a plan that has a customer.
    pub(super) fn carry_out(
        &mut self,
        screened: &Screened,
        claims: &[Claim],
        plan: &Plan,
        (fragment, now): Maker<'_>,
    ) -> Resolution {
        let merges = self.log.merges.len();
        let is_new = plan.members.is_empty();
        let kept = &screened.kept;
        let own = match first_held(claims, plan) {
            Some((place, own)) => {
                if let Standing::Held(customer, _) = claims[place].standing {
                    self.roots.entry(own).or_insert(customer);
                }
                own
            }
            None => {
                let made = fragment();
                self.create(made, now);
                made
            }
        };
        self.join_members(screened, claims, plan, own);
        for place in places(plan, |it| it == Verdict::Attach) {
            let is_first = is_new && plan.verdicts[..place].iter().all(|it| !names(*it));
            self.attach_new(&kept[place].1, (own, is_first), (fragment, now));
        }
        if let Some((by, _)) = first_held(claims, plan) {
            self.log.name_by(&kept[by].1.namespace);
        }
        for place in places(plan, |it| matches!(it, Verdict::Move(_))) {
            let is_whole = plan.verdicts[place] == Verdict::Move(true);
            let customer = self.root_of(own, own.into());
            self.take_over(&kept[place].1, (own, customer, is_whole), (fragment, now));
        }
        self.withdraw_all(screened, plan);
        let customer = self.root_of(own, own.into());
        self.note_conflicts(screened, plan, (customer, own));
        let unlisted = self.list_shared(screened, claims, (customer, own));
        if plan.trims {
            self.trim(customer, kept, now);
        }
        let mut resolution = Resolution {
            customer: self.root_of(own, own.into()),
            fragment: own,
            is_new,
            merged: self.log.merges[merges..].iter().map(|it| it.from).collect(),
            evidence: self.evidence(screened, plan, (own, &unlisted)),
            dropped: dropped(screened, claims, plan),
            moved: places(plan, |it| matches!(it, Verdict::Move(_)))
                .into_iter()
                .map(|place| kept[place].1.clone())
                .collect(),
            is_refused: false,
        };
        resolution.dropped.extend(unlisted);
        if let Some(first) = resolution.evidence.first() {
            resolution.fragment = first.fragment;
        }
        resolution
    }

    /// Joins all whom the event names, each by the first identifier that does.
    fn join_members(
        &mut self,
        screened: &Screened,
        claims: &[Claim],
        plan: &Plan,
        own: FragmentId,
    ) {
        let kind = if screened.is_alias {
            EvidenceKind::Forced
        } else {
            EvidenceKind::Joined
        };
        for member in plan.members.iter().skip(1) {
            let by = (0..claims.len()).find_map(|place| match claims[place].standing {
                Standing::Held(customer, fragment) if customer == *member => {
                    (plan.verdicts[place] == Verdict::Keep).then_some((place, fragment))
                }
                _ => None,
            });
            if let Some((place, fragment)) = by {
                let identifier = Some(&screened.kept[place].1);
                self.log.note(kind, (own, Some(fragment)), identifier, "");
            }
        }
        let Some((first, others)) = plan.members.split_first() else {
            return;
        };
        // Into the oldest at once, so that nobody is joined twice.
        let mut sorted: Vec<CustomerId> = others.iter().chain([first]).copied().collect();
        sorted.sort_by_key(|id| self.view(*id).ok().map(|view| (view.create_time, view.id)));
        for from in &sorted[1..] {
            self.fold(*from, sorted[0]);
        }
    }

    /// Gives a new identifier to the customer of a fragment: on that fragment, or, where it may be
    /// taken from there one day with its events, on one of its own.
    fn attach_new(
        &mut self,
        identifier: &Identifier,
        (own, is_first): (FragmentId, bool),
        (fragment, now): Maker<'_>,
    ) {
        let mut customer = self.root_of(own, own.into());
        let mut at = own;
        let is_own = self.rules.policy.rule == ConflictRule::ReassignNewest && !is_first;
        if is_own && let Some(made) = self.grow(customer, (fragment, now)) {
            let edge = (own, Some(made));
            self.log
                .note(EvidenceKind::Joined, edge, Some(identifier), "");
            (customer, at) = (self.root_of(own, own.into()), made);
        }
        self.attach(customer, at, identifier, now);
        self.log
            .note(EvidenceKind::Attached, (at, None), Some(identifier), "");
    }

    /// Makes a fragment more of a customer; none where it has as many as one may have.
    pub(super) fn grow(
        &mut self,
        customer: CustomerId,
        (fragment, now): Maker<'_>,
    ) -> Option<FragmentId> {
        let count = self.view(customer).ok()?.fragment_count;
        if count >= FRAGMENTS_PER_CUSTOMER {
            return None;
        }
        let made = fragment();
        let other = self.create(made, now);
        self.join(customer, other);
        Some(made)
    }

    /// Takes the values that are contested or quarantined from whoever has them.
    pub(super) fn withdraw_all(&mut self, screened: &Screened, plan: &Plan) {
        for (verdict, (_, identifier)) in plan.verdicts.iter().zip(&screened.kept) {
            let (state, reason) = match verdict {
                Verdict::Contest => (HolderState::Contested, DropReason::Contested),
                Verdict::Quarantine => (HolderState::Quarantined, DropReason::Quarantined),
                _ => continue,
            };
            let Some(fragment) = self.detach(identifier) else {
                continue;
            };
            let edge = (fragment, None);
            let released = EvidenceKind::Released;
            self.log
                .note(released, edge, Some(identifier), reason.code());
            if let Some(holder) = self.holders.get_mut(identifier) {
                holder.holding.state = state;
            }
        }
    }

    /// Notes between whom the values in conflict stand, and who was resolved without them.
    fn note_conflicts(
        &mut self,
        screened: &Screened,
        plan: &Plan,
        (customer, own): (CustomerId, FragmentId),
    ) {
        let kind = EvidenceKind::Demoted;
        for (place, (_, identifier)) in screened.kept.iter().enumerate() {
            let Verdict::Drop(reason) = plan.verdicts[place] else {
                if plan.conflicts.contains(&place) && plan.verdicts[place] == Verdict::Keep {
                    self.bridge(identifier, &screened.kept[0].1);
                }
                continue;
            };
            let is_known = self.holders.contains_key(identifier);
            let is_another = plan.conflicts.contains(&place) && self.fan_out(identifier, customer);
            if is_another || !is_known {
                let edge = (own, None);
                self.log.note(kind, edge, Some(identifier), reason.code());
            }
        }
    }

    /// Notes that a value stood before one more customer. Returns whether that is another one.
    pub(super) fn fan_out(&mut self, identifier: &Identifier, customer: CustomerId) -> bool {
        let Some(holder) = self.holders.get_mut(identifier) else {
            return false;
        };
        let before = holder.holding.clone();
        let is_another = holder.holding.fan_out.add(customer);
        if is_another {
            self.log.touch(identifier, Some(&before));
        }
        is_another
    }

    /// Notes that a value joined people who could not be one, by what named the other one.
    fn bridge(&mut self, identifier: &Identifier, other: &Identifier) {
        if let Some(holder) = self.holders.get_mut(identifier) {
            self.log.touch(identifier, Some(&holder.holding));
            holder.holding.fan_out.add_named(other);
        }
    }

    /// Lists the shared values of an event. Returns those that are too many.
    fn list_shared(
        &mut self,
        screened: &Screened,
        claims: &[Claim],
        (customer, own): (CustomerId, FragmentId),
    ) -> Vec<Dropped> {
        let mut too_many = Vec::new();
        for (claim, (rank, identifier)) in claims.iter().zip(&screened.kept) {
            if claim.standing != Standing::Shared || self.is_listed(identifier, customer) {
                continue;
            }
            let limit = self.rules.namespaces.at(*rank).limit();
            let count = self
                .view(customer)
                .map_or(0, |view| view.identifiers_in(&identifier.namespace));
            if count >= limit {
                too_many.push(Dropped {
                    identifier: identifier.clone(),
                    reason: DropReason::LimitExceeded,
                });
                continue;
            }
            self.list(identifier, (customer, own), false);
        }
        too_many
    }

    pub(super) fn list(
        &mut self,
        identifier: &Identifier,
        (customer, own): (CustomerId, FragmentId),
        is_alone: bool,
    ) {
        let known = self.changed(customer);
        known.view.add_identifiers(&identifier.namespace, 1);
        if let Some(detail) = known.detail() {
            detail.listed.push((identifier.clone(), own));
        }
        let listed = self.listed.entry(identifier.clone()).or_default();
        listed.push((own, customer));
        self.log.shared.push(SharedListing {
            identifier: identifier.clone(),
            fragment: own,
            is_alone,
        });
        let edge = (own, None);
        self.log
            .note(EvidenceKind::Attached, edge, Some(identifier), "");
    }

    /// The identifiers that named the customer.
    fn evidence(
        &self,
        screened: &Screened,
        plan: &Plan,
        (own, unlisted): (FragmentId, &[Dropped]),
    ) -> Vec<Evidence> {
        let mut evidence = Vec::with_capacity(screened.kept.len());
        for (place, (rank, identifier)) in screened.kept.iter().enumerate() {
            let verdict = plan.verdicts[place];
            let is_shared = verdict == Verdict::Aside
                && self.is_shared(*rank)
                && !unlisted.iter().any(|it| it.identifier == *identifier);
            if !names(verdict) && !is_shared {
                continue;
            }
            let holder = self.holders.get(identifier).filter(|_| !is_shared);
            evidence.push(Evidence {
                identifier: identifier.clone(),
                fragment: holder.map_or(own, |it| it.holding.fragment),
                is_attached: matches!(verdict, Verdict::Attach | Verdict::Move(_)),
            });
        }
        evidence
    }
}

/// Returns whether an identifier is one of the customer's afterwards.
const fn names(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Attach | Verdict::Keep | Verdict::Move(_))
}

/// The first claim that is held by whom the event names: its place, and its fragment.
fn first_held(claims: &[Claim], plan: &Plan) -> Option<(usize, FragmentId)> {
    (0..claims.len()).find_map(|place| match claims[place].standing {
        Standing::Held(_, fragment) if plan.verdicts[place] == Verdict::Keep => {
            Some((place, fragment))
        }
        _ => None,
    })
}

/// The identifiers that were left out.
pub(super) fn dropped(screened: &Screened, claims: &[Claim], plan: &Plan) -> Vec<Dropped> {
    let mut dropped = screened.dropped.clone();
    // From the lowest priority up.
    for (place, (_, identifier)) in screened.kept.iter().enumerate().rev() {
        let reason = match plan.verdicts[place] {
            Verdict::Drop(reason) => reason,
            Verdict::Quarantine => DropReason::Quarantined,
            Verdict::Contest => DropReason::Contested,
            Verdict::Aside if claims[place].standing == Standing::Contested => {
                DropReason::Contested
            }
            Verdict::Aside | Verdict::Attach | Verdict::Keep | Verdict::Move(_) => continue,
        };
        dropped.push(Dropped {
            identifier: identifier.clone(),
            reason,
        });
    }
    dropped
}
