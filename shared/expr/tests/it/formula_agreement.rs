//! Formulas agree with a naive reading of the same tree over a document that is parsed whole.

use expr::{Document, Formula, Inputs};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

/// A formula, as the test knows it.
#[derive(Debug, Clone)]
enum Tree {
    Path(&'static str, Vec<Step>),
    Text(String),
    Number(i32),
    Add(Box<Tree>, Box<Tree>),
    Divide(Box<Tree>, Box<Tree>),
    Compare(&'static str, Box<Tree>, Box<Tree>),
    In(Box<Tree>, Box<Tree>),
    All(Vec<Tree>),
    Not(Box<Tree>),
    Choice(Box<Tree>, Box<Tree>, Box<Tree>),
    Call(&'static str, Vec<Tree>),
    Method(&'static str, Box<Tree>, Vec<Tree>),
    Element(Box<Tree>, usize),
}

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Place(usize),
}

/// Writes the formula, with all brackets.
fn source(tree: &Tree) -> String {
    let all = |trees: &[Tree], between: &str| {
        let sources: Vec<String> = trees.iter().map(source).collect();
        sources.join(between)
    };
    match tree {
        Tree::Path(root, steps) => {
            let steps = steps.iter().map(|step| match step {
                Step::Field(name) => format!("[{}]", json!(name)),
                Step::Place(place) => format!("[{place}]"),
            });
            format!("{root}{}", steps.collect::<String>())
        }
        Tree::Text(text) => json!(text).to_string(),
        Tree::Number(number) => format!("({number})"),
        Tree::Add(one, other) => format!("({} + {})", source(one), source(other)),
        Tree::Divide(one, other) => format!("({} / {})", source(one), source(other)),
        Tree::Compare(operator, one, other) => {
            format!("({} {operator} {})", source(one), source(other))
        }
        Tree::In(one, other) => format!("({} in {})", source(one), source(other)),
        Tree::All(parts) => format!("({})", all(parts, " && ")),
        Tree::Not(inner) => format!("(!{})", source(inner)),
        Tree::Choice(one, yes, no) => {
            format!("({} ? {} : {})", source(one), source(yes), source(no))
        }
        Tree::Call(name, parts) => format!("{name}({})", all(parts, ", ")),
        Tree::Method(name, of, parts) => format!("({}).{name}({})", source(of), all(parts, ", ")),
        Tree::Element(of, place) => format!("({})[{place}]", source(of)),
    }
}

/// The value, read naively; null where it is unknown.
fn naive(tree: &Tree, item: &Value, body: &Value) -> Value {
    let value = |tree: &Tree| naive(tree, item, body);
    let number = |tree: &Tree| value(tree).as_f64();
    let text = |tree: &Tree| value(tree).as_str().map(str::to_owned);
    match tree {
        Tree::Path(root, steps) => {
            let mut at = if *root == "item" { item } else { body };
            for step in steps {
                at = match step {
                    Step::Field(name) => at.as_object().and_then(|it| it.get(name)),
                    Step::Place(place) => at.as_array().and_then(|it| it.get(*place)),
                }
                .unwrap_or(&Value::Null);
            }
            at.clone()
        }
        Tree::Text(text) => json!(text),
        Tree::Number(number) => json!(number),
        Tree::Add(one, other) => match (value(one), value(other)) {
            (Value::String(one), Value::String(other)) => json!(one + &other),
            (Value::Number(one), Value::Number(other)) => {
                json!(one.as_f64().unwrap_or(f64::NAN) + other.as_f64().unwrap_or(f64::NAN))
            }
            _ => Value::Null,
        },
        Tree::Divide(one, other) => match (number(one), number(other)) {
            (Some(one), Some(other)) if other != 0.0 => json!(one / other),
            _ => Value::Null,
        },
        Tree::Compare(operator, one, other) => {
            json!(compare(operator, &value(one), &value(other)).unwrap_or(false))
        }
        Tree::In(one, other) => {
            let (one, other) = (value(one), value(other));
            let mut list = other.as_array().into_iter().flatten();
            json!(list.any(|it| compare("==", &one, it) == Some(true)))
        }
        Tree::All(parts) => json!(parts.iter().all(|part| value(part) == json!(true))),
        Tree::Not(inner) => json!(value(inner) != json!(true)),
        Tree::Choice(one, yes, no) => match value(one) == json!(true) {
            true => value(yes),
            false => value(no),
        },
        Tree::Call("has", parts) => json!(!value(&parts[0]).is_null()),
        Tree::Call("coalesce", parts) => {
            let mut all = parts.iter().map(value);
            all.find(|it| !it.is_null()).unwrap_or(Value::Null)
        }
        Tree::Call(name, parts) => converted(name, value(&parts[0])),
        Tree::Method("trim", of, _) => text(of).map_or(Value::Null, |it| json!(it.trim())),
        Tree::Method("split", of, _) => {
            text(of).map_or(Value::Null, |it| json!(it.split(',').collect::<Vec<_>>()))
        }
        Tree::Method(_, of, parts) => {
            let (one, other) = (text(of), text(&parts[0]));
            json!(
                one.zip(other)
                    .is_some_and(|(one, other)| one.contains(&other))
            )
        }
        Tree::Element(of, place) => value(of).get(place).cloned().unwrap_or(Value::Null),
    }
}

/// The text of a value, or its size.
fn converted(name: &str, value: Value) -> Value {
    match (name, value) {
        ("string", Value::Bool(truth)) => json!(truth.to_string()),
        ("string", Value::Number(number)) => match number.as_f64().filter(|it| it.fract() == 0.0) {
            Some(whole) => json!(format!("{:.0}", whole + 0.0)),
            None => json!(number.to_string()),
        },
        ("string", Value::String(text)) => json!(text),
        ("size", Value::String(text)) => json!(text.chars().count()),
        ("size", Value::Array(list)) => json!(list.len()),
        ("size", Value::Object(fields)) => json!(fields.len()),
        _ => Value::Null,
    }
}

fn compare(operator: &str, one: &Value, other: &Value) -> Option<bool> {
    let order = match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64()?.partial_cmp(&other.as_f64()?)?
        }
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) if operator != "<" => one.cmp(other),
        _ => return None,
    };
    Some(match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        _ => order.is_lt(),
    })
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|it| json!(it)),
        (-3_i32..4).prop_map(|it| json!(it)),
        (-3_i32..4).prop_map(|it| json!(f64::from(it) + 0.5)),
        "[ab,\\\\\"é ]{0,4}".prop_map(|it| json!(it)),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|it| json!(it)),
            prop::collection::btree_map("[ab]", inner, 0..4).prop_map(|it| json!(it)),
        ]
    })
}

