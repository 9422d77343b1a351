//! Measures segmentation's decision on one event whose name many filters read. No stores, one
//! thread.

use decision::{Effects, Input, Outcome, step_once};
use kernel::{CustomerId, Timestamp};
use proto::stream::v1::{Event, NamedValue, Record, Value, record::Body, value::Kind};
use segmentation_core::{Definitions, SegmentationCore, State};

use crate::result::Measured;
use crate::{Failure, cpu, segments};

/// Many filtered segments on one name, and the most microseconds that an event of it may cost.
const MANY: u32 = 200;
const MANY_BOUND_US: f64 = 40.0;
/// Segments whose cost must not grow with the events in their windows.
const WINDOWS: u32 = 10;
/// Events in the windows; where the cost may not grow, they begin with a fifth.
const EVENTS: u32 = 500;
/// The most that all of them may cost, as a multiple of a fifth.
const FLAT: f64 = 1.3;
/// The length of every window, in milliseconds: 90 days.
const WINDOW_MS: i64 = 90 * 86_400_000;
/// Seconds of processor time that are measured, by a clock of a hundredth of a second.
const MEASURED_S: f64 = 1.0;
/// Events between two looks at that clock, and looks at the most: it may stand still.
const BLOCK: u32 = 20;
const BLOCKS: u32 = 1_000_000;

/// Adds the cost of filters, with their bounds. Windows hold no more events than `most`.
pub(super) fn measure(measured: Measured, most: u32) -> Result<Measured, Failure> {
    let events = EVENTS.min(most);
    let few = (events / 5).max(1);
    let many_us = cost_us(MANY, events)?;
    let (few_us, all_us) = (cost_us(WINDOWS, few)?, cost_us(WINDOWS, events)?);
    let many = format!("{MANY}_filters_{events}_events_us");
    Ok(measured
        .also(&many, many_us)
        .also(format!("{WINDOWS}_windows_{few}_events_us"), few_us)
        .also(format!("{WINDOWS}_windows_{events}_events_us"), all_us)
        .also("windows_ratio", all_us / few_us)
        .at_most(&many, MANY_BOUND_US)
        .at_most("windows_ratio", FLAT))
}

/// Microseconds for an event with this many filtered segments, and this many events in each window.
fn cost_us(segments: u32, events: u32) -> Result<f64, Failure> {
    let mut customer = Customer::new(segments, events)?;
    for _ in 0..events {
        customer.take_event()?;
    }
    let process = std::process::id();
    let before = cpu::own(process);
    for block in 1..=BLOCKS {
        for _ in 0..BLOCK {
            customer.take_event()?;
        }
        let used = cpu::own(process) - before;
        if used >= MEASURED_S {
            return Ok(used * 1e6 / f64::from(block * BLOCK));
        }
    }
    Err("this system does not tell the processor time of processes in /proc".into())
}

/// One customer of segmentation, on stream time.
struct Customer {
    definitions: Definitions,
    state: State,
    due: Option<Timestamp>,
    /// Events so far.
    number: u32,
    /// The time between two events, in milliseconds.
    pause_ms: i64,
}

impl Customer {
    /// A customer whose events are so far apart that each pushes one out of the windows.
    fn new(segments: u32, events: u32) -> Result<Self, Failure> {
        let definitions = segments::compile((0..segments).map(|number| {
            format!(
                r#"events("purchase").where(event.value > {number}.0).within("90d").count() >= 3"#
            )
        }))?;
        Ok(Self {
            definitions,
            state: State::default(),
            due: None,
            number: 0,
            pause_ms: WINDOW_MS / i64::from(events),
        })
    }

    /// Takes the timers that are due before the next event, then that event.
    fn take_event(&mut self) -> Result<(), Failure> {
        self.number += 1;
        let time = Timestamp::from_millis(i64::from(self.number) * self.pause_ms);
        while let Some(due_time) = self.due.take_if(|due| *due <= time) {
            self.step(Input::Timer { due_time }, due_time)?;
        }
        let value = f64::from(self.number * 37 % 211);
        let record = Record {
            time_ms: time.as_millis(),
            body: Some(Body::Event(Event {
                event_id: self.number.to_string(),
                name: "purchase".to_owned(),
                properties: vec![NamedValue {
                    name: "value".to_owned(),
                    value: Some(Value {
                        kind: Some(Kind::Number(value)),
                    }),
                }],
                ..Event::default()
            })),
            ..Record::default()
        };
        self.step(Input::Record(&record), time)
    }

    fn step(&mut self, input: Input<'_>, now: Timestamp) -> Result<(), Failure> {
        let who = CustomerId::try_from_bytes(&[1; 16])?;
        let outcome = step_once::<SegmentationCore>(
            &self.definitions,
            &mut self.state,
            who,
            input,
            now,
            &mut Effects::default(),
        )?;
        if let Outcome::Keep { next_due } = outcome {
            self.due = next_due;
        }
        Ok(())
    }
}
