//! Shows the events that a file would become: all of it is read, nothing is sent.
//!
//! It checks the form of events by the rules of the contract. Whatever depends on definitions, on
//! customers or on the clock of the service is left to that.

use std::collections::BTreeMap;

use identity::check_event;
use kernel::limits::EVENT_BYTES;
use prost::Message as _;
use proto::identity::v1::Event;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::identity::v1::{GroupTraits, group_traits};
use rpc::Violation;
use rpc::properties::flatten_json;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::bad_line::BadLine;
use super::fault_groups::{FaultGroup, FaultGroups};
use super::file::ImportFile;
use super::line::Line;
use super::mapping::Mapping;
use super::reader::{Piece, read};
use super::survey::{Column, Survey};
use crate::failure::Failure;
use crate::limits::{FAULTS_PER_LINE, LINES_PREVIEWED};
use crate::when::when;

/// Lines that are read at once: none of them waits for an answer.
const LINES_AT_ONCE: usize = 500;

/// The events that a file would become, and its faults.
#[derive(Debug, Serialize)]
pub(crate) struct Preview {
    /// The file.
    pub(crate) file: String,
    /// The form in which it was read.
    pub(crate) format: String,
    /// Lines that are events.
    pub(crate) events: u64,
    /// Lines that are none, each counted once.
    pub(crate) bad: u64,
    /// True where no column holds something that every event needs.
    #[serde(skip)]
    pub(crate) is_lacking: bool,
    /// The columns, with their uses and types.
    pub(crate) columns: Vec<Column>,
    /// The first events, as they would be sent.
    pub(crate) first: Vec<Box<RawValue>>,
    /// The earliest and the latest time of an event.
    pub(crate) earliest: Option<String>,
    /// See `earliest`.
    pub(crate) latest: Option<String>,
    /// True where the events are in the order of their times.
    pub(crate) is_in_order: bool,
    /// The faults, by reason.
    pub(crate) faults: Vec<FaultGroup>,
    /// Faults of further reasons.
    pub(crate) other_faults: u64,
    /// Flags that people may want to use, each with its reason.
    pub(crate) advice: Vec<String>,
}

impl Preview {
    /// Reads a file. Lines at fault, and columns that are lacking, are told in it.
    ///
    /// # Errors
    /// Where an event cannot be shown, which no file brings about.
    pub(crate) async fn of(file: &ImportFile, mapping: &Mapping) -> Result<Self, Failure> {
        let mapping = Mapping {
            survey: Survey::begin(),
            ..mapping.clone()
        };
        let mut reading = Reading::default();
        let mut pieces = read(file, &mapping, LINES_AT_ONCE);
        while let Some(piece) = pieces.recv().await {
            match piece {
                // Without a time or a customer each line lacks it, and one sentence is enough.
                Piece::Bad(_) if !mapping.survey.lacking().is_empty() => {}
                Piece::Bad(bad) => reading.bad(&bad),
                Piece::Batch(batch) => {
                    for line in batch.lines {
                        reading.line(&line)?;
                    }
                }
            }
        }
        let columns = mapping.survey.columns();
        let mut lacking = mapping.survey.lacking().into_iter();
        let is_lacking = lacking.len() > 0;
        let mut advice: Vec<String> = columns.iter().flat_map(Column::advice).collect();
        if let Some((field, reason)) = lacking.next() {
            let bad = BadLine::new(1, field, reason);
            reading.bad(&bad.with_others(lacking.collect(), 0));
            advice = columns.iter().filter_map(Column::flag).collect();
        }
        let time = |bound: Option<(i64, i32)>| {
            bound.map(|(seconds, nanos)| when(Some(&prost_types::Timestamp { seconds, nanos })))
        };
        Ok(Self {
            file: file.path.display().to_string(),
            format: file.description(),
            events: reading.events,
            bad: reading.bad,
            is_lacking,
            advice,
            columns,
            first: reading.first,
            earliest: time(reading.earliest),
            latest: time(reading.latest),
            is_in_order: reading.turned_back == 0,
            other_faults: reading.faults.others,
            faults: reading.faults.into_groups(),
        })
    }
}

/// The account of a file that is being read.
#[derive(Default)]
struct Reading {
    events: u64,
    bad: u64,
    first: Vec<Box<RawValue>>,
    earliest: Option<(i64, i32)>,
    latest: Option<(i64, i32)>,
    last: Option<(i64, i32)>,
    /// Events that are earlier than the one before them.
    turned_back: u64,
    faults: FaultGroups,
}

