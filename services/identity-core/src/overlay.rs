//! Decides the events of a batch one after the other, each seeing what those before it changed.

use std::collections::HashMap;

use kernel::{CustomerId, FragmentId, Timestamp};

use crate::customer::{CustomerView, Identifier};
use crate::namespace::Namespaces;
use crate::plan::{Claim, Limits, Plan, Target, plan};
use crate::screen::{DropReason, Dropped, Screened};

/// What is known of identifiers and customers, with the changes of a batch laid over it.
#[derive(Debug)]
pub struct Overlay<'a> {
    namespaces: &'a Namespaces,
    holders: HashMap<Identifier, Holder>,
    customers: HashMap<CustomerId, Known>,
    redirects: HashMap<CustomerId, CustomerId>,
    fragments: Vec<NewFragment>,
    identifiers: Vec<(Identifier, FragmentId)>,
    merges: Vec<Merge>,
}

#[derive(Debug, Clone, Copy)]
struct Holder {
    fragment: FragmentId,
    customer: CustomerId,
}

#[derive(Debug)]
struct Known {
    view: CustomerView,
    /// As loaded; absent for a customer of this batch.
    epoch: Option<u64>,
    is_changed: bool,
}

/// Who an event happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The customer.
    pub customer: CustomerId,
    /// The fragment that the first of the identifiers was seen under.
    pub fragment: FragmentId,
    /// Whether it was seen for the first time.
    pub is_new: bool,
    /// The customers that the event joined into it.
    pub merged: Vec<CustomerId>,
    /// The evidence: the identifiers that named it, by priority.
    pub evidence: Vec<Evidence>,
    /// The identifiers that were left out.
    pub dropped: Vec<Dropped>,
}

/// An identifier that named a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The identifier.
    pub identifier: Identifier,
    /// The fragment that holds it.
    pub fragment: FragmentId,
    /// True where it holds it since this event; false where that is how the event found it.
    pub is_attached: bool,
}

/// A customer has to be judged of whom only the id is known: what the overlay was told is stale, so load it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("customer {0} is not loaded")]
pub struct UnknownView(pub CustomerId);

/// A fragment made by a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewFragment {
    /// Its id.
    pub id: FragmentId,
    /// When it was first seen.
    pub create_time: Timestamp,
}

/// A customer joined into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The one that is gone.
    pub from: CustomerId,
    /// The one that survives, as known at that event; later merges of the batch may join it into yet another.
    pub into: CustomerId,
}

/// A customer whose row changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerChange {
    /// The customer after the batch.
    pub view: CustomerView,
    /// The epoch that the plan was made for; absent for a new customer.
    pub epoch: Option<u64>,
}

/// All that a batch changes, to be written at once or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The fragments made.
    pub fragments: Vec<NewFragment>,
    /// The identifiers attached, each to the fragment of the customer at that moment.
    pub identifiers: Vec<(Identifier, FragmentId)>,
    /// The merges, in order.
    pub merges: Vec<Merge>,
    /// The customers that are there after the batch and were not so before, by id.
    pub customers: Vec<CustomerChange>,
    /// The customers that were there before and are joined into another, with the epoch planned for, by id.
    pub removed: Vec<(CustomerId, u64)>,
    /// Where each merged customer, or fragment of the batch, ends up.
    pub redirects: Vec<(CustomerId, CustomerId)>,
}

impl Changes {
    /// Whether nothing changes.
    pub const fn is_empty(&self) -> bool {
        self.fragments.is_empty() && self.identifiers.is_empty() && self.merges.is_empty()
    }
}

impl<'a> Overlay<'a> {
    /// Knows nothing yet.
    pub fn new(namespaces: &'a Namespaces) -> Self {
        Self {
            namespaces,
            holders: HashMap::new(),
            customers: HashMap::new(),
            redirects: HashMap::new(),
            fragments: Vec::new(),
            identifiers: Vec::new(),
            merges: Vec::new(),
        }
    }

    /// Tells who holds an identifier, and the fragment that it was seen under.
    pub fn hold(&mut self, identifier: Identifier, fragment: FragmentId, customer: CustomerId) {
        self.holders
            .insert(identifier, Holder { fragment, customer });
    }

    /// Tells what is known of a customer, and the epoch of that knowledge.
    pub fn know(&mut self, view: CustomerView, epoch: u64) {
        self.customers.insert(
            view.id,
            Known {
                view,
                epoch: Some(epoch),
                is_changed: false,
            },
        );
    }

