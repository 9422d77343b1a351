//! Reads the JSON objects of requests as properties, within limits.

use std::collections::HashMap;

use kernel::limits::{
    EVENT_BYTES, LIST_VALUES, NAME_BYTES, PROPERTIES_PER_EVENT, PROPERTY_DEPTH, TEXT_BYTES,
};
use kernel::{NameFault, Properties, Value, fold_case, push_key, read_name};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};

use crate::{Violation, limits};

/// Flattens an object to paths: `{"address": {"city": "Graz"}}` becomes `address.city`, and
/// `{"address.city": "Graz"}` becomes `address\.city`.
///
/// Nulls and empty objects are left out. The cost is bounded by the limits of the kernel, however
/// deep or wide the object is: what lies beyond a limit is not looked at. Paths are inside the
/// object.
///
/// # Errors
/// Every value that is beyond a limit, is not a finite number, is an object in a list, or has a
/// key that is no name or differs from another one in nothing but case or normal form.
pub fn flatten(object: &Struct) -> Result<Properties, Vec<Violation>> {
    let mut reader = Reader::default();
    reader.object(object, "", 1);
    if reader.bytes > EVENT_BYTES {
        reader.report(
            "",
            format!("holds more than {EVENT_BYTES} bytes: send only what decisions need"),
        );
    }
    if reader.violations.is_empty() {
        Ok(reader.properties)
    } else {
        reader.violations.sort();
        Err(reader.violations)
    }
}

#[derive(Default)]
struct Reader {
    properties: Properties,
    bytes: usize,
    /// Set once there are too many properties, so that the rest costs nothing.
    full: bool,
    violations: Vec<Violation>,
}

impl Reader {
    fn report(&mut self, field: &str, description: impl Into<String>) {
        if self.violations.len() < limits::VIOLATIONS {
            let shown: String = field.chars().take(NAME_BYTES + 20).collect();
            self.violations.push(Violation::new(shown, description));
        }
    }

    /// Recursion ends at `PROPERTY_DEPTH`.
    fn object(&mut self, object: &Struct, prefix: &str, depth: usize) {
        if depth > PROPERTY_DEPTH {
            self.report(
                prefix,
                format!("is nested more than {PROPERTY_DEPTH} deep: flatten it"),
            );
            return;
        }
        self.report_alike(object, prefix);
        for (key, value) in &object.fields {
            if self.full || self.bytes > EVENT_BYTES || self.violations.len() >= limits::VIOLATIONS
            {
                return;
            }
            match read_name(key) {
                Ok(key) => {
                    let mut path = prefix.to_owned();
                    push_key(&mut path, &key);
                    self.named(value.kind.as_ref(), &path, depth);
                }
                Err(fault) => self.report(&path_of(prefix, key), fault.to_string()),
            }
        }
    }

    /// Reports keys that differ from another key of their object in case or normal form alone.
    /// Definitions could tell them apart, people could not.
    fn report_alike(&mut self, object: &Struct, prefix: &str) {
        if object.fields.len() > PROPERTIES_PER_EVENT || object.fields.keys().all(|key| is_low(key))
        {
            return;
        }
        let mut seen: HashMap<String, &str> = HashMap::with_capacity(object.fields.len());
        for key in object.fields.keys() {
            if let Some(other) = seen.insert(fold_case(key), key) {
                let description = format!(
                    "differs from {other:?} in nothing but case or the form of its characters: keep one"
                );
                self.report(&path_of(prefix, key), description);
            }
        }
    }

    fn named(&mut self, kind: Option<&Kind>, path: &str, depth: usize) {
        if path.len() > NAME_BYTES {
            self.report(path, NameFault::TooLong(path.len()).to_string());
            return;
        }
        match kind {
            None | Some(Kind::NullValue(_)) => {}
            Some(Kind::StructValue(inner)) => self.object(inner, path, depth + 1),
            Some(Kind::ListValue(list)) => {
                if let Some(values) = self.list(list, path) {
                    self.set(path, values);
                }
            }
            Some(scalar) => {
                if let Some(value) = self.scalar(scalar, path) {
                    self.set(path, value);
                }
            }
        }
    }

