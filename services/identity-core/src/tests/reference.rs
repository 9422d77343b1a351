//! The rule told literally, held against the one that is carried out: drop from the lowest priority
//! up until the rest is consistent, and take back what was not at fault.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::properties::{event, tight};
use super::*;

/// Customers as sets of identifiers, and nothing else.
#[derive(Debug, Default)]
struct Naive {
    groups: Vec<Vec<Identifier>>,
}

impl Naive {
    /// Takes an event; returns what it dropped.
    fn event(&mut self, rules: &Rules, kept: &[(usize, Identifier)]) -> Vec<Identifier> {
        let mut left: Vec<Identifier> = kept.iter().map(|(_, it)| it.clone()).collect();
        let mut dropped = Vec::new();
        loop {
            // From the lowest priority up, until the rest is consistent.
            let mut count = left.len();
            while count > 1 && !self.is_consistent(rules, &left[..count]) {
                count -= 1;
            }
            if count == left.len() {
                break;
            }
            // The last one that was dropped was at fault; the others may not have been.
            dropped.push(left.remove(count));
        }
        self.join(&left);
        dropped.reverse();
        dropped
    }

    fn union(&self, identifiers: &[Identifier]) -> (Vec<Identifier>, usize) {
        let is_named = |group: &&Vec<Identifier>| identifiers.iter().any(|it| group.contains(it));
        let groups: Vec<_> = self.groups.iter().filter(is_named).collect();
        let mut union: Vec<Identifier> = groups.iter().flat_map(|it| it.iter().cloned()).collect();
        let held = union.len();
        for identifier in identifiers {
            if !union.contains(identifier) {
                union.push(identifier.clone());
            }
        }
        let is_one = groups.len() <= 1 && union.len() == held;
        (union, if is_one { 0 } else { groups.len().max(1) })
    }

    fn is_consistent(&self, rules: &Rules, identifiers: &[Identifier]) -> bool {
        let (union, groups) = self.union(identifiers);
        if groups == 0 {
            return true;
        }
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for identifier in &union {
            *counts.entry(&identifier.namespace).or_default() += 1;
        }
        counts.iter().all(|(name, count)| {
            let limit = rules.find(name).map_or(0, |(_, own)| own.limit());
            *count <= limit
        })
    }

    fn join(&mut self, identifiers: &[Identifier]) {
        let (union, _) = self.union(identifiers);
        self.groups
            .retain(|group| !identifiers.iter().any(|it| group.contains(it)));
        self.groups.push(union);
    }

    fn picture(&self) -> Vec<Vec<Identifier>> {
        let mut groups = self.groups.clone();
        groups.iter_mut().for_each(|group| group.sort());
        groups.sort();
        groups
    }
}

proptest! {
    #[test]
    fn greedy_from_the_top_is_dropping_from_below(events in prop::collection::vec(event(), 1..40)) {
        // Nothing is quarantined here.
        let mut rules = tight();
        rules = compiled_with_fan_out(&rules);
        let mut world = World::new(rules.clone());
        let mut naive = Naive::default();
        for event in &events {
            let pairs = event.split(' ').filter_map(|pair| pair.split_once('='));
            let pairs = pairs.map(|(namespace, value)| (namespace.to_owned(), value.to_owned()));
            let screened = screen(&rules, pairs);
            let expected = naive.event(&rules, &screened.kept);
            let resolution = world.event(event);
            let dropped: Vec<_> = resolution.dropped.iter().map(|it| it.identifier.clone()).collect();
            prop_assert_eq!(dropped, expected, "{}", event);
        }
        let mut groups: Vec<Vec<Identifier>> = world
            .customers
            .keys()
            .map(|id| {
                let rows = world.rows.iter();
                rows.filter(|(_, row)| world.roots[&row.holding.fragment] == *id)
                    .map(|(identifier, _)| identifier.clone())
                    .collect()
            })
            .collect();
        groups.sort();
        prop_assert_eq!(groups, naive.picture());
    }

    #[test]
    fn only_the_identifier_at_fault_is_dropped(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new(tight());
        for event in &events {
            let resolution = world.event(event);
            // Without what was dropped, the same event drops nothing and goes to the same customer.
            let is_left = |pair: &&str| {
                let left = |it: &crate::Dropped| format!("{}={}", it.identifier.namespace, it.identifier.value) == **pair;
                !resolution.dropped.iter().any(left)
            };
            let rest: Vec<&str> = event.split(' ').filter(is_left).collect();
            if !rest.is_empty() {
                let again = world.event(&rest.join(" "));
                prop_assert!(again.dropped.is_empty());
                prop_assert_eq!(again.customer, resolution.customer);
            }
        }
    }
}

/// The same namespaces, with the most customers between whom a value may stand.
fn compiled_with_fan_out(rules: &Rules) -> Rules {
    let namespaces = rules.iter().map(|own| v1::Namespace {
        name: own.name().to_owned(),
        priority: own.priority(),
        limit: own.limit(),
        fan_out_limit: limits::FAN_OUT_MAX,
        normalizer: v1::Normalizer::Trim.into(),
        ..Default::default()
    });
    compiled(namespaces.collect())
}
