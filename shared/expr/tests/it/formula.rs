//! Formulas: values made of what somebody sent.

use expr::{Document, Formula, Found, Inputs};

const ITEM: &str = r#"{
    "id": 20880912345678901234, "email": " Ada@Example.COM ", "total": "19.90", "count": 3,
    "open": true, "closed": false, "none": null, "empty": "", "when": "2026-11-30T06:00:00Z",
    "seconds": 1796018400, "millis": 1796018400123, "tags": ["a", "b"], "odd key": {"x.y": 1},
    "contacts": [{"id": "c1"}, {"id": "c2", "list": [[1, 2], [3]]}], "gid": "gid://shopify/Order/7",
    "escaped": "a\"b\u00e9", "broken": "\ud800"
}"#;
const BODY: &str = r#"{"kind": "order", "numbers": [1, 2.50, 9007199254740993]}"#;

/// The value of a formula as JSON; `-` where it is unknown.
fn value(source: &str) -> String {
    let formula = Formula::compile(source).unwrap_or_else(|found| panic!("{source}: {found:?}"));
    let (item, body) = (Document::read(ITEM), Document::read(BODY));
    let (item, body) = (item.expect("JSON"), body.expect("JSON"));
    let headers = [("x-topic", "orders/create"), ("x-number", "12")];
    let inputs = Inputs::new(&item, &body, &headers);
    let Some(found) = formula.value(&inputs) else {
        return "-".to_owned();
    };
    let mut json = String::new();
    found.write_json(&mut json);
    json
}

fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(value(source), *expected, "{source}");
    }
}

#[test]
fn a_path_takes_what_is_there_as_it_was_sent() {
    check(&[
        ("item.id", "20880912345678901234"),
        ("item.contacts[1].id", "\"c2\""),
        ("item.contacts[1].list[0][1]", "2"),
        ("item.contacts[2].id", "-"),
        ("item.contacts.id", "-"),
        ("item.tags", "[\"a\", \"b\"]"),
        ("item[\"odd key\"]", "{\"x.y\": 1}"),
        ("item[\"odd key\"][\"x.y\"]", "1"),
        ("item.none", "-"),
        ("item.empty", "\"\""),
        ("item.escaped", "\"a\\\"bé\""),
        ("item.broken", "-"),
        ("body.kind", "\"order\""),
        ("body.numbers[1]", "2.50"),
        ("headers[\"x-topic\"]", "\"orders/create\""),
        ("headers[\"x-none\"]", "-"),
        ("\"plain\"", "\"plain\""),
        ("[\"a\", item.none, item.count]", "[\"a\",3]"),
        ("[1, 2][1]", "2"),
        ("[1, 2][2]", "-"),
    ]);
}

#[test]
fn values_become_others() {
    check(&[
        (
            "\"order_\" + string(item.id)",
            "\"order_20880912345678901234\"",
        ),
        ("\"a\" + item.none", "-"),
        ("item.email.trim().lowerAscii()", "\"ada@example.com\""),
        ("item.gid.split(\"/\")[4]", "\"7\""),
        (
            "item.gid.replace(\"gid://\", \"\").upperAscii()",
            "\"SHOPIFY/ORDER/7\"",
        ),
        ("double(item.total)", "19.90"),
        ("double(item.email)", "-"),
        ("double(item.total) * 100", "1989.9999999999998"),
        ("int(\"19.99\")", "19"),
        ("int(item.id)", "20880912345678901234"),
        ("int(1e300)", "-"),
        ("int(\"-3.9\")", "-3"),
        ("item.count / 2", "1.5"),
        ("item.count / 0", "-"),
        ("-item.count", "-3"),
        ("int(timestamp(item.when))", "1796018400"),
        ("timestamp(item.seconds)", "\"2026-11-30T06:00:00Z\""),
        ("timestamp(item.millis)", "\"2026-11-30T06:00:00.123Z\""),
        (
            "timestamp(item.when) + duration(\"1d\")",
            "\"2026-12-01T06:00:00Z\"",
        ),
        ("timestamp(item.email)", "-"),
        ("string(item.open)", "\"true\""),
        (
            "string(timestamp(item.seconds))",
            "\"2026-11-30T06:00:00Z\"",
        ),
        ("string(item.tags)", "-"),
        ("size(item.tags)", "2"),
        ("item.escaped.size()", "4"),
        ("size(item[\"odd key\"])", "1"),
        ("coalesce(item.none, item.nothing, item.count)", "3"),
        ("coalesce(item.none)", "-"),
        ("has(item.none) ? \"yes\" : \"no\"", "\"no\""),
        (
            "has(item.contacts[0].id) ? item.contacts[0].id : \"no\"",
            "\"c1\"",
        ),
        ("9007199254740993", "9007199254740993"),
    ]);
}

