//! Tests the meaning of each form of the language.

use expr::{Condition, Reads, Type, check};
use kernel::{Duration, Timestamp, Value};

use crate::support::{Customer, Past, everything, properties};

const DAY: i64 = 86_400_000;

fn customer() -> Customer {
    let purchase = |day: i64, value: f64, coupon: bool| Past {
        name: "purchase",
        at: day * DAY,
        properties: properties([("value", value.into()), ("coupon", coupon.into())]),
    };
    Customer {
        traits: properties([
            ("plan", "pro".into()),
            ("visits", 7.0.into()),
            ("active", true.into()),
            ("email", "ann@example.com".into()),
            ("address.city", "Vaasa".into()),
            ("first name", "Ann".into()),
            ("born", "1970-01-05T00:00:00Z".into()),
            ("tags", Value::List(vec!["new".into(), "vip".into()])),
            ("account", Value::from(9_007_199_254_740_993_i128)),
            ("address\\.city", "Graz".into()),
            ("$plan", "pro".into()),
            (
                "carts",
                Value::List(vec![Value::Json("{\"n\":1}".into()), 2.0.into()]),
            ),
        ]),
        event: properties([("value", 20.0.into()), ("channel", "web".into())]),
        segments: ["vip"].into(),
        past: vec![
            purchase(1, 10.0, false),
            purchase(20, 30.0, true),
            purchase(35, 5.0, false),
        ],
        now: Timestamp::from_millis(40 * DAY),
    }
}

fn holds(source: &str) -> bool {
    match Condition::compile(source, &everything()) {
        Ok(condition) => condition.holds(&customer()),
        Err(mistakes) => panic!("{source}: {mistakes:?}"),
    }
}

#[test]
fn conditions_hold_as_written() {
    for source in [
        "true",
        "!false && (false || true)",
        "profile.plan == \"pro\"",
        "profile.plan == 'p\\u0072o' && profile.plan != r\"p\\ro\"",
        "profile.visits > 3 && profile.visits <= 7.0 && profile.visits in [1, 7]",
        "profile.visits * 2 + 1 == 15 && profile.visits % 2 == 1 && -profile.visits < 0",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 - 2 - 1 == 4 && 1.5e1 == 15",
        "\"FI\" in [\"SE\", \"FI\"] && !(profile.plan in [\"free\"])",
        "\"vip\" in profile.tags && size(profile.tags) == 2 && profile.plan.size() == 3",
        "profile.address.city == \"Vaasa\" && profile[\"first name\"] == \"Ann\"",
        "profile[\"address.city\"] == \"Graz\" && profile[\"address\"][\"city\"] == \"Vaasa\"",
        "profile['$plan'] == \"pro\" && has(profile['$plan'])",
        "profile.account == 9007199254740993 && profile.account != 9007199254740992",
        "profile.account != 9007199254740994 && profile.account < 9007199254740994",
        "profile.account > 9007199254740992 && -9007199254740993 < profile.account",
        "profile.account in [9007199254740993, 1] && !(profile.account in [9007199254740992])",
        "profile.account == profile.account && profile.account > profile.visits",
        "profile.account < 1e20 && profile.account / 2 > 4e15",
        "size(profile.carts) == 2 && 2 in profile.carts && has(profile.carts)",
        "profile.active && profile.active == true && !(profile.active != true)",
        "profile.visits > 5 ? profile.plan == \"pro\" : false",
        "(profile.visits > 5 ? 1 : 2) == 1 && (profile.active ? \"a\" : \"b\") < \"b\"",
        "has(profile.plan) && !has(profile.plans) && has(event.value)",
        "profile.email.endsWith(\"@example.com\") && profile.email.startsWith(\"ann\")",
        "profile.email.contains(\"@\") && profile.email.matches(\"^[a-z]+@\")",
        "event.value > 10.0 && event.channel == \"web\"",
        "segments.has(\"vip\") && !segments.has(\"churned\")",
        "timestamp(profile.born) == timestamp(\"1970-01-05T00:00:00Z\")",
        "now - timestamp(profile.born) == duration(\"36d\")",
        "now - first_seen == duration(\"39d\") && now - last_seen >= duration(\"5d\")",
        "timestamp(\"1970-01-01T00:00:00Z\") + duration(\"1d12h\") < now",
    ] {
        assert!(holds(source), "{source}");
    }
}

#[test]
fn aggregates_mean_what_they_say() {
    for source in [
        "events(\"purchase\").count() == 3 && events(\"visit\").count() == 0",
        "events(\"purchase\").exists() && !events(\"visit\").exists()",
        "events(\"purchase\").within(\"30d\").count() == 2",
        // The window is (now − d, now]: the event of exactly 20 days ago has left.
        "events(\"purchase\").within(\"20d\").count() == 1",
        "events(\"purchase\").within(duration(\"480h1ms\")).count() == 2",
        "events(\"purchase\").sum(\"value\") == 45 && events(\"purchase\").avg(\"value\") == 15",
        "events(\"purchase\").min(\"value\") == 5 && events(\"purchase\").max(\"value\") == 30",
        "events(\"purchase\").where(event.value > 8).count() == 2",
        "events(\"purchase\").within(\"30d\").where(event.coupon && event.value > 8).sum(\"value\") == 30",
        "events(\"visit\").sum(\"value\") == 0",
        "events(\"purchase\").since_last() == duration(\"5d\")",
        "events(\"purchase\").first_time() == timestamp(\"1970-01-02T00:00:00Z\")",
        "events(\"purchase\").last_time() < now && events(\"purchase\").where(event.coupon).since_last() == duration(\"20d\")",
    ] {
        assert!(holds(source), "{source}");
    }
}

