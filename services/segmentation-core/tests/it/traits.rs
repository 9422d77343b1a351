//! Traits are those of the last word, in whatever order events come and customers are joined; facts
//! tell exactly what changes.

use std::collections::BTreeMap;

use kernel::{EventIdHash, Properties, Timestamp, Value};
use messages::convert;
use messages::stream::v1::{Event, Fact, NamedValue, record::Body};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert_eq, proptest};

use crate::harness::{DAY, Harness, compile};

/// Words of an event on one trait: the values under its name, none for a removal.
type Word = Vec<(&'static str, u8)>;

/// An event: when it happened, and what it says of traits.
#[derive(Debug, Clone)]
struct Sent {
    id: String,
    at: i64,
    says: BTreeMap<&'static str, Word>,
}

impl Sent {
    fn body(&self) -> Body {
        let says = self.says.iter().flat_map(|(name, word)| {
            let removal = word.is_empty().then_some((*name, None));
            let values = word.iter().map(|(name, value)| (*name, Some(*value)));
            values.chain(removal)
        });
        let named = says.map(|(name, value)| NamedValue {
            name: name.to_owned(),
            value: value.map(|value| convert::stream_value(&Value::from(f64::from(value)))),
        });
        let mut traits: Vec<NamedValue> = named.collect();
        traits.sort_by(|one, other| one.name.cmp(&other.name));
        Body::Event(Event {
            event_id: self.id.clone(),
            name: "told".to_owned(),
            traits,
            ..Event::default()
        })
    }

    /// The order of words: time, then the half of the hash of the id that is stored.
    fn order(&self) -> (i64, u64) {
        let hash = EventIdHash::of(&self.id).map_or(0, EventIdHash::number);
        (self.at, hash & u64::from(u32::MAX))
    }
}

/// The last word on each name.
#[derive(Debug, Default)]
struct Naive<'a>(BTreeMap<&'a str, ((i64, u64), &'a Word)>);

impl<'a> Naive<'a> {
    /// Takes the words of an event: of one time the last that comes counts.
    fn take(&mut self, event: &'a Sent) {
        for (name, word) in &event.says {
            let is_older = self.0.get(name).is_some_and(|own| event.at < own.0.0);
            if !is_older {
                self.0.insert(name, (event.order(), word));
            }
        }
    }

    /// Takes the last words of a customer who is joined: of one time the id decides.
    fn join(&mut self, other: Self) {
        for (name, word) in other.0 {
            let own = self.0.entry(name).or_insert(word);
            if word.0 > own.0 {
                *own = word;
            }
        }
    }

    fn traits(&self) -> Properties {
        let values = self.0.values().flat_map(|(_, word)| word.iter());
        values
            .map(|(name, value)| (*name, Value::from(f64::from(*value))))
            .collect()
    }
}

/// Applies facts as whoever reads them does: in their order, without comparing times.
fn apply(known: &mut Properties, fact: &Fact) {
    if let Some(profile) = &fact.profile {
        *known = Properties::new();
        set(known, &profile.traits);
    }
    for removed in &fact.removed_traits {
        assert!(known.remove(&removed.name).is_some(), "{removed:?}");
    }
    set(known, &fact.set_traits);
}

fn set(known: &mut Properties, traits: &[messages::stream::v1::SetTrait]) {
    for own in traits {
        let value = own.value.as_ref().and_then(convert::value);
        let value = value.expect("a value");
        let before = known.set(&own.name, value.clone());
        assert_ne!(before, Some(value), "it says nothing new: {own:?}");
    }
}

fn facts(customer: &Harness) -> Properties {
    let mut known = Properties::new();
    for record in &customer.emitted {
        if let Some(Body::Fact(fact)) = &record.body {
            assert!(fact.event.iter().all(|event| event.traits.is_empty()));
            let times = fact.set_traits.iter().map(|set| set.set_time_ms);
            assert!(times.clone().all(|time| time <= record.time_ms));
            apply(&mut known, fact);
        }
    }
    known
}

fn word(name: &'static str) -> impl Strategy<Value = (&'static str, Word)> {
    let parts: &[&str] = match name {
        "plan" => &["plan.name", "plan.price.net", "plan.price.tax"],
        "a" => &["a.b", "a.c"],
        _ => &["a-b.c", "a-b.d"],
    };
    let object = prop::sample::subsequence(parts.to_vec(), 1..=parts.len());
    let word = prop_oneof![
        1 => Just(Vec::new()),
        2 => any::<bool>().prop_map(move |value| vec![(name, u8::from(value))]),
        2 => (object, 0..3_u8)
            .prop_map(|(parts, value)| parts.into_iter().map(|part| (part, value)).collect()),
    ];
    word.prop_map(move |word| (name, word))
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let says = prop::collection::vec(
        prop::sample::select(vec!["plan", "a", "a-b"]).prop_flat_map(word),
        0..3,
    );
    // Few instants, so that many events are of one.
    let event = (0..6_i64, says);
    prop::collection::vec(event, 1..14).prop_map(|events| {
        let events = events.into_iter().enumerate();
        let sent = events.map(|(number, (at, says))| Sent {
            id: format!("e{number}"),
            at: at * DAY / 24,
            says: says.into_iter().collect(),
        });
        sent.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_last_word_counts_in_any_order_and_across_merges(
        sent in sent(),
        owners in prop::collection::vec(0..3_usize, 14),
        joins in prop::collection::vec(0..14_usize, 2),
    ) {
        let now = DAY;
        let mut customers: Vec<Harness> = (1..=3).map(|number| Harness::of(number, compile(&[]))).collect();
        for customer in &mut customers {
            customer.pass(Timestamp::from_millis(now));
        }
        // The customer that each is now, and the last words on each.
        let mut home = [0, 1, 2];
        let mut words: [Naive<'_>; 3] = Default::default();
        for place in 0..=14 {
            for (join, loser) in joins.iter().zip([2, 1]) {
                if *join == place && home[loser] == loser {
                    let (survivors, losers) = customers.split_at_mut(loser);
                    losers[0].leave(now);
                    survivors[0].fold_in(&mut losers[0]);
                    home = home.map(|it| if it == loser { 0 } else { it });
                    let theirs = std::mem::take(&mut words[loser]);
                    words[0].join(theirs);
                }
            }
            let Some(event) = sent.get(place) else { continue };
            let owner = home[owners[place]];
            customers[owner].record(event.at, event.body());
            words[owner].take(event);
            for number in 0..3 {
                if home[number] == number {
                    let expected = words[number].traits();
                    prop_assert_eq!(&customers[number].state.traits(), &expected);
                    prop_assert_eq!(&facts(&customers[number]), &expected);
                }
            }
        }
    }
}

fn told(id: &str, at: i64, says: &[(&'static str, &[(&'static str, u8)])]) -> Sent {
    let says = says.iter().map(|(name, word)| (*name, word.to_vec()));
    Sent {
        id: id.to_owned(),
        at,
        says: says.collect(),
    }
}

#[test]
fn a_fact_tells_what_an_event_changed_and_when_it_happened() {
    let mut customer = Harness::of(1, compile(&[]));
    for event in [
        told(
            "a",
            10,
            &[("a", &[("a.b", 1), ("a.c", 1)]), ("plan", &[("plan", 1)])],
        ),
        told("late", 5, &[("a", &[("a.b", 0)]), ("plan", &[])]),
        told("b", 20, &[("a", &[("a.c", 2)]), ("plan", &[("plan", 1)])]),
        told("c", 30, &[("plan", &[])]),
        told("late too", 25, &[("plan", &[("plan", 3)])]),
    ] {
        customer.record(event.at, event.body());
    }
    let facts = customer.emitted.iter().map(|record| match &record.body {
        Some(Body::Fact(fact)) => {
            let set = fact
                .set_traits
                .iter()
                .map(|own| format!("{}@{}", own.name, own.set_time_ms));
            let removed = fact.removed_traits.iter();
            let removed = removed.map(|own| format!("-{}@{}", own.name, own.remove_time_ms));
            set.chain(removed).collect::<Vec<_>>().join(" ")
        }
        other => panic!("{other:?}"),
    });
    let facts: Vec<String> = facts.collect();
    assert_eq!(
        facts,
        [
            "a.b@10 a.c@10 plan@10",
            "",
            "a.c@20 -a.b@20",
            "-plan@30",
            ""
        ]
    );
}

#[test]
fn a_merge_does_not_bring_back_what_was_removed() {
    for (own, theirs, expected) in [
        // The survivor removed it after the other one set it, and the other way round.
        (
            told("a", 20, &[("plan", &[])]),
            told("b", 10, &[("plan", &[("plan", 1)])]),
            0,
        ),
        (
            told("a", 10, &[("plan", &[("plan", 1)])]),
            told("b", 20, &[("plan", &[])]),
            0,
        ),
        (
            told("a", 10, &[("plan", &[])]),
            told("b", 20, &[("plan", &[("plan", 1)])]),
            1,
        ),
    ] {
        let mut survivor = Harness::of(1, compile(&[]));
        let mut loser = Harness::of(2, compile(&[]));
        survivor.record(own.at, own.body());
        loser.record(theirs.at, theirs.body());
        loser.leave(30);
        survivor.fold_in(&mut loser);
        assert_eq!(
            survivor.state.traits().len(),
            expected,
            "{own:?} {theirs:?}"
        );
        assert_eq!(facts(&survivor).len(), expected);
        // Nor does what is late for both.
        let late = told("late", 5, &[("plan", &[("plan", 2)])]);
        survivor.record(30, late.body());
    }
}

#[test]
fn nothing_is_known_to_be_later_than_it_was_accepted() {
    let mut customer = Harness::of(1, compile(&[]));
    customer.pass(Timestamp::from_millis(DAY));
    let ahead = told("ahead", 5 * DAY, &[("plan", &[("plan", 1)])]);
    customer.take_ahead(ahead.at, ahead.body());
    assert_eq!(
        customer.state.last_seen(),
        Some(Timestamp::from_millis(DAY))
    );
    let next = told("next", DAY + 1, &[("plan", &[("plan", 2)])]);
    customer.record(next.at, next.body());
    let plan = customer.state.traits().value("plan").cloned();
    assert_eq!(plan, Some(Value::from(2.0)));
}

#[test]
fn segments_see_objects_come_and_go() {
    let mut customer = Harness::of(
        1,
        compile(&[
            ("home", "has(profile.a)"),
            ("place", "has(profile.a.b)"),
            ("plain", "profile.a == 1"),
        ]),
    );
    let mut members = Vec::new();
    for (number, word) in [
        &[("a.c", 1)][..],
        &[("a.b", 1)],
        &[("a", 1)],
        &[],
        &[("a.b", 1)],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let at = i64::try_from(number).expect("few") + 1;
        let event = told(&at.to_string(), at, &[("a", word)]);
        customer.record(at, event.body());
        members.push(customer.members().join(" "));
    }
    assert_eq!(
        members,
        ["home", "home place", "home plain", "", "home place", ""]
    );
}

#[test]
fn what_finds_no_room_is_counted_and_shown() {
    let mut customer = Harness::of(1, compile(&[]));
    let names: Vec<String> = (0..150).map(|number| format!("t{number}")).collect();
    for (id, from) in [("a", 0), ("b", 75)] {
        let traits = names[from..from + 75].iter().map(|name| NamedValue {
            name: [name.as_str(), ".x"].concat(),
            value: Some(convert::stream_value(&Value::from(1.0))),
        });
        let twice = traits.flat_map(|own| {
            let name = own.name.replace(".x", ".y");
            [
                NamedValue {
                    name,
                    ..own.clone()
                },
                own,
            ]
        });
        let event = Event {
            event_id: id.to_owned(),
            name: "told".to_owned(),
            traits: twice.collect(),
            ..Event::default()
        };
        customer.record(DAY, Body::Event(event));
    }
    assert_eq!(customer.state.traits().len(), 200);
    assert_eq!(customer.counted("trait/left_out"), 50);
    customer.forget();
    let left_out: Vec<_> = customer.state.left_out_traits().collect();
    assert_eq!(left_out.len(), 50);
    assert!(
        left_out
            .iter()
            .all(|(_, time)| *time == Timestamp::from_millis(DAY))
    );
    assert_eq!(customer.gone_groups(), Vec::<String>::new());
}