#[test]
fn a_comparison_with_what_is_unknown_is_false() {
    check(&[
        ("item.count == 3 && item.open", "true"),
        ("item.count > 2.5", "true"),
        ("item.none == item.nothing", "false"),
        ("item.none != 1", "false"),
        ("item.open > item.closed", "false"),
        ("!item.closed || item.none", "true"),
        ("item.email", "\" Ada@Example.COM \""),
        ("item.email && item.open", "false"),
        ("\"a\" in item.tags", "true"),
        ("\"c\" in item.tags", "false"),
        ("item.count in [1, 2, 3]", "true"),
        ("9007199254740993 in body.numbers", "true"),
        ("9007199254740992 in body.numbers", "false"),
        ("item.tags in item.tags", "false"),
        (
            "item.gid.startsWith(\"gid:\") && item.gid.endsWith(\"7\")",
            "true",
        ),
        ("item.gid.contains(\"Order\")", "true"),
        ("item.count.contains(\"3\")", "false"),
        ("headers[\"x-topic\"].matches(\"^orders/\")", "true"),
        ("timestamp(item.when) < timestamp(item.millis)", "true"),
        (
            "timestamp(item.when) - timestamp(item.seconds) == duration(\"0s\")",
            "true",
        ),
    ]);
}

#[test]
fn mistakes_are_found_at_their_place_with_what_would_be_right() {
    for (source, expected) in [
        ("itm.id", "1:1: unknown name `itm`: did you mean `item`?"),
        (
            "email",
            "1:1: unknown name `email`: a text is written in quotes, a field of what was sent as `item.email`",
        ),
        (
            "profile.plan",
            "1:1: `profile` is not known here: only `item`, `body` and `headers` of what was sent are",
        ),
        (
            "headers[\"X-Topic\"]",
            "1:1: names of headers are in small letters: write headers[\"x-topic\"]",
        ),
        (
            "headers",
            "1:1: `headers` is used as headers[\"x-topic\"], with one name",
        ),
        (
            "item.list[-1]",
            "1:11: only a name or a place may stand here, such as item[\"first name\"] or item.list[0]",
        ),
        (
            "item.list[1.5]",
            "1:11: only a name or a place may stand here, such as item[\"first name\"] or item.list[0]",
        ),
        (
            "\"a\" + 1",
            "1:5: `+` cannot be used between a text and a number: write string(…) for the digits of a number",
        ),
        (
            "\"a\" + int(item.x)",
            "1:5: `+` cannot be used between a text and a number: write string(…) for the digits of a number",
        ),
        (
            "lowerAscii(item.x)",
            "1:1: unknown function `lowerAscii`: write item.name.lowerAscii(…)",
        ),
        ("item.x.lower()", "1:8: unknown method `lower`"),
        (
            "item.x.lowerAsci()",
            "1:8: unknown method `lowerAsci`: did you mean `lowerAscii`?",
        ),
        ("item.x.int()", "1:8: unknown method `int`: write int(…)"),
        ("int()", "1:1: `int(…)` takes 1 argument, found 0"),
        (
            "item.x.split()",
            "1:1: `split(…)` takes 1 argument, found 0",
        ),
        (
            "coalesce()",
            "1:1: `coalesce(…)` takes at least one argument",
        ),
        (
            "has(\"a\")",
            "1:5: `has(…)` takes a path, such as has(item.email)",
        ),
        (
            "int([1])",
            "1:5: `int` takes a number, a text or a timestamp, found a list",
        ),
        (
            "\"a\" && true",
            "1:1: expected a condition (true or false), found a text",
        ),
        (
            "\"a\" == 1",
            "1:5: a text and a number cannot be compared by `==`",
        ),
        (
            "[1] == item.x",
            "1:5: `==` does not compare lists: ask `value in list`",
        ),
        ("true > false", "1:6: conditions have no order for `>`"),
        (
            "1 in 2",
            "1:3: `in` needs a list on its right, such as [\"a\", \"b\"]",
        ),
        (
            "item.x.matches(item.y)",
            "1:16: expected a pattern in quotes, such as \"^FI\"",
        ),
        (
            "duration(1)",
            "1:10: expected a length of time in quotes, such as duration(\"30d\")",
        ),
        (
            "string(item.x).y",
            "1:16: there is no field `y` here: only `item`, `body` and `headers` have fields",
        ),
        (
            "item.Order ID",
            "1:12: unexpected `ID`: a name of several words is quoted, as in item[\"Order ID\"]",
        ),
        ("item.\n a.b +", "2:7: expected a value, found the end"),
    ] {
        let mistakes = Formula::compile(source).expect_err(source);
        assert_eq!(mistakes[0].to_string(), expected, "{source}");
    }
}