impl Reading {
    fn line(&mut self, line: &Line) -> Result<(), Failure> {
        if let Some(bad) = fault(line) {
            self.bad(&bad);
            return Ok(());
        }
        self.events += 1;
        let time = line.event.time.map(|time| (time.seconds, time.nanos));
        self.turned_back += u64::from(time < self.last);
        self.last = time;
        self.earliest = [self.earliest, time].into_iter().flatten().min();
        self.latest = self.latest.max(time);
        if self.first.len() < LINES_PREVIEWED {
            self.first.push(shown(line.line, &line.event)?);
        }
        Ok(())
    }

    fn bad(&mut self, bad: &BadLine) {
        self.bad += 1;
        self.faults.take(bad);
    }
}

/// Returns what the contract forbids an event.
fn fault(line: &Line) -> Option<BadLine> {
    let event = &line.event;
    let mut found: Vec<Violation> = Vec::new();
    let bytes = event.encoded_len();
    if bytes > EVENT_BYTES {
        let description = format!("has {bytes} bytes: at most {EVENT_BYTES} are taken");
        found.push(Violation::new("", description));
    } else {
        found.extend(check_event(event));
        let texts = [("properties", properties(event)), ("traits", traits(event))];
        for (name, text) in texts {
            let wrong = text.and_then(|text| flatten_json(text).err());
            found.extend(wrong.into_iter().flatten().map(|it| it.under(name)));
        }
        for (r#type, traits) in traits_of_groups(event) {
            let wrong = flatten_json(traits).err().into_iter().flatten();
            found.extend(wrong.map(|it| it.under(&format!("group_traits.{type}"))));
        }
    }
    if event.time.is_some_and(|time| time.seconds < 0) {
        found.push(Violation::new(
            "time",
            "is before 1970: events are of later years",
        ));
    }
    let more = found.len().saturating_sub(FAULTS_PER_LINE);
    found.truncate(FAULTS_PER_LINE);
    let mut found = found.into_iter().map(|it| (it.field, it.description));
    let (field, reason) = found.next()?;
    Some(BadLine::new(line.line, field, reason).with_others(found.collect(), more))
}

fn properties(event: &Event) -> Option<&str> {
    match &event.properties_form {
        Some(PropertiesForm::PropertiesJson(text)) => Some(text),
        _ => None,
    }
}

fn traits(event: &Event) -> Option<&str> {
    match &event.traits_form {
        Some(TraitsForm::TraitsJson(text)) => Some(text),
        _ => None,
    }
}

/// Returns the traits of accounts, by type.
fn traits_of_groups(event: &Event) -> BTreeMap<&str, &str> {
    let texts = event.group_traits.iter().map(|(r#type, traits)| {
        let GroupTraits { traits_form } = traits;
        match traits_form {
            Some(group_traits::TraitsForm::TraitsJson(text)) => (r#type.as_str(), text.as_str()),
            _ => (r#type.as_str(), "{}"),
        }
    });
    texts.collect()
}

/// Returns an event as JSON Lines have it, with numbers as exact as they are sent.
fn shown(line: u64, event: &Event) -> Result<Box<RawValue>, Failure> {
    let mut identifiers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (namespace, value) in &event.identifiers {
        identifiers.entry(namespace).or_default().push(value);
    }
    for other in &event.other_identifiers {
        let values = identifiers.entry(&other.namespace).or_default();
        values.push(&other.value);
    }
    let identifiers: BTreeMap<&str, Value> = identifiers
        .into_iter()
        .map(|(namespace, values)| match values.as_slice() {
            [value] => (namespace, json!(value)),
            values => (namespace, json!(values)),
        })
        .collect();
    let groups: BTreeMap<_, _> = event.groups.iter().collect();
    let fields = [
        ("line", Some(line.to_string())),
        ("time", Some(json!(when(event.time.as_ref())).to_string())),
        ("event", Some(json!(event.name).to_string())),
        (
            "event_id",
            (!event.event_id.is_empty()).then(|| json!(event.event_id).to_string()),
        ),
        (
            "identifiers",
            (!identifiers.is_empty()).then(|| json!(identifiers).to_string()),
        ),
        (
            "groups",
            (!groups.is_empty()).then(|| json!(groups).to_string()),
        ),
        ("traits", traits(event).map(str::to_owned)),
        ("group_traits", shown_traits(event)),
        ("properties", properties(event).map(str::to_owned)),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, json)| Some(format!("{name:?}: {}", json?)));
    let text = format!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
    RawValue::from_string(text)
        .map_err(|error| Failure::failed(format!("line {line} is no JSON: {error}")))
}

/// Returns the traits of accounts as an object of objects, each as it is sent.
fn shown_traits(event: &Event) -> Option<String> {
    let traits = traits_of_groups(event).into_iter();
    let traits = traits.map(|(r#type, text)| format!("{}:{text}", json!(r#type)));
    let traits = traits.collect::<Vec<_>>().join(",");
    (!traits.is_empty()).then(|| format!("{{{traits}}}"))
}
