//! Objects of both forms, and what is beyond a limit.

use kernel::limits::{LIST_VALUES, PROPERTY_DEPTH};
use prost_types::value::Kind;
use prost_types::{ListValue, Value as Json};

use super::*;

fn read(object: &Struct) -> Properties {
    flatten(object).expect("properties").properties
}

fn value(kind: Kind) -> Json {
    Json { kind: Some(kind) }
}

fn text(text: &str) -> Json {
    value(Kind::StringValue(text.to_owned()))
}

fn number(number: f64) -> Json {
    value(Kind::NumberValue(number))
}

fn list(values: Vec<Json>) -> Json {
    value(Kind::ListValue(ListValue { values }))
}

fn object(fields: Vec<(&str, Json)>) -> Struct {
    Struct {
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

fn nested(depth: usize) -> Struct {
    let mut inner = object(vec![("x", number(1.0))]);
    for _ in 1..depth {
        inner = object(vec![("a", value(Kind::StructValue(inner)))]);
    }
    inner
}

#[test]
fn nested_objects_become_paths_and_nulls_are_told() {
    let city = object(vec![
        ("city", text("Graz")),
        ("zip", value(Kind::NullValue(0))),
    ]);
    let flat = flatten(&object(vec![
        ("address", value(Kind::StructValue(city))),
        ("tags", list(vec![text("a"), number(2.0)])),
        ("vip", value(Kind::BoolValue(true))),
    ]))
    .expect("properties");
    assert_eq!(flat.nulls, ["address.zip"]);
    let written: Vec<String> = flat
        .properties
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        written,
        ["address.city=\"Graz\"", "tags=[\"a\", 2]", "vip=true"]
    );
    assert!(flatten(&nested(PROPERTY_DEPTH)).is_ok());
}

#[test]
fn a_key_with_a_dot_is_not_the_path_of_a_nested_one() {
    let inner = object(vec![("b", number(1.0))]);
    let read = read(&object(vec![
        ("a.b", number(2.0)),
        ("a", value(Kind::StructValue(inner))),
    ]));
    assert_eq!(read.value("a.b"), Some(&Value::from(1.0)));
    assert_eq!(read.value("a\\.b"), Some(&Value::from(2.0)));
}

#[test]
fn what_is_beyond_a_limit_is_named() {
    let long = "n".repeat(NAME_BYTES + 1);
    let many: Vec<(String, Json)> = (0..=PROPERTIES_PER_EVENT)
        .map(|n| (format!("p{n}"), number(1.0)))
        .collect();
    let texts: Vec<(String, Json)> = (0..5)
        .map(|n| (format!("t{n}"), text(&"x".repeat(TEXT_BYTES))))
        .collect();
    for (input, field, says) in [
        (object(vec![("x", number(f64::NAN))]), "x", "finite"),
        (object(vec![("x", number(f64::INFINITY))]), "x", "finite"),
        (
            object(vec![("x", text(&"t".repeat(TEXT_BYTES + 1)))]),
            "x",
            "8192",
        ),
        (object(vec![("", number(1.0))]), "", "is empty"),
        (object(vec![(&long, number(1.0))]), &long, "201 bytes"),
        (
            object(vec![("a\nb", number(1.0))]),
            "a\nb",
            "control character",
        ),
        (
            object(vec![("Order ID", number(1.0)), ("order id", number(2.0))]),
            "order id",
            "\"Order ID\"",
        ),
        (
            object(vec![("gr\u{f6}", number(1.0)), ("gro\u{308}", number(2.0))]),
            "gr\u{f6}",
            "form of its characters",
        ),
        (nested(40), "a.a.a.a", "nested more than 32 deep"),
        (
            Struct {
                fields: many.into_iter().collect(),
            },
            "",
            "more than 100 values",
        ),
        (
            Struct {
                fields: texts.into_iter().collect(),
            },
            "",
            "bytes",
        ),
    ] {
        let violations = flatten(&input).expect_err(says);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, field);
        assert!(violations[0].description.contains(says), "{violations:?}");
    }
}

#[test]
fn a_hostile_object_costs_no_more_than_its_limits() {
    // Built without recursion and leaked, because dropping it would overflow the stack of any
    // program.
    let deep = Box::leak(Box::new(nested(100_000)));
    assert_eq!(flatten(deep).expect_err("too deep").len(), 1);
    let wide: Vec<(String, Json)> = (0..100_000)
        .map(|n| (format!("w{n}"), number(f64::NAN)))
        .collect();
    let violations = flatten(&Struct {
        fields: wide.into_iter().collect(),
    })
    .expect_err("too wide");
    assert_eq!(violations.len(), limits::VIOLATIONS);
}

