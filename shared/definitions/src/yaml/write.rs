//! Writes definitions as people would: fields in the order of the contract, nothing that says
//! nothing.

use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};
use proto::definition::v1::Definition;

use super::read::is_other_type;

/// Writes a definition as a YAML document that [`parse`](super::parse) reads back as the same
/// definition.
pub fn to_yaml(definition: &Definition) -> String {
    let mut text = String::new();
    message(&definition.transcode_to_dynamic(), 0, &mut text);
    text
}

/// Writes each field on its own line, indented; the caller has written what goes before.
fn message(message: &DynamicMessage, indent: usize, text: &mut String) {
    // In the order of the contract, which is the order of its numbers where the contract was
    // written with care.
    for (field, value) in message.fields() {
        pad(indent, text);
        text.push_str(field.name());
        text.push(':');
        value_of(&field, value, indent, text);
    }
}

fn value_of(field: &FieldDescriptor, value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::List(items) => {
            text.push('\n');
            for item in items {
                pad(indent + 2, text);
                text.push('-');
                self::item(&field.kind(), item, indent + 2, text);
            }
        }
        Value::Map(pairs) => {
            text.push('\n');
            let kind = match field.kind() {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other,
            };
            let mut sorted: Vec<(&MapKey, &Value)> = pairs.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (key, value) in sorted {
                pad(indent + 2, text);
                text.push_str(&scalar(
                    &Kind::String,
                    &Value::String(key_text(key)),
                    indent + 2,
                ));
                text.push(':');
                single(&kind, value, indent + 2, text);
            }
        }
        value => single(&field.kind(), value, indent, text),
    }
}

/// A value behind `name:`.
fn single(kind: &Kind, value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Message(inner) if inner.fields().next().is_none() => text.push_str(" {}\n"),
        Value::Message(inner) => {
            text.push('\n');
            message(inner, indent + 2, text);
        }
        value => {
            text.push(' ');
            text.push_str(&scalar(kind, value, indent));
            text.push('\n');
        }
    }
}

/// A value behind `-`: the first field of a message stands on the same line.
fn item(kind: &Kind, value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Message(inner) if inner.fields().next().is_some() => {
            let mut block = String::new();
            message(inner, indent + 2, &mut block);
            text.push(' ');
            text.push_str(block.trim_start_matches(' '));
        }
        value => single(kind, value, indent, text),
    }
}

fn scalar(kind: &Kind, value: &Value, indent: usize) -> String {
    match value {
        Value::String(text) => quoted(text, indent),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(descriptor) => descriptor
                .get_value(*number)
                .map_or_else(|| number.to_string(), |value| value.name().to_owned()),
            _ => number.to_string(),
        },
        Value::Bool(it) => it.to_string(),
        Value::I32(it) => it.to_string(),
        Value::I64(it) => it.to_string(),
        Value::U32(it) => it.to_string(),
        Value::U64(it) => it.to_string(),
        Value::F32(it) => it.to_string(),
        Value::F64(it) => it.to_string(),
        Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => "{}".to_owned(),
    }
}

/// Plain where YAML reads it back the same, a block where it has lines, in quotes otherwise.
fn quoted(text: &str, indent: usize) -> String {
    let is_block = text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text
            .chars()
            .any(|letter| letter.is_control() && letter != '\n')
        && text.lines().all(|line| line.trim_end() == line);
    if is_block {
        let kept = match (text.ends_with('\n'), text.ends_with("\n\n")) {
            (_, true) => "|+",
            (true, false) => "|",
            (false, _) => "|-",
        };
        let mut block = kept.to_owned();
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            block.push('\n');
            if !line.is_empty() {
                pad(indent + 2, &mut block);
                block.push_str(line);
            }
        }
        return block;
    }
    let is_plain = text
        .starts_with(|first: char| first.is_alphanumeric() || first == '_' || first == '/')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
        && !is_other_type(text)
        && !is_bool_elsewhere(text);
    if is_plain {
        text.to_owned()
    } else {
        escaped(text)
    }
}

/// Returns whether YAML 1.1 reads a plain scalar as true or false: many tools still do, and would
/// read another name.
fn is_bool_elsewhere(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}
