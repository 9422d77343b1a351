//! The meaning of each column of a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;
use crate::limits::MAPPING_FILE_BYTES;

/// The meaning of columns. Those not named are found by the usual names; every other column is a
/// property.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mapping {
    /// The column of the time.
    pub(crate) time: Option<String>,
    /// The column of the event's name.
    pub(crate) event: Option<String>,
    /// The name of every event, where no column holds it.
    pub(crate) event_name: Option<String>,
    /// The column of the event's id.
    pub(crate) event_id: Option<String>,
    /// Columns of identifiers, by namespace.
    pub(crate) identifiers: BTreeMap<String, String>,
    /// Columns of traits, by trait.
    pub(crate) traits: BTreeMap<String, String>,
    /// Columns of properties, by property; absent for all the others.
    pub(crate) properties: Option<BTreeMap<String, String>>,
}

/// The meaning of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    Time,
    Event,
    EventId,
    Identifier(String),
    Trait(String),
    Property(String),
    /// An object of identifiers, in JSON.
    Identifiers,
    /// An object of traits, in JSON.
    Traits,
    /// An object of properties, in JSON.
    Properties,
    Unused,
}

/// The usual names, the surest first.
const TIMES: [&str; 6] = [
    "timestamp",
    "time",
    "event_time",
    "occurred_at",
    "datetime",
    "date",
];
const EVENTS: [&str; 3] = ["event", "event_name", "event_type"];
const EVENT_IDS: [&str; 2] = ["event_id", "message_id"];
const IDENTIFIERS: [(&str, &[&str]); 3] = [
    ("user_id", &["customer_id", "user_id", "customer", "user"]),
    ("email", &["email"]),
    ("anonymous_id", &["anonymous_id"]),
];