#[test]
fn what_expressions_cannot_read_is_kept_as_text() {
    let check = |json: &str, expected: &[(&str, Value)]| {
        let flat = flatten_json(json).expect("properties");
        let expected: Properties = expected.iter().cloned().collect();
        assert_eq!(flat.properties, expected, "{json}");
    };
    let json = |text: &str| Value::Json(text.into());
    check(
        r#"{"products": [{"sku": "a b",  "n": [1, 2]}, 3, null, []]}"#,
        &[(
            "products",
            Value::List(vec![
                json(r#"{"sku":"a b","n":[1,2]}"#),
                Value::from(3.0),
                json("null"),
                json("[]"),
            ]),
        )],
    );
    check(
        r#"{"a":{"b":{"c":{"d":{"e":9007199254740993}}}}}"#,
        &[("a.b.c.d", json(r#"{"e":9007199254740993}"#))],
    );
    check(r#"{"a": { }}"#, &[("a", json("{}"))]);
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(LIST_VALUES));
    check(&many, &[("a", json(&many[5..many.len() - 1]))]);
    // The other form says the same.
    let inner = object(vec![("sku", text("a b")), ("n", list(vec![number(1.0)]))]);
    let read = read(&object(vec![
        ("products", list(vec![value(Kind::StructValue(inner))])),
        ("none", value(Kind::StructValue(Struct::default()))),
    ]));
    let expected = Value::List(vec![json(r#"{"n":[1],"sku":"a b"}"#)]);
    assert_eq!(read.value("products"), Some(&expected));
    assert_eq!(read.value("none"), Some(&json("{}")));
}

#[test]
fn numbers_of_a_text_are_exact() {
    for (text, expected) in [
        ("9007199254740992", Value::Number(9_007_199_254_740_992.0)),
        ("9007199254740993", Value::from(9_007_199_254_740_993_i128)),
        (
            "-9007199254740993",
            Value::from(-9_007_199_254_740_993_i128),
        ),
        (
            "12345678901234567890123",
            Value::from(12_345_678_901_234_567_890_123_i128),
        ),
        ("2.5", Value::Number(2.5)),
        ("-0", Value::Number(0.0)),
        ("1e20", Value::from(100_000_000_000_000_000_000_i128)),
        ("1e300", Value::Number(1e300)),
    ] {
        let flat = flatten_json(&format!("{{\"n\": {text} }}")).expect("a number");
        assert_eq!(flat.properties.value("n"), Some(&expected), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_text_is_named() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let deepest = format!("{{\"a\":{}1{}}}", "[".repeat(15_000), "]".repeat(15_000));
    let digits = format!("{{\"a\":{}}}", "9".repeat(40));
    for (json, field, says) in [
        ("", "", "is not JSON"),
        ("[]", "", "is not a JSON object"),
        ("{\"a\":1", "", "is not JSON"),
        ("{\"a\":1}x", "", "is not JSON"),
        ("{\"a\":01}", "", "is not JSON"),
        ("{\"a\":NaN}", "", "is not JSON"),
        ("{\"a\":1e400}", "a", "beyond what a double holds"),
        (&digits, "a", "40 digits"),
        (&deep, "a[0]", "nested more than 32 deep"),
        (&deepest, "a[0]", "nested more than 32 deep"),
        ("{\"a\":1,\"a\":2}", "a", "twice"),
        ("{\"b\":1,\"a\":1,\"b\":2}", "b", "twice"),
        ("{\"A\":1,\"a\":2}", "a", "\"A\""),
        ("{\"x\":{\"a\\u0001\":2}}", "x.a\u{1}", "control character"),
        ("{\"a\":\"\\ud800\"}", "a", "is not JSON"),
        ("{\"a\":[1,[\"\\ud800\"]]}", "a[1]", "is not JSON"),
        ("{\"a\":[{\"b\":1e400}]}", "a[0]", "out of range"),
    ] {
        let violations = flatten_json(json).expect_err(says);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, field, "{violations:?}");
        assert!(violations[0].description.contains(says), "{violations:?}");
    }
}

#[test]
fn an_object_that_is_kept_whole_loses_its_whitespace_alone() {
    let compact = |json: &str| compact_object(json);
    assert_eq!(
        compact(" { \"a b\" : [ 1 , \"x \\\" y\" ] } ").as_deref(),
        Ok("{\"a b\":[1,\"x \\\" y\"]}")
    );
    for bad in [
        "",
        "[]",
        "{",
        "{}{}",
        "{\"a\":1e400}",
        "{\"a\":\"\\ud800\"}",
    ] {
        assert!(compact(bad).is_err(), "{bad}");
    }
}
