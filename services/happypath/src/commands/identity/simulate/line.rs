//! A line of a simulation: when, and the identifiers of an event.

use identity::Identifier;
use kernel::{Timestamp, nearest};
use proto::convert;
use rpc::properties::Entries;
use serde_json::value::RawValue;

use crate::import::BadLine;
use crate::when::{TimeRules, read_time};

/// The fields of a line.
const FIELDS: [&str; 2] = ["time", "ids"];
/// An example of identifiers, for messages.
const IDS: &str = r#"an object such as {"user_id": "u1", "email": ["a@x.io", "b@x.io"]}"#;

/// An event of a simulation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventLine {
    /// When; absent: with the one before.
    pub(super) time: Option<Timestamp>,
    /// Its identifiers, as they are written.
    pub(super) ids: Vec<Identifier>,
}

/// Reads an object as an event.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(line: u64, object: &Entries<'_>) -> Result<EventLine, BadLine> {
    let mut reader = Reader::default();
    if let Some(twice) = object.twice() {
        reader.fault(twice, "is there twice: keep one");
    }
    for (name, value) in &object.0 {
        match name.as_str() {
            "time" => reader.time(value),
            "ids" => reader.ids(value),
            _ => reader.unknown(name),
        }
    }
    if !object.0.iter().any(|(name, _)| name == "ids") {
        reader.fault("ids", format!("is missing: add {IDS}"));
    }
    let mut faults = reader.faults.into_iter();
    match faults.next() {
        None => Ok(reader.event),
        Some((field, reason)) => {
            let others: Vec<_> = faults.collect();
            let more = reader.more;
            Err(BadLine::new(line, field, reason).with_others(others, more))
        }
    }
}

/// Faults of one line that are told; others are counted.
const FAULTS_TOLD: usize = 5;

struct Reader {
    event: EventLine,
    faults: Vec<(String, String)>,
    more: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            event: EventLine {
                time: None,
                ids: Vec::new(),
            },
            faults: Vec::new(),
            more: 0,
        }
    }
}

impl Reader {
    fn fault(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        match self.faults.len() < FAULTS_TOLD {
            true => self.faults.push((shown(&field.into()), reason.into())),
            false => self.more += 1,
        }
    }

    fn unknown(&mut self, name: &str) {
        let hint = nearest(name, FIELDS);
        let hint = hint.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
        let reason = format!("is not known here: a line has `time` and `ids`{hint}");
        self.fault(name, reason);
    }

    fn time(&mut self, value: &RawValue) {
        let json = value.get();
        let text = match json.as_bytes().first() {
            Some(b'n') => return,
            Some(b'"') => serde_json::from_str::<String>(json).ok(),
            Some(b'-' | b'0'..=b'9') => Some(json.to_owned()),
            _ => None,
        };
        let Some(text) = text else {
            self.fault(
                "time",
                "expected an instant such as \"2026-01-31T06:00:00Z\"",
            );
            return;
        };
        match read_time(&text, &TimeRules::default()) {
            Ok(time) => self.event.time = Some(convert::instant(&time)),
            Err(reason) => self.fault("time", without_flag(&reason)),
        }
    }

    fn ids(&mut self, value: &RawValue) {
        let Ok(ids) = Entries::read(value.get()) else {
            self.fault("ids", format!("expected {IDS}"));
            return;
        };
        for (namespace, value) in ids.0 {
            let json = value.get();
            if !json.starts_with('[') {
                self.id(&namespace, format_args!(""), json);
                continue;
            }
            match serde_json::from_str::<Vec<&RawValue>>(json) {
                Ok(values) => {
                    for (place, value) in values.into_iter().enumerate() {
                        self.id(&namespace, format_args!("[{place}]"), value.get());
                    }
                }
                Err(error) => {
                    let reason = format!("is no list of texts: {error}");
                    self.fault(format!("ids.{namespace}"), reason);
                }
            }
        }
    }

