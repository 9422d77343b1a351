//! One rule about one value.

use prost_reflect::{EnumDescriptor, Kind, Value};
use regex_lite::Regex;

use super::phrase::{listed, pattern_phrase};

/// A value that a rule compares with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Bool(bool),
    Whole(i128),
    Float(f64),
}

/// A bound of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// One rule about one value.
#[derive(Debug)]
pub(crate) enum Rule {
    MinChars(u64),
    MaxChars(u64),
    MinBytes(u64),
    MaxBytes(u64),
    Pattern(Regex),
    Uuid,
    In(Vec<Literal>),
    NotIn(Vec<Literal>, Option<EnumDescriptor>),
    DefinedOnly(EnumDescriptor),
    Bounded(Bound, Literal),
}

impl Rule {
    /// Reads a rule of a value of this kind; none where it is not understood. A rule that is
    /// switched off is empty.
    pub(crate) fn compile(name: &str, value: &Value, kind: &Kind) -> Option<Vec<Self>> {
        let descriptor = kind.as_enum().cloned();
        let rule = match (name, value) {
            ("min_len", Value::U64(chars)) => Self::MinChars(*chars),
            ("max_len", Value::U64(chars)) => Self::MaxChars(*chars),
            ("len", Value::U64(chars)) => {
                return Some(vec![Self::MinChars(*chars), Self::MaxChars(*chars)]);
            }
            ("min_bytes", Value::U64(bytes)) => Self::MinBytes(*bytes),
            ("max_bytes", Value::U64(bytes)) => Self::MaxBytes(*bytes),
            ("pattern", Value::String(pattern)) => Self::Pattern(Regex::new(pattern).ok()?),
            ("uuid", Value::Bool(true)) => Self::Uuid,
            ("defined_only", Value::Bool(true)) => Self::DefinedOnly(descriptor?),
            ("uuid" | "defined_only", Value::Bool(false)) => return Some(Vec::new()),
            ("const", value) => Self::In(vec![Literal::read(value)?]),
            ("in", Value::List(values)) => Self::In(literals(values)?),
            ("not_in", Value::List(values)) => Self::NotIn(literals(values)?, descriptor),
            ("gte", value) => Self::Bounded(Bound::AtLeast, Literal::read_number(value)?),
            ("gt", value) => Self::Bounded(Bound::Above, Literal::read_number(value)?),
            ("lte", value) => Self::Bounded(Bound::AtMost, Literal::read_number(value)?),
            ("lt", value) => Self::Bounded(Bound::Below, Literal::read_number(value)?),
            _ => return None,
        };
        Some(vec![rule])
    }

    /// Returns what would be right, or `None` where the value is.
    pub(crate) fn broken_by(&self, value: &Value) -> Option<String> {
        match self {
            Self::MinChars(min) => {
                let chars = chars(value);
                (chars < *min).then(|| match *min {
                    1 => "must not be empty".to_owned(),
                    min => format!("has {chars} characters: must have at least {min}"),
                })
            }
            Self::MaxChars(max) => {
                let chars = chars(value);
                (chars > *max).then(|| format!("has {chars} characters: must have at most {max}"))
            }
            Self::MinBytes(min) => {
                let bytes = bytes(value);
                (bytes < *min).then(|| format!("has {bytes} bytes: must have at least {min}"))
            }
            Self::MaxBytes(max) => {
                let bytes = bytes(value);
                (bytes > *max).then(|| format!("has {bytes} bytes: must have at most {max}"))
            }
            Self::Pattern(pattern) => {
                (!pattern.is_match(value.as_str()?)).then(|| pattern_phrase(pattern.as_str()))
            }
            Self::Uuid => (!is_uuid(value.as_str()?))
                .then(|| "must be a UUID such as 01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".to_owned()),
            Self::In(allowed) => (!allowed.contains(&Literal::read(value)?))
                .then(|| format!("must be {}", listed(allowed))),
            Self::NotIn(refused, descriptor) => {
                refused
                    .contains(&Literal::read(value)?)
                    .then(|| match descriptor {
                        Some(descriptor) => format!("must be {}", values_of(descriptor, refused)),
                        None => format!("must not be {}", listed(refused)),
                    })
            }
            Self::DefinedOnly(descriptor) => descriptor
                .get_value(value.as_enum_number()?)
                .is_none()
                .then(|| format!("must be {}", values_of(descriptor, &[]))),
            Self::Bounded(bound, limit) => bound.broken(&Literal::read(value)?, limit),
        }
    }
}

impl Bound {
    fn broken(self, value: &Literal, limit: &Literal) -> Option<String> {
        let order = match (value, limit) {
            (Literal::Whole(value), Literal::Whole(limit)) => Some(value.cmp(limit)),
            // NaN has no order, and keeps no bound.
            (Literal::Float(value), Literal::Float(limit)) => value.partial_cmp(limit),
            _ => None,
        };
        let (kept, words) = match self {
            Self::AtLeast => (order.is_some_and(std::cmp::Ordering::is_ge), "at least"),
            Self::Above => (order.is_some_and(std::cmp::Ordering::is_gt), "more than"),
            Self::AtMost => (order.is_some_and(std::cmp::Ordering::is_le), "at most"),
            Self::Below => (order.is_some_and(std::cmp::Ordering::is_lt), "less than"),
        };
        (!kept).then(|| format!("must be {words} {limit}"))
    }
}

impl Literal {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Bool(truth) => Self::Bool(*truth),
            Value::I32(number) | Value::EnumNumber(number) => Self::Whole(i128::from(*number)),
            Value::I64(number) => Self::Whole(i128::from(*number)),
            Value::U32(number) => Self::Whole(i128::from(*number)),
            Value::U64(number) => Self::Whole(i128::from(*number)),
            Value::F32(number) => Self::Float(f64::from(*number)),
            Value::F64(number) => Self::Float(*number),
            Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => return None,
        })
    }

    fn read_number(value: &Value) -> Option<Self> {
        Self::read(value).filter(|literal| matches!(literal, Self::Whole(_) | Self::Float(_)))
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}

fn literals(values: &[Value]) -> Option<Vec<Literal>> {
    values.iter().map(Literal::read).collect()
}

/// The values of an enum by name, but for these.
fn values_of(descriptor: &EnumDescriptor, but: &[Literal]) -> String {
    let names: Vec<String> = descriptor
        .values()
        .filter(|value| !but.contains(&Literal::Whole(i128::from(value.number()))))
        .map(|value| value.name().to_owned())
        .collect();
    match names.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", names.join(", ")),
    }
}

fn chars(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| text.chars().count() as u64)
}

fn bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