    fn list(&mut self, list: &ListValue, path: &str) -> Option<Value> {
        if list.values.len() > LIST_VALUES {
            self.report(
                path,
                format!(
                    "holds {} values: at most {LIST_VALUES} are kept",
                    list.values.len()
                ),
            );
            return None;
        }
        let mut values = Vec::with_capacity(list.values.len());
        for (place, value) in list.values.iter().enumerate() {
            match value.kind.as_ref() {
                None | Some(Kind::NullValue(_)) => {}
                Some(Kind::StructValue(_) | Kind::ListValue(_)) => {
                    self.report(
                        &format!("{path}[{place}]"),
                        "is an object or a list inside a list: lists hold texts, numbers and truth values",
                    );
                }
                Some(scalar) => {
                    values.extend(self.scalar(scalar, &format!("{path}[{place}]")));
                }
            }
        }
        Some(Value::List(values))
    }

    fn scalar(&mut self, kind: &Kind, path: &str) -> Option<Value> {
        match kind {
            Kind::BoolValue(truth) => {
                self.bytes += 1;
                Some(Value::Bool(*truth))
            }
            Kind::NumberValue(number) if number.is_finite() => {
                self.bytes += 8;
                Some(Value::Number(*number))
            }
            Kind::NumberValue(number) => {
                self.report(
                    path,
                    format!("is {number}: send a finite number, or leave it out"),
                );
                None
            }
            Kind::StringValue(text) if text.len() > TEXT_BYTES => {
                self.report(
                    path,
                    format!(
                        "is a text of {} bytes: at most {TEXT_BYTES} are kept",
                        text.len()
                    ),
                );
                None
            }
            Kind::StringValue(text) => {
                self.bytes += text.len();
                Some(Value::from(text.as_str()))
            }
            Kind::NullValue(_) | Kind::StructValue(_) | Kind::ListValue(_) => None,
        }
    }

    fn set(&mut self, path: &str, value: Value) {
        self.bytes += path.len();
        // Keys that have one normal form were reported already.
        self.properties.set(path, value);
        if self.properties.len() > PROPERTIES_PER_EVENT {
            self.full = true;
            self.report(
                "",
                format!(
                    "holds more than {PROPERTIES_PER_EVENT} values: send only what decisions need"
                ),
            );
        }
    }
}

/// Returns the path of a key that may be no name.
fn path_of(prefix: &str, key: &str) -> String {
    let mut path = prefix.to_owned();
    push_key(&mut path, key);
    path
}

