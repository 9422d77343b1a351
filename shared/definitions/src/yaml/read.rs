//! Reads a tree as a message of the contract, the way protobuf's JSON mapping says.
//!
//! <https://protobuf.dev/programming-guides/json/>

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};

use super::node::{Node, NodeValue, Place};
use crate::limits::MISTAKES;

/// Characters of a wrong text that a mistake shows.
const SHOWN_CHARS: usize = 60;

/// Collects where everything is, and every mistake.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) places: Vec<(String, Place)>,
    pub(super) mistakes: Vec<(Place, String)>,
}

impl Reader {
    fn report(&mut self, place: Place, message: String) {
        if self.mistakes.len() < MISTAKES {
            self.mistakes.push((place, message));
        }
    }

    /// Recursion ends with the tree, which is at most `DOCUMENT_DEPTH` deep.
    pub(super) fn message(&mut self, node: &Node, message: &mut DynamicMessage, path: &str) {
        self.places.push((path.to_owned(), node.place));
        let descriptor = message.descriptor();
        let NodeValue::Map(pairs) = &node.value else {
            // `log:` with nothing behind it is an empty message.
            if !is_null(node) || path.is_empty() {
                let fields = fields_of(&descriptor);
                self.report(
                    node.place,
                    format!("{} expected a map with {fields}", found(node)),
                );
            }
            return;
        };
        let mut seen: HashMap<String, Place> = HashMap::new();
        let mut chosen: HashMap<String, String> = HashMap::new();
        for (key, value) in pairs {
            let NodeValue::Scalar { text: name, .. } = &key.value else {
                self.report(key.place, "a name must be a text".to_owned());
                continue;
            };
            let Some(field) = field_of(&descriptor, name) else {
                self.unknown(key.place, name, &descriptor, path);
                continue;
            };
            if let Some((line, _)) = seen.insert(field.name().to_owned(), key.place) {
                self.report(
                    key.place,
                    format!(
                        "`{}` is there twice, first on line {line}: keep one",
                        shown(name)
                    ),
                );
                continue;
            }
            if let Some(oneof) = field.containing_oneof()
                && let Some(other) = chosen.insert(oneof.name().to_owned(), field.name().to_owned())
            {
                let text = format!(
                    "`{}` and `{other}` exclude each other: keep one",
                    field.name()
                );
                self.report(key.place, text);
                continue;
            }
            let path = match path {
                "" => field.name().to_owned(),
                _ => format!("{path}.{}", field.name()),
            };
            if let Some(value) = self.field(&field, value, &path) {
                message.set_field(&field, value);
            }
        }
    }

