//! What one event, or one forced merge, does to the customers that it names.
//!
//! The policy is `drop_lowest_priority`, the rule of Segment Unify: try; where the result breaks a limit, drop the
//! event's identifier of the lowest priority and try again. The oldest customer survives.
//!
//! New identifiers of one namespace that are more than a customer may have of it are dropped first:
//! they link nobody, and cost no identifier of another namespace.

use kernel::CustomerId;

use crate::customer::CustomerView;
use crate::limits::{ALIAS_VALUES, FRAGMENTS_PER_CUSTOMER, IDENTIFIERS_PER_CUSTOMER};
use crate::namespace::Namespaces;

/// One screened identifier of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The rank of its namespace, as [`Namespaces::find`] gives it.
    pub rank: usize,
    /// The customer that holds it; absent where nobody does.
    pub holder: Option<CustomerId>,
}

/// Who the event happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Somebody seen for the first time.
    New,
    /// A customer that is known.
    Known(CustomerId),
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who it happened to.
    pub target: Target,
    /// Which claims become identifiers of the target, by place.
    pub attach: Vec<usize>,
    /// Which customers are joined into the target, oldest first.
    pub merge: Vec<CustomerId>,
    /// Which claims were dropped because of a limit, by place, in the order in which they were dropped.
    pub dropped: Vec<usize>,
}

/// Customers cannot be joined: the result would be above a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "together they have {fragments} fragments and {identifiers} identifiers: a customer has at most {FRAGMENTS_PER_CUSTOMER} and {IDENTIFIERS_PER_CUSTOMER}"
)]
pub struct TooLarge {
    /// The fragments of all.
    pub fragments: u32,
    /// The identifiers of all.
    pub identifiers: u32,
}

/// The number of values that a customer may have of each namespace.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// The namespaces, each with its limit.
    pub namespaces: &'a Namespaces,
    /// True for an alias, which may give a customer [`ALIAS_VALUES`] of each at the least.
    pub is_alias: bool,
}

impl Limits<'_> {
    fn at(self, rank: usize) -> u32 {
        let limit = self.namespaces.at(rank).limit();
        if self.is_alias {
            limit.max(ALIAS_VALUES)
        } else {
            limit
        }
    }
}

/// Plans an event: `claims` by priority, and the customers that hold any of them.
///
/// # Panics
/// Where there is no claim, or a holder is not among the customers although the claims have more than one answer.
pub fn plan(limits: Limits<'_>, claims: &[Claim], customers: &[&CustomerView]) -> Plan {
    assert!(
        !claims.is_empty(),
        "an event without identifiers names nobody"
    );
    let surplus = surplus(limits, claims);
    let places: Vec<usize> = (0..claims.len())
        .filter(|place| !surplus.contains(place))
        .collect();
    let claims: Vec<Claim> = places.iter().map(|place| claims[*place]).collect();
    let mut kept = claims.len();
    let dropped = |kept: usize| {
        let last_first = |places: &[usize]| places.iter().rev().copied().collect::<Vec<_>>();
        [last_first(&surplus), last_first(&places[kept..])].concat()
    };
    loop {
        let trial = &claims[..kept];
        if let Some(holder) = only_holder(trial) {
            // Nothing changes, so that no limit can break; limits lowered since do not undo what is.
            return Plan {
                target: Target::Known(holder),
                attach: Vec::new(),
                merge: Vec::new(),
                dropped: dropped(kept),
            };
        }
        let holders = holders(trial, customers);
        // The last one always fits: limits are at least 1.
        if kept == 1 || fits(limits, trial, &holders) {
            let new = (0..kept).filter(|place| trial[*place].holder.is_none());
            return Plan {
                target: holders
                    .first()
                    .map_or(Target::New, |oldest| Target::Known(oldest.id)),
                attach: new.map(|place| places[place]).collect(),
                merge: holders.iter().skip(1).map(|view| view.id).collect(),
                dropped: dropped(kept),
            };
        }
        kept -= 1;
    }
}

