//! Messages and enums as schemas.

use serde_json::{Map, Value, json};

use super::comment;
use super::rules::{Rules, required_choices};
use crate::contract::{self, Enum, Field, Form, Kind, Message, Repeat};

/// The schemas that were asked for, each once.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// All of them, by name.
    pub(super) fn into_components(self) -> Value {
        let mut sorted: Vec<(String, Value)> = self.0.into_iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        Value::Object(sorted.into_iter().collect())
    }

    /// A reference to the schema of a message.
    pub(super) fn message(&mut self, message: &'static Message) -> Map<String, Value> {
        let name = message.full_name();
        if !self.0.contains_key(name) {
            // Before its fields: messages may hold themselves.
            self.0.insert(name.to_owned(), Value::Null);
            let schema = self.object(message);
            self.0.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    /// The schema of a field, with its comment and rules.
    pub(super) fn field(&mut self, field: &'static Field) -> Map<String, Value> {
        let rules = Rules::of(&field.descriptor);
        let mut schema = match field.repeat {
            Repeat::One => self.kind(field.kind),
            Repeat::List => {
                let mut items = self.kind(field.kind);
                rules.add_to_element(&mut items);
                object(json!({"type": "array", "items": items}))
            }
            Repeat::Map(_) => {
                let mut values = self.kind(field.kind);
                rules.add_to_element(&mut values);
                let mut keys = object(json!({"type": "string"}));
                rules.add_to_key(&mut keys);
                let mut map = object(json!({"type": "object", "additionalProperties": values}));
                if keys.len() > 1 {
                    map.insert("propertyNames".to_owned(), Value::Object(keys));
                }
                map
            }
        };
        rules.add_to(&mut schema);
        describe(&mut schema, comment::of(field.descriptor.full_name()));
        schema
    }

    fn object(&mut self, message: &'static Message) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &message.fields {
            let schema = self.field(field);
            properties.insert(field.json.clone(), Value::Object(schema));
            if Rules::of(&field.descriptor).is_required() && field.oneof.is_none() {
                required.push(field.json.as_str());
            }
        }
        let mut schema = object(json!({"type": "object", "properties": properties}));
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        let choices: Vec<Value> = required_choices(&message.descriptor)
            .into_iter()
            .map(|fields| {
                let one: Vec<Value> = fields
                    .iter()
                    .map(|field| json!({"required": [field]}))
                    .collect();
                json!({"oneOf": one})
            })
            .collect();
        if !choices.is_empty() {
            schema.insert("allOf".to_owned(), choices.into());
        }
        describe(&mut schema, comment::of(message.full_name()));
        Value::Object(schema)
    }

    fn kind(&mut self, kind: Kind) -> Map<String, Value> {
        let schema = match kind {
            Kind::Double => json!({"type": "number", "format": "double"}),
            Kind::Float => json!({"type": "number", "format": "float"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({"type": "integer", "format": "int32"})
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"})
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"})
            }
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Text => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Enum(place) => return self.enumeration(contract::enumeration(place)),
            Kind::Message(place) => {
                let message = contract::message(place);
                match message.form {
                    Form::Fields => return self.message(message),
                    Form::Timestamp => json!({"type": "string", "format": "date-time"}),
                    Form::Duration => {
                        json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"})
                    }
                    Form::FieldMask => json!({"type": "string"}),
                    Form::Struct => json!({"type": "object", "additionalProperties": true}),
                    Form::ListValue => json!({"type": "array", "items": {}}),
                    Form::Wrapper => return self.kind(message.fields[0].kind),
                    Form::Value | Form::Foreign => json!({}),
                }
            }
        };
        object(schema)
    }

    fn enumeration(&mut self, found: &'static Enum) -> Map<String, Value> {
        let name = found.descriptor.full_name();
        if !self.0.contains_key(name) {
            let mut text = comment::of(name).to_owned();
            // Comments of values are by the name of the enum here.
            for value in found.descriptor.values() {
                let comment = comment::of(&format!("{name}.{}", value.name()));
                if !comment.is_empty() {
                    text.push_str(&format!("\n- `{}`: {comment}", value.name()));
                }
            }
            let mut schema = object(json!({"type": "string", "enum": found.names()}));
            describe(&mut schema, &text);
            self.0.insert(name.to_owned(), Value::Object(schema));
        }
        reference(name)
    }
}

fn reference(name: &str) -> Map<String, Value> {
    object(json!({"$ref": format!("#/components/schemas/{name}")}))
}

pub(super) fn describe(schema: &mut Map<String, Value>, comment: &str) {
    if !comment.is_empty() {
        schema.insert("description".to_owned(), comment.into());
    }
}

/// The fields of a value that was just written as an object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
