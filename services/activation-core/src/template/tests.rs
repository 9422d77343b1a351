//! Templates render what people expect and stay within their bounds.

use kernel::{ActivationId, RunId};
use messages::stream::v1::{Action, NamedValue, Value, ValueList, value::Kind};
use uuid::Uuid;

use super::*;

fn named(name: &str, kind: Kind) -> NamedValue {
    NamedValue {
        name: name.to_owned(),
        value: Some(Value { kind: Some(kind) }),
    }
}

fn values() -> Values {
    let action = Action {
        journey: "welcome".to_owned(),
        step: "mail".to_owned(),
        visit: 3,
        traits: vec![
            named("address.city", Kind::Text("Köln".to_owned())),
            named("name", Kind::Text("Ada \"A\" <x>".to_owned())),
            named("vip", Kind::Bool(true)),
        ],
        properties: vec![
            named(
                "items",
                Kind::List(ValueList {
                    values: ["a", "b"]
                        .map(|text| Value {
                            kind: Some(Kind::Text(text.to_owned())),
                        })
                        .to_vec(),
                }),
            ),
            named("account", Kind::Integer("9007199254740993".to_owned())),
            named(
                "cart",
                Kind::List(ValueList {
                    values: vec![Value {
                        kind: Some(Kind::Json("{\"sku\":\"a b\",\"n\":[1,2.5]}".to_owned())),
                    }],
                }),
            ),
            named("deep", Kind::Json("[[9007199254740993]]".to_owned())),
            named("edge", Kind::Number(9_007_199_254_740_992.0)),
            named(
                "far",
                Kind::Json("[{\"id\":123456789012345678901234}]".to_owned()),
            ),
            named("price", Kind::Number(19.5)),
            named("count", Kind::Number(4.0)),
        ],
        ..Action::default()
    };
    let id = ActivationId {
        run: RunId::new(Uuid::from_u128(7)),
        visit: 3,
    };
    Values::of_action(id, &action).expect("small values")
}

fn render(body: &str) -> Result<Rendered, PreviewError> {
    let template = text_template("t", "Hi\r\n{{ profile.name }}", body);
    preview(&template, &values())
}

fn check(body: &str, expected: &str) {
    assert_eq!(render(body).expect(body).body, expected, "{body}");
}

fn check_refused(body: &str, part: &str) {
    let error = render(body).expect_err("this template must be refused");
    assert!(format!("{error:?}").contains(part), "{error:?}");
}

#[test]
fn values_are_rendered_as_people_write_them() {
    check(
        "{{ profile.name }} in {{ profile.address.city }}",
        "Ada \"A\" <x> in Köln",
    );
    check(
        "{{ event.count }} {{ event.price }} {{ event.count + 1 }}",
        "4 19.5 5",
    );
    check(
        "{% for item in event['items'] %}{{ loop.index }}{{ item }} {% endfor %}",
        "1a 2b ",
    );
    check("{% if profile.vip %}v{% else %}n{% endif %}", "v");
    check(
        "{% for item in event.cart %}{{ item.sku }} {{ item.n[1] }}{% endfor %}",
        "a b 2.5",
    );
    check(
        "{{ event.far[0].id }} {{ event.far|tojson }} {{ event.edge }}",
        "123456789012345678901234 [{\"id\":123456789012345678901234}] 9007199254740992",
    );
    check(
        "{{ event.account }} {{ event.deep[0][0] }} {{ event.cart|tojson }}",
        "9007199254740993 9007199254740993 [{\"n\":[1,2.5],\"sku\":\"a b\"}]",
    );
    check(
        "{{ run.journey }}/{{ run.step }}/{{ run.visit }}",
        "welcome/mail/3",
    );
    check(
        "{{ event.price|times(2) }} {{ event['items']|join('+') }}",
        "39 a+b",
    );
    check(
        "{{ profile.name|replace('Ada', 'Bo')|upper|trim }}",
        "BO \"A\" <X>",
    );
}

#[test]
fn what_is_not_known_renders_as_empty_however_deep() {
    check(
        "[{{ profile.nope }}{{ profile.nope.deeper.still }}{{ nothing }}]",
        "[]",
    );
    check("{{ profile.nope|default('friend') }}", "friend");
    check("{% for x in profile.nope %}x{% endfor %}", "");
}

#[test]
fn json_bodies_are_written_by_a_filter() {
    check(
        "{\"name\": {{ profile.name|tojson }}, \"nope\": {{ profile.nope|tojson }}}",
        "{\"name\": \"Ada \\\"A\\\" <x>\", \"nope\": null}",
    );
}

#[test]
fn a_subject_is_one_line() {
    assert_eq!(
        render("x").expect("a rendering").subject,
        "Hi Ada \"A\" <x>"
    );
}

#[test]
fn mistakes_name_their_line() {
    let error = render("a\n{{ oops").expect_err("a mistake");
    let PreviewError::Mistakes(mistakes) = error else {
        panic!("{error:?}")
    };
    assert_eq!((mistakes[0].0, mistakes[0].1.line), (Part::Body, 2));
    check_refused("{% if %}", "Mistakes");
    check_refused("{{ x|nosuchfilter }}", "filter");
}

#[test]
fn hostile_templates_are_stopped() {
    check_refused(
        "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
        "100000 instructions",
    );
    check_refused("{{ range(100000000) }}", "at most 1000");
    check_refused(
        &format!(
            "{{% for a in range(1000) %}}{}{{% endfor %}}",
            "x".repeat(60_000)
        ),
        "262144 bytes",
    );
    check_refused(
        "{% set x = x ~ 'aaaaaaaa' ~ x %}".repeat(28).as_str(),
        "could grow",
    );
    check_refused(
        "{% set r = range(1000)|join('aaaaaaaaaa') %}{{ r|replace('a', r) }}",
        "`replace` would make more",
    );
    check_refused(
        &format!("{{{{ {}1{} }}}}", "(".repeat(90), ")".repeat(90)),
        "",
    );
    check_refused(&"{% if a %}".repeat(5_000), "");
    check_refused(&"{{ [".repeat(5_000), "");
    check_refused(&"a".repeat(70_000), "65536");
    check_refused("{{ {{ {{", "");
}

#[test]
fn values_over_their_bound_are_refused() {
    let field = |text: String| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(text)),
    };
    let mut context = prost_types::Struct::default();
    context
        .fields
        .insert("x".to_owned(), field("y".repeat(70_000)));
    assert!(Values::of_struct(&context).is_err());
    let mut deep = field("end".to_owned());
    for _ in 0..50 {
        deep = prost_types::Value {
            kind: Some(prost_types::value::Kind::ListValue(
                prost_types::ListValue { values: vec![deep] },
            )),
        };
    }
    context.fields.insert("x".to_owned(), deep);
    assert!(Values::of_struct(&context).is_err());
}

#[test]
fn templates_with_the_same_texts_are_retained_as_they_were_compiled() {
    let template = |name: &str, body: &str| text_template(name, "Hello", body);
    let mut last = Templates::default();
    for one in [template("a", "A"), template("b", "B"), template("c", "C")] {
        last.add(&one).expect("a template");
    }
    let (same, other) = (template("a", "A"), template("b", "other"));
    let kept = last.retained(&[&same, &other]);
    assert!(kept.has_texts_of(&same) && !kept.has_texts_of(&other));
    assert!(!kept.contains("b") && !kept.contains("c"));
    let place = |templates: &Templates| {
        let body = templates.environment.get_template(&key("a", Part::Body));
        body.expect("known").source().as_ptr()
    };
    assert_eq!(place(&kept), place(&last));
}
