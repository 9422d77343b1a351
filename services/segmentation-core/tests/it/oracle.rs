//! The incremental evaluation agrees with a naive one that computes everything from the raw history
//! at any instant.

use std::collections::BTreeSet;

use expr::{Aggregate, Condition, Feature, Measure, Scope, Subject};
use kernel::{Properties, Timestamp, Value};
use messages::stream::v1::{ChangeReason, record::Body};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::proptest;

use crate::harness::{Harness, compile_version};

/// A short day, so that instants collide often.
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];
pub(crate) const SEGMENTS: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];

/// An event as it was sent.
#[derive(Debug, Clone)]
struct Sent {
    name: &'static str,
    at: i64,
    value: f64,
    plan: Option<&'static str>,
}

/// A customer as the raw history tells, at an instant.
struct Raw<'a> {
    sent: &'a [Sent],
    now: i64,
    traits: Properties,
    members: BTreeSet<&'static str>,
}

impl<'a> Raw<'a> {
    /// Evaluates all segments, each after those that it may read.
    fn at(sent: &'a [Sent], now: i64, conditions: &[Condition]) -> Self {
        let mut raw = Self {
            sent,
            now,
            traits: Properties::new(),
            members: BTreeSet::new(),
        };
        let mut set_time = i64::MIN;
        for event in sent {
            if let Some(plan) = event.plan.filter(|_| event.at >= set_time) {
                set_time = event.at;
                raw.traits.set("plan", plan.into());
            }
        }
        for (name, condition) in SEGMENTS.iter().zip(conditions) {
            if condition.holds(&raw) {
                raw.members.insert(name);
            }
        }
        raw
    }
}

struct Past<'a>(&'a Value);

impl Subject for Past<'_> {
    fn profile(&self, _name: &str) -> Option<&Value> {
        None
    }
    fn event(&self, name: &str) -> Option<&Value> {
        (name == "value").then_some(self.0)
    }
    fn in_segment(&self, _name: &str) -> bool {
        false
    }
}

impl Subject for Raw<'_> {
    fn profile(&self, name: &str) -> Option<&Value> {
        self.traits.value(name)
    }

    fn event(&self, _name: &str) -> Option<&Value> {
        None
    }

    fn in_segment(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn first_seen(&self) -> Option<Timestamp> {
        self.sent
            .iter()
            .map(|event| Timestamp::from_millis(event.at))
            .min()
    }

    fn last_seen(&self) -> Option<Timestamp> {
        self.sent
            .iter()
            .map(|event| Timestamp::from_millis(event.at))
            .max()
    }

    fn measure(&self, _slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        let at = at.as_millis();
        let mut times = Vec::new();
        let mut values = Vec::new();
        for event in self.sent {
            let is_in_window = feature
                .window
                .is_none_or(|window| event.at > at - window.as_millis());
            let value = Value::Number(event.value);
            let counts = feature
                .filter
                .as_ref()
                .is_none_or(|filter| filter.accepts(&Past(&value)));
            if event.name == feature.event.as_ref() && event.at <= at && is_in_window && counts {
                times.push(event.at);
                values.push(event.value);
            }
        }
        let time = |at: Option<&i64>| {
            at.map_or(Measure::Unknown, |at| {
                Measure::Time(Timestamp::from_millis(*at))
            })
        };
        let number = |value: Option<f64>| value.map_or(Measure::Unknown, Measure::Number);
        let count = f64::from(u32::try_from(values.len()).expect("few events"));
        match feature.aggregate {
            Aggregate::Count => Measure::Number(count),
            Aggregate::Sum(_) => Measure::Number(values.iter().sum()),
            Aggregate::Average(_) => {
                number((count > 0.0).then(|| values.iter().sum::<f64>() / count))
            }
            Aggregate::Min(_) => number(values.into_iter().reduce(f64::min)),
            Aggregate::Max(_) => number(values.into_iter().reduce(f64::max)),
            Aggregate::FirstTime => time(times.iter().min()),
            Aggregate::LastTime => time(times.iter().max()),
        }
    }
}

fn term() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(NAMES.to_vec());
    let operator = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let filter = || {
        prop::sample::select(vec![
            "",
            ".where(event.value > 1)",
            ".where(event.value == 2)",
        ])
    };
    let window = || prop::option::of(1..200_i64);
    let within = |hours: Option<i64>| {
        hours
            .map(|hours| format!(".within(\"{hours}h\")"))
            .unwrap_or_default()
    };
    let number = prop::sample::select(vec![
        "count()",
        "sum(\"value\")",
        "avg(\"value\")",
        "min(\"value\")",
        "max(\"value\")",
    ]);
    prop_oneof![
        4 => (name(), filter(), window(), number, operator(), 0..6)
            .prop_map(move |(name, filter, hours, number, operator, bound)| {
                format!("events(\"{name}\"){filter}{}.{number} {operator} {bound}", within(hours))
            }),
        2 => (name(), filter(), window())
            .prop_map(move |(name, filter, hours)| format!("!events(\"{name}\"){filter}{}.exists()", within(hours))),
        2 => (name(), filter(), window(), operator(), 0..200_i64)
            .prop_map(move |(name, filter, hours, operator, than)| {
                format!("events(\"{name}\"){filter}{}.since_last() {operator} duration(\"{than}h\")", within(hours))
            }),
        1 => (operator(), 0..200_i64).prop_map(|(operator, than)| format!("now - first_seen {operator} duration(\"{than}h\")")),
        1 => (operator(), 0..200_i64).prop_map(|(operator, than)| format!("now - last_seen {operator} duration(\"{than}h\")")),
        1 => (name(), filter()).prop_map(|(name, filter)| {
            format!("now - events(\"{name}\"){filter}.first_time() > duration(\"50h\")")
        }),
        1 => prop::sample::select(vec!["profile.plan == \"x\"", "profile.plan != \"x\"", "has(profile.plan)"])
            .prop_map(str::to_owned),
    ]
}

