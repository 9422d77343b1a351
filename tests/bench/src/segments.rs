//! The cost of an event to segmentation's step where many segments read its name, beside an
//! event that none reads.

use std::collections::VecDeque;
use std::time::Instant;

use decision::{Effects, Input, Names, Source, step_once};
use kernel::{CustomerId, Timestamp};
use proto::definition::v1::definition;
use proto::segmentation::v1::Segment;
use proto::stream::v1::{Event, NamedValue, Record, Value, record::Body, value::Kind};
use segmentation_core::{Definitions, SegmentationCore, State};

use crate::Failure;
use crate::result::{Measured, median};

/// Events of each round, after those that are the history.
const EVENTS: u32 = 200;
const ROUNDS: usize = 9;
/// Between two events, so that 500 of them lie within every window.
const APART_MS: i64 = 600_000;
/// Most microseconds of an event that 200 segments read, and most that 500 events of history may
/// cost beside 100.
const BOUNDS: (f64, f64) = (40.0, 1.3);

/// Measures events of a name that 200 filtered segments read, and that ten windows of 90 days do.
pub(crate) fn measure() -> Result<Measured, Failure> {
    let filtered = (0..200).map(|n| {
        format!(
            "events(\"a\").where(event.value >= {n}.0).within(\"30d\").count() >= {}",
            n % 50 + 1
        )
    });
    let filtered = compile(filtered)?;
    let windows = (0..10).map(|n| {
        format!("events(\"a\").where(event.value >= {n}.0).within(\"90d\").sum(\"value\") >= 1e6")
    });
    let windows = compile(windows)?;
    let unread = step_us(&Definitions::empty(), 500)?;
    let read = step_us(&filtered, 500)?;
    let (few, many) = (step_us(&windows, 100)?, step_us(&windows, 500)?);
    Ok(
        Measured::new("segments", read, "µs an event", unread, [].into())
            .also("µs, ten windows, 100 events", few)
            .also("µs, ten windows, 500 events", many)
            .also("500 to 100 events", many / few)
            .at_most("figure", BOUNDS.0)
            .at_most("500 to 100 events", BOUNDS.1),
    )
}

pub(crate) fn compile(expressions: impl Iterator<Item = String>) -> Result<Definitions, Failure> {
    let kinds: Vec<definition::Kind> = (0..)
        .zip(expressions)
        .map(|(number, expression): (u32, _)| {
            definition::Kind::Segment(Segment {
                name: format!("s{number}"),
                expression,
                ..Segment::default()
            })
        })
        .collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    let compiled = Definitions::compile(&sources, &Names::default());
    compiled.map_err(|mistakes| format!("{mistakes:?}").into())
}

/// Microseconds of one step, the median of several rounds.
fn step_us(definitions: &Definitions, history: u32) -> Result<f64, Failure> {
    let who: CustomerId = "00000000-0000-7000-8000-000000000001".parse()?;
    let mut state = State::default();
    for number in 0..history {
        step(definitions, &mut state, who, number)?;
    }
    let mut rounds = VecDeque::new();
    for _ in 0..ROUNDS {
        let mut own = state.clone();
        let start = Instant::now();
        for number in history..history + EVENTS {
            step(definitions, &mut own, who, number)?;
        }
        rounds.push_back(start.elapsed().as_secs_f64() * 1e6 / f64::from(EVENTS));
    }
    Ok(median(rounds.into()))
}

fn step(
    definitions: &Definitions,
    state: &mut State,
    who: CustomerId,
    number: u32,
) -> Result<(), Failure> {
    let at = i64::from(number) * APART_MS;
    let value = Value {
        kind: Some(Kind::Number(f64::from(number * 37 % 400))),
    };
    let record = Record {
        customer_id: who.as_bytes().to_vec().into(),
        time_ms: at,
        trace_parent: String::new(),
        body: Some(Body::Event(Event {
            event_id: number.to_string(),
            name: "a".to_owned(),
            properties: vec![NamedValue {
                name: "value".to_owned(),
                value: Some(value),
            }],
            ..Event::default()
        })),
    };
    let mut effects = Effects::default();
    let now = Timestamp::from_millis(at);
    step_once::<SegmentationCore>(
        definitions,
        state,
        who,
        Input::Record(&record),
        now,
        &mut effects,
    )?;
    Ok(())
}
