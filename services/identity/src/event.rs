//! Reads one event: the contract's rules by hand, because the interpreter would cost more than all
//! the rest.
//!
//! A test proves that the verdict is the interpreter's.

mod group;

use std::borrow::Cow;
use std::collections::HashMap;

use ::rpc::Violation;
use ::rpc::limits::SHOWN_VALUE_CHARS;
use ::rpc::properties::{Flat, compact_object, flatten, flatten_json, object_text};
use identity_core::{Dropped, Rules, Screened, limits as caps, screen};
use kernel::limits::EVENT_BYTES;
use kernel::{Timestamp, read_name};
use prost::Message;
use proto::convert;
use proto::identity::v1;
use proto::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};
use proto::stream::v1 as stream;
use proto::stream::v1::value::Kind;

pub(crate) use self::group::{PreparedGroup, nobody as no_account, prepare_account};
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
    /// True where it names no customer, but accounts alone.
    pub is_of_accounts: bool,
    /// The identifiers of whom it happened to; none of an event of accounts alone.
    pub screened: Screened,
    /// The groups whose types are namespaces of accounts.
    pub groups: Vec<PreparedGroup>,
    /// The event without customer and identifiers.
    pub event: stream::Event,
}

/// Characters of an event's id.
const EVENT_ID_CHARS: usize = 100;
/// Characters of a namespace.
const NAMESPACE_CHARS: usize = 64;
/// The rule of names of namespaces and types of groups.
const NAMESPACE_RULE: &str =
    "must have a name of lower case letters, digits and `_`, at most 64, beginning with a letter";
/// An object without values, in JSON.
const EMPTY_OBJECT: &str = "{}";

/// Reads an event, or says everything that is wrong with it.
///
/// # Errors
/// Every violation, with paths inside the event.
pub fn prepare(
    mut event: v1::Event,
    index: usize,
    namespaces: &Rules,
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
    let (properties, traits) = values(&mut event, &mut violations);
    let context_json = context(event.context_form.take()).unwrap_or_else(|wrong| {
        violations.push(wrong);
        String::new()
    });
    let told = group::tellings(&mut event, &traits, &mut violations);
    if !violations.is_empty() {
        return Err(violations);
    }
    let kept = groups(event.groups);
    let groups = group::prepare(&kept, told, namespaces);
    let others = event.other_identifiers.into_iter();
    let others = others.map(|other| (other.namespace, other.value));
    let is_of_accounts = event.identifiers.is_empty() && others.len() == 0;
    let mut screened = screen(namespaces, event.identifiers.into_iter().chain(others));
    screened.is_alias = event.is_alias;
    if is_of_accounts {
        group::check_somebody(&kept, &groups)?;
    } else if screened.kept.is_empty() {
        return Err(vec![nobody(&screened.dropped)]);
    }
    Ok(Prepared {
        index,
        sequence: event.sequence,
        time: times.time,
        is_of_accounts,
        screened,
        groups,
        event: stream::Event {
            event_id: event.event_id,
            name: normal_name(event.name),
            sent_time_ms: times.sent.map(Timestamp::as_millis),
            sender_time_ms: times.by_sender.map(Timestamp::as_millis),
            groups: kept,
            properties: named_values(properties),
            // Of an event of accounts alone there are none.
            traits: named_traits(traits),
            context_json,
            ..stream::Event::default()
        },
    })
}

/// Returns a name in its normal form, without a copy where it has that already.
fn normal_name(name: String) -> String {
    match read_name(&name) {
        Ok(Cow::Owned(normal)) => normal,
        Ok(Cow::Borrowed(_)) | Err(_) => name,
    }
}

/// Takes the properties and the traits out of an event, in whichever form they came, and adds their
/// faults.
fn values(event: &mut v1::Event, violations: &mut Vec<Violation>) -> (Flat, Flat) {
    let mut read = |field: &str, flat: Result<Flat, Vec<Violation>>| {
        flat.unwrap_or_else(|wrong| {
            violations.extend(wrong.into_iter().map(|violation| violation.under(field)));
            Flat::default()
        })
    };
    let properties = match event.properties_form.take() {
        None => Flat::default(),
        Some(PropertiesForm::Properties(object)) => read("properties", flatten(&object)),
        Some(PropertiesForm::PropertiesJson(json)) => read("properties_json", flatten_json(&json)),
    };
    let traits = match event.traits_form.take() {
        None => Flat::default(),
        Some(TraitsForm::Traits(object)) => read("traits", flatten(&object)),
        Some(TraitsForm::TraitsJson(json)) => read("traits_json", flatten_json(&json)),
    };
    (properties, traits)
}

/// Returns what was read as records have it, in the order of names. A null, or an object without
/// values, says of a trait that it is no longer so.
fn named_traits(flat: Flat) -> Vec<stream::NamedValue> {
    let mut values = named_values(flat);
    for named in &mut values {
        if let Some(value) = &mut named.value
            && matches!(&value.kind, Some(Kind::Json(json)) if json == EMPTY_OBJECT)
        {
            value.kind = None;
        }
    }
    values
}

/// Returns what was read as records have it, in the order of names. A null has no value.
fn named_values(flat: Flat) -> Vec<stream::NamedValue> {
    let mut values = convert::named_values(&flat.properties);
    for name in flat.nulls {
        if let Err(place) = values.binary_search_by(|own| own.name.cmp(&name)) {
            let value = Some(stream::Value { kind: None });
            values.insert(place, stream::NamedValue { name, value });
        }
    }
    values
}

