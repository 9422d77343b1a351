//! Tests of the dialects: calls and posts as unmodified SDKs sent them, words of the
//! specifications, and whatever else may come.

mod captured;
mod cloud_events;
mod definitions;
mod dialects;
mod groups;
mod presets;
mod properties;
mod signatures;

use gateway_core::{Call, Circumstances, Reading, Route, SourceRules, Text};
use kernel::Timestamp;
use messages::identity::v1::Event;
use messages::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};

/// When the calls of the tests were received: some seconds after the captured ones were sent.
fn received() -> Timestamp {
    "2026-11-30T07:30:00Z".parse().expect("an instant")
}

/// Reads a call by some rules, and gives what it says to a check.
fn read<T>(
    path: &str,
    body: &[u8],
    rules: &SourceRules,
    check: impl FnOnce(&Reading<'_>) -> T,
) -> T {
    let text = Text::of(body);
    let route = Route::of(path).expect("a route");
    let call = Call::read(route, &text).expect("a call");
    let key = call.key();
    let about = Circumstances {
        path,
        rules,
        key: key.as_deref(),
        receive_time: received(),
        request_time: None,
    };
    check(&call.events(&about))
}

/// Reads the one event of a call by the default rules.
fn one(path: &str, body: &str) -> Event {
    read(path, body.as_bytes(), &SourceRules::default(), |reading| {
        assert_eq!(reading.letters, [], "{body}");
        assert_eq!(reading.events.len(), 1, "{body}");
        reading.events[0].event.clone()
    })
}

/// Reads a call of one event that cannot be taken, and returns reason and field.
fn fault(path: &str, body: &str) -> (&'static str, String) {
    read(path, body.as_bytes(), &SourceRules::default(), |reading| {
        assert_eq!(
            (reading.letters.len(), reading.events.len()),
            (1, 0),
            "{body}"
        );
        let fault = &reading.letters[0].fault;
        (fault.reason.code(), fault.field.clone())
    })
}

/// The identifiers of an event, as `namespace=value`, sorted.
fn identifiers(event: &Event) -> Vec<String> {
    let first = event.identifiers.iter();
    let first = first.map(|(namespace, value)| format!("{namespace}={value}"));
    let others = event.other_identifiers.iter();
    let others = others.map(|it| format!("{}={}", it.namespace, it.value));
    let mut all: Vec<String> = first.chain(others).collect();
    all.sort();
    all
}

fn properties_of(event: &Event) -> &str {
    match &event.properties_form {
        Some(PropertiesForm::PropertiesJson(json)) => json,
        _ => "",
    }
}

fn traits_of(event: &Event) -> &str {
    match &event.traits_form {
        Some(TraitsForm::TraitsJson(json)) => json,
        _ => "",
    }
}

fn context_of(event: &Event) -> &str {
    match &event.context_form {
        Some(ContextForm::ContextJson(json)) => json,
        _ => "",
    }
}

fn time_of(time: Option<&prost_types::Timestamp>) -> String {
    time.map_or_else(String::new, |time| {
        messages::convert::instant(time).to_string()
    })
}
