//! Customers who have too much: the oldest of it goes, and names nobody until it is seen again.

use kernel::{CustomerId, Timestamp};

use super::Overlay;
use crate::changes::EvidenceKind;
use crate::customer::{Held, Identifier};
use crate::namespace::{Namespace, Uniqueness, WhenFull};
use crate::rules::ConflictRule;

/// The reason of evidence of what went because it was the oldest.
const OLDEST: &str = "OLDEST";

impl Overlay<'_> {
    /// Releases what is too much. What the event names stays.
    pub(super) fn trim(
        &mut self,
        customer: CustomerId,
        named: &[(usize, Identifier)],
        now: Timestamp,
    ) {
        let rules = self.rules;
        let is_reassigned = rules.policy.rule == ConflictRule::ReassignNewest;
        for namespace in rules.iter() {
            let is_dropping = match namespace.when_full {
                Some(when_full) => when_full == WhenFull::DropOldest,
                None => is_reassigned,
            };
            if is_dropping && namespace.uniqueness() != Uniqueness::Shared {
                self.trim_namespace(customer, namespace, (named, now));
            }
        }
        if is_reassigned {
            let limit = rules.policy.identifier_limit;
            for namespace in rules.iter().rev() {
                let count = self.view(customer).map_or(0, |it| it.identifier_count());
                let held = self.releasable(customer, namespace, named, Timestamp::MIN);
                self.release(customer, held, count.saturating_sub(limit));
            }
        }
    }

    fn trim_namespace(
        &mut self,
        customer: CustomerId,
        namespace: &Namespace,
        (named, now): (&[(usize, Identifier)], Timestamp),
    ) {
        let since = namespace.since(now).unwrap_or(Timestamp::MIN);
        let count = match self.view(customer) {
            Ok(view) => view.count_since(namespace.name(), since),
            Err(_) => 0,
        };
        let held = self.releasable(customer, namespace, named, since);
        self.release(customer, held, count.saturating_sub(namespace.limit()));
    }

    /// The values of a namespace that came to a customer since a time, oldest first, without those
    /// that an event names.
    fn releasable(
        &self,
        customer: CustomerId,
        namespace: &Namespace,
        named: &[(usize, Identifier)],
        since: Timestamp,
    ) -> Vec<Held> {
        let detail = self
            .view(customer)
            .ok()
            .and_then(|view| view.detail.as_ref());
        let all = detail.map_or(&[][..], |detail| detail.held.as_slice());
        let is_named = |held: &Held| named.iter().any(|(_, it)| *it == held.identifier);
        let mut held: Vec<Held> = all
            .iter()
            .filter(|it| it.identifier.namespace == namespace.name() && it.attach_time >= since)
            .filter(|it| !is_named(it))
            .cloned()
            .collect();
        // Stable: those of one time are in the order in which they came.
        held.sort_by_key(|held| held.attach_time);
        held
    }

    fn release(&mut self, customer: CustomerId, held: Vec<Held>, count: u32) {
        for held in held.into_iter().take(count as usize) {
            if self.detach(&held.identifier).is_none() {
                self.detach_untold(customer, &held);
            }
            self.holders.remove(&held.identifier);
            let edge = (held.fragment, None);
            let released = EvidenceKind::Released;
            self.log
                .note(released, edge, Some(&held.identifier), OLDEST);
        }
    }
}
