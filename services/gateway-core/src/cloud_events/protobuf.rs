//! The protobuf format: messages of the public package `io.cloudevents.v1`, written by hand, and
//! turned into JSON.
//!
//! A message of a type of the sender (`proto_data`) stays bytes: its contract is not known here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Timestamp;
use prost::Message as _;

use super::Sent;
use super::binary::push_attribute;
use super::media::{push_bytes, push_data};
use crate::json::push_text;
use crate::limits::{CLOUD_EVENT_BYTES, EVENTS_PER_CALL, LETTER_BYTES};
use crate::{CallFault, Fault, Reason};

/// `io.cloudevents.v1.CloudEvent`.
#[derive(Clone, PartialEq, prost::Message)]
struct CloudEvent {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    source: String,
    #[prost(string, tag = "3")]
    spec_version: String,
    #[prost(string, tag = "4")]
    r#type: String,
    #[prost(btree_map = "string, message", tag = "5")]
    attributes: BTreeMap<String, Attribute>,
    #[prost(oneof = "Data", tags = "6, 7, 8")]
    data: Option<Data>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attribute {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(bool, tag = "1")]
    Boolean(bool),
    #[prost(int32, tag = "2")]
    Integer(i32),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bytes, tag = "4")]
    Bytes(Vec<u8>),
    #[prost(string, tag = "5")]
    Uri(String),
    #[prost(string, tag = "6")]
    UriReference(String),
    #[prost(message, tag = "7")]
    Timestamp(Instant),
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, prost::Message)]
struct Instant {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Data {
    #[prost(bytes, tag = "6")]
    Binary(Vec<u8>),
    #[prost(string, tag = "7")]
    Text(String),
    #[prost(message, tag = "8")]
    Message(Any),
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes, tag = "2")]
    value: Vec<u8>,
}

/// The field of the events in `io.cloudevents.v1.CloudEventBatch`.
const EVENTS: usize = 1;
/// Bits of a key that are the kind of its value.
const KIND_BITS: u32 = 3;

/// Reads a body that is one event.
pub(super) fn one(body: &[u8]) -> Result<Sent<'static>, CallFault> {
    if body.len() > CLOUD_EVENT_BYTES {
        return Ok(too_large(body));
    }
    let event = CloudEvent::decode(body).map_err(|error| malformed(&error))?;
    Ok(Sent {
        json: json_of(&event).into(),
        fault: None,
    })
}

/// Reads a body that is a batch.
pub(super) fn batch(body: &[u8]) -> Result<Vec<Sent<'static>>, CallFault> {
    let events = split(body)?;
    events.into_iter().map(one).collect()
}

/// Finds the events of a batch, before any of them is read: a message takes many times the memory
/// of its bytes.
fn split(mut rest: &[u8]) -> Result<Vec<&[u8]>, CallFault> {
    let mut events = Vec::new();
    while !rest.is_empty() {
        let key = number(&mut rest)?;
        let value = match key & ((1 << KIND_BITS) - 1) {
            0 => {
                number(&mut rest)?;
                continue;
            }
            1 => take(&mut rest, size_of::<u64>())?,
            2 => {
                let length = number(&mut rest)?;
                take(&mut rest, length)?
            }
            5 => take(&mut rest, size_of::<u32>())?,
            _ => return Err(malformed(&"it has a value of an unknown kind")),
        };
        if key != (EVENTS << KIND_BITS) | 2 {
            continue;
        }
        if events.len() == EVENTS_PER_CALL {
            return Err(CallFault::TooManyEvents);
        }
        events.push(value);
    }
    Ok(events)
}

fn number(rest: &mut &[u8]) -> Result<usize, CallFault> {
    prost::decode_length_delimiter(rest).map_err(|error| malformed(&error))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], CallFault> {
    let parts = rest.split_at_checked(length);
    let (value, behind) = parts.ok_or_else(|| malformed(&"it ends early"))?;
    *rest = behind;
    Ok(value)
}

fn malformed(error: &dyn std::fmt::Display) -> CallFault {
    let text = "send `io.cloudevents.v1.CloudEvent`, or `CloudEventBatch` as a batch";
    CallFault::Malformed(format!(
        "the body is no protobuf that can be read: {error}: {text}"
    ))
}

/// An event that is not read, since it is larger than one may be.
fn too_large(body: &[u8]) -> Sent<'static> {
    let shown = &body[..body.len().min(LETTER_BYTES)];
    let json = format!("{{\"protobuf_base64\":\"{}\"}}", STANDARD.encode(shown));
    Sent {
        json: json.into(),
        fault: Some(large(body.len())),
    }
}

/// The fault of an event of more bytes than one may have.
pub(super) fn large(bytes: usize) -> Fault {
    let text = format!(
        "has {bytes} bytes: at most {CLOUD_EVENT_BYTES} are read, and less goes into an event"
    );
    Fault::new(Reason::EventTooLarge, "", text)
}

