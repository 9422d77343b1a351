//! Values of traits and of event properties.

mod dotted;
mod fit;

use std::fmt;

pub use dotted::{names_around, outermost_name};
pub use fit::Room;

/// A value of a trait or property.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A number; whole numbers are exact to 2⁵³.
    Number(f64),
    /// A text.
    Text(Box<str>),
    /// A list of values.
    List(Vec<Value>),
}

impl Value {
    /// The text, where this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where this is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl fmt::Display for Value {
    /// Writes the value as JSON does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(truth) => truth.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Values by name, sorted; a nested object is flattened to dotted names (`address.city`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties(Vec<(Box<str>, Value)>);

impl Properties {
    /// No values.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of this name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    /// Returns whether there is a value of this name, or an object that has values.
    pub fn has(&self, name: &str) -> bool {
        let is_inside = |own: &str| {
            let rest = own.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.place(name).map_or_else(
            |place| {
                // Names that only begin alike, such as `a-b` beside `a.b`, come before it.
                let begin = self.0[place..].iter();
                let mut begin = begin.take_while(|(own, _)| own.starts_with(name));
                begin.any(|(own, _)| is_inside(own))
            },
            |_| true,
        )
    }

    /// Sets a value and returns the one that it replaces.
    pub fn set(&mut self, name: &str, value: Value) -> Option<Value> {
        match self.place(name) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (name.into(), value));
                None
            }
        }
    }

    /// Removes a value and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.place(name).ok().map(|place| self.0.remove(place).1)
    }

    /// The names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns the number of values.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.as_ref().cmp(name))
    }
}

impl<N: AsRef<str>> FromIterator<(N, Value)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Self {
        let mut properties = Self::new();
        for (name, value) in pairs {
            properties.set(name.as_ref(), value);
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_stay_sorted_and_unique() {
        let mut properties: Properties = [
            ("b", Value::from(1.0)),
            ("a", Value::from("x")),
            ("b", Value::from(2.0)),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            properties.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(properties.value("b"), Some(&Value::from(2.0)));
        assert_eq!(properties.remove("a"), Some(Value::from("x")));
        assert_eq!(properties.len(), 1);
    }

    #[test]
    fn an_object_is_there_where_it_has_values() {
        let names = ["a-b", "a.b.c", "ab", "d"];
        let properties: Properties = names
            .map(|name| (name, Value::from(1.0)))
            .into_iter()
            .collect();
        for (name, expected) in [
            ("a", true),
            ("a.b", true),
            ("a.b.c", true),
            ("a.b.c.d", false),
            ("a.c", false),
            ("d", true),
            ("e", false),
        ] {
            assert_eq!(properties.has(name), expected, "{name}");
        }
        assert!(!Properties::new().has("a"));
    }
}
