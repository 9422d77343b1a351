//! Whole lifetimes of customers: thousands of events with texts and lists, late and ahead of the
//! clock, through definitions that change and a merge, against a reference that keeps every event
//! and looks at all of them each time.

use expr::{Aggregate, Condition, Feature, Measure, Scope, Subject};
use kernel::{Properties, Timestamp, Value};
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;
use segmentation_core::{Definitions, FeatureReading, Known};

use crate::harness::{DAY, Harness, compile_after};

/// The segments, each in spellings and windows that take turns.
const SEGMENTS: [(&str, [&str; 3]); 7] = [
    (
        "counted",
        [
            "events(\"a\").within(\"90d\").count() >= 40",
            "events('a').within( '2160h' ).count()>=40.0",
            "events(\"a\").within(\"5d\").count() >= 40",
        ],
    ),
    (
        "filtered",
        [
            "events(\"a\").where(event.value > 10.0 && event.kind == \"x\").within(\"30d\").sum(\"value\") >= 300",
            "events(\"a\").where('x' == event.kind && (10 < event.value)).within(\"30d\").sum(\"value\") >= 300",
            "events(\"a\").where('x' == event.kind && (10 < event.value)).within(\"90d\").sum(\"value\") >= 900",
        ],
    ),
    (
        "listed",
        [
            "events(\"b\").where(\"c9\" in event.tags).within(\"20d\").exists()",
            "events(\"b\").where((('c9' in event.tags))).within(\"20d\").count() > 0",
            "!events(\"b\").where(\"c9\" in event.tags).within(\"20d\").exists()",
        ],
    ),
    (
        "matched",
        [
            "events(\"b\").where(event.url.contains(\"/pricing\")).count() >= 600",
            "events(\"b\").where(event.url.contains('/pricing')).count() > 599",
            "events(\"b\").where(event.url.contains('/pricing')).within(\"400d\").count() >= 600",
        ],
    ),
    (
        "extremes",
        [
            "events(\"a\").within(\"10d\").max(\"value\") > 95 || events(\"a\").within(\"10d\").min(\"value\") < 1",
            "events(\"a\").within(\"10d\").min(\"value\")<1 || events(\"a\").within(\"10d\").max(\"value\")>95",
            "events(\"a\").max(\"value\") > 98 && events(\"a\").min(\"value\") >= 0",
        ],
    ),
    (
        "mean",
        [
            "events(\"a\").within(\"200d\").avg(\"value\") > 50",
            "events(\"a\").where(event.kind != \"x\").within(\"200d\").avg(\"value\") > 50",
            "events(\"a\").within(\"1d\").avg(\"value\") > 50",
        ],
    ),
    (
        "quiet",
        [
            "events(\"a\").since_last() > duration(\"6h\")",
            "now - events(\"a\").last_time() > duration(\"6h\") && events(\"b\").exists()",
            "now - events(\"b\").first_time() > duration(\"20d\")",
        ],
    ),
];

/// An event as it was sent.
#[derive(Debug, Clone)]
struct Sent {
    name: &'static str,
    at: i64,
    properties: Properties,
}

/// A customer as all events tell, at an instant.
struct Everything<'a> {
    sent: &'a [Sent],
    now: i64,
}

struct One<'a>(&'a Properties);

impl Subject for One<'_> {
    fn profile(&self, _name: &str) -> Option<&Value> {
        None
    }
    fn event(&self, name: &str) -> Option<&Value> {
        self.0.value(name)
    }
    fn in_segment(&self, _name: &str) -> bool {
        false
    }
}

