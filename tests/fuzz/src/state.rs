//! States of customers, with the parts that are kept apart: damaged, or of a newer program.
//!
//! An input is pieces, each with its length in two bytes before it: the head, then parts in the
//! order in which the head lists them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use activation_core::ActivationCore;
use bytes::Bytes;
use decision::{
    Core, Effects, Input, Moved, Names, PartKey, PartWrites, Source, StateOf, fold_in_once,
    step_once, take_leave_once,
};
use engine::{Head, head};
use journey_core::JourneyCore;
use kernel::{CustomerId, Timestamp};
use proto::definition::v1::definition::Kind;
use proto::stream::v1::record::Body;
use proto::stream::v1::{Event, NamedValue, Record, Value, value};
use segmentation_core::SegmentationCore;

use crate::Target;

/// Parts that a state may list beyond its bytes: far more than any customer has.
const LISTED: usize = 70_000;
const DAY: i64 = 86_400_000;
const START: i64 = 1_700_000_000_000;

/// States of segmentation.
pub(crate) const SEGMENTATION_STATE: Target = Target {
    run: |bytes| check::<SegmentationCore>(bytes, &DEFINED.segmentation),
    seeds: || LIVES.segmentation.clone(),
    words: WORDS,
    rounds: 1_200,
};

/// States of journey.
pub(crate) const JOURNEY_STATE: Target = Target {
    run: |bytes| check::<JourneyCore>(bytes, &DEFINED.journey),
    seeds: || LIVES.journey.clone(),
    words: WORDS,
    rounds: 1_200,
};

/// States of activation.
pub(crate) const ACTIVATION_STATE: Target = Target {
    run: |bytes| check::<ActivationCore>(bytes, &DEFINED.activation),
    seeds: || LIVES.activation.clone(),
    words: WORDS,
    rounds: 1_200,
};

const WORDS: &[&str] = &[
    "\n\u{0}",
    "\u{ff}\u{ff}\u{ff}\u{ff}\u{f}",
    "\u{0}\u{0}",
    "\u{8}\u{1}",
];

struct Defined {
    segmentation: segmentation_core::Definitions,
    journey: journey_core::Definitions,
    activation: activation_core::Definitions,
}

static DEFINED: LazyLock<Defined> = LazyLock::new(|| {
    let definitions = crate::language::definitions().into_iter();
    let kinds: Vec<Kind> = definitions.filter_map(|it| it.kind).collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    let names = Names::default();
    Defined {
        segmentation: segmentation_core::Definitions::compile(&sources, &names).expect("valid"),
        journey: journey_core::Definitions::compile(&sources, &names).expect("valid"),
        activation: activation_core::Definitions::compile(&sources, &names).expect("valid"),
    }
});

/// States as a customer's life leaves them, event by event.
#[derive(Default)]
struct Lives {
    segmentation: Vec<Vec<u8>>,
    journey: Vec<Vec<u8>>,
    activation: Vec<Vec<u8>>,
}

static LIVES: LazyLock<Lives> = LazyLock::new(|| {
    let names = [
        "purchase",
        "campaign_received",
        "lesson_finished",
        "coupon_redeemed",
    ];
    let mut lives = Lives::default();
    let mut segments = StateOf::<SegmentationCore>::default();
    let mut journeys = StateOf::<JourneyCore>::default();
    let mut activations = StateOf::<ActivationCore>::default();
    let mut parts = [Parts::new(), Parts::new(), Parts::new()];
    for (number, name) in (0_u16..).zip(names.iter().cycle().take(24)) {
        let facts = step::<SegmentationCore>(
            &DEFINED.segmentation,
            &mut segments,
            &event(name, START + i64::from(number) * DAY / 2),
        );
        for fact in &facts {
            let actions = step::<JourneyCore>(&DEFINED.journey, &mut journeys, fact);
            for action in &actions {
                step::<ActivationCore>(&DEFINED.activation, &mut activations, action);
            }
        }
        if number % 6 == 5 {
            let [one, two, three] = &mut parts;
            lives
                .segmentation
                .push(stored::<SegmentationCore>(&mut segments, one));
            lives
                .journey
                .push(stored::<JourneyCore>(&mut journeys, two));
            lives
                .activation
                .push(stored::<ActivationCore>(&mut activations, three));
        }
    }
    lives
});

