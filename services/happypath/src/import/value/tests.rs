//! Tests of values.

use super::*;

fn writing(decimal: Option<Decimal>, has_semicolons: bool) -> Writing<'static> {
    Writing {
        decimal,
        has_semicolons,
        times: TimeRules::default(),
    }
}

#[test]
fn what_comes_back_digit_for_digit_and_decimals_are_no_text() {
    for number in [
        "12",
        "0",
        "-3",
        "12.0",
        "-0.5",
        "19.90",
        "1.10",
        "33.333333333333336",
        "-0.0",
        "12345678901234567",
        "9007199254740993",
        "99999999999999999999999999999999999999",
        "1.5e-07",
        "1e-07",
        "1e+20",
        "1.0E10",
        "5.0E-324",
        "0.1234567890123456789",
    ] {
        assert_eq!(scalar(number), number);
        assert!(
            serde_json::from_str::<serde_json::Number>(number).is_ok(),
            "{number}"
        );
    }
    for truth in ["true", "false"] {
        assert_eq!(scalar(truth), truth);
    }
    for text in [
        "",
        "1e5",
        "007",
        "+20",
        ".5",
        "5.",
        "1_000",
        "00",
        "-0",
        "inf",
        "NaN",
        "1e999",
        "1.5e999",
        "True",
        "12 ",
        "0x10",
        "+49301",
        "1,5",
        "1.2.3",
        "٣",
        "1e",
        "1e+",
        "--1",
        "-",
        "a\"b",
        "\u{0}",
        "100000000000000000000000000000000000000",
    ] {
        assert_eq!(scalar(text), Value::from(text).to_string());
    }
}

#[test]
fn a_comma_before_decimals_is_found_where_only_one_reading_is_left() {
    let semicolons = writing(None, true);
    let by_comma = writing(Some(Decimal::Comma), true);
    let by_point = writing(Some(Decimal::Point), false);
    let commas = writing(None, false);
    for (text, found, comma, point, other) in [
        ("19,90", Some("19.90"), "19.90", "\"19,90\"", "\"19,90\""),
        (
            "1.249,50",
            Some("1249.50"),
            "1249.50",
            "\"1.249,50\"",
            "\"1.249,50\"",
        ),
        ("1,249", None, "1.249", "1249", "\"1,249\""),
        ("1.249", None, "1249", "1.249", "1.249"),
        ("19.90", Some("19.90"), "19.90", "19.90", "19.90"),
        ("0.125", Some("0.125"), "0.125", "0.125", "0.125"),
        ("12", Some("12"), "12", "12", "12"),
        ("007", Some("\"007\""), "\"007\"", "\"007\"", "\"007\""),
        (
            "007,5",
            Some("\"007,5\""),
            "\"007,5\"",
            "\"007,5\"",
            "\"007,5\"",
        ),
        (",5", Some("\",5\""), "\",5\"", "\",5\"", "\",5\""),
        (
            "192.168.100.200",
            Some("\"192.168.100.200\""),
            "\"192.168.100.200\"",
            "\"192.168.100.200\"",
            "\"192.168.100.200\"",
        ),
        (
            "1.249.500",
            Some("\"1.249.500\""),
            "1249500",
            "\"1.249.500\"",
            "\"1.249.500\"",
        ),
        (
            "red, blue",
            Some("\"red, blue\""),
            "\"red, blue\"",
            "\"red, blue\"",
            "\"red, blue\"",
        ),
    ] {
        assert_eq!(untyped(text, &semicolons).ok().as_deref(), found, "{text}");
        assert_eq!(untyped(text, &by_comma).as_deref(), Ok(comma), "{text}");
        assert_eq!(untyped(text, &by_point).as_deref(), Ok(point), "{text}");
        assert_eq!(untyped(text, &commas).as_deref(), Ok(other), "{text}");
    }
    let reason = untyped("1,249", &semicolons).expect_err("ambiguous");
    assert!(reason.contains("may be 1.249 or 1249: say"), "{reason}");
}

#[test]
fn a_type_decides_what_a_text_is() {
    use ValueType::{Boolean, Instant, Integer, Json, Number, Text};
    let plain = writing(None, false);
    for (text, value_type, found) in [
        ("1e5", Text, Some("\"1e5\"")),
        ("1.10", Text, Some("\"1.10\"")),
        ("true", Text, Some("\"true\"")),
        ("+20", Number, Some("20")),
        (".5", Number, Some("0.5")),
        ("007", Number, Some("7")),
        ("1e5", Number, Some("1e5")),
        ("1,249.50", Number, Some("1249.50")),
        ("1.249,50", Number, Some("1249.50")),
        ("48.125", Number, Some("48.125")),
        ("1,249", Number, None),
        ("4.01E+12", Number, None),
        ("abc", Number, None),
        ("1_000", Number, None),
        ("12345.0", Integer, Some("12345")),
        ("007", Integer, Some("7")),
        ("12.5", Integer, None),
        ("100000000000000000000000000000000000000", Integer, None),
        (
            "99999999999999999999999999999999999999",
            Integer,
            Some("99999999999999999999999999999999999999"),
        ),
        ("Yes", Boolean, Some("true")),
        ("F", Boolean, Some("false")),
        ("0", Boolean, Some("false")),
        ("2", Boolean, None),
        (
            "2024-05-01 10:00:00 +0200",
            Instant,
            Some("\"2024-05-01T08:00:00Z\""),
        ),
        ("soon", Instant, None),
        ("[1, {\"a\": 2}]", Json, Some("[1, {\"a\": 2}]")),
        ("[1,", Json, None),
    ] {
        let read = typed(text, value_type, &plain);
        assert_eq!(
            read.as_deref().ok(),
            found,
            "{text} {value_type:?} {read:?}"
        );
    }
}

#[test]
fn a_type_that_is_none_is_told_with_the_nearest() {
    let reason = "nubmer".parse::<ValueType>().expect_err("no type");
    assert!(reason.ends_with("did you mean `number`?"), "{reason}");
}

#[test]
fn an_object_quotes_its_names() {
    let fields = [("b \"", "1"), ("a.b", "[]")];
    let fields = fields.map(|(name, json)| (name.to_owned(), json.to_owned()));
    assert_eq!(
        object(&fields.into()).as_deref(),
        Some("{\"a.b\":[],\"b \\\"\":1}")
    );
    assert_eq!(object(&BTreeMap::new()), None);
}

#[test]
fn a_point_among_commas_is_read_where_nothing_else_can_be_meant() {
    let by_comma = writing(Some(Decimal::Comma), true);
    for (text, value_type, found) in [
        ("12345.0", ValueType::Integer, Some("12345")),
        ("19.90", ValueType::Number, Some("19.90")),
        ("1.249", ValueType::Number, Some("1249")),
        ("19.9.0", ValueType::Number, None),
    ] {
        assert_eq!(
            typed(text, value_type, &by_comma).ok().as_deref(),
            found,
            "{text}"
        );
    }
}
