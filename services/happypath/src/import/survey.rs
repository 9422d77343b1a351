//! Looks on while a file is read, for people who want to see first what becomes of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::looks::Looks;
use super::role::Use;
use super::value::{ValueType, shown};
use crate::limits::SURVEYED_COLUMNS;

/// The columns of a file as they were seen; nothing where nobody looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey(Option<Arc<Mutex<Seen>>>);

/// Everybody who looks sees the same.
impl PartialEq for Survey {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Survey {}

#[derive(Debug, Default)]
struct Seen {
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    /// Everything that an event needs and no column holds.
    lacking: Vec<(String, String)>,
}

/// A column, as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Column {
    /// Its name; inside an object also the name there.
    pub(crate) column: String,
    /// Everything that it is used for.
    pub(crate) uses: Vec<String>,
    /// The type that somebody named.
    #[serde(rename = "type")]
    pub(crate) named_type: Option<String>,
    /// The number of values of each type.
    pub(crate) found: BTreeMap<&'static str, u64>,
    /// The first value.
    pub(crate) sample: String,
    #[serde(skip)]
    looks: Looks,
}

impl Survey {
    /// Begins to look.
    pub(crate) fn begin() -> Self {
        Self(Some(Arc::default()))
    }

    /// Returns whether anybody looks.
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes what an event needs and no column holds.
    pub(super) fn lack(&self, lacking: Vec<(String, String)>) {
        if let Some(seen) = &self.0 {
            seen.lock().unwrap_or_else(PoisonError::into_inner).lacking = lacking;
        }
    }

    /// Returns what an event needs and no column holds.
    pub(super) fn lacking(&self) -> Vec<(String, String)> {
        let Some(seen) = &self.0 else {
            return Vec::new();
        };
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.lacking.clone()
    }

    /// Returns the columns, in the order in which they were found.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let Some(seen) = &self.0 else {
            return Vec::new();
        };
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.columns.clone()
    }

    /// Returns the place of a column; absent where nobody looks.
    pub(super) fn column(
        &self,
        name: &str,
        uses: &[Use],
        value_type: Option<ValueType>,
    ) -> Option<usize> {
        let mut seen = self
            .0
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = seen.places.get(name) {
            return Some(*place);
        }
        if seen.columns.len() >= SURVEYED_COLUMNS {
            return None;
        }
        let place = seen.columns.len();
        seen.places.insert(name.to_owned(), place);
        seen.columns.push(Column {
            column: name.to_owned(),
            uses: uses.iter().map(ToString::to_string).collect(),
            named_type: value_type.map(|it| it.to_string()),
            ..Column::default()
        });
        Some(place)
    }

    /// Sees a value.
    pub(super) fn see(&self, place: Option<usize>, kind: &'static str, text: &str) {
        let (Some(seen), Some(place)) = (&self.0, place) else {
            return;
        };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_choice = !seen.lacking.is_empty();
        let Some(column) = seen.columns.get_mut(place) else {
            return;
        };
        column.looks.see(kind, text, is_choice);
        *column.found.entry(kind).or_default() += 1;
        if column.sample.is_empty() {
            let decoded = serde_json::from_str::<String>(text).ok();
            let text = decoded.as_deref().unwrap_or(text);
            column.sample = shown(text).replace(char::is_control, " ");
        }
    }
}

impl Column {
    /// Returns the flag that people may want to say for it, where they have to choose columns.
    pub(crate) fn flag(&self) -> Option<String> {
        self.looks.choice(&self.column)
    }

    /// Returns what people may want to say of it.
    pub(crate) fn advice(&self) -> Vec<String> {
        let is = |word: &str| self.uses.iter().any(|it| it.starts_with(word));
        match self.named_type {
            Some(_) => Vec::new(),
            None if is("trait") || is("property") => {
                self.looks.advice_for_values(&self.column, &self.found)
            }
            None if is("identifier ") || is("group ") => self.looks.advice_for_ids(&self.column),
            None => Vec::new(),
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => f.write_str("time"),
            Self::Event => f.write_str("event"),
            Self::EventId => f.write_str("event id"),
            Self::Identifier(namespace) => write!(f, "identifier {namespace}"),
            Self::Trait(name) | Self::Address(name) => write!(f, "trait {name}"),
            Self::Property(name) => write!(f, "property {name}"),
            Self::Group(r#type) => write!(f, "group {type}"),
            Self::GroupTrait(r#type, name) => write!(f, "trait {name} of {type}"),
            Self::Identifiers => f.write_str("identifiers"),
            Self::Traits => f.write_str("traits"),
            Self::Groups => f.write_str("groups"),
            Self::GroupTraits => f.write_str("traits of groups"),
            Self::TraitsOf(r#type) => write!(f, "traits of {type}"),
            Self::Properties => f.write_str("properties"),
            Self::Context => f.write_str("context"),
            Self::Nameless => f.write_str("no name"),
        }
    }
}
