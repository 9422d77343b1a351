//! Drives the core as an engine on stream time does: timers first, then the record. Heads and parts
//! are stored apart; what is loaded is dropped at random, as by a cache, and what a step needs is
//! loaded before it is taken again.

mod stored;
mod unmerge;

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{
    Core as _, Effects, Input, Moved, Names, Outcome, PartKey, Source, Step, fold_in_once,
    take_leave_once,
};
use kernel::{CounterKey, CustomerId, Timestamp, Value};
use messages::convert;
use messages::definition::v1::definition::Kind;
use messages::segmentation::v1::Segment;
use messages::stream::v1::{
    ChangeReason, ChangeRecord, Event, Fact, NamedValue, Record, record::Body,
};
use segmentation_core::{
    Definitions, ExplainError, Explanation, SegmentationCore, State, explain_expression,
    explain_segments,
};
use uuid::Uuid;

pub(crate) const DAY: i64 = 86_400_000;

/// One customer and their engine.
#[derive(Debug)]
pub(crate) struct Harness {
    pub(crate) key: Bytes,
    pub(crate) definitions: Definitions,
    pub(crate) state: State,
    pub(crate) due: Option<Timestamp>,
    pub(crate) watermark: Timestamp,
    /// The changes that were emitted, as `+name@time reason`.
    pub(crate) log: Vec<String>,
    /// The changes for consumers outside.
    pub(crate) changes: Vec<ChangeRecord>,
    pub(crate) counters: BTreeMap<CounterKey, i64>,
    /// The head of the state that left for a survivor, and its time; its parts stay in `parts`.
    pub(crate) moved: Option<(i64, Bytes)>,
    /// The fragment that the next events happen to.
    pub(crate) ordinal: u16,
    /// The greatest ordinal that is taken.
    pub(crate) last_ordinal: u16,
    /// The parts of another customer that arrived, and those of them that were loaded.
    arrived: BTreeMap<PartKey, Bytes>,
    given: BTreeMap<PartKey, Bytes>,
    pub(crate) emitted: Vec<Record>,
    /// The number of steps that said that something is not defined.
    pub(crate) lacking: u32,
    /// The head, as it is stored.
    pub(crate) head: Bytes,
    /// The parts that are kept apart, as they are stored.
    pub(crate) parts: BTreeMap<PartKey, Bytes>,
    /// The parts that the last step changed.
    pub(crate) dirty: Vec<PartKey>,
    /// Bytes that the last step wrote, of the head and of the parts.
    pub(crate) written: usize,
    /// The number of steps that were taken again because they missed parts.
    pub(crate) misses: u32,
    next_id: u32,
    seed: u64,
}

/// Compiles segments, version 1.
pub(crate) fn compile(segments: &[(&str, &str)]) -> Definitions {
    compile_version(segments, 1)
}

pub(crate) fn compile_version(segments: &[(&str, &str)], version: u32) -> Definitions {
    compile_after(&[], segments, version)
}

/// Compiles segments that take the place of others, of the version before.
pub(crate) fn compile_after(
    gone: &[(&str, &str)],
    segments: &[(&str, &str)],
    version: u32,
) -> Definitions {
    let kinds = |segments: &[(&str, &str)]| -> Vec<Kind> { segments.iter().map(kind).collect() };
    let (gone, current) = (kinds(gone), kinds(segments));
    let gone = gone.iter().map(|kind| Source {
        kind,
        version: version.saturating_sub(1),
        is_current: false,
    });
    let current = current.iter().map(|kind| Source {
        kind,
        version,
        is_current: true,
    });
    let sources: Vec<Source<'_>> = current.chain(gone).collect();
    Definitions::compile(&sources, &Names::default()).expect("valid segments")
}

/// A segment of this name and expression.
pub(crate) fn kind((name, expression): &(&str, &str)) -> Kind {
    Kind::Segment(Segment {
        name: (*name).to_owned(),
        expression: (*expression).to_owned(),
        ..Segment::default()
    })
}

pub(crate) fn customer(number: u128) -> CustomerId {
    CustomerId::new(Uuid::from_u128(number))
}

impl Harness {
    pub(crate) fn new(segments: &[(&str, &str)]) -> Self {
        Self::of(1, compile(segments))
    }

    pub(crate) fn of(number: u128, definitions: Definitions) -> Self {
        Self::whose(customer(number), definitions)
    }

    /// The same of an account.
    pub(crate) fn account(number: u128, definitions: Definitions) -> Self {
        let account = customer(number).fragment().into_account();
        Self::whose(account.into(), definitions)
    }