/// Returns the context of an event as it is kept.
fn context(form: Option<ContextForm>) -> Result<String, Violation> {
    let (field, text) = match form {
        None => return Ok(String::new()),
        Some(ContextForm::Context(object)) => ("context", object_text(&object)),
        Some(ContextForm::ContextJson(json)) => ("context_json", compact_object(&json)),
    };
    let text = text.map_err(|wrong| wrong.under(field))?;
    // As a message it was shorter: a control character is one byte there, and six in JSON.
    if text.len() > EVENT_BYTES {
        let bytes = text.len();
        let description = format!("has {bytes} bytes as JSON: at most {EVENT_BYTES} are taken");
        return Err(Violation::new(field, description));
    }
    Ok(text)
}

/// The fault of an event all of whose identifiers are left out, with the reasons.
pub(crate) fn nobody(dropped: &[Dropped]) -> Violation {
    let reasons: Vec<String> = dropped
        .iter()
        .map(|dropped| {
            format!(
                "{} is {}",
                dropped.identifier.namespace,
                dropped.reason.code()
            )
        })
        .collect();
    let description = format!(
        "name nobody ({}): send at least one value that is somebody's own, in a defined namespace",
        reasons.join(", ")
    );
    Violation::new("identifiers", description)
}

/// Checks an event against the rules that its contract carries.
pub fn check_event(event: &v1::Event) -> Vec<Violation> {
    let mut violations = Vec::new();
    if is_longer(&event.event_id, EVENT_ID_CHARS) {
        violations.push(Violation::new(
            "event_id",
            "must have at most 100 characters",
        ));
    }
    if let Err(fault) = read_name(&event.name) {
        violations.push(Violation::new("name", fault.to_string()));
    }
    let count = event.identifiers.len() + event.other_identifiers.len();
    if count == 0 && event.groups.is_empty() {
        let rule = "must have at least 1, or `groups` must";
        violations.push(Violation::new("identifiers", rule));
    } else if count > caps::IDENTIFIERS_PER_EVENT {
        violations.push(Violation::new(
            "identifiers",
            "must have at most 20, with `other_identifiers`",
        ));
        return violations;
    }
    violations.extend(pairs("identifiers", &event.identifiers));
    for (place, other) in event.other_identifiers.iter().enumerate() {
        let path = format!("other_identifiers[{place}]");
        let found = pair(&other.namespace, &other.value);
        violations.extend(found.map(|(field, rule)| Violation::new(field, rule).under(&path)));
    }
    if event.groups.len() > caps::IDENTIFIERS_PER_EVENT {
        violations.push(Violation::new("groups", "must have at most 20"));
    } else {
        violations.extend(pairs("groups", &event.groups));
    }
    if event.group_traits.len() > caps::IDENTIFIERS_PER_EVENT {
        violations.push(Violation::new("group_traits", "must have at most 20"));
    } else {
        violations.extend(types("group_traits", event.group_traits.keys()));
    }
    violations
}

/// The faults of the keys of a map of types of groups, sorted.
fn types<'a>(field: &str, names: impl Iterator<Item = &'a String>) -> Vec<Violation> {
    let wrong = names.filter(|name| !is_namespace(name));
    let wrong = wrong.map(|name| Violation::new(place(field, name), NAMESPACE_RULE));
    let mut wrong: Vec<Violation> = wrong.collect();
    wrong.sort();
    wrong
}

/// The faults of a map of identifiers or groups, sorted.
fn pairs(field: &str, map: &HashMap<String, String>) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for (name, value) in map {
        let found = pair(name, value);
        wrong.extend(found.map(|(_, rule)| Violation::new(place(field, name), rule)));
    }
    wrong.sort();
    wrong
}

/// The faults of one identifier or group, each with its field in an `Identifier`.
fn pair(name: &str, value: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_named = is_namespace(name);
    let has_value = !value.is_empty() && !is_longer(value, caps::IDENTIFIER_CHARS);
    let of_name = (!is_named).then_some(("namespace", NAMESPACE_RULE));
    let of_value = (!has_value).then_some(("value", "must have a value of 1 to 400 characters"));
    of_name.into_iter().chain(of_value)
}

/// The groups of an event as records have them, sorted.
fn groups(groups: HashMap<String, String>) -> Vec<stream::Group> {
    let groups = groups.into_iter();
    let mut groups: Vec<_> = groups
        .map(|(r#type, key)| stream::Group {
            r#type,
            key,
            account_id: bytes::Bytes::new(),
        })
        .collect();
    groups.sort_unstable_by(|a, b| a.r#type.cmp(&b.r#type));
    groups
}

/// The path of an entry of a map, with no more of a hostile key than an error shows.
fn place(field: &str, key: &str) -> String {
    let shown: String = key.chars().take(SHOWN_VALUE_CHARS).collect();
    format!("{field}[{shown:?}]")
}

/// Returns whether a text has more characters than this; most are told by their bytes.
fn is_longer(text: &str, chars: usize) -> bool {
    text.len() > chars && text.chars().count() > chars
}

/// `^[a-z][a-z0-9_]{0,63}$`
fn is_namespace(name: &str) -> bool {
    name.len() <= NAMESPACE_CHARS
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
