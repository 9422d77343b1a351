//! Names and numbers of every kind, from the record to the state and back.

use kernel::{Value, push_key};
use proptest::prelude::*;

use crate::harness::{DAY, Harness};

/// Names within the limit, in their normal form.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}",
        "[A-Za-z0-9 $./\\\\'\"_-]{1,8}",
        "[\u{20}-\u{7e}äöüß🛒\u{2028}]{1,6}",
        Just("in".to_owned()),
        Just("true".to_owned()),
        Just("a".repeat(200)),
    ]
}

/// Numbers that compare as their neighbours where they are doubles, and others.
fn number() -> impl Strategy<Value = i128> {
    prop_oneof![
        -9..9_i128,
        (0..4_i128).prop_map(|more| (1 << 53) + more),
        (0..4_i128).prop_map(|more| -(1_i128 << 100) - more),
    ]
}

/// A literal of the language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_name_and_a_number_are_the_same_in_expression_record_and_state(
        event in name(),
        key in name(),
        value in number(),
    ) {
        let mut path = String::new();
        push_key(&mut path, &key);
        prop_assume!(path.len() <= 200);
        let (event_text, key_text) = (quoted(&event), quoted(&key));
        let is = format!("profile[{key_text}] == {value} && profile[{key_text}] != {}", value + 1);
        let happened = format!("events({event_text}).where(event[{key_text}] == {value})");
        let segments = [
            ("is", is.as_str()),
            ("was", &format!("{happened}.within(\"9d\").count() == 2")),
        ];
        let mut harness = Harness::new(&segments);
        let told = [(path.as_str(), Value::from(value))];
        let other = [(path.as_str(), Value::from(value + 1))];
        harness.event_with("1", &event, 0, &told, &told);
        // The next event loads the state that this one stored.
        harness.event_with("2", &event, DAY, &other, &[]);
        harness.event_with("3", &event, 2 * DAY, &told, &[]);
        let mut members = harness.members();
        members.sort();
        prop_assert_eq!(members, ["is", "was"]);
        let traits = harness.state.traits();
        prop_assert_eq!(traits.value(&path), Some(&Value::from(value)));
    }
}

#[test]
fn what_expressions_do_not_read_is_kept_as_a_trait() {
    let mut harness = Harness::new(&[("a", "has(profile.cart) && !(1 in profile.cart)")]);
    let cart = Value::List(vec![Value::Json("{\"sku\":1}".into())]);
    harness.event_with("1", "x", 0, &[], &[("cart", cart.clone())]);
    harness.event("x", DAY, &[]);
    assert_eq!(harness.members(), ["a"]);
    assert_eq!(harness.state.traits().value("cart"), Some(&cart));
}
