//! The canonical form: one text for all spellings of a condition, with the meaning of each.

use expr::Condition;
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;

use crate::agreement::{condition, customer};
use crate::naive::Tree;
use crate::support::everything;

fn compile(source: &str) -> Condition {
    match Condition::compile(source, &everything()) {
        Ok(condition) => condition,
        Err(mistakes) => panic!("{source}: {mistakes:?}"),
    }
}

fn canonical(source: &str) -> String {
    compile(source).canonical().into()
}

fn filter(source: &str) -> String {
    let condition = compile(&format!("events(\"e\").where({source}).exists()"));
    let filter = condition.features()[0].filter.as_ref();
    filter.expect("a filter").canonical().to_owned()
}

#[test]
fn spelling_does_not_count() {
    for (spellings, expected) in [
        (
            &[
                "event.value > 10.0",
                "event.value>10",
                " ( 10e0 < (event [\"value\"]) ) // much\n",
                "event.value > 10 && (event.value > 10.0)",
            ][..],
            "event.value > 10.0",
        ),
        (
            &[
                "event.a == 'x' && event.b != event.a || event.c",
                "event.c || event.a != event.b && \"\\x78\" == event.a",
                "event.c || (event.c || (event.a != event.b && r\"x\" == event.a))",
            ],
            "event.a != event.b && event.a == \"x\" || event.c",
        ),
        (
            &[
                "event.a in ['y', \"x\", 'y']",
                "(event.a) in [\"x\", \"y\",]",
            ],
            "event.a in [\"x\", \"y\"]",
        ),
        (
            &[
                "timestamp(event.at) >= timestamp('2026-01-31T02:00:00+02:00')",
                "timestamp(\"2026-01-31T00:00:00Z\") <= timestamp(event.at)",
            ],
            "timestamp(event.at) >= timestamp(\"2026-01-31T00:00:00Z\")",
        ),
        (
            &[
                "event['a b'].startsWith('\"\\n')",
                "event[\"a b\"].startsWith(\"\\\"\\n\")",
            ],
            "event[\"a b\"].startsWith(\"\\\"\\n\")",
        ),
        (
            &["event['address'][\"city name\"] == 'x'"],
            "event.address[\"city name\"] == \"x\"",
        ),
        (&["event['a.b'] == 'x'"], "event[\"a.b\"] == \"x\""),
        (
            &["event['gro\u{308}ße'] == 'x'", "event[\"größe\"] == 'x'"],
            "event[\"größe\"] == \"x\"",
        ),
        (
            &[
                "event.a ? event.b && event.b : event.c == true",
                "event.a ? event.b == true : event.c == true",
            ],
            "event.a ? event.b == true : event.c == true",
        ),
        (
            &["-(-(2)) * event.a < -0.0", "0 > 2 * event.a"],
            "2.0 * event.a < 0.0",
        ),
    ] {
        for spelling in spellings {
            assert_eq!(filter(spelling), expected, "{spelling}");
            assert_eq!(filter(expected), expected);
        }
    }
}

#[test]
fn what_means_something_else_stays_apart() {
    for (one, other) in [
        ("!(event.a == 1)", "event.a != 1"),
        ("event.a - event.b > 1", "event.b - event.a > 1"),
        ("event.a == \"1\"", "event.a == 1"),
        (
            "event.a && event.b || event.c",
            "event.a && (event.b || event.c)",
        ),
        ("event.a == true", "event.a != false"),
        (
            "(event.a && event.a) == (event.b > 1)",
            "event.a == (event.b > 1)",
        ),
    ] {
        assert_ne!(filter(one), filter(other));
    }
}

#[test]
fn a_history_is_named_by_its_canonical_form_for_good() {
    let id = |source: &str| compile(source).features()[0].id().number();
    // Changing these numbers makes every customer forget their histories.
    for (source, pinned) in [
        ("events(\"buy\").exists()", PINNED[0]),
        ("events(\"buy\").within(\"30d\").count() >= 3", PINNED[0]),
        (
            "events(\"buy\").within(\"1d\").since_last() > duration(\"1h\")",
            PINNED[0],
        ),
        ("events(\"buy\").sum(\"value\") > 1", PINNED[1]),
        (
            "events(\"buy\").within(\"7d\").max(\"value\") > 1",
            PINNED[1],
        ),
        (
            "events(\"buy\").where(event.value>10).count() > 2",
            PINNED[2],
        ),
        (
            "events(\"buy\").where((10.0 < event.value)).exists()",
            PINNED[2],
        ),
        (
            "events(\"buy\").where(event.value > 10).avg(\"value\") > 2",
            PINNED[3],
        ),
    ] {
        assert_eq!(id(source), pinned, "{source}: {:#x}", id(source));
    }
}

const PINNED: [u64; 4] = [
    0xf418_36c9_ccb0_4dd0,
    0xddaa_7e28_d9b9_1756,
    0x3702_9e2e_4a40_5c81,
    0xe070_40c1_f4a9_fdec,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_canonical_text_means_the_same_and_is_its_own(
        tree in condition(),
        customer in customer(),
        seed in any::<u32>(),
    ) {
        let source = tree.text();
        let condition = compile(&source);
        let text = condition.canonical();
        // It may nest deeper than the source does, where that is at the limit.
        if let Ok(again) = Condition::compile(&text, &everything()) {
            assert_eq!(again.canonical(), text, "{source}");
            assert_eq!(again.holds(&customer), condition.holds(&customer), "{source}: {text}");
        }
        assert_eq!(canonical(&respelled(&tree, seed)), *text, "{source}");
    }
}

/// Writes a tree in another way: other quotes and spaces, parts twice and from the last,
/// comparisons from the other side.
fn respelled(tree: &Tree, seed: u32) -> String {
    let turn = |by: u32| seed.rotate_left(by).is_multiple_of(2);
    let inner = |tree: &Tree| respelled(tree, seed.wrapping_mul(0x9e37_79b9).rotate_left(5));
    match tree {
        Tree::Text(text) if turn(1) => format!("'{text}'"),
        Tree::Number(number) if turn(2) => format!("{number:e}"),
        Tree::Not(part) => format!("! ( {} )", inner(part)),
        Tree::Join(is_all, parts) => {
            let mut texts: Vec<String> = parts
                .iter()
                .map(|part| format!("( {} )", inner(part)))
                .collect();
            if turn(3) {
                texts.reverse();
            }
            if turn(4) {
                texts.push(texts[0].clone());
            }
            texts.join(if *is_all { "  &&  " } else { "||" })
        }
        Tree::Compare(operator, left, right) if turn(5) => {
            let flipped = match *operator {
                "<" => ">",
                "<=" => ">=",
                ">" => "<",
                ">=" => "<=",
                same => same,
            };
            format!("({}) {flipped} ({})", inner(right), inner(left))
        }
        Tree::Compare(operator, left, right) | Tree::Math(operator, left, right) => {
            format!("(({}){operator}({}))", inner(left), inner(right))
        }
        Tree::Choice(condition, yes, no) => {
            format!("({})?({}):({})", inner(condition), inner(yes), inner(no))
        }
        Tree::In(item, values) => {
            let mut values: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
            values.reverse();
            format!("({}) in [{}]", inner(item), values.join(","))
        }
        other => other.text(),
    }
}
