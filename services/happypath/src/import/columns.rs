//! One event from the cells of one line.

use std::collections::HashMap;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::identity::v1::Event;

use super::bad_line::BadLine;
use super::mapping::Role;
use super::value;
use crate::when::parse_time;

/// An event that is being put together.
pub(super) struct Builder {
    line: u64,
    event: Event,
    properties: HashMap<String, Value>,
    traits: HashMap<String, Value>,
    fault: Option<BadLine>,
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
            properties: HashMap::new(),
            traits: HashMap::new(),
            fault: None,
        }
    }

    /// Takes a cell of text; an empty one says nothing.
    pub(super) fn text(&mut self, role: &Role, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        match role {
            Role::Time => self.time(text),
            Role::Event => text.clone_into(&mut self.event.name),
            Role::EventId => text.clone_into(&mut self.event.event_id),
            Role::Identifier(namespace) => {
                self.event
                    .identifiers
                    .insert(namespace.clone(), text.to_owned());
            }
            Role::Trait(name) => {
                self.traits.insert(name.clone(), value::scalar(text));
            }
            Role::Property(name) => {
                self.properties.insert(name.clone(), value::scalar(text));
            }
            Role::Identifiers | Role::Traits | Role::Properties | Role::Unused => {}
        }
    }

    /// Takes a value of JSON. Null removes a trait, and says nothing anywhere else.
    pub(super) fn json(&mut self, role: &Role, column: &str, json: &serde_json::Value) {
        use serde_json::Value as Json;
        match (role, json) {
            (Role::Trait(name), json) => {
                self.traits.insert(name.clone(), value::json(json));
            }
            (_, Json::Null) | (Role::Unused, _) => {}
            (Role::Property(name), json) => {
                self.properties.insert(name.clone(), value::json(json));
            }
            (Role::Traits, Json::Object(fields)) => self.traits.extend(values(fields)),
            (Role::Properties, Json::Object(fields)) => {
                let known = values(fields).filter(|(_, value)| !is_null(value));
                self.properties.extend(known);
            }
            (Role::Identifiers, Json::Object(fields)) => {
                for (namespace, json) in fields {
                    self.json(&Role::Identifier(namespace.clone()), namespace, json);
                }
            }
            (Role::Traits | Role::Properties | Role::Identifiers, _) => {
                self.refuse(column, "expected an object, such as {\"user_id\": \"u1\"}");
            }
            (role, Json::String(text)) => self.text(role, text),
            (role, Json::Number(number)) => self.text(role, &number.to_string()),
            (_, Json::Bool(_) | Json::Array(_) | Json::Object(_)) => {
                self.refuse(column, "expected a text or a number");
            }
        }
    }

    /// The event, or what is wrong with it.
    pub(super) fn build(mut self) -> Result<Event, BadLine> {
        if self.fault.is_none() {
            if self.event.time.is_none() {
                self.refuse(
                    "time",
                    "is empty: expected an instant such as 2017-01-01T06:00:00Z",
                );
            } else if self.event.name.is_empty() {
                self.refuse("event", "is empty: expected a name such as purchase");
            } else if self.event.identifiers.is_empty() {
                self.refuse("identifiers", "no column names the customer on this line");
            }
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.event.properties = structure(self.properties);
        self.event.traits = structure(self.traits);
        Ok(self.event)
    }

    fn time(&mut self, text: &str) {
        self.event.time = parse_time(text);
        if self.event.time.is_none() {
            let shown: String = text.chars().take(60).collect();
            self.refuse(
                "time",
                &format!("`{shown}` is no instant: expected one such as 2017-01-01T06:00:00Z"),
            );
        }
    }

    fn refuse(&mut self, field: &str, reason: &str) {
        // The first fault of a line is enough: the others often follow from it.
        self.fault
            .get_or_insert_with(|| BadLine::new(self.line, field, reason));
    }
}

fn values(
    fields: &serde_json::Map<String, serde_json::Value>,
) -> impl Iterator<Item = (String, Value)> {
    let fields = fields.iter();
    fields.map(|(name, json)| (name.clone(), value::json(json)))
}

const fn is_null(value: &Value) -> bool {
    matches!(value.kind, Some(Kind::NullValue(_)))
}

fn structure(fields: HashMap<String, Value>) -> Option<Struct> {
    (!fields.is_empty()).then(|| Struct {
        fields: fields.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The traits and properties of a line, by name; whether each has a value.
    fn told(cells: &[(Role, serde_json::Value)]) -> Vec<(String, bool)> {
        let mut builder = Builder::new(1, Some("told"));
        builder.text(&Role::Time, "2017-01-01T06:00:00Z");
        builder.text(&Role::Identifier("user_id".to_owned()), "u1");
        for (role, json) in cells {
            builder.json(role, "column", json);
        }
        let event = builder.build().expect("an event");
        let objects = [event.traits, event.properties].into_iter().flatten();
        let fields = objects.flat_map(|object| object.fields);
        let mut told: Vec<_> = fields
            .map(|(name, value)| (name, !is_null(&value)))
            .collect();
        told.sort();
        told
    }

    #[test]
    fn null_removes_a_trait_and_says_nothing_of_a_property() {
        let null = serde_json::Value::Null;
        let object = serde_json::json!({"a": null, "b": 1});
        let named = |name: &str| name.to_owned();
        for (role, json, expected) in [
            (
                Role::Trait(named("plan")),
                null.clone(),
                &[("plan", false)][..],
            ),
            (Role::Trait(named("plan")), "pro".into(), &[("plan", true)]),
            (Role::Traits, object.clone(), &[("a", false), ("b", true)]),
            (Role::Traits, null.clone(), &[]),
            (Role::Properties, object, &[("b", true)]),
            (Role::Property(named("colour")), null.clone(), &[]),
            (Role::EventId, null, &[]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, known)| (named(name), *known))
                .collect();
            assert_eq!(told(&[(role.clone(), json)]), expected, "{role:?}");
        }
    }

    #[test]
    fn an_empty_cell_says_nothing_of_a_trait() {
        let mut builder = Builder::new(1, Some("told"));
        builder.text(&Role::Trait("plan".to_owned()), " ");
        assert!(builder.traits.is_empty());
    }
}
