//! Customers joined, and identifiers given, by the word of somebody who knows.

use std::collections::{BTreeSet, HashSet};

use identity_core::{
    Changes, CustomerChange, CustomerView, EvidenceKind, EvidenceRow, FanOut, HolderState, Holding,
    HoldingChange, Identifier, NewFragment, Overlay, Rules, SharedListing, TooLarge, Uniqueness,
    limits, plan_merge,
};
use kernel::{CustomerId, FragmentId};

use super::attempt::Written;
use super::load::is_live;
use super::{ResolveError, Resolver, lay_over};
use crate::limits::RESOLVE_ATTEMPTS;
use crate::store::{Cause, Found, News, SentAs, SentBy};

/// A customer who was given identifiers.
#[derive(Debug)]
pub(crate) struct Given {
    /// The customer.
    pub(crate) customer: CustomerId,
    /// The merges, to be announced.
    pub(crate) news: Vec<News>,
}

impl Resolver {
    /// Joins customers, named by any of their fragments, into the oldest of them. What unmerges
    /// said of them is taken back.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn merge(
        &self,
        rules: &Rules,
        customers: &[CustomerId],
        cause: Cause<'_>,
    ) -> Result<(CustomerId, Vec<News>), ResolveError> {
        let fragments: Vec<FragmentId> = customers.iter().map(|id| id.fragment()).collect();
        for attempt in 0..RESOLVE_ATTEMPTS {
            let (roots, found) = self.tables.find_roots(&fragments).await?;
            if let Some(missing) = roots.iter().position(Option::is_none) {
                return Err(ResolveError::NotFound(customers[missing]));
            }
            let views: Vec<_> = found.customers.values().map(|(view, _)| view).collect();
            let (into, others) = plan_merge(rules, &views)?;
            let mut overlay = Overlay::new(rules);
            for (view, epoch) in found.customers.values() {
                overlay.know(view.clone(), *epoch);
            }
            overlay.merge(into, &others);
            let changes = overlay.into_changes();
            if let Some(news) = self.write_word(&changes, &found, cause).await? {
                return Ok((into, news));
            }
            self.pause(attempt).await;
        }
        Err(ResolveError::Contended)
    }

    /// Gives identifiers to a customer, or to whoever holds any of them, or to somebody new, and
    /// joins all who hold them.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub(crate) async fn link(
        &self,
        rules: &Rules,
        customer: Option<CustomerId>,
        identifiers: &[Identifier],
        cause: Cause<'_>,
    ) -> Result<Given, ResolveError> {
        let named: HashSet<&Identifier> = identifiers.iter().collect();
        for attempt in 0..RESOLVE_ATTEMPTS {
            let mut found = self.load(rules, &named).await?;
            let held = found.identifiers.iter().filter(|it| is_live(it.state));
            let mut holders: BTreeSet<CustomerId> = held.map(|it| it.customer).collect();
            if let Some(customer) = customer {
                let (roots, own) = self.tables.find_roots(&[customer.fragment()]).await?;
                let root = roots.first().copied().flatten();
                holders.insert(root.ok_or(ResolveError::NotFound(customer))?);
                found.customers.extend(own.customers);
            }
            let (given, changes) = self.give(rules, &found, &holders, (&named, cause))?;
            if let Some(news) = self.write_word(&changes, &found, cause).await? {
                named.iter().for_each(|it| self.cache.forget(it));
                return Ok(Given {
                    customer: given,
                    news,
                });
            }
            self.pause(attempt).await;
        }
        Err(ResolveError::Contended)
    }

    /// Plans to join holders, and to give them identifiers.
    fn give(
        &self,
        rules: &Rules,
        found: &Found,
        holders: &BTreeSet<CustomerId>,
        (named, cause): (&HashSet<&Identifier>, Cause<'_>),
    ) -> Result<(CustomerId, Changes), ResolveError> {
        let known = holders.iter().filter_map(|id| found.customers.get(id));
        let views: Vec<&CustomerView> = known.map(|(view, _)| view).collect();
        let mut overlay = lay_over(rules, found);
        let (customer, mut changes) = if views.is_empty() {
            let id = self.chance.fragment(cause.time);
            let mut changes = overlay.into_changes();
            changes.fragments.push(NewFragment {
                create_time: cause.time,
                id,
            });
            changes.customers.push(CustomerChange {
                view: CustomerView::new(id.into(), cause.time),
                epoch: None,
            });
            (id.into(), changes)
        } else {
            let (into, others) = plan_merge(rules, &views)?;
            overlay.merge(into, &others);
            (into, overlay.into_changes())
        };
        let mut sorted: Vec<&Identifier> = named.iter().copied().collect();
        sorted.sort_unstable();
        let mut added = Vec::new();
        for identifier in sorted {
            if attach(
                rules,
                found,
                (holders, customer),
                (identifier, &mut changes),
            ) {
                added.push(identifier);
            }
        }
        if added.is_empty() {
            return Ok((customer, changes));
        }
        count(&mut changes, found, customer, &added)?;
        Ok((customer, changes))
    }

    /// Writes what somebody said; `None` where it raced.
    async fn write_word(
        &self,
        changes: &Changes,
        found: &Found,
        cause: Cause<'_>,
    ) -> Result<Option<Vec<News>>, ResolveError> {
        let lifted: Vec<CustomerId> = found.customers.keys().copied().collect();
        let lifted = if changes.merges.is_empty() {
            Vec::new()
        } else {
            lifted
        };
        let mut sent = SentBy::request(SentAs::merge(cause.request_id), changes, lifted);
        sent.name_joins(changes, CustomerId::from);
        match self.write(changes, cause, &sent).await? {
            Written::News(news) => Ok(Some(news)),
            Written::Raced => Ok(None),
            Written::Erased => {
                self.refresh().await?;
                Ok(None)
            }
        }
    }
}

