//! Definitions of people: YAML, expressions, templates, and all of it as services compile it.

use std::sync::LazyLock;

use activation_core::limits::OUTPUT_BYTES;
use activation_core::template::{PreviewError, Values, preview, text_template};
use decision::{Names, Source};
use definitions::{parse, to_yaml};
use expr::{Condition, Feature, Measure, Scope, Subject};
use kernel::{ActivationId, Properties, RunId, Timestamp, Value};
use proto::definition::v1::Definition;
use proto::stream::v1::value::Kind;
use proto::stream::v1::{Action, NamedValue};

use crate::{Target, split, texts, with_text};

/// Definitions of every kind that the demos have.
const FILES: [&str; 5] = [
    include_str!("../../../services/happypath/demo/1-segments.yaml"),
    include_str!("../../../services/happypath/demo/2-map-and-happy-path.yaml"),
    include_str!("../../../services/happypath/demo/3-activation.yaml"),
    include_str!("../../../services/happypath/demo/4-journey.yaml"),
    include_str!("../../../services/happypath/demo/first-journey/definitions.yaml"),
];

/// The definitions of the demos.
pub(crate) fn definitions() -> Vec<Definition> {
    let parsed = FILES.map(|text| parse("demo.yaml", text).expect("valid definitions"));
    let located = parsed.into_iter().flatten();
    located.map(|located| located.value).collect()
}

/// Files of definitions.
pub(crate) const DEFINITION: Target = Target {
    run: |bytes| with_text(bytes, definition),
    seeds: || {
        let documents = FILES.iter().flat_map(|file| file.split("\n---\n"));
        let mut seeds: Vec<Vec<u8>> = documents.map(|it| it.as_bytes().to_vec()).collect();
        seeds.extend(texts(&[
            "{\"segment\": {\"name\": \"a\", \"expression\": \"true\"}}",
            "namespace: {name: crm, priority: 4, limit: 2, normalizer: NORMALIZER_EMAIL}\n",
            "channel: {name: a, log: {}}\n---\n- x\n",
            "template:\n  name: t\n  text:\n    subject: |\n      a\n    body: >-\n      b\n",
        ]));
        seeds
    },
    words: &[
        "---\n",
        ": ",
        "- ",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "{",
        "}",
        "[",
        "]",
        "\n  ",
        "segment:",
        "journey:",
        "steps:",
        "name:",
        "duration:",
        "30d",
        "whsec_",
        "https://",
    ],
    rounds: 250,
};

fn definition(text: &str) {
    let found = match parse("a.yaml", text) {
        Ok(found) => found,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(mistake.line > 0 && mistake.column > 0, "{mistake}");
                assert!((1..4_000).contains(&mistake.message.len()), "{mistake}");
            }
            return;
        }
    };
    for located in &found {
        let written = to_yaml(&located.value);
        let again = parse("again.yaml", &written).expect("it was written");
        assert_eq!(again.len(), 1, "{written}");
        assert_eq!(again[0].value, located.value, "{written}");
        assert_eq!(to_yaml(&again[0].value), written);
    }
    let kinds: Vec<_> = found
        .iter()
        .filter_map(|it| it.value.kind.clone())
        .collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    let names = Names::default();
    let compiled = [
        identity_core::Rules::compile(&sources, &names).err(),
        segmentation_core::Definitions::compile(&sources, &names).err(),
        journey_core::Definitions::compile(&sources, &names).err(),
        activation_core::Definitions::compile(&sources, &names).err(),
    ];
    for mistakes in compiled.into_iter().flatten() {
        assert!(!mistakes.is_empty());
        for mistake in mistakes {
            assert!(
                mistake.source < sources.len() && !mistake.message.is_empty(),
                "{mistake}"
            );
        }
    }
}

/// Expressions: the first byte says in which scope.
pub(crate) const EXPRESSION: Target = Target {
    run: |bytes| {
        let (scope, text) = split(bytes);
        with_text(text, |text| expression(scope, text));
    },
    seeds: || {
        let sources = [
            r#"events("purchase").within("28d").sum("value") > 400.0"#,
            r#"segments.has("shoppers") && !events("purchase").within("28d").exists()"#,
            r#"profile.plan in ["pro", "team"] || has(profile.address.city)"#,
            r#"events("a").where(event.x == 1 && event["y z"] != 'b').last() > now - duration("1d")"#,
            r#"(profile.n + 1) * 2 % 3 >= -1 ? profile.s.startsWith("a") : size(profile.l) == 2"#,
            r#"profile.s.matches("^a+(b|c)?$") && profile.s.contains("b") && now.hours() < 9"#,
            r#"timestamp("2017-01-01T06:00:00Z") < now && profile.big == 9007199254740993"#,
        ];
        sources
            .iter()
            .map(|source| [b"\x07", source.as_bytes()].concat())
            .collect()
    },
    words: &[
        "profile.",
        "event.",
        "events(\"e\")",
        ".within(\"1d\")",
        ".count()",
        ".where(",
        "now",
        "segments.has(\"s\")",
        "&&",
        "||",
        "!",
        " in ",
        "==",
        "<=",
        "?",
        ":",
        "true",
        "duration(\"1d\")",
        ".matches(\"",
        "has(",
        "size(",
        "timestamp(\"",
        ".exists()",
        ".last()",
        ".avg(\"v\")",
        "-",
    ],
    rounds: 1_500,
};