    /// Reads a value. As in an import, a null is none, and a whole number counts as it is written.
    fn id(&mut self, namespace: &str, place: std::fmt::Arguments<'_>, json: &str) {
        let value = match json.as_bytes().first() {
            Some(b'n') => return,
            Some(b'"') => serde_json::from_str::<String>(json).ok(),
            Some(b'-' | b'0'..=b'9') if is_whole(json) => Some(json.to_owned()),
            _ => None,
        };
        match value {
            Some(value) => self.event.ids.push(Identifier {
                namespace: namespace.to_owned(),
                value,
            }),
            None => self.fault(
                format!("ids.{namespace}{place}"),
                "expected a text such as \"u1\", or a list of texts",
            ),
        }
    }
}

/// Says in place of a flag of imports how a time is written beyond doubt.
fn without_flag(reason: &str) -> String {
    let Some(at) = reason.find("--time-format") else {
        return reason.to_owned();
    };
    let told = &reason[..at];
    let end = told.rfind([':', ';', ',']).unwrap_or(at);
    format!("{}: write it as 2026-01-31T06:00:00Z", &told[..end])
}

/// Returns whether a number is written without a point and an exponent.
fn is_whole(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A field as a message shows it: what strangers wrote is cut.
fn shown(field: &str) -> String {
    /// Characters of a field that a message shows.
    const SHOWN: usize = 80;
    match field.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let object = Entries::read(text).expect("an object");
        let read = match read(7, &object) {
            Ok(event) => {
                let time = event.time.map(|time| format!("{time} "));
                let ids = event.ids.iter();
                let ids: Vec<String> = ids
                    .map(|own| format!("{}={}", own.namespace, own.value))
                    .collect();
                format!("{}{}", time.unwrap_or_default(), ids.join(" "))
            }
            Err(bad) => bad.to_string(),
        };
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn a_line_has_a_time_and_identifiers() {
        check(r#"{"ids": {"user_id": "u1"}}"#, "user_id=u1");
        check(
            r#"{"time": "2026-01-31T06:00:00Z", "ids": {"email": ["a@x.io", "b@x.io"]}}"#,
            "2026-01-31T06:00:00Z email=a@x.io email=b@x.io",
        );
        check(
            r#"{"time": 1769839200, "ids": {"a": null, "b": [], "c": [null, 7], "d": " x "}}"#,
            "2026-01-31T06:00:00Z c=7 d= x ",
        );
        check(r#"{"time": null, "ids": {}}"#, "");
        check(r#"{"ids": {"a": "1", "a": ["1", "2"]}}"#, "a=1 a=1 a=2");
    }

    #[test]
    fn a_time_that_may_be_two_is_told_how_to_write() {
        for time in ["1e400", "\"05/01/2024\""] {
            let text = format!("{{\"time\": {time}, \"ids\": {{}}}}");
            let object = Entries::read(&text).expect("an object");
            let told = read(1, &object).expect_err("a refusal").to_string();
            assert!(
                told.ends_with(": write it as 2026-01-31T06:00:00Z"),
                "{told}"
            );
            assert!(!told.contains("--"), "{told}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check(
            "{}",
            "7: ids: is missing: add an object such as \
             {\"user_id\": \"u1\", \"email\": [\"a@x.io\", \"b@x.io\"]}",
        );
        check(
            r#"{"tiem": 1, "ids": []}"#,
            "7: tiem: is not known here: a line has `time` and `ids`; did you mean `time`?; \
             ids: expected an object such as \
             {\"user_id\": \"u1\", \"email\": [\"a@x.io\", \"b@x.io\"]}",
        );
        check(
            r#"{"time": {}, "ids": {"a": ["x", {}], "b": true, "c": 1.5}}"#,
            "7: time: expected an instant such as \"2026-01-31T06:00:00Z\"; \
             ids.a[1]: expected a text such as \"u1\", or a list of texts; \
             ids.b: expected a text such as \"u1\", or a list of texts; \
             ids.c: expected a text such as \"u1\", or a list of texts",
        );
        check(
            r#"{"ids": {"a": "1"}, "ids": {"b": "2"}}"#,
            "7: ids: is there twice: keep one",
        );
    }
}
