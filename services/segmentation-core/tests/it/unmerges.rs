//! Unmerges: each side is as if the two never had been one, and has what happened to its own
//! fragments meanwhile.

use kernel::{Timestamp, Value};
use messages::convert;
use messages::stream::v1::{Event, NamedValue, record::Body};
use proptest::prelude::{ProptestConfig, Strategy, prop};
use proptest::proptest;
use segmentation_core::Definitions;

use crate::harness::{DAY, Harness, compile, compile_version};
use crate::oracle::{HOUR, NAMES, SEGMENTS, segments};

/// Places at which something may happen beside events, from before the first to after the last.
const PLACES: usize = 140;

/// Makes a customer, or an account.
pub(crate) type Of = fn(u128, Definitions) -> Harness;

/// Customers who may be joined, and which of their fragments are in whom under which ordinal.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) customers: Vec<Harness>,
    /// By fragment.
    pub(crate) places: Vec<(usize, u16)>,
}

impl World {
    pub(crate) fn new(of: Of, count: usize, segments: &[(&str, &str)]) -> Self {
        let numbers = (0..count).map(|number| u128::try_from(number).expect("few") + 1);
        Self {
            customers: numbers.map(|it| of(it, compile(segments))).collect(),
            places: (0..count).map(|number| (number, 0)).collect(),
        }
    }

    /// An event of a fragment.
    pub(crate) fn event(&mut self, fragment: usize, sent: &Sent) {
        let (whose, ordinal) = self.places[fragment];
        let customer = &mut self.customers[whose];
        customer.ordinal = ordinal;
        customer.record(sent.at, Body::Event(sent.to_event()));
    }

    /// Joins a customer, with all of their fragments, into another.
    pub(crate) fn merge(&mut self, from: usize, into: usize, at: i64) {
        let [loser, survivor] = self.customers.get_disjoint_mut([from, into]).expect("two");
        loser.leave(at);
        let first = survivor.last_ordinal + 1;
        if loser.moved.is_none() {
            survivor.last_ordinal = first + loser.last_ordinal;
        }
        survivor.fold_in(loser);
        for (whose, ordinal) in self.places.iter_mut().filter(|(whose, _)| *whose == from) {
            (*whose, *ordinal) = (into, *ordinal + first);
        }
    }

    /// Takes fragments out of a customer; they are those of another, whose own is the first.
    pub(crate) fn unmerge(&mut self, fragments: &[usize], from: usize, to: usize, at: i64) {
        let [survivor, other] = self.customers.get_disjoint_mut([from, to]).expect("two");
        let leaving = fragments.iter().zip(0..);
        let mut ordinals: Vec<(u16, u16)> = leaving
            .map(|(fragment, there)| (self.places[*fragment].1, there))
            .collect();
        ordinals.sort_unstable();
        other.pass(Timestamp::from_millis(at));
        if let Some(returned) = survivor.split_off(&ordinals, at) {
            other.take_back(returned);
        }
        other.last_ordinal = u16::try_from(fragments.len() - 1).expect("few");
        for (fragment, there) in fragments.iter().zip(0..) {
            self.places[*fragment] = (to, there);
        }
    }

    pub(crate) fn pass(&mut self, at: i64) {
        let customers = self.customers.iter_mut();
        customers.for_each(|it| it.pass(Timestamp::from_millis(at)));
    }

    fn define(&mut self, segments: &[(&str, &str)], version: u32) {
        for customer in &mut self.customers {
            customer.definitions = compile_version(segments, version);
            customer.look();
        }
    }
}

/// Everything that can be seen of a customer at an instant.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) members: Vec<String>,
    pub(crate) traits: Vec<String>,
    pub(crate) totals: Vec<String>,
    pub(crate) recent: Vec<String>,
    pub(crate) seen: (Option<Timestamp>, Option<Timestamp>),
    /// The value of each term of each segment.
    pub(crate) terms: Vec<String>,
}

