//! Identifiers that go to another customer, alone or with their fragment.

use std::sync::Arc;

use kernel::{CustomerId, FragmentId};

use super::apply::Maker;
use super::{Known, Overlay};
use crate::changes::{EvidenceKind, Split};
use crate::customer::{CustomerView, Detail, Held, Identifier, NewFragment};
use crate::limits::FRAGMENTS_PER_CUSTOMER;
use crate::rules::ConflictRule;

impl Overlay<'_> {
    /// Gives a customer a value that another one has: with its fragment, where that has nothing
    /// else and leaves somebody behind; else alone.
    pub(super) fn take_over(
        &mut self,
        identifier: &Identifier,
        (own, customer, is_whole): (FragmentId, CustomerId, bool),
        (fragment, now): Maker<'_>,
    ) {
        let Some(holder) = self.holders.get(identifier).cloned() else {
            return;
        };
        let from = holder.holding.fragment;
        let giver = self.root_of(from, holder.customer);
        if giver == customer {
            return;
        }
        let refitted = is_whole
            .then(|| self.refit(identifier, (from, giver, customer), now))
            .flatten();
        let is_moved = refitted.is_some();
        let to = if is_moved {
            from
        } else {
            self.detach(identifier);
            let is_own = self.rules.policy.rule == ConflictRule::ReassignNewest;
            let made = is_own
                .then(|| self.grow(customer, (fragment, now)))
                .flatten();
            let to = made.unwrap_or(own);
            if made.is_some() {
                let edge = (own, made);
                self.log
                    .note(EvidenceKind::Joined, edge, Some(identifier), "");
            }
            self.attach(self.root_of(own, own.into()), to, identifier, now);
            to
        };
        if is_moved {
            let edge = (own, Some(from));
            self.log
                .note(EvidenceKind::Joined, edge, Some(identifier), "");
        }
        // Of a fragment that goes, those who are left behind are told.
        let joined = refitted.map_or(from, CustomerId::fragment);
        let edge = (to, Some(joined));
        self.log
            .note(EvidenceKind::Moved, edge, Some(identifier), "");
        self.fan_out(identifier, refitted.unwrap_or(giver));
    }

    /// Moves a fragment that has one identifier only, with its events. Returns who is left behind.
    ///
    /// Returns nobody, and changes nothing, where the fragment has other identifiers or is all
    /// there is of its customer, and where the other customer has as many as one may have.
    fn refit(
        &mut self,
        identifier: &Identifier,
        (from, giver, customer): (FragmentId, CustomerId, CustomerId),
        now: kernel::Timestamp,
    ) -> Option<CustomerId> {
        if self.view(customer).ok()?.fragment_count >= FRAGMENTS_PER_CUSTOMER {
            return None;
        }
        let detail = self.view(giver).ok()?.detail.clone()?;
        let is_beside = |held: &&Held| held.fragment == from;
        if detail.held.iter().filter(is_beside).count() != 1 || detail.fragments.len() < 2 {
            return None;
        }
        let is_moved = |fragment: &NewFragment| fragment.id == from;
        // The root keeps its id: where it is the one that goes, the others leave it.
        let is_root = giver.fragment() == from;
        let leaving = detail.fragments.iter().copied();
        let leaving = leaving.filter(|fragment| is_moved(fragment) != is_root);
        let part = self.split(giver, leaving.collect(), is_root);
        let (mover, left) = if is_root {
            (giver, part)
        } else {
            (part, giver)
        };
        // Its time changes, also where nothing else of how it is held does.
        if let Some(holder) = self.holders.get(identifier) {
            self.log.touch(identifier, Some(&holder.holding));
        }
        self.log.attached.insert(identifier.clone());
        let whole = self.join(customer, mover);
        // It is the newest of the whole, also among those of the same time.
        if let Some(detail) = self.changed(whole).detail() {
            detail.held.retain(|held| held.identifier != *identifier);
            detail.held.push(Held {
                identifier: identifier.clone(),
                fragment: from,
                attach_time: now,
            });
        }
        Some(left)
    }

    /// Splits fragments off a customer of whom all is known. Returns the customer that they are.
    fn split(
        &mut self,
        from: CustomerId,
        mut leaving: Vec<NewFragment>,
        is_remainder: bool,
    ) -> CustomerId {
        leaving.sort_unstable();
        let oldest = leaving[0];
        let into = CustomerId::from(oldest.id);
        let is_leaving = |id: FragmentId| leaving.iter().any(|it| it.id == id);
        let known = self.changed(from);
        let mut left = CustomerView::new(into, oldest.create_time);
        let mut taken = Detail {
            fragments: leaving.clone(),
            ..Detail::default()
        };
        let (mut rest, mut all_listed) = (Vec::new(), Vec::new());
        if let Some(detail) = known.detail() {
            detail.fragments.retain(|it| !is_leaving(it.id));
            let held = std::mem::take(&mut detail.held);
            let (go, stay) = held.into_iter().partition(|it| is_leaving(it.fragment));
            (taken.held, detail.held) = (go, stay);
            let listed = std::mem::take(&mut detail.listed);
            all_listed.clone_from(&listed);
            let (go, stay) = listed.into_iter().partition(|(_, own)| is_leaving(*own));
            (taken.listed, detail.listed) = (go, stay);
            rest.clone_from(&detail.fragments);
        }
        let held = taken.held.iter().map(|held| &held.identifier);
        for identifier in held.chain(taken.listed.iter().map(|(identifier, _)| identifier)) {
            known.view.remove_identifier(&identifier.namespace);
            left.add_identifiers(&identifier.namespace, 1);
        }
        let count = u32::try_from(leaving.len()).unwrap_or(u32::MAX);
        known.view.fragment_count = known.view.fragment_count.saturating_sub(count);
        left.fragment_count = count;
        left.detail = Some(Arc::new(taken));
        self.name_listings(from, all_listed);
        let epoch = self.customers.get(&into).and_then(|known| known.epoch);
        self.customers.insert(
            into,
            Known {
                view: left,
                epoch,
                is_changed: true,
                lacks: Vec::new(),
            },
        );
        let fragments: Vec<_> = leaving.iter().map(|it| it.id).collect();
        let parts = [(into, fragments.clone()), (from, ids(&rest))];
        for (root, fragments) in parts {
            for fragment in fragments {
                self.roots.insert(fragment, root);
                self.log.refitted.insert(fragment);
            }
        }
        self.log.splits.push(Split {
            from,
            into,
            fragments,
            is_remainder,
            merges_before: self.log.merges.len(),
            event_place: self.log.event,
        });
        into
    }
}

impl Overlay<'_> {
    /// Knows by their fragments what is listed for a customer, so that it stays with these.
    fn name_listings(&mut self, customer: CustomerId, listed: Vec<(Identifier, FragmentId)>) {
        for (identifier, _) in &listed {
            let mut all = self.listed.remove(identifier).unwrap_or_default();
            all.retain(|(own, told)| self.root_of(*own, *told) != customer);
            self.listed.insert(identifier.clone(), all);
        }
        for (identifier, own) in listed {
            let all = self.listed.entry(identifier).or_default();
            all.push((own, customer));
        }
    }
}

fn ids(fragments: &[NewFragment]) -> Vec<FragmentId> {
    fragments.iter().map(|it| it.id).collect()
}
