//! Counters: what is pending is counted where it is, and those of journeys that are gone go.

use std::sync::Arc;

use decision::{Effects, Names, Source, gone_groups, step_once};

use super::bounds::merge;
use super::world::definitions;
use super::*;
use crate::counter::Counter;

/// Definitions that know of these journeys.
fn knowing(journeys: &[&str]) -> Definitions {
    let names = Names {
        journeys: Some(Arc::new(journeys.iter().map(ToString::to_string).collect())),
        ..Names::default()
    };
    let sources: [Source<'_>; 0] = [];
    definitions(&policy(0, ""))
        .compile_next(&sources, &names)
        .expect("valid definitions")
}

/// The groups that can be dropped, of these counters.
fn gone(definitions: &Definitions, counters: &[(&str, ActivationStatus, i64)]) -> Vec<Box<str>> {
    let keys: Vec<_> = counters
        .iter()
        .map(|(journey, status, value)| {
            let counter = Counter {
                journey,
                channel: "log",
                status: *status,
                reason: Reason::Delivered,
            };
            (counter.key(), *value)
        })
        .collect();
    let keys = keys.iter().map(|(key, value)| (key, *value));
    gone_groups::<ActivationCore>(definitions, keys)
}

#[test]
fn counters_of_a_journey_that_is_gone_go_once_nothing_of_it_is_pending() {
    use ActivationStatus::{Delivered, Pending};
    let counters = [
        ("welcome", Delivered, 5),
        ("welcome", Pending, 1),
        ("old", Delivered, 7),
        ("old", Pending, 0),
        ("busy", Delivered, 2),
        ("busy", Pending, 1),
    ];
    assert_eq!(
        gone(&knowing(&["welcome"]), &counters),
        ["activation/old".into()]
    );
    let none: [Box<str>; 0] = [];
    assert_eq!(gone(&knowing(&["welcome", "old", "busy"]), &counters), none);
    // Where nothing is known of journeys, none is gone.
    assert_eq!(gone(&definitions(&policy(0, "")), &counters), none);
}

#[test]
fn counters_of_others_are_not_of_a_journey_that_is_gone() {
    let definitions = knowing(&[]);
    assert!(ActivationCore::is_gone(&definitions, "activation/old"));
    assert!(!ActivationCore::is_gone(&definitions, "unheard_of/old"));
    let counter = CounterKey::new("activation/old", "unheard_of");
    assert!(ActivationCore::counts_presence(&counter));
}

#[test]
fn what_a_journey_asks_for_that_is_not_known_yet_is_counted_once_it_is() {
    for (journeys, lacks) in [(vec![], true), (vec!["welcome"], false)] {
        let mut effects = Effects::default();
        let record = Record {
            body: Some(Body::Action(Action {
                holdout: true,
                ..action(1)
            })),
            ..Record::default()
        };
        step_once::<ActivationCore>(
            &knowing(&journeys),
            &mut State::default(),
            customer(1),
            Input::Record(&record),
            Timestamp::from_millis(1),
            &mut effects,
        )
        .expect("a step");
        // The engine takes the step again by newer definitions, if there are any.
        assert_eq!(effects.lacks_definition, lacks);
    }
}

#[test]
fn what_is_pending_is_counted_where_it_is() {
    let pending = "activation/welcome/log/pending/SENT_TO_CHANNEL";
    let (mut loser, mut survivor) = (World::new(&policy(0, "")), World::new(&policy(0, "")));
    survivor.customer = customer(2);
    loser.send(Body::Action(action(1))).expect("an action");
    survivor.send(Body::Action(action(2))).expect("an action");
    merge(&mut loser, &mut survivor);
    assert_eq!(
        (loser.counters[pending], survivor.counters[pending]),
        (0, 2)
    );
    for visit in [1, 2] {
        survivor.outcome(visit, 1, DeliveryResult::Delivered);
    }
    assert_eq!(survivor.counters[pending], 0);
    // One that both know is pending once.
    let mut twin = World::new(&policy(0, ""));
    twin.customer = customer(3);
    twin.send(Body::Action(action(1))).expect("an action");
    merge(&mut twin, &mut survivor);
    assert_eq!((twin.counters[pending], survivor.counters[pending]), (0, 0));
}