pub(crate) fn seen(harness: &Harness) -> Seen {
    let state = &harness.state;
    let terms = harness.explain_all().into_iter().flat_map(|it| {
        let values = it.terms.into_iter();
        let values = values.map(|term| format!("{}: {} = {}", it.segment, term.text, term.value));
        values.collect::<Vec<_>>()
    });
    Seen {
        members: harness.members().into_iter().map(String::from).collect(),
        traits: vec![format!("{:?}", state.traits())],
        totals: state
            .event_totals()
            .iter()
            .map(|it| format!("{it:?}"))
            .collect(),
        recent: state.recent().map(|it| format!("{it:?}")).collect(),
        seen: (state.first_seen(), state.last_seen()),
        terms: terms.collect(),
    }
}

/// An event as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    fragment: usize,
    id: String,
    name: &'static str,
    at: i64,
    value: f64,
    /// A trait and its value, which may be a null.
    says: Option<(&'static str, Option<&'static str>)>,
}

impl Sent {
    fn to_event(&self) -> Event {
        let named = |name: &str, value: Option<Value>| NamedValue {
            name: name.to_owned(),
            value: value.map(|value| convert::stream_value(&value)),
        };
        let says = self.says.iter();
        Event {
            event_id: self.id.clone(),
            name: self.name.to_owned(),
            properties: vec![named("value", Some(self.value.into()))],
            traits: says
                .map(|(name, value)| named(name, value.map(Value::from)))
                .collect(),
            ..Event::default()
        }
    }
}

/// Events in the order of their arrival: of several fragments, some late, some sent again. No two
/// are of one time, since of these the order of arrival decides.
pub(crate) fn events() -> impl Strategy<Value = Vec<Sent>> {
    let says = (
        prop::sample::select(vec!["plan", "city", "address.zip"]),
        prop::option::weighted(0.8, prop::sample::select(vec!["x", "y", "z"])),
    );
    let event = (
        0..3_usize,
        prop::sample::select(NAMES.to_vec()),
        0..30_i64,
        0..6_i64,
        0..4_u8,
        prop::option::weighted(0.4, says),
        0..8_u8,
    );
    prop::collection::vec(event, 8..70).prop_map(|events| {
        let mut clock: i64 = 0;
        let mut sent: Vec<Sent> = Vec::new();
        let mut number = 0;
        for (fragment, name, ahead, late, value, says, again) in events {
            number += 1;
            if again == 0
                && let Some(last) = sent.iter().rev().find(|it| it.fragment == fragment)
            {
                sent.push(last.clone());
                continue;
            }
            let at = if late == 0 {
                (clock - ahead * 5 / 3).max(0)
            } else {
                clock + ahead / 2
            };
            clock = clock.max(at);
            sent.push(Sent {
                fragment,
                id: format!("e-{number}"),
                name,
                at: at * HOUR + number,
                value: f64::from(value),
                says,
            });
        }
        sent
    })
}

/// The acts between the events, each by its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The third customer is joined into the second.
    inner: Option<usize>,
    /// The second is joined into the first.
    merge: usize,
    /// And taken apart from it.
    unmerge: usize,
    /// And joined into it once more.
    again: Option<usize>,
    /// The segments change.
    define: Option<usize>,
    /// And are again as they were.
    redefine: Option<usize>,
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let place = || 0..PLACES;
    let maybe = || prop::option::of(place());
    (maybe(), place(), place(), maybe(), maybe(), maybe()).prop_map(
        |(inner, merge, unmerge, again, define, redefine)| Plan {
            inner,
            merge: merge.min(unmerge),
            unmerge: merge.max(unmerge),
            again: again.map(|it| it.max(merge.max(unmerge))),
            define,
            redefine,
        },
    )
}

