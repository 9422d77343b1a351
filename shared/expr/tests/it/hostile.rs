//! Text that was written to hurt: answered with mistakes, at bounded cost, on a small stack.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an attack is on time and on the stack, so both are measured here"
)]

use std::thread;
use std::time::{Duration, Instant};

use expr::{Condition, Mistake};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::proptest;

use crate::support::{Customer, everything};

/// The stack of a worker thread on a small server.
const STACK_BYTES: usize = 256 * 1024;
/// Far above what bounded work takes in an unoptimised build, far below what the attacks aim at.
const PATIENCE: Duration = Duration::from_millis(100);

/// Compiles on a small stack, and evaluates what compiles.
fn compile(source: String) -> Result<bool, Vec<Mistake>> {
    let thread = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let condition = Condition::compile(&source, &everything())?;
            let customer = Customer::default();
            condition.explain(&customer);
            condition.next_change(&customer);
            Ok(condition.holds(&customer))
        });
    thread
        .expect("a thread can be started")
        .join()
        .expect("hostile text does not panic")
}

/// Compiles many times and takes the fastest, since other work shares the machine.
fn check_refused(name: &str, source: &str) {
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let mistakes = compile(source.to_owned()).expect_err(name);
        fastest = fastest.min(start.elapsed());
        assert!(
            mistakes.iter().all(|mistake| mistake.message.len() < 600),
            "{name}"
        );
    }
    assert!(fastest < PATIENCE, "{name}: {fastest:?}");
}

fn nested(open: &str, close: &str, count: usize) -> String {
    format!("{}1{}", open.repeat(count), close.repeat(count))
}

#[test]
fn deep_and_long_texts_are_refused_at_bounded_cost() {
    for (name, source) in [
        ("nested brackets", nested("(", ")", 97)),
        ("nested lists", nested("[", "]", 97)),
        ("nested maps", nested("{1:", "}", 97)),
        ("nested calls", nested("size(", ")", 97)),
        ("nested choices", nested("true ? ", " : 1", 97)),
        ("a long sum", vec!["1"; 1_500].join("+")),
        ("a sum of 4 KiB", vec!["1"; 2_048].join("+")),
        ("a long sum with blanks", vec!["1"; 1_400].join(" + ")),
        ("a path of 4 KiB", format!("p{}", ".a".repeat(2_047))),
        (
            "a long path of a profile",
            format!("profile{}", ".a".repeat(2_000)),
        ),
        ("a path of 9 KB", format!("p{}", ".a".repeat(4_600))),
        ("open brackets", "(".repeat(100_000)),
        ("open brackets of 4 KiB", "(".repeat(4_096)),
        ("open lists of 4 KiB", "[".repeat(4_096)),
        ("an error far out", format!("{}@", " ".repeat(70_000))),
        ("negations", format!("{}true", "!".repeat(100_000))),
        ("negations of 4 KiB", format!("{}true", "!".repeat(4_092))),
        ("minuses of 4 KiB", format!("{}1", "-".repeat(4_095))),
        ("a chain of and", vec!["true"; 100_000].join("&&")),
        ("a chain of and of 4 KiB", vec!["a"; 1_365].join("&&")),
        (
            "a list of 100,000",
            format!("1 in [{}]", vec!["1"; 100_000].join(",")),
        ),
        (
            "a list of 2,000",
            format!("1 in [{}]", vec!["1"; 2_000].join(",")),
        ),
    ] {
        check_refused(name, &source);
    }
}

