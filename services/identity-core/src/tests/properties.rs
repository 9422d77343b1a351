//! Properties of any events in any order.

use proptest::prelude::*;

use super::*;

/// Up to four identifiers of few values each, so that events meet often.
pub(super) fn event() -> impl Strategy<Value = String> {
    let value = || proptest::option::weighted(0.5, 0_u8..6);
    (value(), value(), value(), value())
        .prop_filter("an event names somebody", |values| {
            values.0.or(values.1).or(values.2).or(values.3).is_some()
        })
        .prop_map(|(user, email, phone, device)| {
            [
                ("user_id", user),
                ("email", email),
                ("phone", phone),
                ("device", device),
            ]
            .into_iter()
            .filter_map(|(namespace, value)| Some(format!("{namespace}=v{}", value?)))
            .collect::<Vec<_>>()
            .join(" ")
        })
}

pub(super) fn tight() -> Rules {
    namespaces(&[("user_id", 1), ("email", 2), ("phone", 1), ("device", 3)])
}

fn loose() -> Rules {
    namespaces(&[
        ("user_id", 100),
        ("email", 100),
        ("phone", 100),
        ("device", 100),
    ])
}

proptest! {
    #[test]
    fn limits_are_never_exceeded_and_every_event_resolves(events in prop::collection::vec(event(), 1..60)) {
        // World::apply checks every limit, that the oldest survives, and that no identifier has two
        // holders.
        let mut world = World::new(tight());
        for event in &events {
            let resolution = world.event(event);
            prop_assert!(world.customers.contains_key(&resolution.customer));
            prop_assert!(!resolution.evidence.is_empty());
        }
    }

    #[test]
    fn a_batch_is_the_same_as_its_events_one_by_one(events in prop::collection::vec(event(), 1..60), size in 1_usize..20) {
        let (mut single, mut batched) = (World::new(tight()), World::new(tight()));
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        let one: Vec<_> = events.iter().map(|event| single.event(event)).collect();
        let many: Vec<_> = events.chunks(size).flat_map(|chunk| batched.batch(chunk)).collect();
        prop_assert_eq!(one, many);
        prop_assert_eq!(single.picture(), batched.picture());
        prop_assert_eq!(single.roots, batched.roots);
    }

    #[test]
    fn a_replayed_event_changes_nothing(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new(tight());
        for event in &events {
            let first = world.event(event);
            let before = world.customers.clone();
            let again = world.event(event);
            prop_assert_eq!(&world.customers, &before);
            prop_assert_eq!(again.customer, first.customer);
            let named = |resolution: &Resolution| -> Vec<_> {
                let evidence = resolution.evidence.iter();
                evidence.map(|it| (it.identifier.clone(), it.fragment)).collect()
            };
            prop_assert_eq!(named(&again), named(&first));
            prop_assert!(again.evidence.iter().all(|it| !it.is_attached));
            prop_assert!(!again.is_new && again.merged.is_empty());
        }
    }

    #[test]
    fn links_commute(events in prop::collection::vec(event(), 1..40).prop_shuffle(), seed in any::<u64>()) {
        // Everybody is known first, so that age does not depend on the order of the links.
        let seed_events: Vec<String> = ["user_id", "email", "phone", "device"]
            .iter()
            .flat_map(|namespace| (0..6).map(move |value| format!("{namespace}=v{value}")))
            .collect();
        let mut shuffled = events.clone();
        let count = shuffled.len();
        for place in 0..count {
            let other = usize::try_from(seed.rotate_left(u32::try_from(place).unwrap_or(0)) % count as u64).unwrap_or(0);
            shuffled.swap(place, other);
        }
        let (mut one, mut two) = (World::new(loose()), World::new(loose()));
        for event in seed_events.iter().chain(&events) {
            one.event(event);
        }
        for event in seed_events.iter().chain(&shuffled) {
            two.event(event);
        }
        prop_assert_eq!(one.roots, two.roots);
    }

    #[test]
    fn forced_merges_commute(pairs in prop::collection::vec((1_usize..20, 1_usize..20), 1..30)) {
        let people: Vec<String> = (0..20).map(|number| format!("user_id=p{number}")).collect();
        let (mut one, mut two) = (World::new(loose()), World::new(loose()));
        for person in &people {
            one.event(person);
            two.event(person);
        }
        let id = |number| CustomerId::new(uuid(number));
        for (a, b) in &pairs {
            one.merge(&[id(*a), id(*b)]);
        }
        for (a, b) in pairs.iter().rev() {
            two.merge(&[id(*b), id(*a)]);
        }
        prop_assert_eq!(one.roots, two.roots);
    }

    #[test]
    fn the_order_of_events_does_not_matter_where_all_are_joined(
        events in prop::collection::vec(event(), 1..40),
        shuffled in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
    ) {
        let rules = || under(ConflictRule::UnionAll, loose());
        let (mut one, mut two) = (World::new(rules()), World::new(rules()));
        let mut other = events.clone();
        let count = other.len();
        for place in 0..count {
            let to = shuffled.rotate_left(u32::try_from(place).unwrap_or(0)) % count as u64;
            other.swap(place, usize::try_from(to).unwrap_or(0));
        }
        for (event, moved) in events.iter().zip(&other) {
            one.event(event);
            two.event(moved);
        }
        let sorted = |world: &World| {
            let mut all = world.picture();
            all.sort();
            all
        };
        prop_assert_eq!(sorted(&one), sorted(&two));
    }
}

proptest! {
    // Six policies, each event by event and in batches.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn limits_hold_under_every_policy(
        events in prop::collection::vec(event(), 1..60),
        size in 1_usize..8,
    ) {
        // World::apply checks every limit, and that nothing has two holders.
        for rule in policies::RULES {
            let (mut single, mut batched) = (World::new(under(rule, tight())), World::new(under(rule, tight())));
            let events: Vec<_> = events.iter().map(String::as_str).collect();
            for event in &events {
                single.event(event);
            }
            for chunk in events.chunks(size) {
                batched.batch(chunk);
            }
            // All of a batch is written at one time, so that another value may be the oldest.
            if rule != ConflictRule::ReassignNewest {
                prop_assert_eq!(single.picture(), batched.picture(), "{:?}", rule);
                prop_assert_eq!(single.roots, batched.roots, "{:?}", rule);
            }
        }
    }
}
