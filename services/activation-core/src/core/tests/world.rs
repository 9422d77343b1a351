//! One customer and everything that its steps cause, for tests.

mod replay;
mod splits;
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use decision::limits::HEAD_BYTES;
use decision::{Effects, Names, Source, fold_in_once, take_leave_once};
use kernel::{CustomerId, Reason};
use messages::activation::v1 as api;
use messages::activation::v1::ActivationStatus;
use messages::definition::v1::definition::Kind as Kinds;
use messages::stream::v1::{
    Action, CustomerMerged, Delivery, DeliveryResult, NamedValue, Outcome as Attempted, StateMoved,
    Value, value::Kind,
};

use self::replay::Replay;
use self::stored::Stored;
use super::super::*;
use crate::consent::Consents;
use crate::state::Activation;
use crate::template::text_template;

/// One customer, with all that its steps caused.
pub(super) struct World {
    pub(super) definitions: Definitions,
    pub(super) customer: CustomerId,
    /// The state as one that was never stored: all of it is there.
    pub(super) state: State,
    /// The same as the store has it.
    pub(super) stored: Stored,
    pub(super) fragments: u16,
    /// The fragment that what comes next happens to.
    pub(super) ordinal: u16,
    pub(super) now: i64,
    pub(super) next_due: Option<Timestamp>,
    pub(super) counters: BTreeMap<String, i64>,
    /// A consumer of changes.
    pub(super) replay: Replay,
    pub(super) dispatched: Vec<(i64, Delivery)>,
    pub(super) receipts: Vec<String>,
    /// Whether a step said that something is not defined.
    pub(super) is_lacking: bool,
}

pub(super) fn customer(number: u8) -> CustomerId {
    CustomerId::try_from_bytes(&[number; 16]).expect("16 bytes")
}

pub(super) fn definitions(policy: &api::Policy) -> Definitions {
    let channel = api::Channel {
        name: "log".to_owned(),
        kind: Some(api::channel::Kind::Log(api::LogChannel {})),
        max_attempts: 3,
        ..api::Channel::default()
    };
    let templates = [
        ("hello", "Hello {{ profile.name }}"),
        ("broken", "{{ range(5000) }}"),
        ("everything", "{{ profile|tojson }}"),
        (
            "endless",
            "{% for place in range(1000) %}{{ profile.t0 }}{% endfor %}",
        ),
    ]
    .map(|(name, body)| text_template(name, "S", body));
    let kinds = templates
        .map(Kinds::Template)
        .into_iter()
        .chain([Kinds::Channel(channel), Kinds::Policy(policy.clone())]);
    compiled(kinds)
}

/// Compiles definitions without a mistake.
pub(super) fn compiled(kinds: impl IntoIterator<Item = Kinds>) -> Definitions {
    let kinds: Vec<Kinds> = kinds.into_iter().collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Definitions::compile(&sources, &Names::default()).expect("valid definitions")
}

pub(super) fn policy(limit: u32, window: &str) -> api::Policy {
    api::Policy {
        name: "default".to_owned(),
        exempt_purposes: vec!["transactional".to_owned()],
        consent_by_default: true,
        frequency_caps: (limit > 0)
            .then(|| api::FrequencyCap {
                limit,
                window: window.to_owned(),
            })
            .into_iter()
            .collect(),
    }
}

pub(super) fn action(visit: u32) -> Action {
    Action {
        run_id: Bytes::from_static(&[5; 16]),
        visit,
        journey: "welcome".to_owned(),
        step: "mail".to_owned(),
        channel: "log".to_owned(),
        template: "hello".to_owned(),
        purpose: "marketing".to_owned(),
        traits: vec![NamedValue {
            name: "name".to_owned(),
            value: Some(Value {
                kind: Some(Kind::Text("Ada".to_owned())),
            }),
        }],
        ..Action::default()
    }
}

impl World {
    pub(super) fn new(policy: &api::Policy) -> Self {
        Self {
            definitions: definitions(policy),
            customer: customer(1),
            state: State::default(),
            stored: Stored::default(),
            fragments: 0,
            ordinal: 0,
            now: 1_000_000,
            next_due: None,
            counters: BTreeMap::new(),
            replay: Replay::default(),
            dispatched: Vec::new(),
            receipts: Vec::new(),
            is_lacking: false,
        }
    }

    pub(super) fn send(&mut self, body: Body) -> Result<Outcome, Poison> {
        let record = Record {
            customer_id: Bytes::copy_from_slice(self.customer.as_bytes()),
            time_ms: self.now,
            trace_parent: "00-trace".to_owned(),
            body: Some(body),
            ..Record::default()
        };
        self.record(&record)
    }

    pub(super) fn record(&mut self, record: &Record) -> Result<Outcome, Poison> {
        self.step(Input::Record(record))
    }

    /// Lets time pass, firing timers on the way.
    pub(super) fn pass(&mut self, millis: i64) {
        let end = self.now + millis;
        while let Some(due) = self.next_due.filter(|due| due.as_millis() <= end) {
            self.now = due.as_millis().max(self.now);
            self.step(Input::Timer { due_time: due })
                .expect("timers are never poison");
        }
        self.now = end;
    }

    pub(super) fn step(&mut self, input: Input<'_>) -> Result<Outcome, Poison> {
        let now = Timestamp::from_millis(self.now);
        let mut stored = std::mem::take(&mut self.stored);
        let (definitions, customer) = (&self.definitions, self.customer);
        let who = (customer, self.ordinal);
        let step = |state: &mut State, effects: &mut Effects| {
            splits::step_of(definitions, state, who, input, now, effects)
        };
        let mut state = self.state.clone();
        let (outcome, effects) = stored.call(definitions, &mut state, (input, now), step);
        self.stored = stored;
        let outcome = outcome?;
        match outcome {
            Outcome::Keep { next_due } => {
                self.next_due = next_due;
                self.state = state;
                self.stored.write(&self.state);
            }
            Outcome::Unchanged => {
                assert_eq!(state.encode_whole(), self.state.encode_whole());
            }
            Outcome::Remove => panic!("activation never removes a state"),
        }
        self.take_effects(effects);
        Ok(outcome)
    }