fn expression(scope: u8, text: &str) {
    let scope = Scope {
        aggregates: scope & 1 != 0,
        event: scope & 2 != 0,
        segments: None,
    };
    match Condition::compile(text, &scope) {
        Ok(condition) => {
            let holds = condition.holds(&Somebody);
            condition.explain(&Somebody);
            let change = condition.next_change(&Somebody);
            assert!(
                change.is_none_or(|change| change > Somebody.now()),
                "{change:?}"
            );
            let canonical = condition.canonical();
            // It may nest deeper than the source does, where that is at the limit.
            if let Ok(again) = Condition::compile(&canonical, &scope) {
                assert_eq!(again.canonical(), canonical, "{text:?}");
                assert_eq!(again.holds(&Somebody), holds, "{text:?} is {canonical:?}");
            }
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(mistake.line > 0 && mistake.column > 0, "{mistake}");
                assert!((1..600).contains(&mistake.message.len()), "{mistake}");
            }
        }
    }
}

/// A customer of whom some is known.
struct Somebody;

static TRAITS: LazyLock<Properties> = LazyLock::new(|| {
    let traits = [
        ("plan", Value::from("pro")),
        ("n", Value::from(41.5)),
        ("s", Value::from("aab")),
        ("big", Value::from(9_007_199_254_740_993_i128)),
        ("l", Value::List(vec![Value::from("a"), Value::from(true)])),
        ("address.city", Value::from("Graz")),
    ];
    traits.into_iter().collect()
});

impl Subject for Somebody {
    fn profile(&self, name: &str) -> Option<&Value> {
        TRAITS.value(name)
    }

    fn event(&self, name: &str) -> Option<&Value> {
        TRAITS.value(name)
    }

    fn in_segment(&self, name: &str) -> bool {
        name.len().is_multiple_of(2)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn first_seen(&self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(1_600_000_000_000))
    }

    fn measure(&self, _slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        match feature.aggregate {
            expr::Aggregate::Count => Measure::Number(3.0),
            expr::Aggregate::LastTime => Measure::Time(at),
            _ => Measure::Unknown,
        }
    }
}

/// Templates: a body, and up to a null character before it a subject.
pub(crate) const TEMPLATE: Target = Target {
    run: |bytes| with_text(bytes, template),
    seeds: || {
        texts(&[
            "Hi {{ profile.name }}\0You have {{ event.items|length }}: {{ event.items|join(', ') }}.",
            "{% for item in event.items %}{{ loop.index }}{{ item|upper }}{% else %}-{% endfor %}",
            "{% if profile.vip and event.price > 9 %}{{ event|tojson }}{% elif 1 %}a{% endif %}",
            "{% set x = [1, 2] %}{{ x[-1] }}{{ {'a': 1}.a }}{{ profile.missing.deeper or 'you' }}",
            "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}{{ range(5)|list }}{# no #}{{ '\\x' }}",
        ])
    },
    words: &[
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "{#",
        "#}",
        "|tojson",
        "|upper",
        "|join(",
        "|replace('a','aaaa')",
        "for x in ",
        "endfor",
        "if ",
        "endif",
        "set ",
        "macro ",
        "profile.name",
        "event.items",
        "range(1000)",
        "loop.",
        "~",
        "*",
        "**",
        "-%}",
        "{%- raw %}",
        "{% endraw %}",
        "is defined",
    ],
    rounds: 400,
};

/// A value that no error shows.
const PRIVATE: &str = "Ada-Lovelace-1815";

static VALUES: LazyLock<Values> = LazyLock::new(|| {
    let named = |name: &str, kind| NamedValue {
        name: name.to_owned(),
        value: Some(proto::stream::v1::Value { kind: Some(kind) }),
    };
    let json = r#"[{"sku":"a b","n":[1,2.5]},"x",null]"#;
    let action = Action {
        journey: "welcome".to_owned(),
        step: "mail".to_owned(),
        traits: vec![
            named("name", Kind::Text(PRIVATE.to_owned())),
            named("vip", Kind::Bool(true)),
        ],
        properties: vec![
            named("items", Kind::Json(json.to_owned())),
            named("price", Kind::Number(19.5)),
            named("account", Kind::Integer("9007199254740993".to_owned())),
        ],
        ..Action::default()
    };
    let run = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".parse::<RunId>();
    let id = ActivationId {
        run: run.expect("an id"),
        visit: 3,
    };
    Values::of_action(id, &action).expect("small values")
});

fn template(text: &str) {
    let (subject, body) = text.split_once('\0').unwrap_or(("", text));
    let template = text_template("t", subject, body);
    let rendered = preview(&template, &VALUES);
    assert_eq!(
        preview(&template, &VALUES),
        rendered,
        "it renders the same again"
    );
    match rendered {
        Ok(rendered) => {
            assert!(rendered.body.len().max(rendered.subject.len()) <= OUTPUT_BYTES);
            assert!(!rendered.subject.contains(['\r', '\n']));
        }
        Err(PreviewError::Mistakes(mistakes)) => {
            assert!(!mistakes.is_empty());
            assert!(
                mistakes
                    .iter()
                    .all(|(_, it)| it.line > 0 && !it.message.is_empty())
            );
        }
        Err(PreviewError::Render(error)) => {
            assert!(!error.message.is_empty());
            assert!(!error.message.contains(PRIVATE), "{error}");
        }
    }
}
