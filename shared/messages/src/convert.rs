//! Conversions between the values of the contracts and those of the kernel.

use std::collections::BTreeMap;

use kernel::{CustomerId, EventIdHash, Properties, Value};
use prost::bytes::Bytes;
use serde_json::value::RawValue;

use crate::stream::v1 as stream;

/// Seconds of the first and the last instant that a protobuf timestamp can carry: the years 1 to
/// 9999.
pub const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The words for a timestamp that is not one of [`is_instant`].
pub const NO_INSTANT: &str = "is no instant of the years 1 to 9999";

/// Returns an id as records carry it.
pub fn id_bytes(customer: CustomerId) -> Bytes {
    Bytes::copy_from_slice(customer.as_bytes())
}

/// Returns the id of an event by which its subject tells a repetition: at an account with who
/// acted. Absent without an id.
pub fn repetition_id(event: &stream::Event) -> Option<EventIdHash> {
    let fragment = &event.member_fragment_id;
    let member = if fragment.is_empty() {
        &event.member_id
    } else {
        fragment
    };
    EventIdHash::of_account(&event.event_id, member)
}

/// Returns whether a protobuf timestamp is an instant of the years 1 to 9999.
pub fn is_instant(timestamp: &prost_types::Timestamp) -> bool {
    SECONDS.contains(&timestamp.seconds) && (0..1_000_000_000).contains(&timestamp.nanos)
}

/// Reads the values of a record. Nulls are left out.
pub fn properties(values: &[stream::NamedValue]) -> Properties {
    values
        .iter()
        .filter_map(|named| Some((named.name.as_str(), value(named.value.as_ref()?)?)))
        .collect()
}

/// Writes values into a record, by name.
pub fn named_values(properties: &Properties) -> Vec<stream::NamedValue> {
    properties
        .iter()
        .map(|(name, value)| stream::NamedValue {
            name: name.to_owned(),
            value: Some(stream_value(value)),
        })
        .collect()
}

/// Reads one value of a record; null is none.
pub fn value(value: &stream::Value) -> Option<Value> {
    Some(match value.kind.as_ref()? {
        stream::value::Kind::Bool(truth) => Value::Bool(*truth),
        stream::value::Kind::Number(number) => Value::from(*number),
        // Nobody writes one that is none.
        stream::value::Kind::Integer(digits) => Value::from(digits.parse::<i128>().ok()?),
        stream::value::Kind::Json(json) => Value::Json(json.as_str().into()),
        stream::value::Kind::Text(text) => Value::Text(text.as_str().into()),
        stream::value::Kind::List(list) => {
            Value::List(list.values.iter().filter_map(self::value).collect())
        }
    })
}

/// Writes one value into a record.
pub fn stream_value(value: &Value) -> stream::Value {
    let kind = match value {
        Value::Bool(truth) => stream::value::Kind::Bool(*truth),
        Value::Number(number) => stream::value::Kind::Number(*number),
        Value::Integer(whole) => stream::value::Kind::Integer(whole.to_string()),
        Value::Json(json) => stream::value::Kind::Json(json.as_ref().to_owned()),
        Value::Text(text) => stream::value::Kind::Text(text.as_ref().to_owned()),
        Value::List(values) => stream::value::Kind::List(stream::ValueList {
            values: values.iter().map(stream_value).collect(),
        }),
    };
    stream::Value { kind: Some(kind) }
}

/// Writes values as a JSON object, for answers; paths stay flat.
pub fn struct_of(properties: &Properties) -> prost_types::Struct {
    prost_types::Struct {
        fields: properties
            .iter()
            .map(|(name, value)| (name.to_owned(), json_value(value)))
            .collect(),
    }
}

/// Writes one value as JSON, for answers. A whole number that a double does not hold is a text.
fn json_value(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(*number),
        Value::Integer(whole) => Kind::StringValue(whole.to_string()),
        Value::Text(text) => Kind::StringValue(text.as_ref().to_owned()),
        Value::List(values) => Kind::ListValue(prost_types::ListValue {
            values: values.iter().map(json_value).collect(),
        }),
        Value::Json(json) => return of_json(json),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Writes JSON text, with its whole numbers as those of other values. Recursion ends where JSON
/// does, which nests as deep as the limits allow.
fn of_json(json: &str) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<BTreeMap<String, &RawValue>>(json)
            .ok()
            .map(|fields| {
                let fields = fields.into_iter();
                let fields = fields.map(|(key, value)| (key, of_json(value.get())));
                Kind::StructValue(prost_types::Struct {
                    fields: fields.collect(),
                })
            }),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(json)
            .ok()
            .map(|values| {
                let values = values.into_iter().map(|value| of_json(value.get()));
                Kind::ListValue(prost_types::ListValue {
                    values: values.collect(),
                })
            }),
        Some(b'"') => serde_json::from_str(json).ok().map(Kind::StringValue),
        Some(b't' | b'f') => Some(Kind::BoolValue(json == "true")),
        Some(b'-' | b'0'..=b'9') => match json.parse::<i128>() {
            Ok(whole) => return json_value(&Value::from(whole)),
            Err(_) => json.parse().ok().map(Kind::NumberValue),
        },
        _ => None,
    };
    let kind = Some(kind.unwrap_or(Kind::NullValue(0)));
    prost_types::Value { kind }
}

/// Writes an instant as a protobuf timestamp.
pub fn timestamp(instant: kernel::Timestamp) -> prost_types::Timestamp {
    let millis = instant.as_millis();
    let nanos = millis.rem_euclid(1_000) * 1_000_000;
    prost_types::Timestamp {
        seconds: millis.div_euclid(1_000),
        nanos: i32::try_from(nanos).expect("below a second"),
    }
}

/// Reads a protobuf timestamp, cut to the millisecond.
pub fn instant(timestamp: &prost_types::Timestamp) -> kernel::Timestamp {
    let millis = timestamp
        .seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(timestamp.nanos / 1_000_000));
    kernel::Timestamp::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_inside_of_json_are_shown_as_others_are() {
        let shown = |json: &str| json_value(&Value::Json(json.into()));
        let text = |text: &str| json_value(&Value::from(text));
        let list = |values| prost_types::Value {
            kind: Some(prost_types::value::Kind::ListValue(
                prost_types::ListValue { values },
            )),
        };
        assert_eq!(
            shown("[9007199254740993,12345678901234567890123,[1,true,null,\"a\",-2.5e1]]"),
            list(vec![
                text("9007199254740993"),
                text("12345678901234567890123"),
                list(vec![
                    json_value(&Value::from(1.0)),
                    json_value(&Value::from(true)),
                    shown("null"),
                    text("a"),
                    json_value(&Value::from(-25.0)),
                ]),
            ])
        );
        let object = shown("{\"id\":9007199254740993}");
        let Some(prost_types::value::Kind::StructValue(object)) = object.kind else {
            panic!("an object");
        };
        assert_eq!(object.fields["id"], text("9007199254740993"));
    }
}
