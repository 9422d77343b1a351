//! One event from the cells of one line.

use std::collections::BTreeMap;

use proto::identity::v1::Event;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use rpc::properties::Entries;

use super::bad_line::BadLine;
use super::mapping::Role;
use super::value;
use crate::when::parse_time;

/// An event that is being put together.
pub(super) struct Builder {
    line: u64,
    event: Event,
    /// Values in JSON, by name.
    properties: BTreeMap<String, String>,
    traits: BTreeMap<String, String>,
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
            properties: BTreeMap::new(),
            traits: BTreeMap::new(),
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

    /// Takes a value that is written in JSON. Null removes a trait, and says nothing anywhere else.
    pub(super) fn json(&mut self, role: &Role, column: &str, json: &str) {
        match (role, json.as_bytes().first()) {
            (Role::Trait(name), _) => {
                self.traits.insert(name.clone(), json.to_owned());
            }
            (_, Some(b'n')) | (Role::Unused, _) => {}
            (Role::Property(name), _) => {
                self.properties.insert(name.clone(), json.to_owned());
            }
            (Role::Traits | Role::Properties | Role::Identifiers, Some(b'{')) => {
                self.object(role, column, json);
            }
            (Role::Traits | Role::Properties | Role::Identifiers, _) => {
                self.refuse(column, "expected an object, such as {\"user_id\": \"u1\"}");
            }
            (role, Some(b'"')) => match serde_json::from_str::<String>(json) {
                Ok(text) => self.text(role, &text),
                Err(error) => self.refuse(column, &format!("is no text: {error}")),
            },
            // A number is as exact as its digits.
            (role, Some(b'-' | b'0'..=b'9')) => self.text(role, json),
            _ => self.refuse(column, "expected a text or a number"),
        }
    }

    /// Takes the entries of an object.
    fn object(&mut self, role: &Role, column: &str, json: &str) {
        let fields = match Entries::read(json) {
            Ok(fields) => fields,
            Err(error) => return self.refuse(column, &format!("is no object: {error}")),
        };
        if let Some(twice) = fields.twice() {
            return self.refuse(&format!("{column}.{twice}"), "is there twice: keep one");
        }
        for (name, json) in fields.0 {
            let role = match role {
                Role::Traits => Role::Trait(name.clone()),
                Role::Properties => Role::Property(name.clone()),
                _ => Role::Identifier(name.clone()),
            };
            self.json(&role, &name, json.get());
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
        let properties = value::object(&self.properties);
        self.event.properties_form = properties.map(PropertiesForm::PropertiesJson);
        self.event.traits_form = value::object(&self.traits).map(TraitsForm::TraitsJson);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The traits and properties of a line, by name; whether each has a value.
    fn told(cells: &[(Role, serde_json::Value)]) -> Vec<(String, bool)> {
        let mut builder = Builder::new(1, Some("told"));
        builder.text(&Role::Time, "2017-01-01T06:00:00Z");
        builder.text(&Role::Identifier("user_id".to_owned()), "u1");
        for (role, json) in cells {
            builder.json(role, "column", &json.to_string());
        }
        let event = builder.build().expect("an event");
        let traits = event.traits_form.map(|form| match form {
            TraitsForm::TraitsJson(json) => json,
            TraitsForm::Traits(_) => unreachable!("imports send text"),
        });
        let properties = event.properties_form.map(|form| match form {
            PropertiesForm::PropertiesJson(json) => json,
            PropertiesForm::Properties(_) => unreachable!("imports send text"),
        });
        let objects = [traits, properties].into_iter().flatten();
        let read =
            |json: String| serde_json::from_str::<serde_json::Map<_, _>>(&json).expect("an object");
        let mut told: Vec<_> = objects
            .flat_map(read)
            .map(|(name, value)| (name, !value.is_null()))
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