    /// Decides one event. `fragment` is used where somebody is seen for the first time, at `now`.
    ///
    /// # Errors
    /// [`UnknownView`] where a customer must be judged that was not told; nothing was changed.
    ///
    /// # Panics
    /// Where no identifier was kept: such an event names nobody and is refused before.
    pub fn resolve(
        &mut self,
        screened: &Screened,
        fragment: impl FnOnce() -> FragmentId,
        now: Timestamp,
    ) -> Result<Resolution, UnknownView> {
        let claims: Vec<Claim> = screened
            .kept
            .iter()
            .map(|(rank, identifier)| Claim {
                rank: *rank,
                holder: self
                    .holders
                    .get(identifier)
                    .map(|holder| self.root(holder.customer)),
            })
            .collect();
        let plan = self.plan(&claims, screened.is_alias)?;
        let (customer, is_new) = match plan.target {
            Target::Known(customer) => (customer, false),
            Target::New => (self.create(fragment(), now), true),
        };
        self.merge(customer, &plan.merge);
        let mut evidence = Vec::with_capacity(screened.kept.len());
        let mut dropped = screened.dropped.clone();
        for (place, (_, identifier)) in screened.kept.iter().enumerate() {
            let identifier = identifier.clone();
            if plan.dropped.contains(&place) {
                dropped.push(Dropped {
                    identifier,
                    reason: DropReason::LimitExceeded,
                });
                continue;
            }
            let is_attached = plan.attach.contains(&place);
            if is_attached {
                self.attach(customer, identifier.clone());
            }
            let holder = self.holders.get(&identifier);
            evidence.push(Evidence {
                fragment: holder.map_or(customer.fragment(), |holder| holder.fragment),
                identifier,
                is_attached,
            });
        }
        let first = evidence.first();
        let fragment = first.map_or(customer.fragment(), |first| first.fragment);
        Ok(Resolution {
            customer,
            fragment,
            is_new,
            merged: plan.merge,
            evidence,
            dropped,
        })
    }

    /// Where a customer is now, after the merges of this batch.
    pub fn root(&self, mut customer: CustomerId) -> CustomerId {
        // Each redirect leads to an older customer, so that this ends.
        while let Some(into) = self.redirects.get(&customer) {
            customer = *into;
        }
        customer
    }

    /// Joins customers into the first of them, which must be the oldest, as [`crate::plan_merge`] says.
    pub fn merge(&mut self, into: CustomerId, others: &[CustomerId]) {
        for from in others {
            let loser = self
                .customers
                .get(from)
                .expect("a merge was planned with both")
                .view
                .clone();
            let survivor = self.changed(into);
            survivor.fold(&loser);
            self.redirects.insert(*from, into);
            self.merges.push(Merge { from: *from, into });
        }
    }

    /// What the events so far changed.
    pub fn into_changes(self) -> Changes {
        let mut customers = Vec::new();
        let mut removed = Vec::new();
        let redirects = self
            .redirects
            .keys()
            .map(|from| (*from, self.root(*from)))
            .collect();
        for (id, known) in self.customers {
            match (self.redirects.contains_key(&id), known.epoch) {
                (true, Some(epoch)) => removed.push((id, epoch)),
                (false, epoch) if known.is_changed => customers.push(CustomerChange {
                    view: known.view,
                    epoch,
                }),
                _ => {}
            }
        }
        customers.sort_by_key(|change| change.view.id);
        removed.sort();
        Changes {
            fragments: self.fragments,
            identifiers: self.identifiers,
            merges: self.merges,
            customers,
            removed,
            redirects,
        }
    }

    fn plan(&self, claims: &[Claim], is_alias: bool) -> Result<Plan, UnknownView> {
        let mut views = Vec::new();
        let first = claims.first().and_then(|claim| claim.holder);
        if first.is_none() || claims.iter().any(|claim| claim.holder != first) {
            for holder in claims.iter().filter_map(|claim| claim.holder) {
                let known = self.customers.get(&holder).ok_or(UnknownView(holder))?;
                views.push(&known.view);
            }
        }
        let limits = Limits {
            namespaces: self.namespaces,
            is_alias,
        };
        Ok(plan(limits, claims, &views))
    }

    fn create(&mut self, fragment: FragmentId, now: Timestamp) -> CustomerId {
        let customer = CustomerId::from(fragment);
        self.fragments.push(NewFragment {
            id: fragment,
            create_time: now,
        });
        self.customers.insert(
            customer,
            Known {
                view: CustomerView::new(customer, now),
                epoch: None,
                is_changed: true,
            },
        );
        customer
    }

    fn attach(&mut self, customer: CustomerId, identifier: Identifier) {
        self.changed(customer)
            .add_identifiers(&identifier.namespace, 1);
        let fragment = customer.fragment();
        self.hold(identifier.clone(), fragment, customer);
        self.identifiers.push((identifier, fragment));
    }

    fn changed(&mut self, customer: CustomerId) -> &mut CustomerView {
        let known = self
            .customers
            .get_mut(&customer)
            .expect("what changes was planned with");
        known.is_changed = true;
        &mut known.view
    }
}
