//! One event from the cells of one line.

mod group;
mod object;

use std::collections::BTreeMap;

use proto::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};
use proto::identity::v1::{Event, Identifier};
use serde_json::Value;

use self::group::TraitsByType;
use super::bad_line::BadLine;
use super::mapping::Mapping;
use super::role::{Role, Use};
use super::value::{self, ValueType, Writing};
use crate::limits::FAULTS_PER_LINE;
use crate::when::{TimeRules, read_time};

/// The sign of databases for no value, in the files that they write.
const NOTHING: &str = "\\N";
/// The remedy where a line has no time.
const NO_TIME: &str = "is empty: expected an instant such as 2017-01-01T06:00:00Z";

/// An event that is being put together.
pub(super) struct Builder {
    line: u64,
    event: Event,
    /// Values in JSON, by name.
    properties: BTreeMap<String, String>,
    traits: BTreeMap<String, String>,
    group_traits: TraitsByType,
    faults: Vec<(String, String)>,
    /// Faults that found no room.
    more_faults: usize,
    /// A time that was refused is not missing besides.
    is_time_bad: bool,
    are_identifiers_bad: bool,
}

/// A cell, with what it is used for.
#[derive(Clone, Copy)]
struct Cell<'c> {
    of_column: &'c Use,
    /// The column; inside an object also the name there.
    path: &'c str,
    value_type: Option<ValueType>,
    mapping: &'c Mapping,
    surveyed: Option<usize>,
}

impl Builder {
    /// Begins the event of a line.
    pub(super) fn new(line: u64, event_name: Option<&str>) -> Self {
        Self {
            line,
            event: Event {
                name: event_name.unwrap_or_default().to_owned(),
                sequence: line,
                ..Event::default()
            },
            properties: BTreeMap::new(),
            traits: BTreeMap::new(),
            group_traits: TraitsByType::new(),
            faults: Vec::new(),
            more_faults: 0,
            is_time_bad: false,
            are_identifiers_bad: false,
        }
    }

    /// Takes a cell of text; an empty one says nothing.
    pub(super) fn text(&mut self, role: &Role, text: &str) {
        let text = text.trim();
        if text.is_empty() || text == NOTHING || is_null(&role.mapping, text) {
            return;
        }
        for of_column in &role.uses {
            self.take_text(role.cell(of_column), text);
        }
    }

    /// Takes a value that is written in JSON. Null removes a trait, and says nothing anywhere else.
    pub(super) fn json(&mut self, role: &Role, column: &str, json: &str) {
        for of_column in &role.uses {
            let cell = Cell {
                path: column,
                ..role.cell(of_column)
            };
            self.take_json(cell, json);
        }
    }