#[test]
fn what_is_unknown_makes_comparisons_false() {
    for source in [
        "profile.nothing == 1",
        "profile.nothing != 1",
        "profile.nothing < 1",
        "profile.nothing != profile.plan",
        "profile.nothing",
        "profile.nothing in [\"a\"]",
        "profile.nothing.contains(\"a\")",
        "profile.nothing + 1 > 0",
        "profile.plan > 1",
        "profile.plan != 1",
        "profile.visits / 0 > 1",
        "profile.visits % 0 != 1",
        "profile.visits in profile.plan",
        "size(profile.visits) == 0",
        "timestamp(profile.plan) < now",
        "events(\"visit\").avg(\"value\") != 1",
        "events(\"visit\").since_last() > duration(\"1d\")",
        "events(\"visit\").last_time() < now",
    ] {
        assert!(!holds(source), "{source}");
    }
}

#[test]
fn the_next_change_is_exact() {
    let day = |days: i64| Some(Timestamp::from_millis(days * DAY));
    for (source, expected) in [
        ("events(\"purchase\").within(\"30d\").count() >= 2", day(50)),
        ("events(\"purchase\").within(\"30d\").count() >= 1", day(65)),
        ("!events(\"purchase\").within(\"30d\").exists()", day(65)),
        (
            "events(\"purchase\").within(\"30d\").sum(\"value\") > 4.0",
            day(65),
        ),
        (
            "events(\"purchase\").since_last() >= duration(\"14d\")",
            day(49),
        ),
        (
            "events(\"purchase\").since_last() > duration(\"14d\")",
            Some(Timestamp::from_millis(49 * DAY + 1)),
        ),
        ("now >= timestamp(\"1970-02-20T00:00:00Z\")", day(50)),
        ("profile.plan == \"pro\"", None),
        ("events(\"purchase\").count() > 2", None),
        ("events(\"visit\").since_last() > duration(\"1d\")", None),
    ] {
        let condition = Condition::compile(source, &everything()).expect(source);
        let customer = customer();
        assert_eq!(condition.next_change(&customer), expected, "{source}");
        assert!(
            condition.next_look(&customer) <= expected.or(Some(Timestamp::MAX)),
            "{source}"
        );
    }
}

#[test]
fn terms_are_explained_in_the_order_of_the_text() {
    let source = "profile.plan == \"pro\" && (events(\"purchase\").within(\"30d\").count() >= 3 || !has(profile.x)) \
                  && events(\"purchase\").since_last() < duration(\"3d\")";
    let condition = Condition::compile(source, &everything()).expect("a condition");
    let terms: Vec<String> = condition
        .explain(&customer())
        .into_iter()
        .map(|term| format!("{} = {}", term.text, term.value))
        .collect();
    assert_eq!(
        terms,
        [
            "profile.plan == \"pro\" = true",
            "profile.plan = \"pro\"",
            "events(\"purchase\").within(\"30d\").count() >= 3 = false",
            "events(\"purchase\").within(\"30d\").count() = 2",
            "has(profile.x) = false",
            "events(\"purchase\").since_last() < duration(\"3d\") = false",
            "events(\"purchase\").since_last() = 5d",
        ]
    );
}

#[test]
fn a_term_with_a_quoted_name_ends_behind_its_bracket() {
    let source = "profile[\"Order ID\"] == 1";
    let condition = Condition::compile(source, &everything()).expect("a condition");
    let terms = condition.explain(&customer()).into_iter();
    let texts: Vec<String> = terms.map(|term| term.text.to_string()).collect();
    assert_eq!(texts, [source, "profile[\"Order ID\"]"]);
}

#[test]
fn what_is_read_is_known() {
    let source = "profile.a.b > 1 && event.c && segments.has(\"s\") && \
                  events(\"e\").where(event.d == 1).within(\"2d\").sum(\"f\") > 1 && events(\"e\").exists()";
    let condition = Condition::compile(source, &everything()).expect("a condition");
    let set = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    assert_eq!(
        condition.reads(),
        &Reads {
            traits: set(&["a.b"]),
            properties: set(&["c"]),
            events: set(&["e"]),
            segments: set(&["s"]),
            seen: false,
        }
    );
    let feature = &condition.features()[0];
    assert_eq!(feature.window, Some(Duration::from_days(2)));
    assert_eq!(feature.properties().collect::<Vec<_>>(), ["d", "f"]);
    assert_eq!(condition.features().len(), 2);
}

#[test]
fn an_expression_has_a_type() {
    for (source, expected) in [
        ("1 + profile.x", Type::Number),
        ("\"a\"", Type::Text),
        ("now", Type::Timestamp),
        ("events(\"a\").since_last()", Type::Duration),
        ("profile.x", Type::Any),
        ("[1]", Type::List),
        ("1 < 2", Type::Bool),
    ] {
        let (kind, _) = check(source, &everything()).expect(source);
        assert_eq!(kind, expected, "{source}");
    }
}
