//! A few customers in a world whose time is moved by hand, and everything that must hold in it at
//! every step.

mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;
use decision::{Effects, Input, Names, Source};
use journey_core::state::{Customer, HistoryEntry, State};
use journey_core::{Definitions, JourneyCore};
use kernel::{CounterKey, CustomerId, Duration, FragmentId, Timestamp};
use messages::definition::v1::{Definition, definition::Kind};
use messages::stream::v1::{
    Action, Event, Fact, NamedValue, Record, RemovedTrait, SegmentChange, SetTrait, Value,
    record::Body, value,
};

use prost::Message as _;

use crate::invariants;
use crate::replay::Replay;
use crate::stored::Stored;

/// Customers, their states, and what was counted.
pub(crate) struct World {
    pub(crate) definitions: Definitions,
    pub(crate) states: BTreeMap<CustomerId, State>,
    /// The same states as they are stored.
    pub(crate) stored: BTreeMap<CustomerId, Stored>,
    /// How many fragments each customer took in.
    fragments: BTreeMap<CustomerId, u16>,
    /// The ordinal of each fragment at the customer that it is part of.
    ordinals: BTreeMap<(CustomerId, CustomerId), u16>,
    /// Set where a fact says to which fragment it happened; otherwise it is the survivor's own.
    pub(crate) tells_fragments: bool,
    /// Whom each merged customer was joined into.
    pub(crate) redirects: BTreeMap<CustomerId, CustomerId>,
    pub(crate) counters: BTreeMap<CounterKey, i64>,
    /// A consumer of changes.
    pub(crate) replay: Replay,
    pub(crate) activations: BTreeSet<String>,
    pub(crate) transcript: String,
    /// The actions of the newest step that asked for some, and their bytes together.
    pub(crate) actions: Vec<Action>,
    pub(crate) action_bytes: usize,
    /// How many steps said that something is not defined.
    pub(crate) lacking: u32,
    pub(crate) now: Timestamp,
    events: u32,
}

/// Reads definitions: YAML documents that map one to one to the contract.
pub(crate) fn read(yaml: &str) -> Vec<Kind> {
    let documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(yaml).expect("the test's YAML is well-formed");
    documents
        .into_iter()
        .map(|document| {
            let name = "happypath.definition.v1.Definition";
            let descriptor = messages::DESCRIPTORS
                .get_message_by_name(name)
                .expect("the contract has definitions");
            let message = prost_reflect::DynamicMessage::deserialize(descriptor, document)
                .expect("the test's YAML fits the contract");
            let definition: Definition = message.transcode_to().expect("the same message");
            definition.kind.expect("a kind")
        })
        .collect()
}

/// Compiles definitions of version 1.
pub(crate) fn compiled(yaml: &str) -> Definitions {
    let kinds = read(yaml);
    let sources: Vec<Source<'_>> = kinds
        .iter()
        .map(|kind| Source {
            kind,
            version: 1,
            is_current: true,
        })
        .collect();
    Definitions::compile(&sources, &Names::default()).expect("definitions without fault")
}

/// The customer of a number.
pub(crate) fn customer(number: u32) -> CustomerId {
    let uuid = format!("00000000-0000-7000-8000-{number:012}");
    uuid.parse::<FragmentId>().expect("an id").into()
}

impl World {
    pub(crate) fn new(definitions: Definitions) -> Self {
        Self {
            definitions,
            states: BTreeMap::new(),
            stored: BTreeMap::new(),
            fragments: BTreeMap::new(),
            ordinals: BTreeMap::new(),
            tells_fragments: false,
            redirects: BTreeMap::new(),
            counters: BTreeMap::new(),
            replay: Replay::default(),
            activations: BTreeSet::new(),
            transcript: String::new(),
            actions: Vec::new(),
            action_bytes: 0,
            lacking: 0,
            now: Timestamp::from_millis(0),
            events: 0,
        }
    }