    /// Takes what a step caused beside the state.
    fn take_effects(&mut self, effects: Effects) {
        self.check_bounds();
        self.is_lacking |= effects.lacks_definition;
        for (name, change) in effects.counts {
            *self.counters.entry(name.to_string()).or_default() += change;
        }
        for change in &effects.changes {
            self.replay.take(self.customer, change);
        }
        for record in effects.dispatches {
            if let Some(Body::Delivery(delivery)) = &record.body {
                self.dispatched.push((self.now, delivery.clone()));
            }
        }
        for (stream, record) in effects.to_streams {
            assert_eq!(stream, StreamName::Events);
            if let Some(Body::Event(event)) = &record.body {
                let mut properties = event.properties.iter();
                let reason = properties.find(|property| property.name == "reason");
                let value = reason.and_then(|reason| reason.value.as_ref()?.kind.as_ref());
                let Some(Kind::Text(reason)) = value else {
                    panic!("receipts carry a reason")
                };
                self.receipts.push(format!("{} {reason}", event.name));
            }
        }
    }

    /// Lets the customer go, and returns what moves.
    pub(super) fn leave(&mut self) -> Option<Bytes> {
        let now = Timestamp::from_millis(self.now);
        let merged = Record {
            body: Some(Body::Merged(CustomerMerged::default())),
            ..Record::default()
        };
        let mut stored = std::mem::take(&mut self.stored);
        let (definitions, customer) = (&self.definitions, self.customer);
        let leave = |state: &mut State, effects: &mut Effects| {
            let times = (now, now);
            take_leave_once::<ActivationCore>(definitions, state, customer, times, effects)
        };
        let mut state = self.state.clone();
        let input = (Input::Record(&merged), now);
        let (moved, effects) = stored.call(definitions, &mut state, input, leave);
        self.state = State::default();
        self.next_due = None;
        self.take_effects(effects);
        moved
    }

    /// Takes in what another customer was.
    pub(super) fn fold_in(&mut self, from: CustomerId, state: &Bytes) -> Result<(), Poison> {
        let now = Timestamp::from_millis(self.now);
        self.fragments += 1;
        let moved = Moved {
            ordinal: self.fragments,
            ..Moved::whole(from, state)
        };
        let record = Record {
            body: Some(Body::Moved(StateMoved::default())),
            ..Record::default()
        };
        let mut stored = std::mem::take(&mut self.stored);
        let (definitions, customer) = (&self.definitions, self.customer);
        let fold = |state: &mut State, effects: &mut Effects| {
            let (who, times) = ((customer, moved), (now, now));
            fold_in_once::<ActivationCore>(definitions, state, who, times, effects)
        };
        let mut folded = self.state.clone();
        let input = (Input::Record(&record), now);
        let (outcome, effects) = stored.call(definitions, &mut folded, input, fold);
        self.stored = stored;
        let next_due = folded.next_due();
        assert_eq!(outcome?, Outcome::Keep { next_due });
        (self.state, self.next_due) = (folded, next_due);
        self.stored.write(&self.state);
        self.take_effects(effects);
        Ok(())
    }

    /// A state is within its budget, its head too, and each of its parts within its bound.
    fn check_bounds(&self) {
        let state = &self.state;
        let bytes = state.encode_whole().len();
        assert!(bytes <= limits::STATE_BYTES, "a state of {bytes} bytes");
        let bytes = self.stored.head.len();
        assert!(bytes <= HEAD_BYTES, "a head of {bytes} bytes");
        assert!(self.consents().iter().len() <= limits::CONSENTS);
        assert!(state.send_times.iter().len() <= limits::SEND_TIMES);
        assert!(state.activation_count() <= limits::ACTIVATIONS);
        assert!(state.pending.len() <= limits::PENDING);
        assert!(state.pending_bytes() <= limits::PENDING_BYTES);
    }

    pub(super) fn consents(&self) -> &Consents {
        self.state.consents().expect("all parts are loaded")
    }

    /// The activations, oldest first.
    pub(super) fn activations(&self) -> Vec<Arc<Activation>> {
        let all = self.state.activations().expect("all parts are loaded");
        let oldest_first = all.into_iter().rev();
        oldest_first.map(|listed| listed.activation).collect()
    }

    pub(super) fn outcome(&mut self, visit: u32, attempt: u32, result: DeliveryResult) -> Outcome {
        self.send(Body::Outcome(Attempted {
            run_id: Bytes::from_static(&[5; 16]),
            visit,
            attempt,
            result: result.into(),
            retry_after_ms: 0,
            detail: "503".to_owned(),
        }))
        .expect("an outcome")
    }

    pub(super) fn consent(&mut self, channel: &str, granted: bool) {
        self.send(Body::Consent(ConsentChange {
            purpose: "marketing".to_owned(),
            channel: channel.to_owned(),
            granted,
            source: "test".to_owned(),
        }))
        .expect("a consent");
    }

    pub(super) fn last(&self) -> (ActivationStatus, Reason) {
        let all = self.activations();
        let last = all.last().expect("an activation");
        (last.status, last.reason)
    }

    pub(super) fn counts(&self) -> Vec<(&str, i64)> {
        self.counters
            .iter()
            .filter(|(_, count)| **count != 0)
            .map(|(name, count)| (name.as_str(), *count))
            .collect()
    }
}