impl Mapping {
    /// Reads a mapping file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let mistake = |what: String| Failure::mistake(format!("{}: {what}", path.display()));
        let size = std::fs::metadata(path)
            .map_err(|error| mistake(format!("cannot be read: {error}")))?
            .len();
        if size > MAPPING_FILE_BYTES {
            return Err(mistake(format!(
                "has {size} bytes: a mapping has at most {MAPPING_FILE_BYTES}"
            )));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| mistake(format!("cannot be read: {error}")))?;
        serde_saphyr::from_str(&text).map_err(|error| {
            // Everything after the first line quotes the file.
            let error = error.to_string();
            let error = error.lines().next().unwrap_or_default();
            let error = error.strip_prefix("error: ").unwrap_or(error);
            mistake(format!(
                "is not a mapping, such as `time: created_at` and `identifiers: {{user_id: household}}`: {error}"
            ))
        })
    }

    /// Returns the meaning of each column.
    ///
    /// # Errors
    /// Everything that the mapping asks for and the columns do not have, and what an event needs
    /// and nobody names.
    pub(crate) fn roles<S: AsRef<str>>(
        &self,
        columns: &[S],
        is_json: bool,
    ) -> Result<Vec<Role>, Vec<(String, String)>> {
        let mut roles: Vec<Option<Role>> = vec![None; columns.len()];
        let mut faults = Vec::new();
        let place = |name: &str| columns.iter().position(|column| column.as_ref() == name);
        for (name, role) in self.named() {
            match place(name) {
                Some(column) => roles[column] = Some(role),
                // In JSON, lines may leave out what they do not know.
                None if is_json => {}
                None => faults.push((name.to_owned(), "is not a column of this file".to_owned())),
            }
        }
        self.fill_usual(&mut roles, &place, is_json);
        faults.extend(self.missing(&roles));
        if !faults.is_empty() {
            return Err(faults);
        }
        let filled = roles.into_iter().zip(columns).map(|(role, column)| {
            role.unwrap_or_else(|| match &self.properties {
                None => Role::Property(column.as_ref().to_owned()),
                Some(_) => Role::Unused,
            })
        });
        Ok(filled.collect())
    }

    /// Returns the columns that the mapping names, with their meanings.
    fn named(&self) -> Vec<(&str, Role)> {
        let mut named = Vec::new();
        let single = [
            (&self.time, Role::Time),
            (&self.event, Role::Event),
            (&self.event_id, Role::EventId),
        ];
        for (column, role) in single {
            named.extend(column.as_deref().map(|column| (column, role)));
        }
        for (namespace, column) in &self.identifiers {
            named.push((column.as_str(), Role::Identifier(namespace.clone())));
        }
        for (name, column) in &self.traits {
            named.push((column.as_str(), Role::Trait(name.clone())));
        }
        for (name, column) in self.properties.iter().flatten() {
            named.push((column.as_str(), Role::Property(name.clone())));
        }
        named
    }

    /// Finds what the mapping does not say by the usual names.
    fn fill_usual(
        &self,
        roles: &mut [Option<Role>],
        place: &dyn Fn(&str) -> Option<usize>,
        is_json: bool,
    ) {
        let mut fill = |names: &[&str], role: Role| {
            let free = names
                .iter()
                .filter_map(|name| place(name))
                .find(|column| roles[*column].is_none());
            if let Some(column) = free {
                roles[column] = Some(role);
            }
        };
        if self.time.is_none() {
            fill(&TIMES, Role::Time);
        }
        if self.event.is_none() && self.event_name.is_none() {
            fill(&EVENTS, Role::Event);
        }
        if self.event_id.is_none() {
            fill(&EVENT_IDS, Role::EventId);
        }
        if is_json {
            fill(&["identifiers"], Role::Identifiers);
            fill(&["traits"], Role::Traits);
            fill(&["properties"], Role::Properties);
            if self.event.is_none() && self.event_name.is_none() && place("event").is_none() {
                fill(&["name"], Role::Event);
            }
        }
        if self.identifiers.is_empty() {
            for (namespace, names) in IDENTIFIERS {
                fill(names, Role::Identifier(namespace.to_owned()));
            }
        }
    }

    /// Returns what an event needs and no column holds.
    fn missing(&self, roles: &[Option<Role>]) -> Vec<(String, String)> {
        let has = |wanted: fn(&Role) -> bool| roles.iter().flatten().any(wanted);
        let mut faults = Vec::new();
        let mut need = |is_there: bool, field: &str, remedy: &str| {
            if !is_there {
                faults.push((field.to_owned(), remedy.to_owned()));
            }
        };
        need(
            has(|role| matches!(role, Role::Time)),
            "time",
            "no column holds it: name the column with --time-column",
        );
        need(
            self.event_name.is_some() || has(|role| matches!(role, Role::Event)),
            "event",
            "no column holds it: name the column with --event-column, or the event with --event-name",
        );
        need(
            has(|role| matches!(role, Role::Identifier(_) | Role::Identifiers)),
            "identifiers",
            "no column names the customer: name it with --customer-column user_id=COLUMN",
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(mapping: &Mapping, header: &str, is_json: bool) -> Result<String, String> {
        let columns: Vec<&str> = header.split(',').collect();
        match mapping.roles(&columns, is_json) {
            Ok(roles) => Ok(format!("{roles:?}").replace('"', "")),
            Err(faults) => Err(faults
                .into_iter()
                .map(|(field, _)| field)
                .collect::<Vec<_>>()
                .join(",")),
        }
    }

    #[test]
    fn the_usual_names_are_found() {
        for (header, found) in [
            (
                "timestamp,customer_id,event,value",
                "[Time, Identifier(user_id), Event, Property(value)]",
            ),
            (
                "date,time,email,event_type",
                "[Property(date), Time, Identifier(email), Event]",
            ),
            (
                "event_id,event,occurred_at,user_id,anonymous_id",
                "[EventId, Event, Time, Identifier(user_id), Identifier(anonymous_id)]",
            ),
        ] {
            assert_eq!(
                roles(&Mapping::default(), header, false).as_deref(),
                Ok(found)
            );
        }
    }

    #[test]
    fn objects_of_json_lines_are_taken_whole() {
        assert_eq!(
            roles(
                &Mapping::default(),
                "name,time,identifiers,properties,traits",
                true
            )
            .as_deref(),
            Ok("[Event, Time, Identifiers, Properties, Traits]")
        );
    }

    #[test]
    fn what_the_mapping_says_wins() {
        let mapping: Mapping = serde_saphyr::from_str(
            "time: at\nevent_name: purchase\nidentifiers: {crm_id: household}\ntraits: {plan: p}\nproperties: {value: sum}\n",
        )
        .expect("a mapping");
        assert_eq!(
            roles(&mapping, "at,household,event,p,sum,x", false).as_deref(),
            Ok("[Time, Identifier(crm_id), Unused, Trait(plan), Property(value), Unused]")
        );
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let mapping = Mapping {
            event: Some("kind".to_owned()),
            ..Mapping::default()
        };
        assert_eq!(
            roles(&mapping, "a,b", false),
            Err("kind,time,event,identifiers".to_owned())
        );
    }

    #[test]
    fn a_mapping_with_an_unknown_key_is_refused() {
        assert!(serde_saphyr::from_str::<Mapping>("tiem: at").is_err());
    }
}
