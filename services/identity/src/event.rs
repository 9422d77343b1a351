//! Reads one event: the contract's rules by hand, because the interpreter would cost more than all the rest.
//!
//! A test proves that the verdict is the interpreter's.

use ::rpc::limits::SHOWN_VALUE_CHARS;
use ::rpc::{Violation, properties};
use identity_core::{Namespaces, Screened, limits as caps, screen};
use kernel::Timestamp;
use kernel::limits::{EVENT_BYTES, PROPERTY_DEPTH};
use prost::Message;
use prost_types::Struct;
use prost_types::value::Kind;
use proto::convert;
use proto::identity::v1;
use proto::stream::v1 as stream;

use crate::clock::ClockReading;
use crate::sender_clock::Times;

/// An event that may be resolved.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its place in its source; 0 where there is none.
    pub sequence: u64,
    /// When it happened.
    pub time: Timestamp,
    /// Who it happened to.
    pub screened: Screened,
    /// The event without customer and identifiers.
    pub event: stream::Event,
}

/// Characters of an event's id and of its name.
const NAME_CHARS: usize = 100;
/// Characters of a namespace.
const NAMESPACE_CHARS: usize = 64;
/// Reads an event, or says everything that is wrong with it.
///
/// # Errors
/// Every violation, with paths inside the event.
pub fn prepare(
    mut event: v1::Event,
    index: usize,
    namespaces: &Namespaces,
    clock: &ClockReading,
) -> Result<Prepared, Vec<Violation>> {
    let bytes = event.encoded_len();
    if bytes > EVENT_BYTES {
        // Nothing else is looked at: what is too large could be costly to read.
        let description = format!("has {bytes} bytes: at most {EVENT_BYTES} are taken");
        return Err(vec![Violation::new("", description)]);
    }
    let mut violations = check_event(&event);
    let times = match Times::read(event.time.as_ref(), event.sent_time.as_ref(), clock) {
        Ok(times) => times,
        Err(wrong) => {
            violations.extend(wrong);
            Times::of(clock.now)
        }
    };
    let mut read = |field: &str, object: Option<Struct>| match object {
        None => Vec::new(),
        Some(object) => match properties::flatten(&object) {
            Ok(properties) => convert::named_values(&properties),
            Err(wrong) => {
                violations.extend(wrong.into_iter().map(|violation| violation.under(field)));
                Vec::new()
            }
        },
    };
    let properties = read("properties", event.properties.take());
    let forgotten = event.traits.as_ref().map(nulls).unwrap_or_default();
    let mut traits = read("traits", event.traits.take());
    add_nulls(&mut traits, forgotten);
    if !violations.is_empty() {
        return Err(violations);
    }
    let screened = screen(namespaces, event.identifiers);
    if screened.kept.is_empty() {
        return Err(vec![Violation::new("identifiers", nobody(&screened))]);
    }
    Ok(Prepared {
        index,
        sequence: event.sequence,
        time: times.time,
        screened,
        event: stream::Event {
            joined_ids: bytes::Bytes::new(),
            event_id: event.event_id,
            name: event.name,
            properties,
            traits,
            identifiers: Vec::new(),
            fragment_id: bytes::Bytes::new(),
            sent_time_ms: times.sent.map(Timestamp::as_millis),
            sender_time_ms: times.by_sender.map(Timestamp::as_millis),
        },
    })
}

/// The dotted names of the nulls and the empty objects in an object: of a trait, they say that it
/// is no longer so.
fn nulls(object: &Struct) -> Vec<String> {
    let mut names = Vec::new();
    let mut objects = vec![(String::new(), object, 1)];
    while let Some((prefix, object, depth)) = objects.pop() {
        for (name, value) in &object.fields {
            match &value.kind {
                None | Some(Kind::NullValue(_)) => names.push(format!("{prefix}{name}")),
                Some(Kind::StructValue(inner)) if inner.fields.is_empty() => {
                    names.push(format!("{prefix}{name}"));
                }
                Some(Kind::StructValue(inner)) if depth < PROPERTY_DEPTH => {
                    objects.push((format!("{prefix}{name}."), inner, depth + 1));
                }
                _ => {}
            }
        }
    }
    names
}

/// Adds nulls to values, in the order of names that records promise; a value of the same name stands.
fn add_nulls(values: &mut Vec<stream::NamedValue>, names: Vec<String>) {
    for name in names {
        if let Err(place) = values.binary_search_by(|own| own.name.cmp(&name)) {
            let value = Some(stream::Value { kind: None });
            values.insert(place, stream::NamedValue { name, value });
        }
    }
}

fn nobody(screened: &Screened) -> String {
    let reasons: Vec<String> = screened
        .dropped
        .iter()
        .map(|dropped| {
            format!(
                "{} is {}",
                dropped.identifier.namespace,
                dropped.reason.code()
            )
        })
        .collect();
    format!(
        "name nobody ({}): send at least one value that is somebody's own, in a defined namespace",
        reasons.join(", ")
    )
}

/// Checks an event against the rules that its contract carries.
pub fn check_event(event: &v1::Event) -> Vec<Violation> {
    let mut violations = Vec::new();
    if is_longer(&event.event_id, NAME_CHARS) {
        violations.push(Violation::new(
            "event_id",
            "must have at most 100 characters",
        ));
    }
    if !is_name(&event.name) {
        violations.push(Violation::new(
            "name",
            "must have lower case letters, digits and `_ . -`, at most 100, beginning with a letter",
        ));
    }
    let count = event.identifiers.len();
    if count == 0 {
        violations.push(Violation::new("identifiers", "must have at least 1"));
    } else if count > caps::IDENTIFIERS_PER_EVENT {
        violations.push(Violation::new("identifiers", "must have at most 20"));
        return violations;
    }
    let mut wrong = Vec::new();
    for (namespace, value) in &event.identifiers {
        if !is_namespace(namespace) {
            wrong.push(Violation::new(
                place(namespace),
                "must have a namespace of lower case letters, digits and `_`, at most 64, beginning with a letter",
            ));
        }
        if value.is_empty() || is_longer(value, caps::IDENTIFIER_CHARS) {
            wrong.push(Violation::new(
                place(namespace),
                "must have a value of 1 to 400 characters",
            ));
        }
    }
    wrong.sort();
    violations.extend(wrong);
    violations
}

/// The path of an identifier, with no more of a hostile namespace than an error shows.
fn place(namespace: &str) -> String {
    let shown: String = namespace.chars().take(SHOWN_VALUE_CHARS).collect();
    format!("identifiers[{shown:?}]")
}

/// Whether a text has more characters than this; most are told by their bytes.
fn is_longer(text: &str, chars: usize) -> bool {
    text.len() > chars && text.chars().count() > chars
}

/// `^[a-z][a-z0-9_.-]{0,99}$`
fn is_name(name: &str) -> bool {
    name.len() <= NAME_CHARS
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte)
        })
}

/// `^[a-z][a-z0-9_]{0,63}$`
fn is_namespace(name: &str) -> bool {
    name.len() <= NAMESPACE_CHARS
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
