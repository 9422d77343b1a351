//! Checks messages against the field rules of their contract.
//!
//! An interpreter over descriptors, after protovalidate: a rule of a field that knows whether it is
//! set applies where it is set, a rule of any other field always.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage, Value};

use crate::limits::{MESSAGE_DEPTH, VIOLATIONS};
use crate::rules::{
    self, FieldRules, ListRules, Literal, MapRules, MessageRules, Rule, Shape, shown,
};
use crate::{Violation, Violations};

/// Checks a message against the field rules of its contract.
///
/// # Errors
/// Everything that is wrong, in the order of the fields: `definitions[3].journey.name`. The first
/// 100 things are listed, the others counted.
pub fn validate<M: ReflectMessage>(message: &M) -> Result<(), Violations> {
    let rules = match rules::all() {
        Ok(rules) => rules,
        Err(unknown) => {
            let first = unknown.first().map(ToString::to_string).unwrap_or_default();
            return Err(Violation::new("", first).into());
        }
    };
    let mut dynamic = DynamicMessage::new(message.descriptor());
    if dynamic.transcode_from(message).is_err() {
        return Err(Violation::new("", "is nested too deep: flatten it").into());
    }
    let mut check = Check {
        rules,
        found: Vec::new(),
        more: 0,
    };
    let mut place = String::new();
    check.message(&dynamic, &mut place, 0);
    Violations::found(check.found, check.more)
}

struct Check {
    rules: &'static HashMap<String, MessageRules>,
    found: Vec<Violation>,
    more: usize,
}

impl Check {
    fn report(&mut self, path: &str, description: impl Into<String>) {
        if self.found.len() < VIOLATIONS {
            self.found.push(Violation::new(path, description));
        } else {
            self.more += 1;
        }
    }

    /// Recursion ends at `MESSAGE_DEPTH`.
    fn message(&mut self, message: &DynamicMessage, path: &mut String, depth: usize) {
        // Messages of others, such as google.protobuf.Timestamp, carry no rules of ours.
        let Some(rules) = self.rules.get(message.descriptor().full_name()) else {
            return;
        };
        if depth > MESSAGE_DEPTH {
            self.report(
                path,
                format!("is nested more than {MESSAGE_DEPTH} deep: flatten it"),
            );
            return;
        }
        for oneof in &rules.required_oneofs {
            if !oneof.fields().any(|field| message.has_field(&field)) {
                let names: Vec<String> = oneof
                    .fields()
                    .map(|field| field.name().to_owned())
                    .collect();
                self.report(
                    path,
                    format!("must have exactly one of {}", names.join(", ")),
                );
            }
        }
        for field in &rules.fields {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(field.field.name());
            self.field(message, field, path, depth);
            path.truncate(length);
        }
    }

    fn field(
        &mut self,
        message: &DynamicMessage,
        rules: &FieldRules,
        path: &mut String,
        depth: usize,
    ) {
        let field = &rules.field;
        let is_set = message.has_field(field);
        if rules.required && !is_set {
            self.report(path, "is required");
            return;
        }
        if !is_set && field.supports_presence() {
            return;
        }
        let value: Cow<'_, Value> = message.get_field(field);
        match (&rules.shape, value.as_ref()) {
            (Shape::Single(rules), value) => self.value(field, rules, value, path, depth),
            (Shape::List(rules), Value::List(values)) => {
                self.list(field, rules, values, path, depth);
            }
            (Shape::Map(rules), Value::Map(pairs)) => {
                self.map(field, rules, pairs, path, depth);
            }
            _ => {}
        }
    }

    fn list(
        &mut self,
        field: &FieldDescriptor,
        rules: &ListRules,
        values: &[Value],
        path: &mut String,
        depth: usize,
    ) {
        self.count(values.len(), rules.min, rules.max, "items", path);
        if values.len() as u64 > rules.max {
            // Not looked into: a list that is too long could be very long.
            return;
        }
        if rules.unique {
            self.unique(values, path);
        }
        for (place, value) in values.iter().enumerate() {
            let part = format!("[{place}]");
            self.part(field, &rules.items, value, &part, path, depth);
        }
    }

    fn map(
        &mut self,
        field: &FieldDescriptor,
        rules: &MapRules,
        pairs: &HashMap<MapKey, Value>,
        path: &mut String,
        depth: usize,
    ) {
        self.count(pairs.len(), rules.min, rules.max, "entries", path);
        if pairs.len() as u64 > rules.max {
            return;
        }
        let mut sorted: Vec<(String, &MapKey, &Value)> = pairs
            .iter()
            .map(|(key, value)| (key_text(key), key, value))
            .collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        for (text, key, value) in sorted {
            let part = format!("[{text:?}]");
            let key = Value::from(key.clone());
            self.part(field, &rules.keys, &key, &part, path, depth);
            self.part(field, &rules.values, value, &part, path, depth);
        }
    }

    fn part(
        &mut self,
        field: &FieldDescriptor,
        rules: &[Rule],
        value: &Value,
        part: &str,
        path: &mut String,
        depth: usize,
    ) {
        let length = path.len();
        path.push_str(part);
        self.value(field, rules, value, path, depth);
        path.truncate(length);
    }

    fn value(
        &mut self,
        field: &FieldDescriptor,
        rules: &[Rule],
        value: &Value,
        path: &mut String,
        depth: usize,
    ) {
        if let Value::Message(inner) = value {
            self.message(inner, path, depth + 1);
        }
        for rule in rules {
            if let Some(wanted) = rule.broken_by(value) {
                // A secret must not come back in an error.
                let value = if field.name().contains("secret") {
                    None
                } else {
                    shown(value)
                };
                match value {
                    Some(value) => self.report(path, format!("{value} {wanted}")),
                    None => self.report(path, wanted),
                }
                return;
            }
        }
    }

    fn count(&mut self, count: usize, min: u64, max: u64, what: &str, path: &str) {
        let count = count as u64;
        if count < min {
            self.report(
                path,
                format!("has {count} {what}: must have at least {min}"),
            );
        } else if count > max {
            self.report(path, format!("has {count} {what}: must have at most {max}"));
        }
    }

    fn unique(&mut self, values: &[Value], path: &str) {
        let mut seen = HashSet::new();
        for (place, value) in values.iter().enumerate() {
            let Some(literal) = Literal::read(value) else {
                continue;
            };
            let text = literal.to_string();
            if seen.contains(&text) {
                let shown = shown(value).unwrap_or_else(|| "the empty text".to_owned());
                self.report(
                    &format!("{path}[{place}]"),
                    format!("{shown} is there twice: keep one"),
                );
            }
            seen.insert(text);
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.chars().take(crate::limits::SHOWN_VALUE_CHARS).collect(),
    }
}