#[test]
fn a_formula_knows_its_type_and_its_headers() {
    for (source, expected) in [
        ("\"a\" + item.x", "string"),
        ("item.x + item.y", "any"),
        ("item.x - 1", "number"),
        ("item.x == 1", "bool"),
        ("timestamp(item.x)", "timestamp"),
        ("item.x ? \"a\" : \"b\"", "string"),
        ("coalesce(item.x, 1)", "any"),
        ("item.x.split(\",\")", "list"),
    ] {
        let formula = Formula::compile(source).expect(source);
        assert_eq!(formula.kind().name(), expected, "{source}");
        assert_eq!(formula.source(), source);
    }
    let source = "headers[\"a\"] == headers[\"b\"] ? headers[\"a\"] : item.x";
    let formula = Formula::compile(source).expect(source);
    assert_eq!(formula.headers().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn conditions_know_no_places_in_lists() {
    let mistakes = expr::Condition::compile("profile.a[0] == 1", &expr::Scope::default());
    assert_eq!(
        mistakes.expect_err("a place")[0].to_string(),
        "1:11: only a name may stand here, such as profile[\"first name\"]"
    );
}

#[test]
fn hostile_formulas_are_refused_or_bounded() {
    let long = "a".repeat(100);
    for source in [
        "item".to_owned() + &"[0]".repeat(1_000),
        "item".to_owned() + &".a".repeat(33),
        "(".repeat(4_096),
        vec!["1"; 1_500].join("+"),
        format!("headers[\"{}\"]", "A".repeat(4_000)),
        format!("{}item", "!".repeat(4_000)),
        "[1]".to_owned() + &"[0]".repeat(40),
        "item.x.trim()".to_owned() + &".trim()".repeat(40),
        "item.x.matches(\"(a{1000}){1000}\")".to_owned(),
        "x".repeat(5_000),
    ] {
        let mistakes = Formula::compile(&source).expect_err(&source);
        assert!(mistakes.iter().all(|it| it.message.len() < 600), "{source}");
    }
    // Each doubles the text before it.
    let doubled = (0..20).fold(format!("\"{long}\""), |text, _| {
        format!("{text}.replace(\"a\", \"aa\")")
    });
    assert_eq!(value(&doubled), "-");
    let wide = format!("\"x\" in [{}]", vec!["item.tags"; 190].join(","));
    assert_eq!(value(&wide), "false");
}

#[test]
fn work_on_one_set_of_inputs_is_bounded() {
    let list = vec!["\"a\""; 40_000].join(",");
    let text = format!("{{\"list\":[{list}],\"text\":\"{}\"}}", "b".repeat(200_000));
    let document = Document::read(&text).expect("JSON");
    let inputs = Inputs::new(&document, &document, &[]);
    let source = vec!["item.text in item.list"; 120].join(" || ");
    let formula = Formula::compile(&source).expect("a formula");
    assert!(!formula.holds(&inputs));
    for _ in 0..1_000 {
        assert_eq!(formula.value(&inputs), None);
    }
    assert!(inputs.is_exhausted());
    let fresh = Inputs::new(&document, &document, &[]);
    let first = Formula::compile("item.list[0]").expect("a formula");
    assert_eq!(first.value(&fresh), Some(Found::Text("a".into())));
    assert!(!fresh.is_exhausted());
}
