//! Values of traits and of event properties.

mod dotted;
mod fit;

use std::cmp::Ordering;
use std::fmt;

pub use dotted::{names_around, outermost_name};
pub use fit::Room;

/// A value of a trait or property.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A number that a double holds exactly: whole to 2⁵³, or with a fraction, or very large.
    Number(f64),
    /// A whole number beyond 2⁵³; [`Value::from`] makes it where it must be one, so that equal
    /// numbers are equal values.
    ///
    /// Such numbers are rare, and apart, so that no other value is larger for them.
    Integer(Box<i128>),
    /// A text.
    Text(Box<str>),
    /// A list of values.
    List(Vec<Value>),
    /// JSON that expressions do not read, without whitespace between its parts: an object or list
    /// in a list, an object that nests deep, a long list, an empty object.
    Json(Box<str>),
}

/// A number, to be compared as exact as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// One that a double holds exactly.
    Number(f64),
    /// A whole number beyond 2⁵³.
    Integer(i128),
}

/// Up to here every whole number is a double.
const EXACT: i128 = 1 << 53;
/// The same as a double.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
/// From here on, which is 2¹²⁷, doubles are beyond what [`Value::Integer`] holds.
const END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

impl Value {
    /// The text, where this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where this is one; rounded where a double does not hold it.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "sums and means are of doubles")]
            Self::Integer(whole) => Some(**whole as f64),
            _ => None,
        }
    }

    /// The number, where this is one, as exact as it is.
    pub fn as_amount(&self) -> Option<Amount> {
        match self {
            Self::Number(number) => Some(Amount::Number(*number)),
            Self::Integer(whole) => Some(Amount::Integer(**whole)),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(own), Self::Number(other)) => own.partial_cmp(other),
            (Self::Integer(own), Self::Integer(other)) => Some(own.cmp(other)),
            (Self::Integer(own), Self::Number(other)) => compare_whole(*own, *other),
            (Self::Number(own), Self::Integer(other)) => {
                compare_whole(*other, *own).map(Ordering::reverse)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Integer(whole) => whole.fmt(f),
        }
    }
}

/// Compares a whole number beyond 2⁵³ with a double. Digits after the point do not matter, because
/// only doubles of less than 2⁵³ have them.
fn compare_whole(whole: i128, number: f64) -> Option<Ordering> {
    if number >= END {
        return Some(Ordering::Less);
    }
    if number < -END {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "in the range")]
    let other = number as i128;
    (!number.is_nan()).then(|| whole.cmp(&other))
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        // Doubles of this size have no digits after the point.
        let size = number.abs();
        if size > LARGEST_EXACT && size < END {
            #[expect(clippy::cast_possible_truncation, reason = "whole and in the range")]
            return Self::Integer(Box::new(number as i128));
        }
        Self::Number(number)
    }
}

impl From<i128> for Value {
    fn from(whole: i128) -> Self {
        if (-EXACT..=EXACT).contains(&whole) {
            #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
            return Self::Number(whole as f64);
        }
        Self::Integer(Box::new(whole))
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
            Self::Integer(whole) => whole.fmt(f),
            Self::Json(json) => f.write_str(json),
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

/// Values by path, sorted; a nested object is flattened (`address.city`), and a dot in a key is
/// written as `\.`.
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
    fn numbers_beyond_doubles_are_equal_and_ordered_exactly() {
        let large = Value::from(9_007_199_254_740_993_i128);
        assert_eq!(large.to_string(), "9007199254740993");
        assert_eq!(
            Value::from(9_007_199_254_740_992_i128),
            Value::from(9_007_199_254_740_992.0)
        );
        for shift in [60, 126] {
            assert_eq!(Value::from(1_i128 << shift), Value::from(2_f64.powi(shift)));
        }
        let ascending = [
            Value::from(f64::NEG_INFINITY),
            Value::from(-1e300),
            Value::from(i128::MIN),
            Value::from(-9_007_199_254_740_993_i128),
            Value::from(-9_007_199_254_740_992.0),
            Value::from(0.5),
            Value::from(9_007_199_254_740_992.0),
            large,
            Value::from(9_007_199_254_740_994.0),
            Value::from(1e20),
            Value::from(1.5e38),
            Value::from(i128::MAX),
            Value::from(END),
            Value::from(1e300),
        ];
        for (place, value) in ascending.iter().enumerate() {
            for (other, than) in ascending.iter().enumerate() {
                let order = value.as_amount().partial_cmp(&than.as_amount());
                assert_eq!(order, Some(place.cmp(&other)), "{value} {than}");
                assert_eq!(value == than, place == other);
            }
        }
        assert_eq!(
            Amount::Number(f64::NAN).partial_cmp(&Amount::Integer(i128::MAX)),
            None
        );
    }

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