/// Plays events and what happens between them. Without unmerges, the second is joined once into the
/// first where `again` is, or not at all.
pub(crate) fn play(
    of: Of,
    named: &[(&str, &str)],
    events: &[Sent],
    plan: Plan,
    merges: &[bool; 3],
) -> World {
    let mut world = World::new(of, 3, named);
    let mut version = 1;
    // A fragment that came with the second customer goes with it.
    let mut came: Vec<usize> = Vec::new();
    let (mut now, mut define_time) = (0, 0);
    let place_of = |number: usize| (number * events.len() / PLACES).min(events.len());
    for number in 0..=PLACES {
        if plan.inner == Some(number) && world.places[1].0 == 1 {
            world.merge(2, 1, now);
        }
        if number == plan.merge && merges[0] {
            came = (0..3).filter(|it| world.places[*it].0 == 1).collect();
            world.merge(1, 0, now);
        }
        if number == plan.unmerge && merges[1] {
            world.unmerge(&came, 0, 1, now);
        }
        if plan.again == Some(number) && merges[2] {
            world.merge(1, 0, now);
        }
        if plan.define == Some(number) {
            version += 1;
            define_time = now;
            world.define(&named[..3], version);
        }
        // A history that nobody reads is dropped some days later, with the next look at it.
        if plan.redefine == Some(number) && now - define_time < 6 * DAY {
            version += 1;
            world.define(named, version);
        }
        for sent in &events[place_of(number)..place_of(number + 1)] {
            now = now.max(sent.at);
            world.pass(now);
            world.event(sent.fragment, sent);
        }
    }
    world
}

/// Compares customers who are in the same state in two worlds, now and for some time.
fn compare(one: &mut World, other: &mut World, whose: &[usize]) {
    let from = one
        .customers
        .iter()
        .map(|it| it.watermark.as_millis())
        .max();
    let from = from.unwrap_or(0);
    for hours in [0, 1, 7, 25, 60, 110, 190, 260] {
        one.pass(from + hours * HOUR);
        other.pass(from + hours * HOUR);
        for number in whose {
            let (left, right) = (&one.customers[*number], &other.customers[*number]);
            assert_eq!(seen(left), seen(right), "{number} after {hours} hours");
        }
    }
}

pub(crate) fn named(expressions: &[String]) -> Vec<(&str, &str)> {
    let pairs = SEGMENTS.iter().zip(expressions);
    pairs.map(|(name, text)| (*name, text.as_str())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn each_side_is_as_if_they_never_had_been_one(
        expressions in segments(),
        events in events(),
        plan in plans(),
    ) {
        let named = named(&expressions);
        // In both the third may be joined into the second, unless that one is joined at that time.
        let inner = plan.inner.filter(|it| *it <= plan.merge || *it > plan.unmerge);
        let plan = Plan { inner, again: None, ..plan };
        let mut apart = play(Harness::of, &named, &events, plan, &[false; 3]);
        let mut merged = play(Harness::of, &named, &events, plan, &[true, true, false]);
        compare(&mut apart, &mut merged, &[0, 1, 2]);
        let members: i64 = merged.customers.iter().flat_map(|it| &it.counters)
            .filter(|(key, _)| key.group.starts_with("segment/")).map(|(_, count)| count).sum();
        let expected: usize = merged.customers.iter().map(|it| it.members().len()).sum();
        assert_eq!(members, i64::try_from(expected).expect("few"));
    }

    #[test]
    fn who_is_joined_once_more_is_as_if_never_taken_apart(
        expressions in segments(),
        events in events(),
        plan in plans(),
    ) {
        let named = named(&expressions);
        let again = plan.again.unwrap_or(plan.unmerge);
        // Histories that begin while they are apart begin at each of them.
        let plan = Plan { inner: plan.inner.filter(|it| *it <= plan.merge), again: Some(again), ..plan };
        let mut merged = play(Harness::of, &named, &events, plan, &[true, false, false]);
        let mut again = play(Harness::of, &named, &events, plan, &[true; 3]);
        compare(&mut merged, &mut again, &[0]);
    }
}