/// Writes an event in the JSON format.
fn json_of(event: &CloudEvent) -> String {
    let mut json = String::from("{");
    for (name, text) in [
        ("specversion", &event.spec_version),
        ("id", &event.id),
        ("source", &event.source),
        ("type", &event.r#type),
    ] {
        push_attribute(&mut json, name, text);
    }
    let mut content_type = None;
    let mut has_schema = false;
    for (name, attribute) in &event.attributes {
        let Some(value) = &attribute.value else {
            continue;
        };
        if let ("datacontenttype", Value::Text(text)) = (name.as_str(), value) {
            content_type = Some(text.as_str());
        }
        has_schema |= name == "dataschema";
        json.push(',');
        push_text(&mut json, name);
        json.push(':');
        push_value(&mut json, value);
    }
    match &event.data {
        None => {}
        Some(Data::Binary(bytes)) => push_data(&mut json, content_type, bytes),
        Some(Data::Text(text)) => {
            // It is text, whatever its type says; JSON where that says JSON.
            let content_type = content_type.filter(|it| super::media::is_json(it));
            push_data(
                &mut json,
                content_type.or(Some("text/plain")),
                text.as_bytes(),
            );
        }
        Some(Data::Message(any)) => {
            if !has_schema {
                push_attribute(&mut json, "dataschema", &any.type_url);
            }
            push_bytes(&mut json, &any.value);
        }
    }
    json.push('}');
    json
}

fn push_value(json: &mut String, value: &Value) {
    match value {
        Value::Boolean(value) => json.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => json.push_str(&value.to_string()),
        Value::Text(text) | Value::Uri(text) | Value::UriReference(text) => push_text(json, text),
        Value::Bytes(bytes) => push_text(json, &STANDARD.encode(bytes)),
        Value::Timestamp(instant) => {
            let millis = instant.seconds.saturating_mul(1_000);
            let millis = millis.saturating_add(i64::from(instant.nanos / 1_000_000));
            push_text(json, &Timestamp::from_millis(millis).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> CloudEvent {
        let attribute = |value| Attribute { value: Some(value) };
        let time = Instant {
            seconds: 1_764_482_400,
            nanos: 250_000_000,
        };
        CloudEvent {
            id: "1".to_owned(),
            source: "/shop".to_owned(),
            spec_version: "1.0".to_owned(),
            r#type: "order".to_owned(),
            attributes: BTreeMap::from([
                ("count".to_owned(), attribute(Value::Integer(-1))),
                ("empty".to_owned(), Attribute { value: None }),
                ("time".to_owned(), attribute(Value::Timestamp(time))),
            ]),
            data: Some(Data::Text("{".to_owned())),
        }
    }

    #[test]
    fn an_event_is_written_in_the_json_format() {
        let sent = one(&event().encode_to_vec()).expect("an event");
        assert_eq!(
            sent.json,
            r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order","count":-1,"time":"2025-11-30T06:00:00.25Z","data":"{"}"#
        );
        let message = Any {
            type_url: "type.example.com/a.B".to_owned(),
            value: vec![0xff],
        };
        let with_message = CloudEvent {
            attributes: BTreeMap::new(),
            data: Some(Data::Message(message)),
            ..event()
        };
        let json = json_of(&with_message);
        let end = r#","dataschema":"type.example.com/a.B","data_base64":"/w=="}"#;
        assert!(json.ends_with(end), "{json}");
    }

    #[test]
    fn a_batch_is_split_up_to_its_limit_and_unknown_fields_are_passed_over() {
        let own = event().encode_to_vec();
        let length = u8::try_from(own.len()).expect("a short event");
        let mut body = vec![0x10, 0x96, 0x01, 0x1a, 1, b'x', 0x25, 0, 0, 0, 0];
        body.extend([&[0x0a, length][..], &own, &[0x0a, 0]].concat());
        let found = batch(&body).expect("a batch");
        assert_eq!(found.len(), 2);
        assert!(found[1].json.contains(r#""id":"""#));
        assert!(batch(&[]).is_ok_and(|it| it.is_empty()));
        let many = [0x0a, 0].repeat(EVENTS_PER_CALL);
        assert!(batch(&many).is_ok_and(|it| it.len() == EVENTS_PER_CALL));
        let more = [0x0a, 0].repeat(EVENTS_PER_CALL + 1);
        assert_eq!(batch(&more).err(), Some(CallFault::TooManyEvents));
        for bad in [
            &[0x0a, 5, 1][..],
            &[0x0a],
            &[0x0f],
            &[0xff; 11],
            &[0x0a, 2, 0x0a, 9],
        ] {
            assert!(
                matches!(batch(bad), Err(CallFault::Malformed(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_event_that_is_too_large_is_not_read() {
        let sent = one(&vec![0xff; CLOUD_EVENT_BYTES + 1]).expect("no more than a fault");
        let fault = sent.fault.expect("a fault");
        assert_eq!(fault.reason, Reason::EventTooLarge);
    }
}
