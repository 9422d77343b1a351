//! The field rules of the contracts in the words of JSON Schema.
//!
//! A rule that has none, such as a bound in bytes, is left to the comments and to the service.

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value as Reflected};
use serde_json::{Map, Value, json};

/// The options of fields and oneofs that hold rules.
const FIELD: &str = "buf.validate.field";
const ONEOF: &str = "buf.validate.oneof";

/// The rules of a field.
pub(super) struct Rules(Option<DynamicMessage>);

impl Rules {
    pub(super) fn of(field: &FieldDescriptor) -> Self {
        Self(extension(&field.options(), FIELD))
    }

    /// Returns whether the field has to be there: by a rule, or since its default breaks one.
    pub(super) fn is_required(&self) -> bool {
        let Some(rules) = &self.0 else { return false };
        let least = |family: &str, rule: &str| {
            let family = rules.get_field_by_name(family)?;
            let rule = family.as_message()?.get_field_by_name(rule)?;
            rule.as_u64().filter(|least| *least > 0)
        };
        let required = rules.get_field_by_name("required");
        required.is_some_and(|required| required.as_bool() == Some(true))
            || least("string", "min_len").is_some()
            || least("repeated", "min_items").is_some()
            || least("map", "min_pairs").is_some()
    }

    /// Adds what the rules say of the field as a whole: of a list or map, the number of elements.
    pub(super) fn add_to(&self, schema: &mut Map<String, Value>) {
        let Some(rules) = &self.0 else { return };
        for (family, rules) in rules.fields() {
            let Reflected::Message(rules) = rules else {
                continue;
            };
            match family.name() {
                "repeated" | "map" => add_counts(rules, schema),
                _ => add_typed(rules, schema),
            }
        }
    }

    /// Adds what the rules say of each element of a list, or each value of a map.
    pub(super) fn add_to_element(&self, schema: &mut Map<String, Value>) {
        for (family, part) in [("repeated", "items"), ("map", "values")] {
            self.add_part(family, part, schema);
        }
    }

    /// Adds what the rules say of each key of a map.
    pub(super) fn add_to_key(&self, schema: &mut Map<String, Value>) {
        self.add_part("map", "keys", schema);
    }

    fn add_part(&self, family: &str, part: &str, schema: &mut Map<String, Value>) {
        let inner = || {
            let family = self.0.as_ref()?.get_field_by_name(family)?;
            let family = family.as_message()?;
            let has_part = family.has_field_by_name(part);
            let part = family.get_field_by_name(part)?;
            part.as_message().cloned().filter(|_| has_part)
        };
        let Some(inner) = inner() else { return };
        for (_, rules) in inner.fields() {
            if let Reflected::Message(rules) = rules {
                add_typed(rules, schema);
            }
        }
    }
}

/// The choices of which one has to be there, by the names of their fields in JSON.
pub(super) fn required_choices(message: &prost_reflect::MessageDescriptor) -> Vec<Vec<String>> {
    let choices = message.oneofs().filter(|oneof| {
        let rules = extension(&oneof.options(), ONEOF);
        let required = rules.and_then(|rules| rules.get_field_by_name("required")?.as_bool());
        required == Some(true)
    });
    choices
        .map(|oneof| {
            let fields = oneof.fields();
            fields.map(|field| field.json_name().to_owned()).collect()
        })
        .collect()
}

fn add_counts(rules: &DynamicMessage, schema: &mut Map<String, Value>) {
    for (rule, value) in rules.fields() {
        let word = match rule.name() {
            "min_items" => "minItems",
            "max_items" => "maxItems",
            "min_pairs" => "minProperties",
            "max_pairs" => "maxProperties",
            "unique" => "uniqueItems",
            _ => continue,
        };
        schema.insert(word.to_owned(), literal(value));
    }
}

fn add_typed(rules: &DynamicMessage, schema: &mut Map<String, Value>) {
    // A number that is a text in JSON has no bounds there.
    let is_text = schema.get("type") == Some(&json!("string"));
    for (rule, value) in rules.fields() {
        let (word, value) = match (rule.name(), value) {
            ("min_len", value) => ("minLength", literal(value)),
            ("max_len", value) => ("maxLength", literal(value)),
            ("pattern", value) => ("pattern", literal(value)),
            ("uuid", Reflected::Bool(true)) => ("format", json!("uuid")),
            ("const", value) => ("const", literal(value)),
            ("in", value) if !schema.contains_key("$ref") => ("enum", literal(value)),
            ("gte", value) if !is_text => ("minimum", literal(value)),
            ("gt", value) if !is_text => ("exclusiveMinimum", literal(value)),
            ("lte", value) if !is_text => ("maximum", literal(value)),
            ("lt", value) if !is_text => ("exclusiveMaximum", literal(value)),
            _ => continue,
        };
        schema.insert(word.to_owned(), value);
    }
}

fn literal(value: &Reflected) -> Value {
    match value {
        Reflected::Bool(value) => json!(value),
        Reflected::I32(value) | Reflected::EnumNumber(value) => json!(value),
        Reflected::I64(value) => json!(value),
        Reflected::U32(value) => json!(value),
        Reflected::U64(value) => json!(value),
        Reflected::F32(value) => json!(value),
        Reflected::F64(value) => json!(value),
        Reflected::String(value) => json!(value),
        Reflected::List(values) => values.iter().map(literal).collect(),
        Reflected::Bytes(_) | Reflected::Message(_) | Reflected::Map(_) => Value::Null,
    }
}

fn extension(options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    let descriptor = options.descriptor().get_extension_by_full_name(name)?;
    options
        .has_extension(&descriptor)
        .then(|| options.get_extension(&descriptor).as_message().cloned())
        .flatten()
}