/// Returns the places of new identifiers beyond the limit of their namespace, which no customer
/// could have.
fn surplus(limits: Limits<'_>, claims: &[Claim]) -> Vec<usize> {
    let is_beyond = |place: &usize| {
        let claim = claims[*place];
        let is_alike = |other: &&Claim| other.rank == claim.rank && other.holder.is_none();
        let before = claims[..*place].iter().filter(is_alike);
        claim.holder.is_none() && before.fold(0, |count: u32, _| count + 1) >= limits.at(claim.rank)
    };
    (0..claims.len()).filter(is_beyond).collect()
}

/// Plans a forced merge: the survivor first, then the others, oldest first.
///
/// Somebody who names the customers knows better than the limits of namespaces; the caps hold all the same.
///
/// # Errors
/// [`TooLarge`] where the result would be above a cap.
///
/// # Panics
/// Where there is no customer.
pub fn plan_merge(customers: &[&CustomerView]) -> Result<(CustomerId, Vec<CustomerId>), TooLarge> {
    let sorted = oldest_first(customers.to_vec());
    let union = union(&sorted).expect("a merge names customers");
    let identifiers = union.identifier_count();
    if union.fragment_count > FRAGMENTS_PER_CUSTOMER || identifiers > IDENTIFIERS_PER_CUSTOMER {
        return Err(TooLarge {
            fragments: union.fragment_count,
            identifiers,
        });
    }
    Ok((
        union.id,
        sorted.iter().skip(1).map(|view| view.id).collect(),
    ))
}

/// The one customer that holds every claim, where it is so.
fn only_holder(claims: &[Claim]) -> Option<CustomerId> {
    let first = claims.first()?.holder?;
    claims
        .iter()
        .all(|claim| claim.holder == Some(first))
        .then_some(first)
}

/// The customers that hold any of the claims, oldest first.
fn holders<'a>(claims: &[Claim], customers: &[&'a CustomerView]) -> Vec<&'a CustomerView> {
    let mut holders: Vec<&CustomerView> = Vec::new();
    for id in claims.iter().filter_map(|claim| claim.holder) {
        if !holders.iter().any(|known| known.id == id) {
            let view = customers
                .iter()
                .find(|view| view.id == id)
                .expect("the holder of each claim was loaded");
            holders.push(view);
        }
    }
    oldest_first(holders)
}

fn oldest_first(mut customers: Vec<&CustomerView>) -> Vec<&CustomerView> {
    customers.sort_by_key(|view| (view.create_time, view.id));
    customers
}

fn union(customers: &[&CustomerView]) -> Option<CustomerView> {
    let (first, others) = customers.split_first()?;
    let mut union = (*first).clone();
    for other in others {
        union.fold(other);
    }
    Some(union)
}

/// Whether the customer that the claims would make keeps every limit.
fn fits(limits: Limits<'_>, claims: &[Claim], holders: &[&CustomerView]) -> bool {
    let namespaces = limits.namespaces;
    let brings = |rank: usize| {
        claims
            .iter()
            .filter(|claim| claim.rank == rank && claim.holder.is_none())
            .fold(0_u32, |count, _| count + 1)
    };
    let Some(union) = union(holders) else {
        let mut ranks = 0..namespaces.iter().len();
        return ranks.all(|rank| brings(rank) <= limits.at(rank));
    };
    let new = claims.iter().fold(0_u32, |count, claim| {
        count + u32::from(claim.holder.is_none())
    });
    union.fragment_count <= FRAGMENTS_PER_CUSTOMER
        && union.identifier_count() + new <= IDENTIFIERS_PER_CUSTOMER
        && namespaces.iter().enumerate().all(|(rank, namespace)| {
            union.identifiers_in(namespace.name()) + brings(rank) <= limits.at(rank)
                || grows_nothing(namespaces, rank, claims, holders)
        })
}

/// Whether no customer gets more of a namespace than one of them has: then a limit lowered since is not broken now.
fn grows_nothing(
    namespaces: &Namespaces,
    rank: usize,
    claims: &[Claim],
    holders: &[&CustomerView],
) -> bool {
    let name = namespaces.at(rank).name();
    let having = holders
        .iter()
        .filter(|view| view.identifiers_in(name) > 0)
        .count();
    having <= 1
        && !claims
            .iter()
            .any(|claim| claim.rank == rank && claim.holder.is_none())
}