    /// Takes one line, such as `2d c1 purchase value=3 @plan=pro +vip -new`, `3d c2 merged c1`,
    /// `5d c2 split c3`, `6d c1 erased`, or `9d` alone.
    ///
    /// `name=value` is a property, `@name=value` a trait, `+name` and `-name` are segments entered
    /// and left. A time before that of an earlier line is an event that comes late.
    pub(crate) fn take_line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let time: Duration = words.next().expect("a time").parse().expect("a time");
        let time = Timestamp::from_millis(time.as_millis());
        self.advance(time);
        let mut words = words.peekable();
        let named = words.next_if(|word| word.starts_with('c') && word.len() == 2);
        let who = named.unwrap_or("c1");
        let who = customer(who[1..].parse().expect("a customer such as c1"));
        let words: Vec<&str> = words.collect();
        match *words.as_slice() {
            [] => {}
            ["merged", into] => {
                let into = customer(into[1..].parse().expect("a customer"));
                self.merge(who, into, time);
            }
            ["split", ref others @ ..] => {
                let others = others
                    .iter()
                    .map(|own| own[1..].parse().expect("a customer"));
                let others: Vec<CustomerId> = others.map(customer).collect();
                self.split(who, &others, time);
            }
            ["erased"] => self.erase(who, time),
            _ => {
                let fact = self.fact(&words, time);
                self.take_fact(who, time, fact);
            }
        }
    }

    /// Lets time pass: every timer that is due fires, in order, exactly when it is due.
    pub(crate) fn advance(&mut self, until: Timestamp) {
        loop {
            let due = self
                .states
                .iter()
                .filter_map(|(who, state)| Some((state.open().next_due()?, *who)))
                .min();
            match due {
                Some((due, who)) if due <= until => {
                    self.now = self.now.max(due);
                    self.step(who, Input::Timer { due_time: due });
                    let again = self.states[&who].open().next_due();
                    assert!(
                        again.is_none_or(|again| again > due),
                        "the timer at {due} fires for ever"
                    );
                }
                _ => break,
            }
        }
        self.now = self.now.max(until);
    }

    /// Takes a fact without looking at what must hold: for many customers at once.
    pub(crate) fn take_quietly(&mut self, who: CustomerId, fact: Fact) {
        let key = Bytes::copy_from_slice(who.as_bytes());
        let record = Record {
            customer_id: key.clone(),
            body: Some(Body::Fact(fact)),
            ..Record::default()
        };
        self.step(who, Input::Record(&record));
    }

    /// Takes a fact of a fragment.
    pub(crate) fn take_fact(&mut self, fragment: CustomerId, time: Timestamp, fact: Fact) {
        let who = self.root(fragment);
        let record = Record {
            customer_id: Bytes::copy_from_slice(who.as_bytes()),
            time_ms: time.as_millis(),
            trace_parent: String::new(),
            body: Some(Body::Fact(fact)),
            ..Record::default()
        };
        let ordinal = match self.tells_fragments {
            true => self.ordinals.get(&(who, fragment)).copied(),
            false => None,
        };
        let ordinal = ordinal.unwrap_or_default();
        self.step_of((who, ordinal), Input::Record(&record));
        invariants::check(self);
    }

    /// The customer that one is now.
    pub(crate) fn root(&self, who: CustomerId) -> CustomerId {
        self.redirects
            .get(&who)
            .map_or(who, |survivor| self.root(*survivor))
    }

    fn count(&mut self, effects: Effects) {
        self.lacking += u32::from(effects.lacks_definition);
        for change in &effects.changes {
            self.replay.take(change);
        }
        for (key, change) in effects.counts {
            *self.counters.entry(key).or_default() += change;
        }
    }

    /// The groups of counters that can be dropped.
    pub(crate) fn gone_groups(&self) -> Vec<String> {
        let counters = self.counters.iter().map(|(key, count)| (key, *count));
        let gone = decision::gone_groups::<JourneyCore>(&self.definitions, counters);
        gone.into_iter().map(String::from).collect()
    }

    /// What a counter has come to, by the text of its key; 0 where nothing was counted.
    pub(crate) fn counted(&self, key: &str) -> i64 {
        let mut all = self.counters.iter();
        let found = all.find(|(own, _)| own.to_string() == key);
        found.map_or(0, |(_, count)| *count)
    }

    pub(crate) fn fact(&mut self, words: &[&str], time: Timestamp) -> Fact {
        let mut fact = Fact::default();
        for word in words {
            if let Some(segment) = word.strip_prefix(['+', '-']) {
                fact.changes.push(SegmentChange {
                    segment: segment.to_owned(),
                    version: 1,
                    entered: word.starts_with('+'),
                    reason: 1,
                    time_ms: time.as_millis(),
                });
            } else if let Some((name, value)) = word.split_once('=') {
                match name.strip_prefix('@') {
                    Some(name) => tell_trait(&mut fact, named(name, value), time),
                    None => {
                        let event = fact.event.get_or_insert_default();
                        event.properties.push(named(name, value));
                    }
                }
            } else {
                self.events += 1;
                fact.event = Some(Event {
                    name: (*word).to_owned(),
                    event_id: format!("e{}", self.events),
                    ..Event::default()
                });
            }
        }
        fact
    }

    /// Writes down what is new in a customer's history.
    fn tell(&mut self, who: CustomerId, before: &Customer, after: &Customer) {
        let is_new = |entry: &HistoryEntry| !before.history.iter().any(|own| **own == *entry);
        let new: Vec<_> = after.history.iter().filter(|own| is_new(own)).collect();
        if after.history.len() > before.history.len() + 20 {
            return;
        }
        let who = number(who);
        for entry in new {
            let time = Duration::from_millis(entry.time.as_millis());
            let line = format!(
                "{time} c{who} {} {} {} {}",
                entry.subject,
                if entry.step.is_empty() {
                    "-"
                } else {
                    &entry.step
                },
                entry.reason.code(),
                entry.detail
            );
            writeln!(self.transcript, "{}", line.trim_end()).expect("a text takes it");
        }
    }

    fn tell_actions(&mut self, who: CustomerId, records: &[Record]) {
        let actions = records.iter().filter_map(|record| match &record.body {
            Some(Body::Action(action)) => Some(action.clone()),
            _ => None,
        });
        let actions: Vec<Action> = actions.collect();
        if !actions.is_empty() {
            self.action_bytes = records.iter().map(Record::encoded_len).sum();
            self.actions = actions;
        }
        for record in records {
            let Some(Body::Action(action)) = &record.body else {
                continue;
            };
            let activation = format!("{:?}/{}", action.run_id, action.visit);
            assert!(
                self.activations.insert(activation),
                "visit {} of a run asked twice",
                action.visit
            );
            let time = Duration::from_millis(record.time_ms);
            let holdout = if action.holdout { " (holdout)" } else { "" };
            writeln!(
                self.transcript,
                "{time} c{} > {} by {}, visit {}{holdout}",
                number(who),
                action.template,
                action.channel,
                action.visit
            )
            .expect("a text takes it");
        }
    }
}

pub(crate) fn number(who: CustomerId) -> u128 {
    who.to_string()
        .rsplit('-')
        .next()
        .and_then(|tail| tail.parse().ok())
        .unwrap_or_default()
}

/// Adds what segmentation decided of a trait; a null removes it.
fn tell_trait(fact: &mut Fact, told: NamedValue, time: Timestamp) {
    let (name, time_ms) = (told.name, time.as_millis());
    match told.value.filter(|value| value.kind.is_some()) {
        Some(value) => fact.set_traits.push(SetTrait {
            name,
            value: Some(value),
            set_time_ms: time_ms,
        }),
        None => fact.removed_traits.push(RemovedTrait {
            name,
            remove_time_ms: time_ms,
        }),
    }
}

fn named(name: &str, text: &str) -> NamedValue {
    let kind = match (text, text.parse::<f64>()) {
        ("null", _) => None,
        ("true", _) => Some(value::Kind::Bool(true)),
        (_, Ok(number)) => Some(value::Kind::Number(number)),
        _ => Some(value::Kind::Text(text.to_owned())),
    };
    NamedValue {
        name: name.to_owned(),
        value: Some(Value { kind }),
    }
}