impl Subject for Everything<'_> {
    fn profile(&self, _name: &str) -> Option<&Value> {
        None
    }
    fn event(&self, _name: &str) -> Option<&Value> {
        None
    }
    fn in_segment(&self, _name: &str) -> bool {
        false
    }
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn measure(&self, _slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        let at = at.as_millis();
        let edge = feature
            .window
            .map_or(i64::MIN, |window| at - window.as_millis());
        let counted: Vec<&Sent> = self
            .sent
            .iter()
            .filter(|sent| sent.name == feature.event.as_ref() && sent.at > edge && sent.at <= at)
            .filter(|sent| {
                let filter = feature.filter.as_ref();
                filter.is_none_or(|filter| filter.accepts(&One(&sent.properties)))
            })
            .collect();
        let property = feature.aggregate.property().unwrap_or_default();
        let numbers: Vec<f64> = counted
            .iter()
            .filter_map(|sent| sent.properties.value(property)?.as_number())
            .collect();
        let times = counted.iter().map(|sent| Timestamp::from_millis(sent.at));
        let size = |size: usize| f64::from(u32::try_from(size).expect("few events"));
        let number = |number: Option<f64>| number.map_or(Measure::Unknown, Measure::Number);
        let time = |time: Option<Timestamp>| time.map_or(Measure::Unknown, Measure::Time);
        match feature.aggregate {
            Aggregate::Count => Measure::Number(size(counted.len())),
            Aggregate::Sum(_) => Measure::Number(numbers.iter().sum()),
            Aggregate::Average(_) if numbers.is_empty() => Measure::Unknown,
            Aggregate::Average(_) => {
                Measure::Number(numbers.iter().sum::<f64>() / size(numbers.len()))
            }
            Aggregate::Min(_) => number(numbers.into_iter().reduce(f64::min)),
            Aggregate::Max(_) => number(numbers.into_iter().reduce(f64::max)),
            Aggregate::FirstTime => time(times.min()),
            Aggregate::LastTime => time(times.max()),
        }
    }
}

/// A number in 0..bound that differs from one call to the next.
struct Draw(u64);

impl Draw {
    fn next(&mut self, bound: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).expect("31 bits") % bound.max(1)
    }

    fn event(&mut self, at: i64) -> Sent {
        let tags: Vec<Value> = (0..self.next(14))
            .map(|n| format!("c{n}").as_str().into())
            .collect();
        let path = if self.next(2) == 0 {
            "/pricing"
        } else {
            "/about"
        };
        let url = format!(
            "https://example.com/{}{path}",
            "y".repeat(usize::try_from(self.next(300)).expect("few"))
        );
        let tenths = f64::from(i32::try_from(self.next(1_000)).expect("few"));
        let kind = if self.next(3) == 0 { "x" } else { "z" };
        Sent {
            name: if self.next(2) == 0 { "a" } else { "b" },
            at,
            properties: [
                ("value", Value::from(tenths / 10.0)),
                ("kind", kind.into()),
                ("url", url.as_str().into()),
                ("tags", Value::List(tags)),
            ]
            .into_iter()
            .collect(),
        }
    }
}

/// The spelling or window of each segment that is in force; 3 for a segment that is deleted.
type Choice = [usize; SEGMENTS.len()];

fn segments(choice: &Choice) -> Vec<(&'static str, &'static str)> {
    let chosen = SEGMENTS.iter().zip(choice);
    chosen
        .filter_map(|((name, spellings), choice)| Some((*name, *spellings.get(*choice)?)))
        .collect()
}

/// Everything that was ever in force was so within the days that it is kept for.
fn compiled(choice: &Choice) -> Definitions {
    let spellings = SEGMENTS.iter();
    let gone: Vec<(&str, &str)> = spellings
        .flat_map(|(name, spellings)| spellings.map(|text| (*name, text)))
        .collect();
    compile_after(&gone, &segments(choice), 2)
}

fn send(harness: &mut Harness, sent: &Sent, ahead: bool) {
    let properties: Vec<(&str, Value)> = sent
        .properties
        .iter()
        .map(|(name, value)| (name, value.clone()))
        .collect();
    if ahead {
        harness.event_ahead(sent.name, sent.at, &properties);
    } else {
        harness.event(sent.name, sent.at, &properties);
    }
}

/// Returns whether a value is the expected one, or off by no more than is stated.
fn is_within(feature: &Feature, reading: &FeatureReading, expected: Measure) -> bool {
    let is_rounded = (reading.over, reading.under) != (0, 0);
    let window = feature.window.unwrap_or_default().as_millis();
    if is_rounded && reading.width.as_millis() > window / 256 {
        return false;
    }
    let count = |count: u64| f64::from(u32::try_from(count).expect("few events"));
    match (&feature.aggregate, reading.measure, expected) {
        (Aggregate::Count, Measure::Number(found), Measure::Number(expected)) => {
            found <= expected + count(reading.over) && found + count(reading.under) >= expected
        }
        (Aggregate::Min(_) | Aggregate::Max(_), found, expected) if !is_rounded => {
            found == expected
        }
        // A value is below 100 in all events.
        (Aggregate::Sum(_), Measure::Number(found), Measure::Number(expected)) => {
            (found - expected).abs() <= 1e-6 + 100.0 * count(reading.over + reading.under)
        }
        (Aggregate::Average(_), Measure::Number(found), Measure::Number(expected)) => {
            is_rounded || (found - expected).abs() <= 1e-9
        }
        (_, found, expected) => is_rounded || found == expected,
    }
}