    fn take_text(&mut self, cell: Cell<'_>, text: &str) {
        match cell.of_column {
            Use::Time => self.time(cell, text),
            Use::Event => {
                let name = cell.mapping.event_names.get(text);
                name.map_or(text, String::as_str).clone_into(&mut self.event.name);
                cell.see("name", text);
            }
            Use::EventId => {
                text.clone_into(&mut self.event.event_id);
                cell.see("text", text);
            }
            Use::Identifier(namespace) => self.identifier(cell, namespace, text),
            Use::Group(r#type) => self.group(cell, r#type, text),
            Use::Address(name) => {
                // A placeholder of nobody is no address that anything could be sent to.
                if text.contains('@') {
                    let json = Value::from(text).to_string();
                    self.traits.entry(name.clone()).or_insert(json);
                }
            }
            Use::Trait(_) | Use::Property(_) | Use::GroupTrait(..) => {
                let writing = writing(cell.mapping);
                let read = match cell.value_type {
                    Some(value_type) => value::typed(text, value_type, &writing),
                    None => value::untyped(text, &writing),
                };
                match read {
                    Ok(json) => self.insert(cell, text, json),
                    Err(reason) => self.refuse_value(cell, &reason),
                }
            }
            Use::Nameless => self.refuse(
                cell.path,
                format!(
                    "is a column without a name, and `{}` stands in it: name it in the header, or leave it out with --ignore-column '{}'",
                    value::shown(text),
                    cell.path
                ),
            ),
            Use::Identifiers | Use::Traits | Use::Properties | Use::Context => {}
            Use::Groups | Use::GroupTraits | Use::TraitsOf(_) => {}
        }
    }

    fn take_json(&mut self, cell: Cell<'_>, json: &str) {
        match (cell.of_column, json.as_bytes().first()) {
            (Use::Trait(_) | Use::GroupTrait(..), Some(b'n')) => {
                self.insert(cell, json, json.to_owned());
            }
            (_, Some(b'n')) => {}
            (Use::Context, Some(b'{')) => {
                self.event.context_form = Some(ContextForm::ContextJson(json.to_owned()));
                cell.see("object", json);
            }
            (
                Use::Traits
                | Use::Properties
                | Use::Identifiers
                | Use::Groups
                | Use::GroupTraits
                | Use::TraitsOf(_),
                Some(b'{'),
            ) => self.object(cell, json),
            // Anything but an object is a value like others.
            (Use::Context | Use::Groups | Use::GroupTraits, _) => {
                self.properties
                    .insert(cell.path.to_owned(), json.to_owned());
                cell.see(value::kind(json), json);
            }
            (Use::Trait(_) | Use::Property(_) | Use::GroupTrait(..), _) => self.value(cell, json),
            (Use::Traits | Use::Properties | Use::Identifiers | Use::TraitsOf(_), _) => {
                self.refuse(
                    cell.path,
                    "expected an object, such as {\"user_id\": \"u1\"}",
                );
            }
            (Use::Identifier(_), Some(b'[')) => match serde_json::from_str::<Vec<String>>(json) {
                Ok(list) => list.iter().for_each(|text| self.filled_text(cell, text)),
                Err(_) => self.refuse(cell.path, "expected a text, a number, or a list of texts"),
            },
            (_, Some(b'"')) => match serde_json::from_str::<String>(json) {
                Ok(text) => self.filled_text(cell, &text),
                Err(error) => self.refuse(cell.path, format!("is no text: {error}")),
            },
            (Use::Identifier(_) | Use::Group(_), Some(b'-' | b'0'..=b'9'))
                if !is_whole(cell, json) =>
            {
                self.are_identifiers_bad = true;
                self.refuse(
                    cell.path,
                    format!(
                        "is the number {json}, which may stand for a whole one that names somebody else: write it as a text, or say with --type {}=integer or =text what it is",
                        cell.path
                    ),
                );
            }
            // A number is as exact as its digits.
            (Use::Address(_), _) => {}
            (_, Some(b'-' | b'0'..=b'9')) => self.take_text(cell, json),
            _ => self.refuse(cell.path, "expected a text or a number"),
        }
    }

    /// Takes a text that may be empty.
    fn filled_text(&mut self, cell: Cell<'_>, text: &str) {
        let text = text.trim();
        if !text.is_empty() && !is_null(cell.mapping, text) {
            self.take_text(cell, text);
        }
    }

    /// Takes the value of a trait or property that is written in JSON.
    fn value(&mut self, cell: Cell<'_>, json: &str) {
        let is_text = json.starts_with('"');
        let plain = match serde_json::from_str::<String>(json) {
            // Most values are taken as they are.
            _ if cell.value_type.is_none() && cell.mapping.nulls.is_empty() => None,
            Ok(text) => Some(text),
            Err(_) => None,
        };
        if plain
            .as_deref()
            .is_some_and(|text| is_null(cell.mapping, text.trim()))
        {
            return;
        }
        let text = plain.as_deref().unwrap_or(json);
        let read = match cell.value_type {
            None => Ok(json.to_owned()),
            Some(ValueType::Text) if is_text => Ok(json.to_owned()),
            Some(ValueType::Json) if !is_text => Ok(json.to_owned()),
            Some(ValueType::Text) => Ok(Value::from(json).to_string()),
            Some(_) if text.trim().is_empty() => return,
            Some(_) if json.starts_with(['{', '[']) => Err("is a list or an object".to_owned()),
            Some(value_type) => value::typed(text.trim(), value_type, &writing(cell.mapping)),
        };
        match read {
            Ok(json) => self.insert(cell, text, json),
            Err(reason) => self.refuse_value(cell, &reason),
        }
    }

    /// Returns the event.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn build(mut self) -> Result<Event, BadLine> {
        if self.event.time.is_none() && !self.is_time_bad {
            self.refuse("time", NO_TIME);
        }
        if self.event.name.is_empty() {
            self.refuse("event", "is empty: expected a name such as purchase");
        }
        let is_nobody = self.event.identifiers.is_empty() && self.event.groups.is_empty();
        if is_nobody && !self.are_identifiers_bad {
            self.refuse("identifiers", "no column names the customer on this line");
        }
        self.check_groups();
        let mut faults = self.faults.into_iter();
        if let Some((field, reason)) = faults.next() {
            let bad = BadLine::new(self.line, field, reason);
            return Err(bad.with_others(faults.collect(), self.more_faults));
        }
        self.event.group_traits = group::traits_of_groups(&self.group_traits);
        let properties = value::object(&self.properties);
        self.event.properties_form = properties.map(PropertiesForm::PropertiesJson);
        self.event.traits_form = value::object(&self.traits).map(TraitsForm::TraitsJson);
        Ok(self.event)
    }

