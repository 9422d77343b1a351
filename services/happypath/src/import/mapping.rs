//! The meaning of columns, as people say it in a mapping file and by flags.
//!
//! It says nothing of a column by itself: [`super::role`] does, once the columns are known.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::numeral::Decimal;
pub(crate) use super::role::Role;
use super::survey::Survey;
use super::value::ValueType;
use crate::failure::Failure;
use crate::limits::MAPPING_FILE_BYTES;
use crate::when::{TimeFormat, Zone};

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
    /// Names of events as the file has them, each with the name that is sent.
    pub(crate) event_names: BTreeMap<String, String>,
    /// The column of the event's id.
    pub(crate) event_id: Option<String>,
    /// Columns of identifiers, by namespace.
    pub(crate) identifiers: BTreeMap<String, OneOrMore>,
    /// Columns of traits, by trait.
    pub(crate) traits: BTreeMap<String, String>,
    /// Columns of accounts' keys, by type of group.
    pub(crate) groups: BTreeMap<String, String>,
    /// Columns of accounts' traits, by type of group and trait.
    pub(crate) group_traits: BTreeMap<String, BTreeMap<String, String>>,
    /// Columns of properties, by property; absent for all the others.
    pub(crate) properties: Option<BTreeMap<String, String>>,
    /// Columns that are left out.
    pub(crate) ignore: Vec<String>,
    /// Types of values, by column; in JSON also by path, such as `properties.sku`.
    pub(crate) types: BTreeMap<String, ValueType>,
    /// Texts that stand for nothing, besides the empty one and `\N`.
    #[serde(deserialize_with = "read_nulls")]
    pub(crate) nulls: Vec<String>,
    /// The sign before the decimals; absent where each number has to show it.
    pub(crate) decimal: Option<Decimal>,
    /// The zone of times without one.
    pub(crate) time_zone: Zone,
    /// The way that times are written.
    pub(crate) time_format: TimeFormat,
    /// True where cells are separated by semicolons, as where commas stand before decimals.
    #[serde(skip)]
    pub(crate) has_semicolons: bool,
    /// Looks on while a file is read.
    #[serde(skip)]
    pub(crate) survey: Survey,
}

/// One column, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OneOrMore(pub(crate) Vec<String>);

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

    /// Returns the type of a column, or of a value in an object of one.
    pub(super) fn type_of(&self, path: &str) -> Option<ValueType> {
        self.types.get(path).copied()
    }
}

/// Reads texts that stand for nothing. YAML takes some of them for nothing itself, where they are
/// not in quotes, and does not tell which.
fn read_nulls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts: Vec<Option<String>> = Deserialize::deserialize(deserializer)?;
    let texts = texts.into_iter().flat_map(|text| match text {
        Some(text) => vec![text],
        None => ["NULL", "Null", "null", "~"].map(str::to_owned).to_vec(),
    });
    Ok(texts.collect())
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

struct OneOrMoreVisitor;

impl<'de> Visitor<'de> for OneOrMoreVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column, or a list of columns")
    }

    fn visit_str<E>(self, column: &str) -> Result<OneOrMore, E> {
        Ok(OneOrMore(vec![column.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
        let mut columns = Vec::new();
        while let Some(column) = list.next_element()? {
            columns.push(column);
        }
        Ok(OneOrMore(columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_says_types_names_and_times_too() {
        let mapping: Mapping = serde_saphyr::from_str(
            "identifiers: {email: [work, home], user_id: who}\n\
             event_names: {Order Completed: purchase}\n\
             groups: {account: firm}\ngroup_traits: {account: {plan: tier}}\n\
             types: {sku: text, properties.n: integer}\n\
             nulls: [NULL]\nignore: [x]\ndecimal: comma\n\
             time_zone: Europe/Berlin\ntime_format: dmy\n",
        )
        .expect("a mapping");
        assert_eq!(mapping.identifiers["email"].0, ["work", "home"]);
        assert_eq!(mapping.identifiers["user_id"].0, ["who"]);
        assert_eq!(mapping.groups["account"], "firm");
        assert_eq!(mapping.group_traits["account"]["plan"], "tier");
        assert_eq!(mapping.type_of("sku"), Some(ValueType::Text));
        assert_eq!(mapping.type_of("properties.n"), Some(ValueType::Integer));
        assert!(mapping.nulls.contains(&"NULL".to_owned()));
        assert_eq!(mapping.decimal, Some(Decimal::Comma));
        assert_eq!(mapping.time_zone.to_string(), "Europe/Berlin");
    }

    #[test]
    fn what_a_mapping_cannot_say_is_refused() {
        for wrong in [
            "tiem: at",
            "types: {sku: string}",
            "time_zone: Europe/Berlni",
            "time_format: '%!'",
            "decimal: semicolon",
            "time: a\ntime: b",
            "traits: {plan: a, plan: b}",
            "group_traits: {account: plan}",
        ] {
            assert!(serde_saphyr::from_str::<Mapping>(wrong).is_err(), "{wrong}");
        }
    }
}
