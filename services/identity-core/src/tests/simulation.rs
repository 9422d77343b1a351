//! Simulations: what is told of events and customers, and that it is the same as what is carried
//! out.

use proptest::prelude::*;

use super::*;
use crate::{EventOutcome, Simulation};

fn read(event: &str) -> Vec<Identifier> {
    let pairs = event.split('|').filter_map(|pair| pair.split_once('='));
    let identifiers = pairs.map(|(namespace, value)| Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    });
    identifiers.collect()
}

fn take(simulation: &mut Simulation<'_>, event: &str) -> EventOutcome {
    simulation.event(Timestamp::from_millis(1), read(event))
}

#[test]
fn values_are_told_as_they_were_sent_and_customers_as_known_at_the_end() {
    let rules = Rules::default();
    let mut simulation = Simulation::new(&rules);
    let outcomes: Vec<_> = [
        "anonymous_id=a1",
        "anonymous_id=a2|email= Jane@X.io",
        "anonymous_id=a1|email=JANE@x.io",
        "user_id=u1|email=jane@x.io",
        "user_id=u2|email= JANE@X.IO |phone=123|email=JANE@X.IO ",
        "user_id=null|email=jane",
    ]
    .iter()
    .map(|event| take(&mut simulation, event))
    .collect();
    let then: Vec<_> = outcomes.iter().map(|it| it.customer).collect();
    assert_eq!(then, [Some(1), Some(2), Some(1), Some(1), Some(3), None]);
    assert_eq!(outcomes[2].merged, [2]);
    let now = outcomes.iter().map(|it| it.fragment);
    let now: Vec<_> = now
        .map(|it| it.map(|it| simulation.customer_of(it)))
        .collect();
    assert_eq!(now, [Some(1), Some(1), Some(1), Some(1), Some(3), None]);
    let dropped = |place: usize| -> Vec<_> {
        let dropped = outcomes[place].dropped.iter();
        dropped
            .map(|it| (it.identifier.value.as_str(), it.reason.code()))
            .collect()
    };
    assert_eq!(
        dropped(4),
        [
            ("123", "MALFORMED_VALUE"),
            (" JANE@X.IO ", "LIMIT_EXCEEDED")
        ]
    );
    assert_eq!(
        dropped(5),
        [("jane", "MALFORMED_VALUE"), ("null", "BLOCKED_VALUE")]
    );
    let customers = simulation.customers();
    let named: Vec<_> = customers
        .iter()
        .map(|it| (it.customer, it.identifiers.len()))
        .collect();
    assert_eq!(named, [(1, 4), (3, 1)]);
}

#[test]
fn who_gives_a_device_away_keeps_the_number() {
    let rules = under(ConflictRule::ReassignNewest, Rules::default());
    let mut simulation = Simulation::new(&rules);
    let events = [
        "anonymous_id=d",
        "user_id=u1|anonymous_id=d",
        "user_id=u2|anonymous_id=d",
        "anonymous_id=d",
    ];
    let outcomes = events.map(|event| take(&mut simulation, event));
    let then = outcomes
        .each_ref()
        .map(|it| it.customer.unwrap_or_default());
    assert_eq!(then, [1, 1, 2, 2]);
    let now = outcomes.map(|it| it.fragment.map_or(0, |it| simulation.customer_of(it)));
    assert_eq!(now, [2, 1, 2, 2]);
}

#[test]
fn events_of_the_past_are_accepted_as_of_the_latest() {
    let rules = Rules::default();
    let mut simulation = Simulation::new(&rules);
    let day = 86_400_000;
    for browser in 0..5 {
        let event = read(&format!("user_id=u|anonymous_id=b{browser}"));
        simulation.event(Timestamp::from_millis(8 * day), event);
    }
    let late = simulation.event(Timestamp::from_millis(0), read("user_id=u|anonymous_id=b6"));
    assert_eq!(late.dropped.len(), 1);
    let later = simulation.event(
        Timestamp::from_millis(16 * day),
        read("user_id=u|anonymous_id=b6"),
    );
    assert!(later.dropped.is_empty());
}

#[test]
fn a_device_that_comes_back_is_the_newest_in_the_tables_too() {
    let rules = under(ConflictRule::ReassignNewest, properties::tight());
    let mut simulation = Simulation::new(&rules);
    let mut world = World::new(rules.clone());
    for (time, event) in (1..).zip([
        "user_id=u2 email=e1",
        "user_id=u1 device=d5",
        "email=e1 device=d5",
        "user_id=u1 device=d5",
        "user_id=u2 device=d1",
        "email=e1 device=d0",
        "user_id=u2 device=d5",
        "user_id=u2 device=d2",
        "device=d5",
    ]) {
        let event_time = Timestamp::from_millis(time);
        let seen = simulation.event(event_time, read(&event.replace(' ', "|")));
        let resolution = world.event(event);
        assert_eq!(seen.fragment, Some(resolution.fragment), "{time}: {event}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shared_and_weak_values_too(events in prop::collection::vec(properties::event(), 1..40)) {
        let shared = v1::Namespace { uniqueness: v1::Uniqueness::Shared.into(), priority: 2, ..namespace("email", 2) };
        let weak = v1::Namespace { uniqueness: v1::Uniqueness::Weak.into(), priority: 3, ..namespace("phone", 2) };
        let device = v1::Namespace { priority: 4, ..namespace("device", 3) };
        let all = compiled(vec![namespace("user_id", 1), shared, weak, device]);
        for rule in policies::RULES {
            let rules = under(rule, all.clone());
            let mut simulation = Simulation::new(&rules);
            let mut world = World::new(rules.clone());
            for (time, event) in (1..).zip(&events) {
                let time = Timestamp::from_millis(time);
                let seen = simulation.event(time, read(&event.replace(' ', "|")));
                let resolution = world.event(event);
                let fragment = (!resolution.is_refused).then_some(resolution.fragment);
                prop_assert_eq!(seen.fragment, fragment, "{:?}", rule);
                prop_assert_eq!(seen.dropped.len(), resolution.dropped.len(), "{:?}", rule);
            }
            prop_assert_eq!(simulation.customers().len(), world.customers.len());
        }
    }

    #[test]
    fn a_simulation_decides_as_it_is_carried_out(events in prop::collection::vec(properties::event(), 1..40)) {
        for rule in policies::RULES {
            let rules = under(rule, properties::tight());
            let mut simulation = Simulation::new(&rules);
            let mut world = World::new(rules.clone());
            for (time, event) in (1..).zip(&events) {
                let time = Timestamp::from_millis(time);
                let seen = simulation.event(time, read(&event.replace(' ', "|")));
                let resolution = world.event(event);
                prop_assert_eq!(seen.fragment, Some(resolution.fragment), "{:?}", rule);
                prop_assert_eq!(seen.dropped.len(), resolution.dropped.len());
            }
            let held: usize = simulation.customers().iter().map(|it| it.identifiers.len()).sum();
            let live = world.rows.values().filter(|it| it.holding.state == HolderState::Live);
            prop_assert_eq!(held, live.count());
            prop_assert_eq!(simulation.customers().len(), world.customers.len());
        }
    }
}