/// Compares every feature and every membership; returns how many features were rounded.
fn compare(harness: &Harness, sent: &[Sent], choice: &Choice) -> usize {
    let now = harness.watermark.as_millis();
    let everything = Everything { sent, now };
    let explained = harness.explain_all();
    let mut rounded = 0;
    let mut expected = Vec::new();
    let (scope, explained) = (
        Scope {
            aggregates: true,
            ..Scope::default()
        },
        explained,
    );
    for (name, text) in segments(choice) {
        let condition = Condition::compile(text, &scope).expect("a condition");
        let explanation = explained
            .iter()
            .find(|it| it.segment == name)
            .expect("an explanation");
        let mut is_exact = true;
        for (slot, feature) in condition.features().iter().enumerate() {
            let reading = &explanation.readings[slot];
            let truth = everything.measure(slot, feature, harness.watermark);
            assert_eq!(reading.known, Known::Whole, "{text}");
            assert!(
                is_within(feature, reading, truth),
                "{text} at {now}: {reading:?}, not {truth:?}"
            );
            is_exact &= (reading.over, reading.under) == (0, 0);
        }
        if is_exact {
            assert_eq!(
                explanation.holds,
                condition.holds(&everything),
                "{text} at {now}"
            );
        }
        rounded += usize::from(!is_exact);
        if explanation.holds {
            expected.push(name);
        }
    }
    // What is decided by the events and timers so far is what holds now.
    expected.sort_unstable();
    assert_eq!(harness.members(), expected, "at {now}");
    rounded
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn a_lifetime_agrees_with_all_its_events(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut choice: Choice = [0; SEGMENTS.len()];
        let mut survivor = Harness::of(1, compiled(&choice));
        let mut loser = Harness::of(2, compiled(&choice));
        let (mut sent, mut theirs) = (Vec::new(), Vec::new());
        let (mut now, mut rounded) = (1_000 * DAY, 0);
        for number in 0..3_000 {
            now += draw.next(DAY / 40);
            let (at, ahead) = match draw.next(20) {
                0 => (now - draw.next(30 * DAY), false),
                1 => (now + draw.next(2 * DAY), true),
                _ => (now, false),
            };
            for harness in [&mut survivor, &mut loser] {
                harness.pass(Timestamp::from_millis(now));
            }
            let event = draw.event(at);
            if number < 1_500 && draw.next(3) == 0 {
                send(&mut loser, &event, ahead);
                theirs.push(event);
            } else {
                send(&mut survivor, &event, ahead);
                sent.push(event);
            }
            if number == 1_500 {
                loser.leave(now);
                survivor.fold_in(&mut loser);
                sent.append(&mut theirs);
            }
            if draw.next(100) == 0 {
                let place = usize::try_from(draw.next(7)).expect("few");
                choice[place] = usize::try_from(draw.next(4)).expect("few");
                for harness in [&mut survivor, &mut loser] {
                    harness.definitions = compiled(&choice);
                }
            }
            if draw.next(60) == 0 || number == 1_500 {
                // Time passes by itself too, and brings changes at their instants.
                let from = now;
                now += draw.next(3 * DAY);
                survivor.event("tick", from, &[]);
                survivor.pass(Timestamp::from_millis(now));
                rounded += compare(&survivor, &sent, &choice);
            }
        }
        // In the weeks after it the edges of the windows cross what was joined: some of the answers
        // are rounded.
        choice = [0; SEGMENTS.len()];
        survivor.definitions = compiled(&choice);
        survivor.event("tick", now, &[]);
        for _ in 0..150 {
            now += draw.next(DAY / 2);
            survivor.pass(Timestamp::from_millis(now));
            rounded += compare(&survivor, &sent, &choice);
        }
        assert!(rounded > 0);
        assert!(survivor.misses > 0, "some steps met parts that were dropped");
    }
}