/// Adds one identifier to what changes, where the customer does not have it. Returns whether it
/// did.
fn attach(
    rules: &Rules,
    found: &Found,
    (holders, customer): (&BTreeSet<CustomerId>, CustomerId),
    (identifier, changes): (&Identifier, &mut Changes),
) -> bool {
    let fragment = customer.fragment();
    let is_shared = rules
        .find(&identifier.namespace)
        .is_some_and(|(_, it)| it.uniqueness() == Uniqueness::Shared);
    let known = found
        .identifiers
        .iter()
        .find(|it| it.identifier == *identifier);
    if is_shared {
        let mut listed = found.shared.iter();
        if listed.any(|(own, of)| own == identifier && holders.contains(of)) {
            return false;
        }
        changes.shared.push(SharedListing {
            identifier: identifier.clone(),
            fragment,
            is_alone: false,
        });
    } else if let Some(known) = known {
        if is_live(known.state) {
            return false;
        }
        changes.holdings.push(HoldingChange {
            identifier: identifier.clone(),
            before: Some(Holding {
                fragment: known.fragment,
                state: known.state,
                fan_out: known.fan_out.clone(),
            }),
            after: Some(Holding {
                fragment,
                state: HolderState::Live,
                fan_out: FanOut::default(),
            }),
            is_attached: true,
        });
    } else {
        changes.identifiers.push((identifier.clone(), fragment));
    }
    changes.evidence.push(EvidenceRow {
        fragment,
        identifier: Some(identifier.clone()),
        joined: None,
        kind: EvidenceKind::Attached,
        reason: "",
        event_place: 0,
        by: None,
    });
    true
}

/// Counts the identifiers that a customer was given.
fn count(
    changes: &mut Changes,
    found: &Found,
    customer: CustomerId,
    added: &[&Identifier],
) -> Result<(), TooLarge> {
    let place = match changes
        .customers
        .iter()
        .position(|change| change.view.id == customer)
    {
        Some(place) => place,
        None => {
            if let Some((view, epoch)) = found.customers.get(&customer) {
                changes.customers.push(CustomerChange {
                    view: view.clone(),
                    epoch: Some(*epoch),
                });
            }
            changes.customers.len() - 1
        }
    };
    let view = &mut changes.customers[place].view;
    for identifier in added {
        view.add_identifiers(&identifier.namespace, 1);
    }
    let identifiers = view.identifier_count();
    if identifiers > limits::IDENTIFIERS_PER_CUSTOMER {
        return Err(TooLarge {
            fragments: view.fragment_count,
            identifiers,
        });
    }
    changes.customers.sort_by_key(|change| change.view.id);
    Ok(())
}