    fn time(&mut self, cell: Cell<'_>, text: &str) {
        match read_time(text, &writing(cell.mapping).times) {
            Ok(time) => {
                self.event.time = Some(time);
                cell.see("instant", text);
            }
            Err(reason) => {
                self.is_time_bad = true;
                self.refuse("time", reason);
                cell.see("no instant", text);
            }
        }
    }

    /// Takes a value that names the customer; of several in one namespace the first goes first.
    fn identifier(&mut self, cell: Cell<'_>, namespace: &str, text: &str) {
        let Some(value) = self.key(cell, text) else {
            return;
        };
        match self.event.identifiers.get(namespace) {
            None => {
                self.event.identifiers.insert(namespace.to_owned(), value);
            }
            Some(first) if *first == value => {}
            Some(_) => self.event.other_identifiers.push(Identifier {
                namespace: namespace.to_owned(),
                value,
            }),
        }
    }

    /// Returns a value that names somebody; nothing where it was refused.
    fn key(&mut self, cell: Cell<'_>, text: &str) -> Option<String> {
        if cell.value_type != Some(ValueType::Integer) {
            cell.see("text", text);
            return Some(text.to_owned());
        }
        match value::integer(text, &writing(cell.mapping)) {
            Ok(value) => {
                cell.see("text", text);
                Some(value)
            }
            Err(reason) => {
                self.are_identifiers_bad = true;
                self.refuse_value(cell, &reason);
                None
            }
        }
    }

    fn insert(&mut self, cell: Cell<'_>, text: &str, json: String) {
        cell.see(value::kind(&json), text);
        match cell.of_column {
            Use::Trait(name) => self.traits.insert(name.clone(), json),
            Use::Property(name) => self.properties.insert(name.clone(), json),
            Use::GroupTrait(r#type, name) => self.group_trait(r#type, name, json),
            _ => None,
        };
    }

    fn refuse_value(&mut self, cell: Cell<'_>, reason: &str) {
        self.refuse(cell.path, reason.replace("COLUMN", cell.path));
    }

    fn refuse(&mut self, field: &str, reason: impl Into<String>) {
        if self.faults.len() < FAULTS_PER_LINE {
            self.faults.push((field.to_owned(), reason.into()));
        } else {
            self.more_faults += 1;
        }
    }
}

impl Role {
    fn cell<'c>(&'c self, of_column: &'c Use) -> Cell<'c> {
        Cell {
            of_column,
            path: &self.column,
            value_type: self.value_type,
            mapping: &self.mapping,
            surveyed: self.surveyed,
        }
    }
}

impl Cell<'_> {
    fn see(&self, kind: &'static str, text: &str) {
        self.mapping.survey.see(self.surveyed, kind, text);
    }
}

fn writing(mapping: &Mapping) -> Writing<'_> {
    Writing {
        decimal: mapping.decimal,
        has_semicolons: mapping.has_semicolons,
        times: TimeRules {
            format: &mapping.time_format,
            zone: &mapping.time_zone,
        },
    }
}

fn is_null(mapping: &Mapping, text: &str) -> bool {
    mapping.nulls.iter().any(|null| null == text)
}

/// Returns whether a number names a customer as it is written.
fn is_whole(cell: Cell<'_>, json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    cell.value_type.is_some() || digits.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests;