    fn whose(who: CustomerId, definitions: Definitions) -> Self {
        Self {
            key: who.as_bytes().to_vec().into(),
            definitions,
            state: State::default(),
            due: None,
            watermark: Timestamp::MIN,
            log: Vec::new(),
            changes: Vec::new(),
            counters: BTreeMap::new(),
            moved: None,
            ordinal: 0,
            last_ordinal: 0,
            arrived: BTreeMap::new(),
            given: BTreeMap::new(),
            emitted: Vec::new(),
            lacking: 0,
            head: Bytes::new(),
            parts: BTreeMap::new(),
            dirty: Vec::new(),
            written: 0,
            misses: 0,
            next_id: 0,
            seed: 1,
        }
    }

    /// An event with a new id.
    pub(crate) fn event(&mut self, name: &str, at: i64, properties: &[(&str, Value)]) {
        self.next_id += 1;
        let id = format!("e-{}", self.next_id);
        self.event_with(&id, name, at, properties, &[]);
    }

    pub(crate) fn event_with(
        &mut self,
        id: &str,
        name: &str,
        at: i64,
        properties: &[(&str, Value)],
        traits: &[(&str, Value)],
    ) {
        self.record(
            at,
            Body::Event(Event {
                event_id: id.to_owned(),
                name: name.to_owned(),
                properties: named(properties),
                traits: named(traits),
                ..Event::default()
            }),
        );
    }

    /// Lets the customer go, as for a merge of a time.
    pub(crate) fn leave(&mut self, at: i64) {
        let time = Timestamp::from_millis(at);
        self.pass(time);
        let (customer, now) = (self.customer(), self.watermark);
        let (moved, effects) = self.call(|definitions, state, effects| {
            let times = (time, now);
            take_leave_once::<SegmentationCore>(definitions, state, customer, times, effects)
        });
        self.moved = moved.map(|state| (at, state));
        self.write_parts();
        let left = self.state.memberships().len();
        self.state = State::default();
        self.head = Bytes::new();
        self.due = None;
        self.take_effects(effects, left);
    }

    /// Takes in what left another customer.
    pub(crate) fn fold_in(&mut self, from: &mut Self) {
        let Some((at, state)) = from.moved.take() else {
            return;
        };
        let time = Timestamp::from_millis(at);
        self.pass(time);
        let (customer, now) = (self.customer(), self.watermark);
        let ordinal = self.last_ordinal + 1;
        self.last_ordinal = ordinal + from.last_ordinal;
        let arrived = std::mem::take(&mut from.parts).into_iter();
        let raise = |(key, bytes): (PartKey, Bytes)| (key.raised(ordinal).expect("few"), bytes);
        self.arrived = arrived.map(raise).collect();
        self.parts.extend(self.arrived.clone());
        let (outcome, effects) = self.call_with(|definitions, after, effects, parts| {
            let moved = Moved {
                from: from.customer(),
                ordinal,
                state: &state,
                parts,
            };
            let (whose, times) = ((customer, moved), (time, now));
            fold_in_once::<SegmentationCore>(definitions, after, whose, times, effects)
        });
        self.arrived.clear();
        self.given.clear();
        self.end(outcome.expect("a state"), effects);
    }

    fn customer(&self) -> CustomerId {
        CustomerId::try_from_bytes(&self.key).expect("a customer")
    }

    pub(crate) fn record(&mut self, at: i64, body: Body) {
        self.pass(Timestamp::from_millis(at));
        self.take_ahead(at, body);
    }

    /// An event that is ahead of the clock.
    pub(crate) fn event_ahead(&mut self, name: &str, at: i64, properties: &[(&str, Value)]) {
        self.next_id += 1;
        let event = Event {
            event_id: format!("e-{}", self.next_id),
            name: name.to_owned(),
            properties: named(properties),
            ..Event::default()
        };
        self.take_ahead(at, Body::Event(event));
    }

    /// Takes a record without letting time pass.
    pub(crate) fn take_ahead(&mut self, at: i64, body: Body) {
        let record = Record {
            customer_id: self.key.clone(),
            time_ms: at,
            body: Some(body),
            ..Record::default()
        };
        self.step(Input::Record(&record), self.watermark);
    }

    /// Lets time pass: fires the timers up to an instant.
    pub(crate) fn pass(&mut self, until: Timestamp) {
        while let Some(due_time) = self.due.filter(|due| *due <= until) {
            self.watermark = self.watermark.max(due_time);
            self.due = None;
            self.step(Input::Timer { due_time }, self.watermark);
        }
        self.watermark = self.watermark.max(until);
    }

