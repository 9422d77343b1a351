//! The entries of a JSON object, each value as it is written.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The entries of an object, in their order.
#[derive(Debug, Default)]
pub struct Entries<'t>(pub Vec<(String, &'t RawValue)>);

impl<'t> Entries<'t> {
    /// Reads an object.
    ///
    /// # Errors
    /// Where the text is no JSON, or no object.
    pub fn read(json: &'t str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Returns a name that is there twice.
    pub fn twice(&self) -> Option<&str> {
        let mut seen = BTreeSet::new();
        let mut names = self.0.iter().map(|(name, _)| name.as_str());
        names.find(|name| !seen.insert(*name))
    }
}

impl<'t> Deserialize<'t> for Entries<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'t> Visitor<'t> for Reading {
    type Value = Entries<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
