//! Counters of activations, receipts, which are events that can drive segments and journeys, and
//! changes for consumers outside.

use bytes::Bytes;
use decision::Step;
use kernel::{Reason, Receipt, StreamName};
use messages::activation::v1::ActivationStatus;
use messages::stream::v1::{
    ActivationMoved, ChangeRecord, Event, NamedValue, Record, Value, change_record, record::Body,
    value::Kind,
};

use crate::consent::Consent;
use crate::counter::Counter;
use crate::state::Activation;

/// Counts and tells of activations, in the effects of a step.
pub(crate) trait Receipts {
    /// Adds to the counter of an activation: 1 where it comes to its status, -1 where it leaves
    /// that.
    fn count(&mut self, activation: &Activation, change: i64);

    /// Tells the outcome of an activation as an event of the customer; nothing where it has none
    /// yet.
    fn tell(&mut self, activation: &Activation, trace_parent: &str);

    /// Tells consumers outside the status that an activation of a purpose came to, or that it is tried
    /// again.
    fn tell_change(&mut self, activation: &Activation, purpose: &str);

    /// Tells of a grant that was not taken, because the customer has spoken about too much else.
    fn tell_refused(&mut self, word: &Consent);
}

impl Receipts for Step<'_> {
    fn count(&mut self, activation: &Activation, change: i64) {
        let counter = Counter {
            journey: &activation.journey,
            channel: &activation.channel,
            status: activation.status,
            reason: activation.reason,
        };
        self.effects.count(counter.key(), change);
    }

    fn tell(&mut self, activation: &Activation, trace_parent: &str) {
        let Some(receipt) = receipt_of(activation.status) else {
            return;
        };
        let name = receipt.name();
        let id = activation.id.to_string();
        let event = Event {
            event_id: format!("{name}:{id}"),
            name: name.to_owned(),
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
        emit(self, activation.ordinal, event, trace_parent);
    }

    fn tell_change(&mut self, activation: &Activation, purpose: &str) {
        let moved = ActivationMoved {
            run_id: Bytes::copy_from_slice(activation.id.run.as_bytes()),
            visit: activation.id.visit,
            journey: activation.journey.as_ref().to_owned(),
            step: activation.step.as_ref().to_owned(),
            channel: activation.channel.as_ref().to_owned(),
            template: activation.template.as_ref().to_owned(),
            purpose: purpose.to_owned(),
            status: word(activation.status).to_owned(),
            reason: activation.reason.code().to_owned(),
        };
        self.effects.change(ChangeRecord {
            customer_id: self.key.clone(),
            time_ms: activation.update_time.as_millis(),
            kind: Some(change_record::Kind::Activation(moved)),
        });
    }

    fn tell_refused(&mut self, word: &Consent) {
        let (purpose, channel) = (word.purpose.as_ref(), word.channel.as_ref());
        let name = Receipt::ConsentRefused.name();
        let event = Event {
            event_id: format!(
                "{name}:{}:{purpose}:{channel}:{}",
                self.customer,
                word.time.as_millis()
            ),
            name: name.to_owned(),
            properties: vec![
                text("channel", channel),
                text("purpose", purpose),
                text("reason", Reason::ConsentLimit.code()),
            ],
            ..Event::default()
        };
        let trace_parent = self.trace_parent;
        emit(self, word.ordinal, event, trace_parent);
    }
}

/// Returns the name of a status, as consumers of changes know it.
const fn word(status: ActivationStatus) -> &'static str {
    match status {
        ActivationStatus::Pending | ActivationStatus::Unspecified => "PENDING",
        ActivationStatus::Delivered => "DELIVERED",
        ActivationStatus::Suppressed => "SUPPRESSED",
        ActivationStatus::Failed => "FAILED",
    }
}

/// Returns the receipt that tells a status; none for that of an activation which has not ended.
const fn receipt_of(status: ActivationStatus) -> Option<Receipt> {
    match status {
        ActivationStatus::Delivered => Some(Receipt::Delivered),
        ActivationStatus::Failed => Some(Receipt::Failed),
        ActivationStatus::Suppressed => Some(Receipt::Suppressed),
        ActivationStatus::Pending | ActivationStatus::Unspecified => None,
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

/// Puts an event of a fragment of the step's customer on the way to segments and journeys. The engine
/// knows the ids of those that were joined into the customer.
fn emit(step: &mut Step<'_>, ordinal: u16, event: Event, trace_parent: &str) {
    let customer = step.key.clone();
    let event = Event {
        fragment_id: match ordinal {
            0 => customer.clone(),
            _ => Bytes::new(),
        },
        ..event
    };
    step.effects.of_fragment(ordinal);
    step.effects.emit_to(
        StreamName::Events,
        Record {
            customer_id: customer,
            time_ms: step.now.as_millis(),
            trace_parent: trace_parent.to_owned(),
            body: Some(Body::Event(event)),
            ..Record::default()
        },
    );
    step.effects.of_fragment(step.ordinal);
}