    fn step(&mut self, input: Input<'_>, now: Timestamp) {
        let who = self.customer();
        let mut wanted = Vec::new();
        SegmentationCore::wants(&self.definitions, &self.state, input, now, &mut wanted);
        let mut state = self.state.clone();
        self.load(&mut state, wanted);
        self.state = state;
        let (key, ordinal) = (self.key.clone(), self.ordinal);
        let (outcome, effects) = self.call(|definitions, state, effects| {
            let (time, ordinal) = match input {
                Input::Record(record) => (Timestamp::from_millis(record.time_ms), ordinal),
                Input::Timer { due_time } => (due_time, 0),
            };
            let mut step = Step {
                customer: who,
                key: &key,
                time,
                now,
                ordinal,
                trace_parent: "",
                set_aside: &[],
                effects,
            };
            SegmentationCore::step(definitions, state, input, &mut step)
        });
        self.end(outcome.expect("the record can be processed"), effects);
    }

    fn end(&mut self, outcome: Outcome, effects: Effects) {
        self.store(outcome);
        match outcome {
            Outcome::Keep { next_due } => self.due = next_due,
            Outcome::Unchanged => assert!(self.dirty.is_empty(), "it changed {:?}", self.dirty),
            Outcome::Remove => self.parts.clear(),
        }
        self.take_effects(effects, 0);
    }

    /// Returns the value of a counter, by the text of its key; 0 where nothing was counted.
    pub(crate) fn counted(&self, key: &str) -> i64 {
        let mut all = self.counters.iter();
        let found = all.find(|(own, _)| own.to_string() == key);
        found.map_or(0, |(_, count)| *count)
    }

    /// The groups of counters that can be dropped.
    pub(crate) fn gone_groups(&self) -> Vec<String> {
        let counters = self.counters.iter().map(|(key, count)| (key, *count));
        let gone = decision::gone_groups::<SegmentationCore>(&self.definitions, counters);
        gone.into_iter().map(String::from).collect()
    }

    /// Takes what a step caused: what it tells outside is what it tells downstream, and that the
    /// customer left so many segments by a merge.
    fn take_effects(&mut self, effects: Effects, left: usize) {
        self.lacking += u32::from(effects.lacks_definition);
        stored::check_told(&self.key, &effects, left);
        self.changes.extend(effects.changes);
        for (key, change) in effects.counts {
            *self.counters.entry(key).or_default() += change;
        }
        for record in effects.records {
            self.emitted.push(record.clone());
            if let Some(Body::Fact(fact)) = &record.body {
                self.note(fact);
            }
        }
    }

    fn note(&mut self, fact: &Fact) {
        for change in &fact.changes {
            let sign = if change.entered { '+' } else { '-' };
            let reason = ChangeReason::try_from(change.reason).expect("a reason");
            let reason = reason.as_str_name().trim_start_matches("CHANGE_REASON_");
            let (segment, at) = (&change.segment, change.time_ms);
            let at = if at % DAY == 0 {
                format!("{}d", at / DAY)
            } else {
                at.to_string()
            };
            self.log.push(format!("{sign}{segment}@{at} {reason}"));
        }
    }

    /// Explains an expression now.
    pub(crate) fn explain(&self, expression: &str) -> Explanation {
        self.read(|state| {
            match explain_expression(&self.definitions, expression, state, self.watermark) {
                Ok(explanation) => Ok(explanation),
                Err(ExplainError::Missing(missing)) => Err(missing),
                Err(mistakes) => panic!("{mistakes}"),
            }
        })
    }

    /// Explains every segment now.
    pub(crate) fn explain_all(&self) -> Vec<Explanation> {
        self.read(|state| explain_segments(&self.definitions, |_| true, state, self.watermark))
    }

    /// The value of the last term of an expression, which is its only feature.
    pub(crate) fn value(&self, expression: &str) -> String {
        let mut terms = self.explain(expression).terms;
        terms.pop().expect("a term").value
    }

    pub(crate) fn members(&self) -> Vec<&str> {
        let memberships = self.state.memberships().iter();
        memberships
            .map(|membership| membership.segment.as_ref())
            .collect()
    }
}

fn named(values: &[(&str, Value)]) -> Vec<NamedValue> {
    let pair = |(name, value): &(&str, Value)| NamedValue {
        name: (*name).to_owned(),
        value: Some(convert::stream_value(value)),
    };
    values.iter().map(pair).collect()
}
