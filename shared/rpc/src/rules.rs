//! The field rules of the contracts, read once from their descriptors.
//!
//! The subset of `buf.validate` that the contracts use. A rule that is not understood here is
//! refused as a whole, never skipped: a test says which, and no message is valid until then.

mod phrase;
mod rule;

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
    ReflectMessage as _, Value,
};

pub(crate) use self::phrase::shown;
pub(crate) use self::rule::{Literal, Rule};

/// The contracts carry a rule that this build does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rule {rule} of {place} is not understood: teach it to rpc::rules, or change the contract"
)]
pub(crate) struct UnknownRule {
    /// The message or field that carries it.
    pub(crate) place: String,
    /// Its path in `buf.validate`.
    pub(crate) rule: String,
}

/// The rules of one message.
#[derive(Debug, Default)]
pub(crate) struct MessageRules {
    pub(crate) fields: Vec<FieldRules>,
    /// Oneofs of which one field must be set.
    pub(crate) required_oneofs: Vec<OneofDescriptor>,
}

/// The rules of one field.
#[derive(Debug)]
pub(crate) struct FieldRules {
    pub(crate) field: FieldDescriptor,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// The rules of a field's value, by what kind of field it is.
#[derive(Debug)]
pub(crate) enum Shape {
    Single(Vec<Rule>),
    List(ListRules),
    Map(MapRules),
}

/// The rules of a list.
#[derive(Debug)]
pub(crate) struct ListRules {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) unique: bool,
    pub(crate) items: Vec<Rule>,
}

/// The rules of a map.
#[derive(Debug)]
pub(crate) struct MapRules {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) keys: Vec<Rule>,
    pub(crate) values: Vec<Rule>,
}

type AllRules = Result<HashMap<String, MessageRules>, Vec<UnknownRule>>;

static RULES: LazyLock<AllRules> =
    LazyLock::new(|| compile_pool(&proto::DESCRIPTORS, "happypath."));

/// The rules of every message, by full name.
pub(crate) fn all() -> Result<&'static HashMap<String, MessageRules>, &'static [UnknownRule]> {
    RULES.as_ref().map_err(Vec::as_slice)
}

fn compile_pool(pool: &DescriptorPool, prefix: &str) -> AllRules {
    let mut unknown = Vec::new();
    let rules = pool
        .all_messages()
        .filter(|message| message.package_name().starts_with(prefix) && !message.is_map_entry())
        .map(|message| {
            (
                message.full_name().to_owned(),
                compile_message(&message, &mut unknown),
            )
        })
        .collect();
    if unknown.is_empty() {
        Ok(rules)
    } else {
        Err(unknown)
    }
}

fn compile_message(message: &MessageDescriptor, unknown: &mut Vec<UnknownRule>) -> MessageRules {
    if let Some(options) = extension(&message.options(), "buf.validate.message") {
        refuse_all(&options, message.full_name(), "message", unknown);
    }
    let required_oneofs = message
        .oneofs()
        .filter(|oneof| {
            extension(&oneof.options(), "buf.validate.oneof").is_some_and(|options| {
                options
                    .get_field_by_name("required")
                    .and_then(|required| required.as_bool())
                    == Some(true)
            })
        })
        .collect();
    let fields = message
        .fields()
        .map(|field| compile_field(field, unknown))
        .collect();
    MessageRules {
        fields,
        required_oneofs,
    }
}

fn compile_field(field: FieldDescriptor, unknown: &mut Vec<UnknownRule>) -> FieldRules {
    let mut required = false;
    let mut shape = empty_shape(&field);
    if let Some(options) = extension(&field.options(), "buf.validate.field") {
        for (rule, value) in options.fields() {
            match (rule.name(), &mut shape, value) {
                ("required", _, Value::Bool(value)) => required = *value,
                ("repeated", Shape::List(list), Value::Message(rules)) => {
                    *list = compile_list(&field, rules, unknown);
                }
                ("map", Shape::Map(map), Value::Message(rules)) => {
                    *map = compile_map(&field, rules, unknown);
                }
                (_, Shape::Single(rules), value) => {
                    rules.extend(typed(&field, rule.name(), value, &field.kind(), unknown));
                }
                (name, _, _) => unknown.push(UnknownRule {
                    place: field.full_name().to_owned(),
                    rule: name.to_owned(),
                }),
            }
        }
    }
    FieldRules {
        field,
        required,
        shape,
    }
}

fn compile_list(
    field: &FieldDescriptor,
    rules: &DynamicMessage,
    unknown: &mut Vec<UnknownRule>,
) -> ListRules {
    let known = ["min_items", "max_items", "unique", "items"];
    let unique = rules.get_field_by_name("unique");
    let list = ListRules {
        min: number(rules, "min_items").unwrap_or(0),
        max: number(rules, "max_items").unwrap_or(u64::MAX),
        unique: unique.is_some_and(|value| value.as_bool() == Some(true)),
        items: nested(field, rules, "items", &field.kind(), unknown),
    };
    refuse_others(rules, &known, field, "repeated", unknown);
    list
}

fn compile_map(
    field: &FieldDescriptor,
    rules: &DynamicMessage,
    unknown: &mut Vec<UnknownRule>,
) -> MapRules {
    let known = ["min_pairs", "max_pairs", "keys", "values"];
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    if let Kind::Message(entry) = field.kind() {
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        keys = nested(field, rules, "keys", &key.kind(), unknown);
        values = nested(field, rules, "values", &value.kind(), unknown);
    }
    let map = MapRules {
        min: number(rules, "min_pairs").unwrap_or(0),
        max: number(rules, "max_pairs").unwrap_or(u64::MAX),
        keys,
        values,
    };
    refuse_others(rules, &known, field, "map", unknown);
    map
}

