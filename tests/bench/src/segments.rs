//! Measures segmentation's decision on one event whose name many filters read, beside an event that
//! none reads. No stores, one thread.

use decision::{Effects, Input, Names, Outcome, Source, step_once};
use kernel::{CustomerId, Timestamp};
use proto::definition::v1::definition;
use proto::segmentation::v1::Segment;
use proto::stream::v1::{Event, NamedValue, Record, Value, record::Body, value::Kind};
use segmentation_core::{Definitions, SegmentationCore, State};

use crate::result::{Measured, median};
use crate::{Failure, cpu};

/// Filtered segments on one name, and the most microseconds that an event of it may cost.
const MANY: u32 = 200;
const MANY_BOUND_US: f64 = 40.0;
/// Segments whose cost must not grow with the events in their windows.
const WINDOWS: u32 = 10;
/// Events in the windows, and the fewer from which on the cost may not grow.
const EVENTS: u32 = 500;
const FEW: u32 = 100;
/// The most that an event may cost beside all of them, as a multiple of the cost beside the few.
const FLAT: f64 = 1.3;
/// The length of every window, in milliseconds: 90 days.
const WINDOW_MS: i64 = 90 * 86_400_000;
/// Rounds that each case is measured in, in turns with the others.
const ROUNDS: usize = 5;
/// Seconds of processor time of a round, by a clock of a hundredth of a second.
const ROUND_S: f64 = 0.3;
/// Events between two looks at that clock, and looks at the most: it may stand still.
const BLOCK: u32 = 20;
const BLOCKS: u32 = 1_000_000;

/// Measures events that filters read of which half or nearly all take them, and windows that hold
/// few and many events.
pub(crate) fn measure() -> Result<Measured, Failure> {
    let unread = std::iter::empty();
    let half = (0..MANY).map(|n| counted(n, 3));
    let all = (0..MANY).map(|n| counted(n / 10, n % 50 + 1));
    let windows = || (0..WINDOWS).map(|n| counted(n, 3));
    let sums = || (0..WINDOWS).map(summed);
    let mut cases = [
        Customer::new(unread, EVENTS)?,
        Customer::new(half, EVENTS)?,
        Customer::new(all, EVENTS)?,
        Customer::new(windows(), FEW)?,
        Customer::new(windows(), EVENTS)?,
        Customer::new(sums(), FEW)?,
        Customer::new(sums(), EVENTS)?,
    ];
    let mut rounds = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (customer, round) in cases.iter_mut().zip(&mut rounds) {
            round.push(customer.round_us()?);
        }
    }
    let medians: Vec<f64> = rounds.into_iter().map(median).collect();
    let [unread, half, all, few, many, few_sums, many_sums] = medians[..] else {
        return Err("a case was not measured".into());
    };
    Ok(
        Measured::new("segments", half, "µs an event", unread, [].into())
            .also("nearly_all_take_it_us", all)
            .also(format!("{WINDOWS}_counts_{FEW}_events_us"), few)
            .also(format!("{WINDOWS}_counts_{EVENTS}_events_us"), many)
            .also(format!("{WINDOWS}_sums_{FEW}_events_us"), few_sums)
            .also(format!("{WINDOWS}_sums_{EVENTS}_events_us"), many_sums)
            .also("counts_ratio", many / few)
            .also("sums_ratio", many_sums / few_sums)
            .at_most("figure", MANY_BOUND_US)
            .at_most("counts_ratio", FLAT)
            .at_most("sums_ratio", FLAT),
    )
}

/// A filter that takes events of values above a number, and a count of them.
fn counted(number: u32, count: u32) -> String {
    format!(
        r#"events("purchase").where(event.value > {number}.0).within("90d").count() >= {count}"#
    )
}

/// The same with a sum that every customer here has.
fn summed(number: u32) -> String {
    format!(
        r#"events("purchase").where(event.value > {number}.0).within("90d").sum("value") >= 1000"#
    )
}

/// One customer of segmentation, on stream time.
pub(crate) struct Customer {
    definitions: Definitions,
    /// The state, with all parts.
    pub(crate) state: State,
    due: Option<Timestamp>,
    /// Events so far.
    number: u32,
    /// The time between two events, in milliseconds.
    pause_ms: i64,
}

impl Customer {
    /// A customer with so many events in every window, so far apart that each further one pushes
    /// one out.
    pub(crate) fn new(
        expressions: impl Iterator<Item = String>,
        events: u32,
    ) -> Result<Self, Failure> {
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
        let definitions = Definitions::compile(&sources, &Names::default())
            .map_err(|mistakes| format!("segments do not compile: {mistakes:?}"))?;
        let mut customer = Self {
            definitions,
            state: State::default(),
            due: None,
            number: 0,
            pause_ms: WINDOW_MS / i64::from(events),
        };
        for _ in 0..events {
            customer.take_event()?;
        }
        Ok(customer)
    }

    /// Microseconds of processor time for an event.
    fn round_us(&mut self) -> Result<f64, Failure> {
        let process = std::process::id();
        let before = cpu::own(process);
        for block in 1..=BLOCKS {
            for _ in 0..BLOCK {
                self.take_event()?;
            }
            let used = cpu::own(process) - before;
            if used >= ROUND_S {
                return Ok(used * 1e6 / f64::from(block * BLOCK));
            }
        }
        Err("this system does not tell the processor time of processes in /proc".into())
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
