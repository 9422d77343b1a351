//! An element of a message, and the JSON that it is.

use crate::json::push_text;

/// The name of the field that says of which type an element is.
const TYPE: &str = "type";

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Its name, without a prefix.
    pub(super) name: String,
    /// Its `xsi:type`, without a prefix.
    pub(super) kind: Option<String>,
    /// True where `xsi:nil` says that it has no value.
    pub(super) is_nil: bool,
    /// Its text.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Returns the first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Writes its children as an object, but those of some names. Those of `lists` are in a list
    /// however many there are.
    pub(super) fn write_fields(&self, json: &mut String, without: &[&str], lists: &[&str]) {
        json.push('{');
        let mut is_first = true;
        let mut field = |json: &mut String, name: &str| {
            if !std::mem::take(&mut is_first) {
                json.push(',');
            }
            push_text(json, name);
            json.push(':');
        };
        if let Some(kind) = &self.kind {
            field(json, TYPE);
            push_text(json, kind);
        }
        for (name, same) in self.by_name() {
            if without.contains(&name) {
                continue;
            }
            field(json, name);
            match same.as_slice() {
                [only] if !lists.contains(&name) => only.write(json),
                all => {
                    json.push('[');
                    for (place, one) in all.iter().enumerate() {
                        if place > 0 {
                            json.push(',');
                        }
                        one.write(json);
                    }
                    json.push(']');
                }
            }
        }
        json.push('}');
    }

    fn write(&self, json: &mut String) {
        if self.is_nil {
            json.push_str("null");
        } else if self.children.is_empty() && self.kind.is_none() {
            push_text(json, &self.text);
        } else {
            self.write_fields(json, &[], &[]);
        }
    }

    /// Returns its children by name, in the order in which the names first come.
    fn by_name(&self) -> Vec<(&str, Vec<&Self>)> {
        let mut places = std::collections::BTreeMap::new();
        let mut names: Vec<(&str, Vec<&Self>)> = Vec::new();
        for child in &self.children {
            let name = child.name.as_str();
            let place = *places.entry(name).or_insert_with(|| {
                names.push((name, Vec::new()));
                names.len() - 1
            });
            names[place].1.push(child);
        }
        names
    }
}