#[test]
fn costly_calls_and_odd_letters_are_refused_at_bounded_cost() {
    for (name, source) in [
        (
            "comprehensions",
            "profile.l.all(a, profile.l.all(b, profile.l.all(c, true)))".to_owned(),
        ),
        (
            "string doubling",
            "[\"aaaa\"].map(a, a + a).map(b, b + b).map(c, c + c).size() > 0".to_owned(),
        ),
        (
            "a repeated repetition",
            "profile.x.matches(\"(a{100}){100}\")".to_owned(),
        ),
        (
            "a huge repetition",
            "profile.x.matches(\"(a{1000}){1000}\")".to_owned(),
        ),
        (
            "a nested pattern",
            format!("profile.x.matches(\"{}\")", nested("(", ")", 100)),
        ),
        (
            "a chain of calls",
            format!("events(\"a\"){}.count() > 1", ".within(\"1d\")".repeat(300)),
        ),
        (
            "a chain of conditionals",
            format!("{}true", "true?false:".repeat(370)),
        ),
        ("unclosed text", "\"".repeat(4_095)),
        ("backslashes", format!("\"{}", "\\".repeat(4_000))),
        ("commas", format!("size({})", ",".repeat(4_000))),
        ("dots", ".".repeat(4_096)),
        ("question marks", "?".repeat(4_096)),
        ("wide characters", "ä".repeat(2_048)),
        ("a huge number", "1 < 9".to_owned() + &"9".repeat(4_000)),
        ("a huge exponent", "1 < 1e99999".to_owned()),
        (
            "a huge duration",
            "now - now > duration(\"99999999999999d\")".to_owned(),
        ),
        ("a bad escape", "\"\\q\" == \"\"".to_owned()),
        ("a null character", "\u{0}".repeat(100)),
    ] {
        check_refused(name, &source);
    }
}

#[test]
fn hard_patterns_take_time_in_proportion_to_the_text() {
    let condition =
        Condition::compile("profile.x.matches(\"(a+)+$\")", &everything()).expect("a condition");
    let mut customer = Customer::default();
    let text = format!("{}b", "a".repeat(kernel::limits::TEXT_BYTES - 1));
    customer.traits.set("x", text.as_str().into());
    let start = Instant::now();
    assert!(!condition.holds(&customer));
    // A backtracking engine would not come back at all.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn arithmetic_beyond_numbers_is_unknown() {
    for source in [
        "1 / 0 > 0",
        "0 / 0 == 0",
        "1e308 * 10 > 1",
        "-9007199254740992 / -0 > 0",
        "1 % 0 == 0",
    ] {
        assert_eq!(compile(source.to_owned()), Ok(false), "{source}");
    }
}

#[test]
fn the_largest_expressions_allowed_fit_the_small_stack() {
    for source in [
        vec!["profile.a == 1"; 150].join(" && "),
        vec!["true"; 490].join("||"),
        nested("(", ")", 30) + " == 1",
        nested("!(", ")", 15).replace('1', "true"),
        vec!["1"; 31].join("+") + " > 1",
        vec!["true"; 30].join(" ? true : "),
    ] {
        let outcome = compile(source.clone());
        assert!(outcome.is_ok(), "{source}: {outcome:?}");
    }
}

/// Words of the language in any order reach deeper than random characters.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("profile.a"),
        Just("event.b"),
        Just("events(\"e\")"),
        Just(".within(\"1d\")"),
        Just(".count()"),
        Just(".where("),
        Just("segments.has(\"s\")"),
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just(","),
        Just("&&"),
        Just("||"),
        Just("!"),
        Just("-"),
        Just("+"),
        Just("?"),
        Just(":"),
        Just("in"),
        Just("=="),
        Just("<"),
        Just("1"),
        Just("\"x\""),
        Just("true"),
        Just("duration(\"1d\")"),
        Just("now"),
        Just("."),
        Just(".matches("),
        Just("size("),
        Just("has("),
        Just("ä"),
        Just("\\"),
        Just("\""),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(text in any::<String>()) {
        let _ = Condition::compile(&text, &everything());
    }

    #[test]
    fn no_sequence_of_words_makes_the_compiler_panic(text in words()) {
        if let Ok(condition) = Condition::compile(&text, &everything()) {
            condition.holds(&Customer::default());
        }
    }
}
