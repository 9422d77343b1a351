//! Values of a record as the JSON object that they came from, exact.

use std::collections::BTreeMap;

use kernel::path_keys;

use crate::stream::v1::{NamedValue, Value, value::Kind};

/// An object on the way to its text.
#[derive(Debug)]
enum Node<'v> {
    Value(Option<&'v Kind>),
    Object(BTreeMap<String, Node<'v>>),
}

/// Returns the object that values were flattened from, as text; empty where there are none. What
/// has no value is null.
pub fn object_text(values: &[NamedValue]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut root = BTreeMap::new();
    for named in values {
        let mut keys: Vec<String> = path_keys(&named.name).map(Into::into).collect();
        let last = keys.pop().unwrap_or_default();
        let mut object = &mut root;
        for key in keys {
            let inner = object
                .entry(key)
                .or_insert_with(|| Node::Object(BTreeMap::new()));
            // No object has a value and another object under one key: traits of many events can.
            if matches!(inner, Node::Value(_)) {
                *inner = Node::Object(BTreeMap::new());
            }
            // It is one by now.
            let Node::Object(inner) = inner else {
                return String::new();
            };
            object = inner;
        }
        let kind = named.value.as_ref().and_then(|value| value.kind.as_ref());
        object.entry(last).or_insert(Node::Value(kind));
    }
    let mut text = String::new();
    write_object(&root, &mut text);
    text
}

fn write_object(object: &BTreeMap<String, Node<'_>>, text: &mut String) {
    text.push('{');
    for (place, (key, node)) in object.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&quoted(key));
        text.push(':');
        match node {
            Node::Value(kind) => write_value(*kind, text),
            Node::Object(inner) => write_object(inner, text),
        }
    }
    text.push('}');
}

fn write_value(kind: Option<&Kind>, text: &mut String) {
    match kind {
        None => text.push_str("null"),
        Some(Kind::Bool(truth)) => text.push_str(if *truth { "true" } else { "false" }),
        // Read back, a large one is no whole number of too many digits; a tiny one has no hundreds
        // of zeros.
        Some(Kind::Number(number)) if number.abs() >= 1e38 || is_tiny(*number) => {
            text.push_str(&format!("{number:e}"));
        }
        Some(Kind::Number(number)) => text.push_str(&number.to_string()),
        Some(Kind::Integer(digits) | Kind::Json(digits)) => text.push_str(digits),
        Some(Kind::Text(own)) => text.push_str(&quoted(own)),
        Some(Kind::List(list)) => {
            text.push('[');
            for (place, Value { kind }) in list.values.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_value(kind.as_ref(), text);
            }
            text.push(']');
        }
    }
}

/// Returns whether a number has more zeros behind its point than a text should.
fn is_tiny(number: f64) -> bool {
    number != 0.0 && number.abs() < 1e-6
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::v1::ValueList;

    #[test]
    fn values_are_the_object_that_they_came_from() {
        let named = |name: &str, kind: Option<Kind>| NamedValue {
            name: name.to_owned(),
            value: Some(Value { kind }),
        };
        let text = |text: &str| Some(Kind::Text(text.to_owned()));
        let list = ValueList {
            values: vec![
                Value {
                    kind: Some(Kind::Json("{\"sku\":1}".to_owned())),
                },
                Value { kind: text("\"") },
            ],
        };
        let values = [
            named("address.a\\.b", Some(Kind::Bool(true))),
            named("address.city", text("Graz")),
            named("count", Some(Kind::Number(7.0))),
            named("far", Some(Kind::Number(-1e300))),
            named("id", Some(Kind::Integer("9007199254740993".to_owned()))),
            named("list", Some(Kind::List(list))),
            named("tiny", Some(Kind::Number(1e-300))),
            named("trial", None),
        ];
        assert_eq!(
            object_text(&values),
            "{\"address\":{\"a.b\":true,\"city\":\"Graz\"},\"count\":7,\"far\":-1e300,\
             \"id\":9007199254740993,\"list\":[{\"sku\":1},\"\\\"\"],\"tiny\":1e-300,\"trial\":null}"
        );
        assert_eq!(object_text(&[]), "");
    }
}
