//! What the world learns of an activation: counters, and receipt events that can drive segments and journeys.

use std::borrow::Cow;

use decision::{Effects, Step};
use kernel::{Reason, StreamName};
use messages::activation::v1::ActivationStatus;
use messages::stream::v1::{Event, NamedValue, Record, Value, record::Body, value::Kind};

use crate::consent::Consent;
use crate::state::{Activation, detail};

/// The first word of every counter of activations.
pub const COUNTER_PREFIX: &str = "activation.";

/// What a counter counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter<'a> {
    /// The journey.
    pub journey: Cow<'a, str>,
    /// The channel.
    pub channel: Cow<'a, str>,
    /// The status.
    pub status: ActivationStatus,
    /// The reason.
    pub reason: Reason,
}

impl<'a> Counter<'a> {
    /// Reads the name of a counter; none where it is not one of activations.
    pub fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix(COUNTER_PREFIX)?.split('.');
        let (journey, channel) = (parts.next()?, parts.next()?);
        let (status, reason) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            journey: journey.into(),
            channel: channel.into(),
            status: STATUSES.into_iter().find(|known| word(*known) == status)?,
            reason: Reason::from_code(reason)?,
        })
    }
}

const STATUSES: [ActivationStatus; 4] = [
    ActivationStatus::Pending,
    ActivationStatus::Delivered,
    ActivationStatus::Suppressed,
    ActivationStatus::Failed,
];

const fn word(status: ActivationStatus) -> &'static str {
    match status {
        ActivationStatus::Unspecified => "unspecified",
        ActivationStatus::Pending => "pending",
        ActivationStatus::Delivered => "delivered",
        ActivationStatus::Suppressed => "suppressed",
        ActivationStatus::Failed => "failed",
    }
}

/// The name of a counter: `activation.<journey>.<channel>.<status>.<reason>`.
pub(crate) fn counter(
    journey: &str,
    channel: &str,
    status: ActivationStatus,
    reason: Reason,
) -> String {
    format!(
        "{COUNTER_PREFIX}{journey}.{channel}.{}.{}",
        word(status),
        reason.code()
    )
}

/// Counts and tells of activations, in the effects of a step.
pub(crate) trait Receipts {
    /// Counts an activation that is new.
    fn count_new(&mut self, activation: &Activation);

    /// Moves an activation from one status to the next, with its counter; a final one is told as an event.
    fn change(
        &mut self,
        activation: &mut Activation,
        status: ActivationStatus,
        reason: Reason,
        text: &str,
    );

    /// Tells the outcome of an activation as an event of the customer.
    fn tell(&mut self, activation: &Activation, trace_parent: &str);

    /// Tells of a grant that was not taken, because the customer has spoken about too much else.
    fn tell_refused(&mut self, word: &Consent);
}

impl Receipts for Step<'_> {
    fn count_new(&mut self, activation: &Activation) {
        count(self.effects, activation, 1);
    }

    fn change(
        &mut self,
        activation: &mut Activation,
        status: ActivationStatus,
        reason: Reason,
        text: &str,
    ) {
        count(self.effects, activation, -1);
        activation.status = status;
        activation.reason = reason;
        activation.detail = detail(text);
        activation.update_time = self.now;
        count(self.effects, activation, 1);
        if status != ActivationStatus::Pending {
            let admitted = activation
                .pending
                .take()
                .map(|pending| pending.trace_parent)
                .unwrap_or_default();
            // What came of an attempt tells it; by time alone, it belongs to what was admitted.
            let trace_parent = match self.trace_parent {
                "" => admitted.as_ref(),
                cause => cause,
            };
            self.tell(activation, trace_parent);
        }
    }

    fn tell(&mut self, activation: &Activation, trace_parent: &str) {
        let name = format!("activation_{}", word(activation.status));
        let id = activation.id.to_string();
        let event = Event {
            event_id: format!("{name}:{id}"),
            name,
            // Sorted by name, as records promise.
            properties: vec![
                text("activation_id", &id),
                text("channel", &activation.channel),
                text("journey", &activation.journey),
                text("reason", activation.reason.code()),
                text("step", &activation.step),
                text("template", &activation.template),
            ],
            ..Event::default()
        };
        emit(self, event, trace_parent);
    }

    fn tell_refused(&mut self, word: &Consent) {
        let (purpose, channel) = (word.purpose.as_ref(), word.channel.as_ref());
        let event = Event {
            event_id: format!(
                "consent_refused:{}:{purpose}:{channel}:{}",
                self.customer,
                word.time.as_millis()
            ),
            name: "consent_refused".to_owned(),
            properties: vec![
                text("channel", channel),
                text("purpose", purpose),
                text("reason", Reason::ConsentLimit.code()),
            ],
            ..Event::default()
        };
        let trace_parent = self.trace_parent;
        emit(self, event, trace_parent);
    }
}

fn text(name: &str, text: &str) -> NamedValue {
    NamedValue {
        name: name.to_owned(),
        value: Some(Value {
            kind: Some(Kind::Text(text.to_owned())),
        }),
    }
}

/// Puts an event of the step's customer on the way to segments and journeys.
fn emit(step: &mut Step<'_>, event: Event, trace_parent: &str) {
    let customer = step.key.clone();
    let event = Event {
        fragment_id: customer.clone(),
        ..event
    };
    step.effects.emit_to(
        StreamName::Events,
        Record {
            customer_id: customer,
            time_ms: step.now.as_millis(),
            trace_parent: trace_parent.to_owned(),
            body: Some(Body::Event(event)),
        },
    );
}

fn count(effects: &mut Effects, activation: &Activation, change: i64) {
    let name = counter(
        &activation.journey,
        &activation.channel,
        activation.status,
        activation.reason,
    );
    effects.count(name, change);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_back_from_its_name() {
        for status in STATUSES {
            let name = counter("welcome", "hook", status, Reason::Holdout);
            let read = Counter::parse(&name).expect("a counter");
            assert_eq!(
                (
                    read.journey.as_ref(),
                    read.channel.as_ref(),
                    read.status,
                    read.reason
                ),
                ("welcome", "hook", status, Reason::Holdout)
            );
        }
        for name in [
            "flow.a.b",
            "activation.a.b.pending",
            "activation.a.b.c.HOLDOUT",
        ] {
            assert_eq!(Counter::parse(name), None, "{name}");
        }
    }
}