    fn unknown(&mut self, place: Place, name: &str, descriptor: &MessageDescriptor, path: &str) {
        let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
        let within = match path.rsplit(['.', '[']).next() {
            Some("") | None => "a definition".to_owned(),
            Some(_) => format!("`{path}`"),
        };
        let hint = match kernel::nearest(name, fields.iter().map(FieldDescriptor::name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected {}", fields_of(descriptor)),
        };
        self.report(
            place,
            format!("`{}` is unknown in {within}: {hint}", shown(name)),
        );
    }

    fn field(&mut self, field: &FieldDescriptor, node: &Node, path: &str) -> Option<Value> {
        if field.is_map() {
            return self.map(field, node, path);
        }
        if field.is_list() {
            self.places.push((path.to_owned(), node.place));
            let NodeValue::List(items) = &node.value else {
                if !is_null(node) {
                    self.report(
                        node.place,
                        format!("{} expected a list: begin each item with `-`", found(node)),
                    );
                }
                return None;
            };
            let mut values = Vec::with_capacity(items.len());
            for (place, item) in items.iter().enumerate() {
                values.extend(self.value(&field.kind(), item, &format!("{path}[{place}]")));
            }
            return Some(Value::List(values));
        }
        if is_null(node) && !matches!(field.kind(), Kind::Message(_)) {
            self.places.push((path.to_owned(), node.place));
            return None;
        }
        self.value(&field.kind(), node, path)
    }

    fn map(&mut self, field: &FieldDescriptor, node: &Node, path: &str) -> Option<Value> {
        self.places.push((path.to_owned(), node.place));
        let (NodeValue::Map(pairs), Kind::Message(entry)) = (&node.value, field.kind()) else {
            self.report(node.place, format!("{} expected a map", found(node)));
            return None;
        };
        let mut values: HashMap<MapKey, Value> = HashMap::new();
        for (key, value) in pairs {
            let NodeValue::Scalar { text, .. } = &key.value else {
                self.report(key.place, "a name must be a text".to_owned());
                continue;
            };
            // Keys of every type are texts in JSON.
            let name = match entry.map_entry_key_field().kind() {
                Kind::String => Some(MapKey::String(text.clone())),
                kind => self
                    .scalar(&kind, text, true, key.place)
                    .and_then(Value::into_map_key),
            };
            let value = self.value(
                &entry.map_entry_value_field().kind(),
                value,
                &format!("{path}[{text:?}]"),
            );
            if let (Some(name), Some(value)) = (name, value)
                && values.insert(name, value).is_some()
            {
                self.report(
                    key.place,
                    format!("`{}` is there twice: keep one", shown(text)),
                );
            }
        }
        Some(Value::Map(values))
    }

    fn value(&mut self, kind: &Kind, node: &Node, path: &str) -> Option<Value> {
        if let Kind::Message(descriptor) = kind {
            let mut message = DynamicMessage::new(descriptor.clone());
            self.message(node, &mut message, path);
            return Some(Value::Message(message));
        }
        self.places.push((path.to_owned(), node.place));
        match &node.value {
            NodeValue::Scalar { text, is_plain } => self.scalar(kind, text, *is_plain, node.place),
            NodeValue::List(_) | NodeValue::Map(_) => {
                self.report(
                    node.place,
                    format!("{} expected {}", found(node), wanted(kind)),
                );
                None
            }
        }
    }

    fn scalar(&mut self, kind: &Kind, text: &str, is_plain: bool, place: Place) -> Option<Value> {
        let value = match kind {
            Kind::String if is_plain && is_other_type(text) => {
                self.report(
                    place,
                    format!(
                        "`{}` is not a text: write it in quotes, \"{}\"",
                        shown(text),
                        shown(text)
                    ),
                );
                return None;
            }
            Kind::String => Some(Value::String(text.to_owned())),
            Kind::Bool => match (text, is_plain) {
                ("true", true) => Some(Value::Bool(true)),
                ("false", true) => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => text.parse().ok().map(Value::I32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => text.parse().ok().map(Value::I64),
            Kind::Uint32 | Kind::Fixed32 => text.parse().ok().map(Value::U32),
            Kind::Uint64 | Kind::Fixed64 => text.parse().ok().map(Value::U64),
            Kind::Float => text
                .parse()
                .ok()
                .filter(|number: &f32| number.is_finite())
                .map(Value::F32),
            Kind::Double => text
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Value::F64),
            Kind::Enum(descriptor) => return self.enumeration(descriptor, text, place),
            // No definition carries bytes or leaves a message to a scalar.
            Kind::Bytes | Kind::Message(_) => None,
        };
        if value.is_none() {
            let hint = match kind {
                Kind::Bool => bool_meant(text),
                _ => None,
            };
            let hint = hint.map_or(String::new(), |meant| format!("did you mean {meant}? "));
            self.report(
                place,
                format!(
                    "`{}` is not right here: {hint}expected {}",
                    shown(text),
                    wanted(kind)
                ),
            );
        }
        value
    }

    fn enumeration(
        &mut self,
        descriptor: &EnumDescriptor,
        text: &str,
        place: Place,
    ) -> Option<Value> {
        if let Some(value) = descriptor.get_value_by_name(text) {
            return Some(Value::EnumNumber(value.number()));
        }
        let values: Vec<_> = descriptor.values().collect();
        // `never` means REENTRY_NEVER to a person; the contract has only the long spelling.
        let short = values.iter().find(|value| {
            value
                .name()
                .to_ascii_lowercase()
                .ends_with(&format!("_{}", text.to_ascii_lowercase().replace('-', "_")))
        });
        let near = short.map(prost_reflect::EnumValueDescriptor::name);
        let near = near.or_else(|| {
            kernel::nearest(
                text,
                values.iter().map(prost_reflect::EnumValueDescriptor::name),
            )
        });
        let names: Vec<&str> = values
            .iter()
            .filter(|v| v.number() != 0)
            .map(|v| v.name())
            .collect();
        let hint = near
            .map(|near| format!("did you mean `{near}`? "))
            .unwrap_or_default();
        let text = format!(
            "`{}` is no value: {hint}expected one of {}",
            shown(text),
            names.join(", ")
        );
        self.report(place, text);
        None
    }
}

/// Protobuf's JSON mapping reads both spellings of a name.
fn field_of(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor
        .get_field_by_name(name)
        .or_else(|| descriptor.get_field_by_json_name(name))
}

fn fields_of(descriptor: &MessageDescriptor) -> String {
    let names: Vec<String> = descriptor
        .fields()
        .map(|field| field.name().to_owned())
        .collect();
    match names.as_slice() {
        [] => "nothing inside".to_owned(),
        [only] => only.clone(),
        _ if descriptor
            .oneofs()
            .any(|oneof| oneof.fields().len() == names.len()) =>
        {
            format!("one of {}", names.join(", "))
        }
        _ => names.join(", "),
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.value, NodeValue::Scalar { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null"))
}

/// Returns whether YAML 1.2 reads a plain scalar as something else than a text.
pub(super) fn is_other_type(text: &str) -> bool {
    let is_word = matches!(
        text,
        "" | "~"
            | "null"
            | "Null"
            | "NULL"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
    );
    let begins =
        text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    is_word
        || (begins
            && (text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o")))
}

/// Returns the meaning of a word of YAML 1.1 where true or false belongs.
fn bool_meant(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "on" | "true" => Some(true),
        "n" | "no" | "off" | "false" => Some(false),
        _ => None,
    }
}

fn wanted(kind: &Kind) -> &'static str {
    match kind {
        Kind::String | Kind::Bytes => "a text",
        Kind::Bool => "true or false",
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => "a whole number from 0",
        Kind::Int32
        | Kind::Int64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Sfixed32
        | Kind::Sfixed64 => "a whole number",
        Kind::Float | Kind::Double => "a number",
        Kind::Enum(_) => "the name of a value",
        Kind::Message(_) => "a map",
    }
}

fn found(node: &Node) -> String {
    match &node.value {
        NodeValue::Scalar { text, .. } if text.is_empty() => "nothing is here:".to_owned(),
        NodeValue::Scalar { text, .. } => format!("`{}` is here:", shown(text)),
        NodeValue::List(_) => "a list is here:".to_owned(),
        NodeValue::Map(_) => "a map is here:".to_owned(),
    }
}

fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARS)
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}
