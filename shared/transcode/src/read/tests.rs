//! Tests of reading JSON: cases, and `prost-reflect` as the reference for random documents.

mod random;

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};

use super::scalar::{Plain, write};
use super::*;
use crate::contract;
use crate::read::number::Number;

/// A message of the contracts by its name.
fn message(name: &str) -> &'static Message {
    let methods = contract::methods().iter();
    let mut messages = methods.map(|method| contract::message(method.input));
    messages
        .find(|message| message.full_name().ends_with(name))
        .expect("a request of the contracts")
}

/// Reads a document, and writes what it is as the reference does; or says what is wrong.
fn check(name: &str, json: &str) -> String {
    check_bytes(name, json.as_bytes())
}

fn check_bytes(name: &str, json: &[u8]) -> String {
    match read_dynamic(message(name), json) {
        Ok(message) => serde_json::to_string(&message).expect("JSON"),
        Err(fault) => format!("{}: {}", fault.field, fault.description),
    }
}

fn read_dynamic(message: &'static Message, json: &[u8]) -> Result<DynamicMessage, Fault> {
    let mut out = Output::with_capacity(json.len());
    read(message, Body::Whole, json, &mut out)?;
    let descriptor = message.descriptor.clone();
    Ok(DynamicMessage::decode(descriptor, out.message()).expect("a message was written"))
}

#[test]
fn documents_are_read() {
    for (name, json, expected) in [
        (".IngestRequest", "{}", "{}"),
        (
            ".ListDeadLettersRequest",
            r#"{"filter":{"source":"shop","start_time":"2026-03-01T01:00:00.5+01:00"},"pageSize":"3","pageToken":null}"#,
            r#"{"filter":{"source":"shop","startTime":"2026-03-01T00:00:00.500Z"},"pageSize":3}"#,
        ),
        (
            ".ReplayDeadLettersRequest",
            r#"{"ids":{"ids":["a","ä\n\ud83d\ude00"]},"payloads":{"x":"{}","":"1"}}"#,
            r#"{"ids":{"ids":["a","ä\n😀"]},"payloads":{"":"1","x":"{}"}}"#,
        ),
        (
            ".GetDefinitionRequest",
            r#"{"kind":"DEFINITION_KIND_SEGMENT","name":"loyal"}"#,
            r#"{"kind":"DEFINITION_KIND_SEGMENT","name":"loyal"}"#,
        ),
        (
            ".GetDefinitionRequest",
            r#"{"kind":2}"#,
            r#"{"kind":"DEFINITION_KIND_SEGMENT"}"#,
        ),
        (
            ".IngestRequest",
            r#"{"events":[{"properties":{"a":[1,null,{"b":true}],"c":1e3,"d":"x","e":{}}}]}"#,
            r#"{"events":[{"properties":{"a":[1,null,{"b":true}],"c":1000,"d":"x","e":{}}}]}"#,
        ),
    ] {
        // Maps have no order.
        let read = check(name, json).replace(".0", "");
        let read: serde_json::Value = serde_json::from_str(&read).expect(&read);
        let expected: serde_json::Value = serde_json::from_str(expected).expect(expected);
        assert_eq!(read, expected, "{json}");
    }
}

