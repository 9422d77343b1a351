//! Segmentation decides what an event sets and removes; journeys know the same, in whatever order
//! events come and customers are joined. Both cores, without what moves bytes between them.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Core, Effects, Input, Moved, Names, fold_in_once, step_once, take_leave_once};
use journey_core::JourneyCore;
use kernel::{CustomerId, EventIdHash, Properties, Timestamp, Value};
use proto::convert;
use proto::stream::v1::{Event, NamedValue, Record, record::Body};
use segmentation_core::SegmentationCore;
use uuid::Uuid;

use crate::simulator::rng::Rng;

/// Histories that are drawn.
const SEEDS: u64 = 2_000;
/// Events of a history.
const EVENTS: u64 = 24;
/// Customers of a history, who all become the first one.
const CUSTOMERS: usize = 4;
/// When everything is accepted.
const NOW: Timestamp = Timestamp::from_millis(1_000);
/// The names under which events tell values, of four traits.
const NAMES: [&str; 8] = [
    "plan",
    "plan.name",
    "plan.price.net",
    "home",
    "home.city",
    "home.zip",
    "home-2",
    "age",
];

/// An event, as it was drawn.
#[derive(Debug, Clone)]
struct Sent {
    id: String,
    at: i64,
    /// The values that it tells under each name; a removal tells none.
    says: BTreeMap<&'static str, Option<u64>>,
}

impl Sent {
    /// Draws an event, of an instant of its own or of one of a few, so that many are of one.
    fn draw(rng: &mut Rng, number: u64, is_apart: bool) -> Self {
        let count = rng.below(4);
        let says = (0..count).map(|_| {
            let name = NAMES[draw_place(rng, NAMES.len())];
            (name, (rng.below(3) > 0).then(|| rng.below(3)))
        });
        let says = says.collect();
        Self {
            id: format!("e{number}"),
            at: if is_apart { number } else { rng.below(12) }.cast_signed(),
            says,
        }
    }

    fn record(&self, customer: CustomerId) -> Record {
        let traits = self.says.iter().map(|(name, value)| NamedValue {
            name: (*name).to_owned(),
            value: value.map(|value| convert::stream_value(&number(value))),
        });
        Record {
            customer_id: convert::id_bytes(customer),
            time_ms: self.at,
            body: Some(Body::Event(Event {
                event_id: self.id.clone(),
                name: "told".to_owned(),
                traits: traits.collect(),
                ..Event::default()
            })),
            ..Record::default()
        }
    }

    /// Its words on each trait: all values under the name; none for a removal. Where there is an
    /// object there is no plain value.
    fn words(&self) -> BTreeMap<&'static str, Properties> {
        let mut words: BTreeMap<&str, Properties> = BTreeMap::new();
        for (name, value) in &self.says {
            let own = name.split('.').next().expect("a name");
            let word = words.entry(own).or_default();
            let is_object = |other: &&str| other.starts_with(&format!("{name}."));
            let told = self.says.iter().filter(|(_, value)| value.is_some());
            let is_hidden = told.map(|(name, _)| name).any(is_object);
            if let Some(value) = value.filter(|_| !is_hidden) {
                word.set(name, number(value));
            }
        }
        words
    }

    /// The order of words: the time, then the half of the hash of the id that is kept.
    fn order(&self) -> (i64, u64) {
        let hash = EventIdHash::of(&self.id).expect("an id").number();
        (self.at, hash % (1 << 32))
    }
}

fn draw_place(rng: &mut Rng, places: usize) -> usize {
    let places = u64::try_from(places).expect("few");
    usize::try_from(rng.below(places)).expect("few")
}

fn number(value: u64) -> Value {
    Value::from(f64::from(u32::try_from(value).expect("small")))
}

