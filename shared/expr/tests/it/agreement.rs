//! The compiled program agrees with the naive interpreter, over random expressions and customers,
//! at any instant.

use expr::Condition;
use kernel::{Properties, Timestamp, Value};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::proptest;

use crate::naive::Tree;
use crate::support::{Customer, Past, everything};

const DAY: i64 = 86_400_000;
const TEXTS: [&str; 3] = ["free", "pro", "x"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const EVENTS: [&str; 2] = ["purchase", "visit"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES.to_vec())
}

fn days() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), (1..40_u32).prop_map(Some)]
}

fn number() -> impl Strategy<Value = Tree> {
    let event = prop::sample::select(EVENTS.to_vec());
    let leaf = prop_oneof![
        (-3..4_i8).prop_map(|number| Tree::Number(f64::from(number))),
        name().prop_map(Tree::Profile),
        name().prop_map(Tree::Event),
        (
            event.clone(),
            days(),
            prop::option::of((0..4_i8).prop_map(f64::from))
        )
            .prop_map(|(event, days, at_least)| Tree::Count {
                event,
                days,
                at_least
            }),
        (event, days()).prop_map(|(event, days)| Tree::Sum { event, days }),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
        (operator, inner.clone(), inner).prop_map(|(operator, left, right)| {
            Tree::Math(operator, Box::new(left), Box::new(right))
        })
    })
}

fn text() -> impl Strategy<Value = Tree> {
    prop_oneof![
        prop::sample::select(TEXTS.to_vec()).prop_map(Tree::Text),
        name().prop_map(Tree::Profile),
    ]
}

pub(crate) fn condition() -> impl Strategy<Value = Tree> {
    let operator = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let compare =
        |(operator, left, right)| Tree::Compare(operator, Box::new(left), Box::new(right));
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Bool),
        name().prop_map(Tree::Profile),
        name().prop_map(Tree::Has),
        prop::sample::select(vec!["s", "t"]).prop_map(Tree::Segment),
        (operator(), number(), number()).prop_map(compare),
        (operator(), text(), text()).prop_map(compare),
        (
            text(),
            prop::collection::vec(prop::sample::select(TEXTS.to_vec()), 1..3)
        )
            .prop_map(|(item, values)| Tree::In(Box::new(item), values)),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Tree::Not(Box::new(inner))),
            (any::<bool>(), prop::collection::vec(inner.clone(), 2..4))
                .prop_map(|(is_all, parts)| Tree::Join(is_all, parts)),
            // Between two bare traits a choice has no type, so it is between conditions.
            (inner.clone(), inner.clone(), inner).prop_map(|(condition, yes, no)| {
                let is_condition = |tree| Tree::Join(true, vec![tree, Tree::Bool(true)]);
                Tree::Choice(
                    Box::new(condition),
                    Box::new(is_condition(yes)),
                    Box::new(is_condition(no)),
                )
            }),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3..4_i8).prop_map(|number| Value::Number(f64::from(number))),
        prop::sample::select(TEXTS.to_vec()).prop_map(Value::from),
        any::<bool>().prop_map(Value::Bool),
    ]
}

fn values() -> impl Strategy<Value = Properties> {
    prop::collection::vec((name(), value()), 0..3).prop_map(|pairs| pairs.into_iter().collect())
}

pub(crate) fn customer() -> impl Strategy<Value = Customer> {
    let event = (
        prop::sample::select(EVENTS.to_vec()),
        0..60_i64,
        prop::option::of(value()),
    );
    let past = event.prop_map(|(name, day, value)| Past {
        name,
        at: day * DAY,
        properties: value.into_iter().map(|value| ("value", value)).collect(),
    });
    (
        values(),
        values(),
        any::<bool>(),
        prop::collection::vec(past, 0..8),
        0..60_i64,
    )
        .prop_map(|(traits, event, is_member, past, day)| Customer {
            traits,
            event,
            segments: is_member.then_some("s").into_iter().collect(),
            past,
            now: Timestamp::from_millis(day * DAY),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_program_agrees_with_the_naive_interpreter(tree in condition(), customer in customer()) {
        let source = tree.text();
        // A tree that is too deep is refused, and nothing else is.
        let condition = match Condition::compile(&source, &everything()) {
            Ok(condition) => condition,
            Err(mistakes) => panic!("{source}: {mistakes:?}"),
        };
        assert_eq!(condition.holds(&customer), tree.holds(&customer), "{source}");
    }

    #[test]
    fn nothing_changes_before_the_next_change_and_it_does_then(tree in condition(), customer in customer()) {
        let source = tree.text();
        let condition = Condition::compile(&source, &everything()).expect("a condition");
        let truth = tree.holds(&customer);
        let change = condition.next_change(&customer);
        // Events lie on whole days, so every change does.
        for day in customer.now.as_millis() / DAY..110 {
            let mut later = customer.clone();
            later.now = Timestamp::from_millis(day * DAY);
            match change {
                Some(change) if later.now == change => {
                    assert_ne!(tree.holds(&later), truth, "{source} at {}", later.now);
                    break;
                }
                _ => assert_eq!(tree.holds(&later), truth, "{source} at {}", later.now),
            }
        }
        assert!(condition.next_look(&customer) <= change.or(Some(Timestamp::MAX)), "{source}");
    }
}