fn customer() -> CustomerId {
    CustomerId::try_from_bytes(&[7; 16]).expect("16 bytes")
}

fn event(name: &str, time_ms: i64) -> Record {
    let named = |name: &str, kind| NamedValue {
        name: name.to_owned(),
        value: Some(Value { kind: Some(kind) }),
    };
    let event = Event {
        event_id: format!("{name}-{time_ms}"),
        name: name.to_owned(),
        properties: vec![named("value", value::Kind::Number(150.5))],
        traits: vec![named("plan", value::Kind::Text("free".to_owned()))],
        ..Event::default()
    };
    Record {
        customer_id: Bytes::from_static(&[7; 16]),
        time_ms,
        body: Some(Body::Event(event)),
        ..Record::default()
    }
}

fn step<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    record: &Record,
) -> Vec<Record> {
    let mut effects = Effects::default();
    let now = Timestamp::from_millis(record.time_ms);
    let input = Input::Record(record);
    step_once::<C>(definitions, state, customer(), input, now, &mut effects).expect("no poison");
    assert!(effects.needs.is_empty(), "everything is loaded");
    effects.records
}

/// The parts of a customer in a store.
type Parts = BTreeMap<PartKey, Bytes>;

/// Returns a state as an input: its head, and its parts as they are stored.
fn stored<C: Core>(state: &mut C::State, parts: &mut Parts) -> Vec<u8> {
    let mut writes = PartWrites::default();
    C::drain_parts(state, &mut writes);
    for (key, part) in writes {
        match part {
            Some(part) => parts.insert(key, part),
            None => parts.remove(&key),
        };
    }
    let head = head::write::<C>(&Head::plain(), state);
    let listed = C::part_keys(state).into_iter();
    let pieces: Vec<Bytes> = std::iter::once(head)
        .chain(listed.map(|key| parts[&key].clone()))
        .collect();
    let length = |piece: &Bytes| u16::try_from(piece.len()).expect("a small state");
    let pieces = pieces.iter();
    pieces
        .flat_map(|piece| [&length(piece).to_be_bytes()[..], piece].concat())
        .collect()
}

/// Splits an input into its pieces; the last may be shorter than it says.
fn pieces(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// A state that is read is written as one that reads as the same, and can leave, and be joined into
/// another.
fn check<C: Core>(bytes: &[u8], definitions: &C::Definitions) {
    let pieces = pieces(bytes);
    let Some((value, parts)) = pieces.split_first() else {
        return;
    };
    let (own, mut state) = match head::read::<C>(value) {
        Ok(read) => read,
        Err(poison) => return assert!(!poison.to_string().is_empty()),
    };
    let listed = C::part_keys(&state);
    assert!(
        listed.len() <= LISTED + bytes.len(),
        "{} parts",
        listed.len()
    );
    for (key, part) in listed.into_iter().zip(parts) {
        if C::load_part(&mut state, key, Bytes::copy_from_slice(part)).is_err() {
            return;
        }
    }
    C::measure_parts(&state);
    C::drain_parts(&mut state, &mut PartWrites::default());
    let written = head::write::<C>(&own, &state);
    let (other, mut again) = head::read::<C>(&written).expect("it was written");
    assert_eq!(head::write::<C>(&other, &again), written);
    leave::<C>(&mut again, definitions);
}

fn leave<C: Core>(state: &mut C::State, definitions: &C::Definitions) {
    let mut effects = Effects::default();
    let times = (Timestamp::from_millis(START), Timestamp::from_millis(START));
    let left = take_leave_once::<C>(definitions, state, customer(), times, &mut effects);
    let Some(left) = left.filter(|_| effects.needs.is_empty()) else {
        return;
    };
    effects.clear();
    let survivor = CustomerId::try_from_bytes(&[3; 16]).expect("16 bytes");
    let moved = Moved::whole(customer(), &left);
    let mut joined = C::State::default();
    let moved = (survivor, moved);
    let joining = fold_in_once::<C>(definitions, &mut joined, moved, times, &mut effects);
    // It was written by the core itself.
    assert!(joining.is_ok() || !effects.needs.is_empty(), "{joining:?}");
}
