//! Objects that mappings write: the values of expressions by name, and the entries of an object
//! that was sent.

use std::collections::BTreeSet;

use expr::{Formula, Found, Inputs};

use crate::json::{Fields, push_text};

/// The entries of an object: those of one that was sent, and others by name.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    pub(super) from: Option<Formula>,
    pub(super) named: Vec<(String, Formula)>,
}

impl Entries {
    /// Returns whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.from.is_none() && self.named.is_empty()
    }

    /// Returns the expressions.
    pub(super) fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let named = self.named.iter().map(|(_, formula)| formula);
        self.from.iter().chain(named)
    }

    /// Writes the values that are known as an object: those of the first name count.
    pub(super) fn object(&self, more: &[(Formula, Formula)], inputs: &Inputs<'_, '_>) -> String {
        let mut object = Object::default();
        for (name, formula) in &self.named {
            if let Some(found) = formula.value(inputs) {
                object.push(name, |json| found.write_json(json));
            }
        }
        for (name, value) in more {
            if let Some(Found::Text(name)) = name.value(inputs)
                && let Some(found) = value.value(inputs)
            {
                object.push(&name, |json| found.write_json(json));
            }
        }
        let from = self.from.as_ref().and_then(|from| from.value(inputs));
        if let Some(Found::Json(from)) = from {
            // It was read already; a list has no entries.
            let fields = Fields::read(from).unwrap_or_default();
            for (name, value) in fields.iter() {
                object.push(name, |json| json.push_str(value));
            }
        }
        object.finish()
    }
}

/// An object that is written.
#[derive(Default)]
struct Object {
    json: String,
    names: BTreeSet<String>,
}

impl Object {
    /// Adds an entry, unless there is one of its name.
    fn push(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        if self.names.insert(name.to_owned()) {
            self.json
                .push(if self.names.len() == 1 { '{' } else { ',' });
            push_text(&mut self.json, name);
            self.json.push(':');
            write(&mut self.json);
        }
    }

    fn finish(mut self) -> String {
        if self.json.is_empty() {
            self.json.push('{');
        }
        self.json + "}"
    }
}