fn trees() -> impl Strategy<Value = Tree> {
    let step = prop_oneof![
        "[ab]".prop_map(Step::Field),
        (0_usize..3).prop_map(Step::Place),
    ];
    let steps = prop::collection::vec(step, 0..4);
    let path = (prop_oneof![Just("item"), Just("body")], steps)
        .prop_map(|(root, steps)| Tree::Path(root, steps));
    let leaf = prop_oneof![
        4 => path.clone(),
        1 => "[ab,é]{0,3}".prop_map(Tree::Text),
        1 => (-3_i32..4).prop_map(Tree::Number),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let operator = prop_oneof![Just("=="), Just("!="), Just("<")];
        prop_oneof![
            (boxed(), boxed()).prop_map(|(one, other)| Tree::Add(one, other)),
            (boxed(), boxed()).prop_map(|(one, other)| Tree::Divide(one, other)),
            (operator, boxed(), boxed())
                .prop_map(|(operator, one, other)| Tree::Compare(operator, one, other)),
            (boxed(), boxed()).prop_map(|(one, other)| Tree::In(one, other)),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::All),
            boxed().prop_map(Tree::Not),
            (boxed(), boxed(), boxed()).prop_map(|(one, yes, no)| Tree::Choice(one, yes, no)),
            path.clone().prop_map(|it| Tree::Call("has", vec![it])),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|it| Tree::Call("coalesce", it)),
            inner.clone().prop_map(|it| Tree::Call("string", vec![it])),
            inner.clone().prop_map(|it| Tree::Call("size", vec![it])),
            boxed().prop_map(|it| Tree::Method("trim", it, vec![])),
            boxed().prop_map(|it| Tree::Method("split", it, vec![Tree::Text(",".to_owned())])),
            (boxed(), inner.clone()).prop_map(|(of, part)| Tree::Method(
                "contains",
                of,
                vec![part]
            )),
            (boxed(), 0_usize..3).prop_map(|(of, place)| Tree::Element(of, place)),
        ]
    })
}

/// Numbers are compared by what they say, however they are written.
fn settled(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.into_iter().map(settled).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(key, value)| (key, settled(value))).collect()
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_formula_says_what_a_naive_reading_says(
        tree in trees(), item in documents(), body in documents()
    ) {
        // A formula that can be right for no document is refused.
        let source = source(&tree);
        let Ok(formula) = Formula::compile(&source) else {
            return Ok(());
        };
        let (item_text, body_text) = (item.to_string(), body.to_string());
        let item_read = Document::read(&item_text).expect("JSON");
        let body_read = Document::read(&body_text).expect("JSON");
        let inputs = Inputs::new(&item_read, &body_read, &[]);
        let found = formula.value(&inputs).map_or(Value::Null, |found| {
            let mut json = String::new();
            found.write_json(&mut json);
            serde_json::from_str(&json).expect("JSON")
        });
        let expected = naive(&tree, &item, &body);
        prop_assert_eq!(settled(found), settled(expected), "{} of {} and {}", source, item, body);
        prop_assert!(!inputs.is_exhausted());
    }

    #[test]
    fn no_text_makes_a_formula_panic(text in any::<String>()) {
        let _ = Formula::compile(&text);
    }
}