/// Returns whether no other key can differ from one in case or normal form alone, unless that
/// other one is not so.
fn is_low(key: &str) -> bool {
    key.bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind) -> prost_types::Value {
        prost_types::Value { kind: Some(kind) }
    }

    fn text(text: &str) -> prost_types::Value {
        value(Kind::StringValue(text.to_owned()))
    }

    fn number(number: f64) -> prost_types::Value {
        value(Kind::NumberValue(number))
    }

    fn list(values: Vec<prost_types::Value>) -> prost_types::Value {
        value(Kind::ListValue(ListValue { values }))
    }

    fn object(fields: Vec<(&str, prost_types::Value)>) -> Struct {
        Struct {
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    fn nested(depth: usize) -> Struct {
        let mut inner = object(vec![("x", number(1.0))]);
        for _ in 1..depth {
            inner = object(vec![("a", value(Kind::StructValue(inner)))]);
        }
        inner
    }

    #[test]
    fn nested_objects_become_paths_and_nulls_are_left_out() {
        let city = object(vec![
            ("city", text("Graz")),
            ("zip", value(Kind::NullValue(0))),
        ]);
        let read = flatten(&object(vec![
            ("address", value(Kind::StructValue(city))),
            ("tags", list(vec![text("a"), number(2.0)])),
            ("vip", value(Kind::BoolValue(true))),
        ]))
        .expect("properties");
        let written: Vec<String> = read
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            written,
            ["address.city=\"Graz\"", "tags=[\"a\", 2]", "vip=true"]
        );
        assert!(flatten(&nested(PROPERTY_DEPTH)).is_ok());
    }

    #[test]
    fn a_key_with_a_dot_is_not_the_path_of_a_nested_one() {
        let inner = object(vec![("b", number(1.0))]);
        let read = flatten(&object(vec![
            ("a.b", number(2.0)),
            ("a", value(Kind::StructValue(inner))),
        ]))
        .expect("properties");
        assert_eq!(read.value("a.b"), Some(&Value::from(1.0)));
        assert_eq!(read.value("a\\.b"), Some(&Value::from(2.0)));
    }

    #[test]
    fn what_is_beyond_a_limit_is_named() {
        let long = "n".repeat(NAME_BYTES + 1);
        let many: Vec<(String, prost_types::Value)> = (0..=PROPERTIES_PER_EVENT)
            .map(|n| (format!("p{n}"), number(1.0)))
            .collect();
        let texts: Vec<(String, prost_types::Value)> = (0..5)
            .map(|n| (format!("t{n}"), text(&"x".repeat(TEXT_BYTES))))
            .collect();
        for (input, field, says) in [
            (object(vec![("x", number(f64::NAN))]), "x", "finite"),
            (object(vec![("x", number(f64::INFINITY))]), "x", "finite"),
            (
                object(vec![("x", text(&"t".repeat(TEXT_BYTES + 1)))]),
                "x",
                "8192",
            ),
            (
                object(vec![("x", list(vec![number(1.0); LIST_VALUES + 1]))]),
                "x",
                "101 values",
            ),
            (
                object(vec![("x", list(vec![list(vec![])]))]),
                "x[0]",
                "inside a list",
            ),
            (object(vec![("", number(1.0))]), "", "is empty"),
            (object(vec![(&long, number(1.0))]), &long, "201 bytes"),
            (
                object(vec![("a\nb", number(1.0))]),
                "a\nb",
                "control character",
            ),
            (
                object(vec![("Order ID", number(1.0)), ("order id", number(2.0))]),
                "order id",
                "\"Order ID\"",
            ),
            (
                object(vec![("gr\u{f6}", number(1.0)), ("gro\u{308}", number(2.0))]),
                "gr\u{f6}",
                "form of its characters",
            ),
            (nested(PROPERTY_DEPTH + 1), "a.a.a.a", "nested"),
            (
                Struct {
                    fields: many.into_iter().collect(),
                },
                "",
                "more than 100 values",
            ),
            (
                Struct {
                    fields: texts.into_iter().collect(),
                },
                "",
                "bytes",
            ),
        ] {
            let violations = flatten(&input).expect_err(says);
            assert_eq!(violations.len(), 1, "{violations:?}");
            assert_eq!(violations[0].field, field);
            assert!(violations[0].description.contains(says), "{violations:?}");
        }
    }

    #[test]
    fn a_hostile_object_costs_no_more_than_its_limits() {
        // Built without recursion and leaked, because dropping it would overflow the stack of any
        // program.
        let deep = Box::leak(Box::new(nested(100_000)));
        assert_eq!(flatten(deep).expect_err("too deep").len(), 1);
        let wide: Vec<(String, prost_types::Value)> = (0..100_000)
            .map(|n| (format!("w{n}"), number(f64::NAN)))
            .collect();
        let violations = flatten(&Struct {
            fields: wide.into_iter().collect(),
        })
        .expect_err("too wide");
        assert_eq!(violations.len(), limits::VIOLATIONS);
    }
}
