//! The changes that a consumer wants, in the form in which each change is looked at.
//!
//! It decides before a change is converted: most consumers want few of all changes.

use std::collections::HashSet;

use proto::gateway::v1::{ChangeFilter, ChangeKind};
use proto::stream::v1::ChangeRecord;
use proto::stream::v1::change_record::Kind;
use uuid::Uuid;

/// A filter of changes. Everything that is set must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// Empty for all, as are the others.
    kinds: HashSet<ChangeKind>,
    segments: HashSet<String>,
    journeys: HashSet<String>,
    journey_maps: HashSet<String>,
    channels: HashSet<String>,
    customers: HashSet<[u8; 16]>,
}

impl Filter {
    /// Reads a filter whose fields keep the rules of the contract.
    pub(crate) fn new(filter: &ChangeFilter) -> Self {
        let names = |names: &[String]| names.iter().cloned().collect();
        let customers = filter.customer_ids.iter();
        Self {
            kinds: filter.kinds().collect(),
            segments: names(&filter.segments),
            journeys: names(&filter.journeys),
            journey_maps: names(&filter.journey_maps),
            channels: names(&filter.channels),
            customers: customers
                .filter_map(|id| id.parse::<Uuid>().ok())
                .map(Uuid::into_bytes)
                .collect(),
        }
    }

    /// Returns whether a change is wanted; one that was erased never is.
    pub(crate) fn matches(&self, change: &ChangeRecord) -> bool {
        let Some(kind) = &change.kind else {
            return false;
        };
        has(&self.kinds, &kind_of(kind))
            && self.has_customer(&change.customer_id)
            && self.has_name(kind)
    }

    fn has_customer(&self, id: &[u8]) -> bool {
        self.customers.is_empty()
            || <[u8; 16]>::try_from(id).is_ok_and(|id| self.customers.contains(&id))
    }

    fn has_name(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Membership(it) => has(&self.segments, it.segment.as_str()),
            Kind::Transition(it) => has(&self.journeys, it.journey.as_str()),
            Kind::Position(it) => has(&self.journey_maps, it.journey_map.as_str()),
            Kind::Activation(it) => {
                has(&self.journeys, it.journey.as_str()) && has(&self.channels, it.channel.as_str())
            }
            Kind::MergedIntoId(_)
            | Kind::SplitFromId(_)
            | Kind::ErasedById(_)
            | Kind::Account(_) => true,
        }
    }
}

/// Returns whether a list names something, or is empty.
fn has<T, Q>(list: &HashSet<T>, one: &Q) -> bool
where
    T: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    list.is_empty() || list.contains(one)
}

fn kind_of(kind: &Kind) -> ChangeKind {
    match kind {
        Kind::Membership(_) => ChangeKind::Membership,
        Kind::Transition(_) => ChangeKind::Transition,
        Kind::Position(_) => ChangeKind::Position,
        Kind::Activation(_) => ChangeKind::Activation,
        Kind::MergedIntoId(_) => ChangeKind::Merge,
        Kind::SplitFromId(_) => ChangeKind::Unmerge,
        Kind::ErasedById(_) => ChangeKind::Erasure,
        Kind::Account(_) => ChangeKind::Account,
    }
}

#[cfg(test)]
mod tests {
    use proto::stream::v1::{
        AccountMembership, ActivationMoved, MapMoved, RunMoved, SegmentChange,
    };

    use super::*;

    const CUSTOMER: [u8; 16] = [7; 16];

    fn all() -> Vec<ChangeRecord> {
        let kinds = [
            Kind::Membership(SegmentChange {
                segment: "loyal".to_owned(),
                ..SegmentChange::default()
            }),
            Kind::Transition(RunMoved {
                journey: "welcome".to_owned(),
                ..RunMoved::default()
            }),
            Kind::Position(MapMoved {
                journey_map: "shop".to_owned(),
                ..MapMoved::default()
            }),
            Kind::Activation(ActivationMoved {
                journey: "welcome".to_owned(),
                channel: "mail".to_owned(),
                ..ActivationMoved::default()
            }),
            Kind::MergedIntoId(vec![1; 16].into()),
        ];
        let changes = kinds.into_iter().map(|kind| ChangeRecord {
            customer_id: CUSTOMER.to_vec().into(),
            time_ms: 1,
            kind: Some(kind),
        });
        changes.collect()
    }

    /// Says which of the five kinds pass: membership, transition, position, activation, merge.
    fn check(filter: &ChangeFilter, expected: [bool; 5]) {
        let compiled = Filter::new(filter);
        let found: Vec<bool> = all().iter().map(|it| compiled.matches(it)).collect();
        assert_eq!(found, expected, "{filter:?}");
    }

    fn names(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn a_change_passes_where_everything_that_is_set_matches() {
        let none = ChangeFilter::default;
        check(&none(), [true; 5]);
        let kinds = |kinds: &[ChangeKind]| ChangeFilter {
            kinds: kinds.iter().map(|kind| i32::from(*kind)).collect(),
            ..none()
        };
        check(
            &kinds(&[ChangeKind::Merge, ChangeKind::Position]),
            [false, false, true, false, true],
        );
        let segments = |name| ChangeFilter {
            segments: names(name),
            ..none()
        };
        check(&segments("loyal"), [true; 5]);
        check(&segments("other"), [false, true, true, true, true]);
        let journeys = |name| ChangeFilter {
            journeys: names(name),
            ..none()
        };
        check(&journeys("welcome"), [true; 5]);
        check(&journeys("other"), [true, false, true, false, true]);
        let maps = |name| ChangeFilter {
            journey_maps: names(name),
            ..none()
        };
        check(&maps("other"), [true, true, false, true, true]);
        let channels = |name| ChangeFilter {
            channels: names(name),
            ..none()
        };
        check(&channels("mail"), [true; 5]);
        check(&channels("other"), [true, true, true, false, true]);
        let customers = |id: [u8; 16]| ChangeFilter {
            customer_ids: vec![Uuid::from_bytes(id).to_string()],
            ..none()
        };
        check(&customers(CUSTOMER), [true; 5]);
        check(&customers([8; 16]), [false; 5]);
        let both = ChangeFilter {
            customer_ids: vec![Uuid::from_bytes(CUSTOMER).to_string()],
            ..kinds(&[ChangeKind::Activation])
        };
        check(&both, [false, false, false, true, false]);
    }

    #[test]
    fn memberships_of_accounts_pass_by_kind_and_customer_alone() {
        let change = ChangeRecord {
            customer_id: CUSTOMER.to_vec().into(),
            time_ms: 1,
            kind: Some(Kind::Account(AccountMembership {
                account_id: vec![8; 16].into(),
                is_member: true,
                ..AccountMembership::default()
            })),
        };
        let of_kind = |kind: ChangeKind| ChangeFilter {
            kinds: vec![kind.into()],
            segments: names("loyal"),
            ..ChangeFilter::default()
        };
        let of_customer = |id: [u8; 16]| ChangeFilter {
            customer_ids: vec![Uuid::from_bytes(id).to_string()],
            ..ChangeFilter::default()
        };
        for (filter, passes) in [
            (of_kind(ChangeKind::Account), true),
            (of_kind(ChangeKind::Membership), false),
            (of_customer(CUSTOMER), true),
            (of_customer([8; 16]), false),
        ] {
            assert_eq!(Filter::new(&filter).matches(&change), passes, "{filter:?}");
        }
    }

    #[test]
    fn an_erased_change_passes_no_filter() {
        let erased = ChangeRecord::default();
        assert!(!Filter::default().matches(&erased));
    }
}