/// The last word on each trait, by a map.
#[derive(Debug, Clone, Default)]
struct Naive(BTreeMap<&'static str, ((i64, u64), Properties)>);

impl Naive {
    /// Takes an event: of one time the last that comes has the word.
    fn take(&mut self, event: &Sent) {
        for (name, word) in event.words() {
            let is_older = self.0.get(name).is_some_and(|own| event.at < own.0.0);
            if !is_older {
                self.0.insert(name, (event.order(), word));
            }
        }
    }

    /// Takes a customer who is joined: of one time the id decides.
    fn join(&mut self, other: Self) {
        for (name, word) in other.0 {
            if self.0.get(name).is_none_or(|own| word.0 > own.0) {
                self.0.insert(name, word);
            }
        }
    }

    fn traits(&self) -> Properties {
        let values = self.0.values().flat_map(|(_, word)| word.iter());
        values.map(|(name, value)| (name, value.clone())).collect()
    }
}

/// One service's state of a customer, which is small enough to be one head.
struct Half<C: Core> {
    definitions: C::Definitions,
    state: C::State,
}

impl<C: Core> Half<C> {
    fn step(&mut self, who: CustomerId, record: &Record) -> Vec<Record> {
        let (mut effects, input) = (Effects::default(), Input::Record(record));
        let taken = step_once::<C>(
            &self.definitions,
            &mut self.state,
            who,
            input,
            NOW,
            &mut effects,
        );
        taken.expect("it is taken");
        assert!(effects.needs.is_empty());
        effects.records
    }

    /// Takes in the state of another customer, as it is stored.
    fn take_in(
        &mut self,
        who: CustomerId,
        other: &mut Self,
        from: CustomerId,
        ordinal: u16,
    ) -> Vec<Record> {
        let mut effects = Effects::default();
        let (state, times) = (&mut other.state, (NOW, NOW));
        let left = take_leave_once::<C>(&other.definitions, state, from, times, &mut effects);
        let Some(state) = left else {
            return Vec::new();
        };
        let moved = Moved {
            from,
            ordinal,
            state: &state,
            parts: &BTreeMap::<_, Bytes>::new(),
        };
        let whose = (who, moved);
        let folded = fold_in_once::<C>(
            &self.definitions,
            &mut self.state,
            whose,
            times,
            &mut effects,
        );
        folded.expect("it is folded in");
        assert!(effects.needs.is_empty());
        effects.records
    }
}

/// A customer in both services.
struct Customer {
    id: CustomerId,
    known: Half<SegmentationCore>,
    told: Half<JourneyCore>,
}

impl Customer {
    fn new(number: usize) -> Self {
        let names = Names::default();
        let known = segmentation_core::Definitions::compile(&[], &names);
        let told = journey_core::Definitions::compile(&[], &names);
        Self {
            id: CustomerId::new(Uuid::from_u128(number as u128 + 1)),
            known: Half {
                definitions: known.expect("nothing is defined"),
                state: segmentation_core::State::default(),
            },
            told: Half {
                definitions: told.expect("nothing is defined"),
                state: journey_core::state::State::default(),
            },
        }
    }

    fn take(&mut self, event: &Sent) {
        let facts = self.known.step(self.id, &event.record(self.id));
        self.tell(&facts);
    }

    /// Takes another customer in: what followed them leaves journeys first.
    fn join(&mut self, other: &mut Self, ordinal: u16) {
        let (who, from) = (self.id, other.id);
        self.told.take_in(who, &mut other.told, from, ordinal);
        let facts = self.known.take_in(who, &mut other.known, from, ordinal);
        self.tell(&facts);
    }

    fn tell(&mut self, facts: &[Record]) {
        for fact in facts {
            self.told.step(self.id, fact);
        }
    }
}

fn check(seed: u64) {
    let mut rng = Rng::new(seed);
    let is_apart = seed.is_multiple_of(2);
    let mut customers: Vec<Customer> = (0..CUSTOMERS).map(Customer::new).collect();
    let mut sent: Vec<Sent> = (0..EVENTS)
        .map(|number| Sent::draw(&mut rng, number, is_apart))
        .collect();
    let mut whole = Naive::default();
    sent.iter().for_each(|event| whole.take(event));
    for place in (1..sent.len()).rev() {
        sent.swap(place, draw_place(&mut rng, place + 1));
    }
    let mut words = vec![Naive::default(); CUSTOMERS];
    for (place, event) in sent.iter().enumerate() {
        let owner = draw_place(&mut rng, customers.len());
        customers[owner].take(event);
        words[owner].take(event);
        let is_last = place + 1 == sent.len();
        while customers.len() > 1 && (is_last || rng.below(8) == 0) {
            let mut loser = customers.pop().expect("another one");
            let theirs = words.pop().expect("another one's");
            let survivor = draw_place(&mut rng, customers.len());
            // An ordinal that nothing of the survivor has.
            let ordinal = u16::try_from(place * CUSTOMERS + customers.len()).expect("few") + 1;
            customers[survivor].join(&mut loser, ordinal);
            words[survivor].join(theirs);
        }
        for (customer, words) in customers.iter().zip(&words) {
            let expected = words.traits();
            assert_eq!(
                customer.known.state.traits(),
                expected,
                "seed {seed}: segmentation"
            );
            let told = customer.told.state.open();
            assert_eq!(*told.traits, expected, "seed {seed}: journeys");
        }
    }
    if is_apart {
        let known = customers[0].known.state.traits();
        assert_eq!(known, whole.traits(), "seed {seed}: another order");
    }
}

#[test]
fn journeys_know_the_traits_that_segmentation_decided_in_any_order_and_across_merges() {
    (0..SEEDS).for_each(check);
}