fn empty_shape(field: &FieldDescriptor) -> Shape {
    if field.is_map() {
        Shape::Map(MapRules {
            min: 0,
            max: u64::MAX,
            keys: Vec::new(),
            values: Vec::new(),
        })
    } else if field.is_list() {
        Shape::List(ListRules {
            min: 0,
            max: u64::MAX,
            unique: false,
            items: Vec::new(),
        })
    } else {
        Shape::Single(Vec::new())
    }
}

/// The rules of items, keys or values: `FieldRules` inside `rules`.
fn nested(
    field: &FieldDescriptor,
    rules: &DynamicMessage,
    part: &str,
    kind: &Kind,
    unknown: &mut Vec<UnknownRule>,
) -> Vec<Rule> {
    if !rules.has_field_by_name(part) {
        return Vec::new();
    }
    let Some(inner) = rules.get_field_by_name(part) else {
        return Vec::new();
    };
    let Value::Message(inner) = inner.as_ref() else {
        return Vec::new();
    };
    inner
        .fields()
        .flat_map(|(rule, value)| typed(field, rule.name(), value, kind, unknown))
        .collect()
}

/// The rules of one type, such as all of `string = { … }`.
fn typed(
    field: &FieldDescriptor,
    family: &str,
    value: &Value,
    kind: &Kind,
    unknown: &mut Vec<UnknownRule>,
) -> Vec<Rule> {
    let Value::Message(rules) = value else {
        unknown.push(UnknownRule {
            place: field.full_name().to_owned(),
            rule: family.to_owned(),
        });
        return Vec::new();
    };
    let mut compiled = Vec::new();
    for (rule, value) in rules.fields() {
        match Rule::compile(rule.name(), value, kind) {
            Some(rules) => compiled.extend(rules),
            None => unknown.push(UnknownRule {
                place: field.full_name().to_owned(),
                rule: format!("{family}.{}", rule.name()),
            }),
        }
    }
    refuse_extensions(rules, field.full_name(), family, unknown);
    compiled
}

fn number(rules: &DynamicMessage, name: &str) -> Option<u64> {
    rules
        .has_field_by_name(name)
        .then(|| rules.get_field_by_name(name)?.as_u64())
        .flatten()
}

fn refuse_others(
    rules: &DynamicMessage,
    known: &[&str],
    field: &FieldDescriptor,
    family: &str,
    unknown: &mut Vec<UnknownRule>,
) {
    for (rule, _) in rules
        .fields()
        .filter(|(rule, _)| !known.contains(&rule.name()))
    {
        unknown.push(UnknownRule {
            place: field.full_name().to_owned(),
            rule: format!("{family}.{}", rule.name()),
        });
    }
    refuse_extensions(rules, field.full_name(), family, unknown);
}

fn refuse_all(rules: &DynamicMessage, place: &str, family: &str, unknown: &mut Vec<UnknownRule>) {
    for (rule, _) in rules.fields() {
        unknown.push(UnknownRule {
            place: place.to_owned(),
            rule: format!("{family}.{}", rule.name()),
        });
    }
    refuse_extensions(rules, place, family, unknown);
}

/// Predefined rules of others come as extensions or as fields that nobody knows.
fn refuse_extensions(
    rules: &DynamicMessage,
    place: &str,
    family: &str,
    unknown: &mut Vec<UnknownRule>,
) {
    for (extension, _) in rules.extensions() {
        unknown.push(UnknownRule {
            place: place.to_owned(),
            rule: format!("{family}.({})", extension.full_name()),
        });
    }
    for field in rules.unknown_fields() {
        unknown.push(UnknownRule {
            place: place.to_owned(),
            rule: format!("{family}.{}", field.number()),
        });
    }
}

fn extension(options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    let descriptor = options.descriptor().get_extension_by_full_name(name)?;
    if !options.has_extension(&descriptor) {
        return None;
    }
    options.get_extension(&descriptor).as_message().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_contracts_is_understood() {
        assert_eq!(all().err(), None);
    }

    #[test]
    fn the_rules_of_the_contracts_are_found() {
        let rules = all().expect("understood");
        let request = proto::definition::v1::ApplyDefinitionsRequest::default();
        let found = &rules[request.descriptor().full_name()];
        let Shape::List(list) = &found.fields[1].shape else {
            panic!("definitions is a list");
        };
        assert_eq!((list.min, list.max), (1, 500));
        let one_of = &rules["happypath.definition.v1.Definition"].required_oneofs;
        assert_eq!(one_of.len(), 1);
    }

    #[test]
    fn a_rule_that_is_not_understood_is_named() {
        // The vendored rules file carries rules of its own on nothing, so one is made up here.
        let pool = &*proto::DESCRIPTORS;
        let string_rules = pool
            .get_message_by_name("buf.validate.StringRules")
            .expect("vendored");
        let mut rules = DynamicMessage::new(string_rules);
        rules.set_field_by_name("email", Value::Bool(true));
        let field = pool
            .get_message_by_name("happypath.definition.v1.GetDefinitionRequest")
            .and_then(|message| message.get_field_by_name("name"))
            .expect("a field");
        let mut unknown = Vec::new();
        typed(
            &field,
            "string",
            &Value::Message(rules),
            &Kind::String,
            &mut unknown,
        );
        assert_eq!(
            unknown[0].to_string(),
            "the rule string.email of happypath.definition.v1.GetDefinitionRequest.name is not understood: \
             teach it to rpc::rules, or change the contract"
        );
    }
}
