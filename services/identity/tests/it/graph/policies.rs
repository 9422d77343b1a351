//! Each policy, end to end: the tables hold what the same events come to in memory.

use engine::TimeSource;
use hot::StreamName;
use identity::Source;
use identity_core::{DropReason, Identifier, Simulation};
use proto::identity::v1::{self, ConflictRule as Rule};

use super::{World, identifier, pairs, rules, time_of};
use crate::fixture::{Fixture, Sql, event};

const RULES: [Rule; 6] = [
    Rule::DropLowestPriority,
    Rule::ReassignNewest,
    Rule::AmbiguousAnonymous,
    Rule::RefuseIfKnown,
    Rule::SwitchSession,
    Rule::UnionAll,
];

fn namespace(name: &str, uniqueness: v1::Uniqueness) -> v1::Namespace {
    v1::Namespace {
        name: name.to_owned(),
        priority: 4,
        limit: 10,
        uniqueness: uniqueness.into(),
        ..Default::default()
    }
}

/// Numbers that look random, the same at every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

fn random_event(draws: &mut Draws) -> String {
    let mut words = Vec::new();
    for (name, values, share) in [
        ("user_id", 6, 40),
        ("email", 6, 30),
        ("anonymous_id", 8, 60),
        ("till", 3, 20),
        ("pixel", 4, 20),
    ] {
        if draws.below(100) < share {
            words.push(format!("{name}={name}{}", draws.below(values)));
        }
    }
    if words.is_empty() {
        words.push("anonymous_id=anonymous_id0".to_owned());
    }
    words.join(" ")
}

async fn holds_what_it_comes_to_in_memory(sql: Sql, events_at_once: usize) {
    let own = [
        namespace("till", v1::Uniqueness::Shared),
        namespace("pixel", v1::Uniqueness::Weak),
    ];
    for rule in RULES {
        let rules = rules(&own, rule);
        let mut world = World::open(sql, rules.clone()).await;
        let mut simulation = Simulation::new(&rules);
        let mut draws = Draws(rule as u64 + 11);
        let events: Vec<String> = (0..160).map(|_| random_event(&mut draws)).collect();
        let mut number = 0;
        for batch in events.chunks(events_at_once) {
            let own: Vec<&str> = batch.iter().map(String::as_str).collect();
            let resolved = world.batch(&own, &[]).await;
            for (event, resolution) in own.iter().zip(&resolved.resolutions) {
                number += 1;
                let named = pairs(event).into_iter();
                let named = named.map(|(namespace, value)| Identifier { namespace, value });
                // All of a batch is attached when it is accepted.
                let outcome = simulation.event(time_of(number), named);
                let context = format!("{rule:?}, event {number}: {event}");
                let is_refused = outcome.customer.is_none();
                assert_eq!(resolution.is_refused, is_refused, "{context}");
                let codes = |dropped: &[identity_core::Dropped]| {
                    let told = dropped
                        .iter()
                        .map(|it| (it.identifier.clone(), it.reason.code()));
                    let mut told: Vec<_> = told.collect();
                    told.sort();
                    told
                };
                assert_eq!(
                    codes(&resolution.dropped),
                    codes(&outcome.dropped),
                    "{context}"
                );
            }
        }
        let mut expected: Vec<String> = simulation
            .customers()
            .iter()
            .map(|customer| {
                let values = customer.identifiers.iter().map(|it| it.value.as_str());
                values.collect::<Vec<_>>().join(" ")
            })
            .collect();
        let mut picture = world.picture().await;
        expected.sort();
        picture.sort();
        assert_eq!(picture, expected, "{rule:?}");
        world.check_counts().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_comes_to_the_same_in_sqlite_as_in_memory() {
    holds_what_it_comes_to_in_memory(Sql::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_comes_to_the_same_in_postgres_as_in_memory() {
    holds_what_it_comes_to_in_memory(Sql::Postgres, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_comes_to_the_same_as_its_events_one_by_one() {
    holds_what_it_comes_to_in_memory(Sql::Sqlite, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_id_of_ten_thousand_events_makes_no_giant() {
    for rule in [Rule::DropLowestPriority, Rule::UnionAll] {
        let mut world = World::open(Sql::Sqlite, rules(&[], rule)).await;
        for batch in 0..20 {
            let events = (0..500).map(|event| {
                let number = batch * 500 + event;
                format!("user_id=u{number} anonymous_id=same")
            });
            let events: Vec<String> = events.collect();
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            world.batch(&events, &[]).await;
        }
        let mut largest = 0;
        let mut after = None;
        loop {
            let page = world.store.list(after, 1_000).await.expect("lists");
            let Some(last) = page.last() else { break };
            after = Some((last.create_time, last.id));
            let sizes = page.iter().map(|customer| customer.identifiers.len());
            largest = sizes.max().unwrap_or(0).max(largest);
        }
        assert!(largest <= 1_000, "{rule:?}: {largest}");
        if rule == Rule::DropLowestPriority {
            assert_eq!(largest, 1, "the value was taken from its first holder too");
            let same = identifier("anonymous_id=same");
            let state = world.store.identifier_state(&same).await;
            let (state, _) = state.expect("reads").expect("known");
            assert_eq!(state, identity_core::HolderState::Quarantined);
            let dropped = world.event("user_id=late anonymous_id=same").await.dropped;
            assert_eq!(dropped[0].reason, DropReason::Quarantined);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_value_is_listed_on_many_and_joins_nobody() {
    let own = [namespace("till", v1::Uniqueness::Shared)];
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let mut world = World::open(sql, rules(&own, Rule::DropLowestPriority)).await;
        let one = world.event("user_id=u1 till=t").await.customer;
        let other = world.event("user_id=u2 till=t").await.customer;
        assert_ne!(one, other);
        let alone = world.event("till=t").await.customer;
        assert!(alone != one && alone != other);
        assert_eq!(world.event("till=t").await.customer, alone);
        assert_eq!(world.event("user_id=u1 till=t").await.customer, one);
        assert_eq!(world.picture().await, ["t u1", "t u2", "t"]);
        world.check_counts().await;
    }
}

#[tokio::test]
async fn an_event_of_which_nothing_is_left_is_refused_with_the_reasons() {
    let rules = rules(&[], Rule::ReassignNewest);
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), rules).await;
    let intake = fixture.identity.clone().open().await.expect("opens");
    let mut both = event("user_id=alice anonymous_id=d");
    both.other_identifiers.push(v1::Identifier {
        namespace: "user_id".to_owned(),
        value: "bob".to_owned(),
    });
    let events = vec![event("user_id=null"), both, event("user_id=carol")];
    let accepted = intake.accept(events, Source::None, StreamName::Events);
    let accepted = accepted.await.expect("resolves");
    let told = accepted.rejected.iter();
    let told: Vec<_> = told
        .map(|(index, fault)| (index, fault.description.as_str()))
        .collect();
    let [(0, blocked), (1, conflicting)] = told.as_slice() else {
        panic!("two are refused: {told:?}");
    };
    assert!(blocked.contains("user_id is BLOCKED_VALUE"), "{blocked}");
    assert!(
        conflicting.contains("anonymous_id is CONFLICTING_VALUES"),
        "{conflicting}"
    );
    let places: Vec<_> = accepted.events.iter().map(|it| it.index).collect();
    assert_eq!(places, [2]);
}