/// Segments, each of which may read those before it.
pub(crate) fn segments() -> impl Strategy<Value = Vec<String>> {
    let segment = (term(), term(), any::<bool>(), 0..12_usize, any::<bool>());
    prop::collection::vec(segment, SEGMENTS.len()).prop_map(|segments| {
        let build = |(place, (left, right, is_all, read, is_in)): (
            usize,
            (String, String, bool, usize, bool),
        )| {
            let join = if is_all { "&&" } else { "||" };
            let nested = (read < place).then(|| {
                format!(
                    " {join} {}segments.has(\"{}\")",
                    if is_in { "" } else { "!" },
                    SEGMENTS[read]
                )
            });
            format!("({left}) {join} ({right}){}", nested.unwrap_or_default())
        };
        segments.into_iter().enumerate().map(build).collect()
    })
}

/// Events in the order of their arrival, some of them late.
fn events() -> impl Strategy<Value = Vec<Sent>> {
    let event = (
        prop::sample::select(NAMES.to_vec()),
        0..60_i64,
        0..5_i64,
        0..4_u8,
        prop::option::weighted(0.3, prop::sample::select(vec!["x", "y"])),
    );
    prop::collection::vec(event, 1..14).prop_map(|events| {
        let mut clock: i64 = 0;
        events
            .into_iter()
            .map(|(name, ahead, late, value, plan)| {
                // One in five steps back by up to 100 hours; the others go forward.
                let at = if late == 0 {
                    (clock - ahead * 5 / 3).max(0)
                } else {
                    clock + ahead
                };
                clock = clock.max(at);
                Sent {
                    name,
                    at: at * HOUR,
                    value: f64::from(value),
                    plan,
                }
            })
            .collect()
    })
}

/// Every instant at which anything could change, and those just before and after.
fn instants(sent: &[Sent], from: i64, until: i64, expressions: &[String]) -> BTreeSet<i64> {
    let mut hours: BTreeSet<i64> = [0, 50].into();
    for expression in expressions {
        for part in expression.split('"') {
            hours.extend(
                part.strip_suffix('h')
                    .and_then(|hours| hours.parse::<i64>().ok()),
            );
        }
    }
    let changes = sent
        .iter()
        .flat_map(|event| hours.iter().map(move |hours| event.at + hours * HOUR));
    changes
        .flat_map(|at| [at - 1, at, at + 1])
        .filter(|at| (from..=until).contains(at))
        .collect()
}

fn compare(harness: &Harness, sent: &[Sent], now: i64, conditions: &[Condition]) {
    let raw = Raw::at(sent, now, conditions);
    let expected: Vec<&str> = raw.members.iter().copied().collect();
    assert_eq!(harness.members(), expected, "at {now} after {sent:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn memberships_are_those_of_the_raw_history(expressions in segments(), events in events()) {
        let named: Vec<(&str, &str)> = SEGMENTS.iter().zip(&expressions).map(|(name, text)| (*name, text.as_str())).collect();
        let scope = Scope { aggregates: true, ..Scope::default() };
        let conditions: Vec<Condition> = expressions
            .iter()
            .map(|text| Condition::compile(text, &scope).expect("a condition"))
            .collect();
        let mut harness = Harness::new(&named);
        let mut now = 0;
        for place in 0..events.len() {
            let event = &events[place];
            if place > 0 {
                for instant in instants(&events[..place], now, event.at - 1, &expressions) {
                    harness.pass(Timestamp::from_millis(instant));
                    compare(&harness, &events[..place], instant, &conditions);
                }
            }
            let traits: Vec<(&str, Value)> = event.plan.iter().map(|plan| ("plan", Value::from(*plan))).collect();
            let id = format!("e-{place}");
            if place % 3 == 2 {
                // The same conditions under a new version: all is decided anew, and nothing changes
                // by that.
                harness.definitions = compile_version(&named, u32::try_from(place).expect("few events"));
            }
            harness.event_with(&id, event.name, event.at, &[("value", event.value.into())], &traits);
            now = now.max(event.at);
            compare(&harness, &events[..=place], now, &conditions);
        }
        let emitted = harness.emitted.len();
        for instant in instants(&events, now, now + 300 * HOUR, &expressions) {
            harness.pass(Timestamp::from_millis(instant));
            compare(&harness, &events, instant, &conditions);
        }
        check_exits(&harness, emitted, &events, &conditions);
    }
}

/// What changed by time alone changed at the very millisecond, and no change is reported twice.
fn check_exits(harness: &Harness, from: usize, events: &[Sent], conditions: &[Condition]) {
    for record in &harness.emitted[from..] {
        let Some(Body::Fact(fact)) = &record.body else {
            panic!("time causes facts only");
        };
        for change in &fact.changes {
            assert_eq!(change.reason, i32::from(ChangeReason::Time));
            assert_eq!(change.time_ms, record.time_ms);
            let is_member = |at| {
                Raw::at(events, at, conditions)
                    .members
                    .contains(change.segment.as_str())
            };
            assert_eq!(is_member(change.time_ms), change.entered);
            assert_ne!(is_member(change.time_ms - 1), change.entered);
        }
    }
}
