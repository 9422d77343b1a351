//! What a template sees: `profile`, `event` and `run`, as values of the template engine.

use std::collections::BTreeMap;

use kernel::{ActivationId, Properties, path_keys};
use messages::stream::v1::Action;
use minijinja::Value;
use serde_json::value::RawValue;

use super::RenderError;
use crate::limits;

/// The values of one rendering, bounded in size.
#[derive(Debug, Clone)]
pub struct Values(pub(super) Value);

impl Values {
    /// What the template of an action sees: the traits of the customer as `profile`, the properties of the event that
    /// started the run as `event`, and `run` with activation_id, journey, version, step and visit.
    ///
    /// # Errors
    /// [`RenderError`] where there is more than [`limits::CONTEXT_BYTES`].
    pub fn of_action(id: ActivationId, action: &Action) -> Result<Self, RenderError> {
        let mut bytes = 0;
        let profile = nested(&messages::convert::properties(&action.traits), &mut bytes);
        let event = nested(
            &messages::convert::properties(&action.properties),
            &mut bytes,
        );
        let run: BTreeMap<&str, Value> = [
            ("activation_id", Value::from(id.to_string())),
            ("journey", Value::from(action.journey.as_str())),
            ("version", Value::from(action.version)),
            ("step", Value::from(action.step.as_str())),
            ("visit", Value::from(action.visit)),
        ]
        .into();
        let all = [("profile", profile), ("event", event), ("run", run.into())];
        Self::bounded(BTreeMap::from(all).into(), bytes)
    }

    /// What a template sees in a preview.
    ///
    /// # Errors
    /// [`RenderError`] where there is more than [`limits::CONTEXT_BYTES`], or it nests too deep.
    pub fn of_struct(context: &prost_types::Struct) -> Result<Self, RenderError> {
        let mut bytes = 0;
        let all = fields(context, 0, &mut bytes)?;
        Self::bounded(all, bytes)
    }

    fn bounded(all: Value, bytes: usize) -> Result<Self, RenderError> {
        if bytes > limits::CONTEXT_BYTES {
            return Err(RenderError {
                message: format!(
                    "the values for the template have {bytes} bytes, more than {}",
                    limits::CONTEXT_BYTES
                ),
                is_too_large: true,
            });
        }
        Ok(Self(all))
    }
}

#[derive(Default)]
struct Node {
    value: Option<Value>,
    children: BTreeMap<String, Node>,
}

/// Turns paths into nested values. Where a path has both a value and children, the children count.
fn nested(properties: &Properties, bytes: &mut usize) -> Value {
    let mut root = Node::default();
    for (name, value) in properties.iter() {
        *bytes += name.len();
        let mut node = &mut root;
        for key in path_keys(name) {
            node = node.children.entry(key.into_owned()).or_default();
        }
        node.value = Some(plain(value, bytes));
    }
    finish(root)
}

fn finish(node: Node) -> Value {
    match node.value {
        Some(value) if node.children.is_empty() => value,
        _ => node
            .children
            .into_iter()
            .map(|(name, child)| (name, finish(child)))
            .collect::<BTreeMap<_, _>>()
            .into(),
    }
}

fn plain(value: &kernel::Value, bytes: &mut usize) -> Value {
    *bytes += 8;
    match value {
        kernel::Value::Bool(truth) => Value::from(*truth),
        kernel::Value::Number(number) => plain_number(*number),
        kernel::Value::Integer(whole) => Value::from(**whole),
        kernel::Value::Json(json) => {
            *bytes += json.len();
            of_json(json)
        }
        kernel::Value::Text(text) => {
            *bytes += text.len();
            Value::from(text.as_ref())
        }
        kernel::Value::List(values) => values
            .iter()
            .map(|value| plain(value, bytes))
            .collect::<Vec<_>>()
            .into(),
    }
}

/// Reads JSON, with whole numbers as exact as they are written. Recursion ends where JSON does,
/// which nests as deep as the limits of events allow.
fn of_json(json: &str) -> Value {
    match json.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> =
                serde_json::from_str(json).unwrap_or_default();
            let fields = fields.into_iter();
            fields
                .map(|(key, value)| (key, of_json(value.get())))
                .collect::<BTreeMap<_, _>>()
                .into()
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
            let values = values.into_iter();
            values
                .map(|value| of_json(value.get()))
                .collect::<Vec<_>>()
                .into()
        }
        _ => match json.parse::<i128>() {
            Ok(whole) => Value::from(whole),
            Err(_) => serde_json::from_str(json).unwrap_or(Value::UNDEFINED),
        },
    }
}

/// Whole numbers are written as people do, without `.0`.
pub(super) fn plain_number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within 2^53, so exact"
        )]
        let whole = number as i64;
        Value::from(whole)
    } else {
        Value::from(number)
    }
}

fn fields(
    object: &prost_types::Struct,
    depth: usize,
    bytes: &mut usize,
) -> Result<Value, RenderError> {
    if depth >= limits::CONTEXT_DEPTH {
        return Err(RenderError {
            message: format!(
                "the values for the template nest deeper than {}",
                limits::CONTEXT_DEPTH
            ),
            is_too_large: false,
        });
    }
    object
        .fields
        .iter()
        .map(|(name, value)| {
            *bytes += name.len();
            Ok((name.clone(), json(value, depth + 1, bytes)?))
        })
        .collect::<Result<BTreeMap<_, _>, _>>()
        .map(Value::from)
}

fn json(value: &prost_types::Value, depth: usize, bytes: &mut usize) -> Result<Value, RenderError> {
    use prost_types::value::Kind;
    *bytes += 8;
    Ok(match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::from(()),
        Some(Kind::BoolValue(truth)) => Value::from(*truth),
        Some(Kind::NumberValue(number)) => plain_number(*number),
        Some(Kind::StringValue(text)) => {
            *bytes += text.len();
            Value::from(text.as_str())
        }
        Some(Kind::ListValue(list)) if depth < limits::CONTEXT_DEPTH => list
            .values
            .iter()
            .map(|value| json(value, depth + 1, bytes))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Some(Kind::StructValue(object)) => fields(object, depth, bytes)?,
        Some(Kind::ListValue(_)) => {
            return Err(RenderError {
                message: format!(
                    "the values for the template nest deeper than {}",
                    limits::CONTEXT_DEPTH
                ),
                is_too_large: false,
            });
        }
    })
}
