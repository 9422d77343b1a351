//! Mistakes are found all at once, at their place, with what would be right.

use std::sync::Arc;

use expr::{Condition, Scope};

fn mistakes(source: &str, scope: &Scope) -> Vec<String> {
    match Condition::compile(source, scope) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

fn segment_scope() -> Scope {
    Scope {
        aggregates: true,
        event: false,
        segments: Some(Arc::new(["churned".to_owned(), "vip".to_owned()].into())),
    }
}

/// A source and its first mistake.
const MISTAKES: &[(&str, &str)] = &[
    ("", "1:1: expected a value, found the end"),
    (
        "profil.plan == \"pro\"",
        "1:1: unknown name `profil`: did you mean `profile`?",
    ),
    (
        "profile.plan = \"pro\"",
        "1:14: `=` is not an operator: did you mean `==`?",
    ),
    (
        "profile.a and profile.b",
        "1:11: `and` is not an operator: did you mean `&&`?",
    ),
    (
        "segments.has(\"churnd\")",
        "1:14: there is no segment `churnd`: did you mean `churned`?",
    ),
    (
        "events(\"p\").conut() > 1",
        "1:13: there is no `conut` of events: did you mean `count`?",
    ),
    (
        "events(\"p\").within(\"30\").count() > 1",
        "1:20: `30` is not a duration: expected numbers with units w, d, h, m, s or ms, such as 30d or 1h30m, at most 36500d",
    ),
    (
        "events(\"p\").within(30d).count() > 1",
        "1:20: `30d` is not a number: did you mean `duration(\"30d\")`?",
    ),
    (
        "events(\"p\").count() > \"1\"",
        "1:21: a number and a text cannot be compared by `>`: a number is written without quotes",
    ),
    (
        "events(\"p\").since_last() > 30",
        "1:26: a duration and a number cannot be compared by `>`: write duration(\"30d\")",
    ),
    (
        "events(\"p\").count()",
        "1:1: expected a condition (true or false), found a number: compare it, as in `… > 0`",
    ),
    (
        "events(\"p\").sum(event.value) > 1",
        "1:17: expected the name of a property in quotes: did you mean \"value\"?",
    ),
    (
        "events(\"\").exists()",
        "1:8: `` is not the name of an event: it is empty: give it a name",
    ),
    (
        "events(\"p\").sum(\"a..b\") > 1",
        "1:17: `a..b` is empty: give it a name",
    ),
    (
        "profile[\"\"].plan == 1",
        "1:9: a field needs a name: this one is empty",
    ),
    (
        "profile.Order ID == 1",
        "1:15: unexpected `ID`: a name of several words is quoted, as in event[\"Order ID\"]",
    ),
    (
        "profile.$plan == 1",
        "1:9: the character `$` has no meaning here: a name with it is quoted, as in event[\"$plan\"]",
    ),
    (
        "profile.größe == 1",
        "1:11: the character `ö` has no meaning here: a name with it is quoted, as in event[\"größe\"]",
    ),
    (
        "profile[\"a\\n\"] == 1",
        "1:1: `a\n` has a control character in its name: remove it",
    ),
    (
        "event.value > 1",
        "1:1: `event` is not known here: there is no event at hand: use events(\"name\") and its where(…)",
    ),
    (
        "events(\"p\").where(profile.x == 1).exists()",
        "1:19: `profile` is not known here: inside where(…) only `event.…`, the past event, is known",
    ),
    (
        "profile.created < timestamp(\"2026-01-31T00:00:00Z\")",
        "1:17: a trait or property and a timestamp cannot be compared by `<`: write timestamp(profile.name) to read it as one",
    ),
    (
        "profile.plan == pro",
        "1:17: unknown name `pro`: a text is written in quotes, a trait as `profile.pro`",
    ),
    (
        "profile.email.matches(\"(\")",
        "1:23: this pattern cannot be used: found open group without closing ')'",
    ),
    (
        "profile.email.startswith(\"a\")",
        "1:15: unknown method `startswith`: did you mean `startsWith`?",
    ),
    (
        "(profile.x > 1",
        "1:15: expected `)`, found the end: this bracket is never closed",
    ),
    ("profile.x > 1)", "1:14: unexpected `)`: it closes nothing"),
    (
        "profile.x == “pro”",
        "1:14: the character `“` has no meaning here: texts are written in straight quotes, \"…\" or '…'",
    ),
    ("profile.x == \"pro", "1:14: this text is not closed"),
    ("1 in [\"a\"]", "1:3: a number cannot be in a list of texts"),
    (
        "duration(\"1d\") + 1 > duration(\"1d\")",
        "1:16: `+` cannot be used between a duration and a number: to a timestamp a duration(\"30d\") can be added",
    ),
    (
        "profile.x == 999999999999999999999999999999999999999",
        "1:14: `999999999999999999999999999999999999999` is out of range: whole numbers are exact up to 38 digits",
    ),
    (
        "hass(profile.x)",
        "1:1: unknown function `hass`: did you mean `has`?",
    ),
];

#[test]
fn a_mistake_says_where_and_what_would_be_right() {
    for (source, expected) in MISTAKES {
        let found = mistakes(source, &segment_scope());
        assert_eq!(
            found.first().map(String::as_str),
            Some(*expected),
            "{source}: {found:?}"
        );
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let source = "profil.a == 1 &&\n  events(\"p\").withn(\"3d\").count() > 1 &&\n  segments.has(\"ä\") && \"ü\" > 3 &&\n  ) || 1";
    let places: Vec<String> = mistakes(source, &segment_scope())
        .iter()
        .map(|mistake| mistake.chars().take(4).collect())
        .collect();
    assert_eq!(places, ["1:1:", "2:15", "3:16", "3:28", "4:3:"]);
}

#[test]
fn aggregates_are_refused_where_there_is_no_history() {
    let scope = Scope {
        event: true,
        ..Scope::default()
    };
    for source in ["events(\"p\").exists()", "now > first_seen"] {
        assert!(!mistakes(source, &scope).is_empty(), "{source}");
    }
    assert!(mistakes("event.value > 1 && segments.has(\"any\")", &scope).is_empty());
}