#[test]
fn documents_that_cannot_be_read_say_where_and_why() {
    let mut wrong = Vec::new();
    for (name, json, expected) in [
        (
            ".ListDeadLettersRequest",
            "{\"filter\":\n {\"sourc\": \"x\"}}",
            "filter: there is no field `sourc`: did you mean `source`? (line 2, column 9)",
        ),
        (
            ".ListDeadLettersRequest",
            r#"{"pageSize": -1}"#,
            "pageSize: `-1` is not a whole number from 0 to 4294967295 (line 1, column 15)",
        ),
        (
            ".ListDeadLettersRequest",
            r#"{"pageSize": 1.5}"#,
            "pageSize: `1.5` is not a whole number from 0 to 4294967295 (line 1, column 16)",
        ),
        (
            ".ListDeadLettersRequest",
            r#"{"pageSize": 1, "page_size": 2}"#,
            "pageSize: the field is there twice (line 1, column 27)",
        ),
        (
            ".ListDeadLettersRequest",
            r#"{"filter": {"startTime": "yesterday"}}"#,
            "filter.startTime: invalid value: string \"yesterday\", expected an instant as a text of RFC \
             3339, such as 2026-03-01T09:30:00Z (line 1, column 36)",
        ),
        (
            ".ReplayDeadLettersRequest",
            r#"{"ids": {}, "filter": {}}"#,
            "filter: `ids` is there already, and only one of the two may be (line 1, column 25)",
        ),
        (
            ".ReplayDeadLettersRequest",
            r#"{"ids": {"ids": ["a", null]}}"#,
            "ids.ids[1]: invalid type: null, expected a text (line 1, column 26)",
        ),
        (
            ".ReplayDeadLettersRequest",
            r#"{"payloads": {"a": "1", "a": "2"}}"#,
            "payloads.a: the key is there twice (line 1, column 27)",
        ),
        (
            ".IngestRequest",
            r#"{"events": [{}, {"properties": {"a": {"b": 1, "b": 2}}}]}"#,
            "events[1].properties.a.b: the key is there twice (line 1, column 49)",
        ),
        (
            ".IngestRequest",
            r#"{"events": [{"properties": []}]}"#,
            "events[0].properties: invalid type: sequence, expected an object (line 1, column 29)",
        ),
        (
            ".GetDefinitionRequest",
            r#"{"name": "a""#,
            ": the JSON ends in the middle (EOF while parsing an object) (line 1, column 12)",
        ),
        (
            ".GetDefinitionRequest",
            r#"{"name": "\ud800"}"#,
            "name: is not JSON: unexpected end of hex escape (line 1, column 17)",
        ),
        (
            ".GetDefinitionRequest",
            r#"{"name": "a"} x"#,
            ": is not JSON: trailing characters (line 1, column 15)",
        ),
        (
            ".ListDeadLettersRequest",
            r#"{"pageSize": 1e999}"#,
            "pageSize: is not JSON: number out of range (line 1, column 18)",
        ),
        (
            ".GetDefinitionRequest",
            "[]",
            ": invalid type: sequence, expected an object (line 1, column 2)",
        ),
    ] {
        let told = check(name, json);
        if told != expected {
            wrong.push(format!("{json}\n  {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_enum_that_is_none_is_told_with_the_others() {
    let told = check(
        ".GetDefinitionRequest",
        r#"{"kind": "DEFINITION_KIND_SEGMNT"}"#,
    );
    assert!(
        told.starts_with(
            "kind: `DEFINITION_KIND_SEGMNT` is none of the values: did you mean \
             DEFINITION_KIND_SEGMENT? expected one of DEFINITION_KIND_UNSPECIFIED, "
        ),
        "{told}"
    );
}

#[test]
fn hostile_documents_end_early() {
    let deep = format!(
        "{{\"events\":[{{\"properties\":{}",
        "{\"a\":".repeat(100_000)
    );
    let told = check(".IngestRequest", &deep);
    assert!(told.contains("more than 64 levels deep"), "{told}");
    let wide = format!(
        "{{\"events\":[{{\"properties\":{{\"a\":[{}",
        "1,".repeat(2_000_000)
    );
    let told = check(".IngestRequest", &wide);
    assert!(
        told.contains("longer than 8388608 bytes in protobuf"),
        "{told}"
    );
    let bytes = b"{\"name\": \"\xff\"}";
    let told = check_bytes(".GetDefinitionRequest", bytes);
    assert!(
        told.starts_with("name: is not JSON: invalid unicode"),
        "{told}"
    );
}

#[test]
fn scalars_are_written_as_the_format_says() {
    let whole = |value| Plain::Number(Number::Whole(value));
    for (kind, value, expected) in [
        (
            Kind::Int32,
            whole(-1),
            &b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        ),
        (Kind::Sint32, whole(-2), b"\x08\x03"),
        (Kind::Sint64, Plain::Text("-1"), b"\x08\x01"),
        (Kind::Uint64, Plain::Text("300"), b"\x08\xac\x02"),
        (Kind::Fixed32, whole(1), b"\x0d\x01\0\0\0"),
        (
            Kind::Sfixed64,
            whole(-1),
            b"\x09\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        (Kind::Float, whole(1), b"\x0d\0\0\x80\x3f"),
        (
            Kind::Double,
            Plain::Text("-Infinity"),
            b"\x09\0\0\0\0\0\0\xf0\xff",
        ),
        (Kind::Bool, Plain::Bool(true), b"\x08\x01"),
        (Kind::Bytes, Plain::Text("-_8"), b"\x0a\x02\xfb\xff"),
        (Kind::Bytes, Plain::Text("+/8="), b"\x0a\x02\xfb\xff"),
        (Kind::Int64, Plain::Text("1e2"), b"\x08\x64"),
    ] {
        let mut out = Output::with_capacity(16);
        write(&mut out, 1, kind, value).expect("a value of the kind");
        assert_eq!(out.message(), expected, "{kind:?} {value:?}");
    }
}

#[test]
fn scalars_that_are_none_are_refused() {
    let whole = |value| Plain::Number(Number::Whole(value));
    for (kind, value) in [
        (Kind::Int32, whole(1 << 31)),
        (Kind::Uint32, whole(-1)),
        (Kind::Uint64, whole(1 << 64)),
        (Kind::Int64, Plain::Text("")),
        (Kind::Int64, Plain::Text(" 1")),
        (Kind::Int64, Plain::Text("+1")),
        (Kind::Int64, Plain::Text("01")),
        (Kind::Int64, Plain::Text("1.5")),
        (Kind::Float, Plain::Number(Number::Float(1e300))),
        (Kind::Double, Plain::Text("inf")),
        (Kind::Double, Plain::Bool(true)),
        (Kind::Bool, Plain::Text("true")),
        (Kind::Bool, whole(1)),
        (Kind::Text, whole(1)),
        (Kind::Bytes, Plain::Text("!")),
    ] {
        let mut out = Output::with_capacity(16);
        assert!(
            write(&mut out, 1, kind, value).is_err(),
            "{kind:?} {value:?}"
        );
    }
}

#[test]
fn instants_and_durations_are_read() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some((0, 0))),
        ("1969-12-31T23:59:59.5Z", Some((-1, 500_000_000))),
        (
            "2024-02-29T12:00:00.123456789+05:30",
            Some((1_709_188_200, 123_456_789)),
        ),
        ("0001-01-01T00:00:00Z", Some((-62_135_596_800, 0))),
        (
            "9999-12-31T23:59:59.999999999Z",
            Some((253_402_300_799, 999_999_999)),
        ),
        ("9999-12-31T23:59:59-01:00", None),
        ("2023-02-29T00:00:00Z", None),
        ("2024-13-01T00:00:00Z", None),
        ("2024-01-01T24:00:00Z", None),
        ("2024-01-01T23:59:60Z", None),
        ("2024-01-01 00:00:00Z", None),
        ("2024-01-01T00:00:00", None),
        ("2024-01-01T00:00:00.Z", None),
        ("2024-01-01T00:00:00.1234567890Z", None),
        ("2024-01-01T00:00:00+24:00", None),
        ("2024-01-01T00:00:00Zé", None),
        ("", None),
    ] {
        assert_eq!(known::timestamp(text), expected, "{text}");
    }
    for (text, expected) in [
        ("1.5s", Some((1, 500_000_000))),
        ("-1.5s", Some((-1, -500_000_000))),
        ("0s", Some((0, 0))),
        ("315576000000s", Some((315_576_000_000, 0))),
        ("315576000001s", None),
        (".5s", None),
        ("1.s", None),
        ("1", None),
        ("+1s", None),
    ] {
        assert_eq!(known::duration(text), expected, "{text}");
    }
}

proptest! {
    /// The reader takes what the reference takes, as the same message, and refuses what it refuses.
    #[test]
    fn random_documents_are_read_as_the_reference_reads_them(seed in any::<u64>()) {
        let mut random = random::Random::new(seed);
        let methods = contract::methods();
        let method = &methods[random.below(methods.len())];
        let message = contract::message(method.input);
        let json = random.message(message, 4);
        let mut document = serde_json::Deserializer::from_str(&json);
        let descriptor = message.descriptor.clone();
        let reference = DynamicMessage::deserialize(descriptor, &mut document);
        match (read_dynamic(message, json.as_bytes()), reference) {
            (Ok(ours), Ok(theirs)) => {
                // A default that is there is none once it was sent.
                let sent = |message: &DynamicMessage| {
                    let sent = message.encode_to_vec();
                    let again = DynamicMessage::decode(message.descriptor(), sent.as_slice());
                    again.expect("a message")
                };
                prop_assert_eq!(sent(&ours), sent(&theirs), "{}", json);
            }
            (Err(ours), Err(_)) => prop_assert!(!ours.description.is_empty()),
            (Ok(_), Err(theirs)) => prop_assert!(false, "{theirs}: {json}"),
            (Err(ours), Ok(_)) => {
                // Stricter on purpose: see the head of `read.rs`.
                let strict = ["is there twice", "is there already"];
                let is_strict = strict.iter().any(|text| ours.description.contains(text));
                prop_assert!(is_strict, "{}: {}: {}", ours.field, ours.description, json);
            }
        }
    }
}
