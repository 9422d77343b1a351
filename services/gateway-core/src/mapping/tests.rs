//! Tests of mappings: things that were sent, and their events.

use expr::Document;

use messages::gateway::v1::{GroupTraitsMapping, NamedTrait};

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(own, to)| ((*own).to_owned(), (*to).to_owned()))
        .collect()
}

fn mapping(when: &str, name: &str) -> EventMapping {
    EventMapping {
        when: when.to_owned(),
        name: name.to_owned(),
        identifiers: pairs(&[("email", "item.email"), ("user_id", "item.id")]),
        ..EventMapping::default()
    }
}

fn compile(mappings: &[EventMapping]) -> Result<Mappings, Vec<String>> {
    let compiled = Mappings::compile("webhook.events", mappings, &|name| name != "card");
    compiled.map_err(|faults| {
        let told = faults.into_iter();
        told.map(|it| format!("{} {}", it.field, it.description))
            .collect()
    })
}

fn read(mappings: &[EventMapping], item: &str) -> Mapped {
    let mappings = compile(mappings).expect("they compile");
    let document = Document::read(item).expect("JSON");
    let headers = [("x-topic", "t")];
    let inputs = Inputs::new(&document, &document, &headers);
    let thing = Thing {
        text: item,
        id: None,
        time: None,
    };
    mappings.read(&inputs, &thing, &SourceRules::default())
}

fn event(mappings: &[EventMapping], item: &str) -> v1::Event {
    match read(mappings, item) {
        Mapped::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_mapping_that_holds_reads_a_thing() {
    let all = [
        mapping("item.kind == \"a\"", "\"first\""),
        mapping("has(item.kind)", "\"kind_\" + item.kind"),
    ];
    assert_eq!(event(&all, r#"{"kind":"a","id":1}"#).name, "first");
    assert_eq!(event(&all, r#"{"kind":"b","id":1}"#).name, "kind_b");
    assert!(matches!(read(&all, r#"{"id":1}"#), Mapped::Nothing));
}

#[test]
fn an_event_has_what_the_expressions_find() {
    let own = EventMapping {
        event_id: "\"e-\" + string(item.n)".to_owned(),
        time: "item.at".to_owned(),
        properties: pairs(&[
            ("total", "double(item.total)"),
            ("none", "item.none"),
            ("all", "item.list"),
        ]),
        traits: pairs(&[
            ("first name", "item.name"),
            ("topic", "headers[\"x-topic\"]"),
        ]),
        ..mapping("", "\"x\"")
    };
    let item = r#"{"n":7,"at":1796018400,"total":"19.90","list":[{"a": 1}],"name":"Ada","email":"a@b.c","id":null}"#;
    let event = event(&[own], item);
    assert_eq!(event.event_id, "e-7");
    assert_eq!(event.time.map(|it| it.seconds), Some(1_796_018_400));
    assert_eq!(event.identifiers, pairs(&[("email", "a@b.c")]));
    let properties = r#"PropertiesJson("{\"all\":[{\"a\": 1}],\"total\":19.90}")"#;
    assert_eq!(
        format!("{:?}", event.properties_form),
        format!("Some({properties})")
    );
    let traits = r#"TraitsJson("{\"first name\":\"Ada\",\"topic\":\"t\"}")"#;
    assert_eq!(
        format!("{:?}", event.traits_form),
        format!("Some({traits})")
    );
}

#[test]
fn a_thing_without_an_id_has_that_of_its_name_and_content() {
    let id = |name: &str, item: &str| event(&[mapping("", name)], item).event_id;
    let one = id("\"a\"", r#"{"id":1}"#);
    assert!(one.starts_with("hash-"), "{one}");
    assert_eq!(id("\"a\"", r#"{"id":1}"#), one);
    assert_ne!(id("\"b\"", r#"{"id":1}"#), one);
    assert_ne!(id("\"a\"", r#"{"id":2}"#), one);
}

#[test]
fn what_a_mapping_cannot_read_is_told_with_its_place() {
    let timed = EventMapping {
        time: "item.at".to_owned(),
        ..mapping("", "item.name")
    };
    for (item, field, reason) in [
        (
            r#"{"id":1}"#,
            "webhook.events[0].name",
            Reason::MalformedEvent,
        ),
        (
            r#"{"name":"x"}"#,
            "webhook.events[0].identifiers",
            Reason::NoIdentifier,
        ),
        (
            r#"{"name":"x","id":" "}"#,
            "webhook.events[0].identifiers",
            Reason::NoIdentifier,
        ),
        (
            r#"{"name":"x","id":{}}"#,
            "webhook.events[0].identifiers[user_id]",
            Reason::MalformedEvent,
        ),
        (
            r#"{"name":"x","id":1,"at":"soon"}"#,
            "webhook.events[0].time",
            Reason::BadTime,
        ),
    ] {
        match read(std::slice::from_ref(&timed), item) {
            Mapped::Fault(fault) => {
                assert_eq!(
                    (fault.field.as_str(), fault.reason),
                    (field, reason),
                    "{item}"
                );
            }
            other => panic!("{item}: {other:?}"),
        }
    }
}

#[test]
fn faults_of_a_definition_are_told_with_their_path() {
    let bad = EventMapping {
        when: "1".to_owned(),
        event_id: "[1]".to_owned(),
        identifiers: pairs(&[("card", "item.card"), ("email", "itm.email")]),
        properties: pairs(&[("a b", "item.")]),
        ..mapping("", "item.name +")
    };
    let faults = compile(&[mapping("", "\"x\""), bad]).expect_err("faults");
    assert_eq!(
        faults,
        [
            "webhook.events[1].when makes a number, and a bool is needed",
            "webhook.events[1].name 1:12: expected a value, found the end",
            "webhook.events[1].event_id makes a list, and a string or number is needed",
            "webhook.events[1].identifiers[email] 1:1: unknown name `itm`: did you mean `item`?",
            "webhook.events[1].properties[a b] 1:6: expected a name after the dot, found the end: other names are quoted, as in item[\"Order ID\"]",
            "webhook.events[1].identifiers[card] there is no namespace `card`: define it, or name another one",
        ]
    );
}

#[test]
fn entries_come_from_an_object_and_by_names_that_were_sent() {
    let own = EventMapping {
        properties: pairs(&[("a", "\"own\"")]),
        properties_from: "item.data".to_owned(),
        traits_from: "item.fields".to_owned(),
        named_traits: vec![NamedTrait {
            name: "item.changed".to_owned(),
            value: "item.value".to_owned(),
        }],
        ..mapping("", "\"x\"")
    };
    let item =
        r#"{"id":1,"data":{"a":1,"b":[ 2 ]},"fields":{"f":null},"changed":"city","value":"Oulu"}"#;
    let event = event(std::slice::from_ref(&own), item);
    let properties = r#"PropertiesJson("{\"a\":\"own\",\"b\":[ 2 ]}")"#;
    assert_eq!(
        format!("{:?}", event.properties_form),
        format!("Some({properties})")
    );
    let traits = r#"TraitsJson("{\"city\":\"Oulu\",\"f\":null}")"#;
    assert_eq!(
        format!("{:?}", event.traits_form),
        format!("Some({traits})")
    );
    let event = self::event(&[own], r#"{"id":1,"data":[],"changed":"city"}"#);
    assert_eq!(
        format!("{:?}", event.properties_form),
        "Some(PropertiesJson(\"{\\\"a\\\":\\\"own\\\"}\"))"
    );
    assert!(event.traits_form.is_none());
}

#[test]
fn groups_and_their_traits_are_found_by_expressions() {
    let told = GroupTraitsMapping {
        traits: pairs(&[("plan", "item.plan"), ("none", "item.none")]),
        traits_from: "item.company".to_owned(),
    };
    let own = EventMapping {
        groups: pairs(&[("account", "item.company.id"), ("workspace", "item.space")]),
        group_traits: [("account".to_owned(), told)].into(),
        properties_from: "item".to_owned(),
        traits: pairs(&[("vip", "true")]),
        ..mapping("", "\"x\"")
    };
    let item = r#"{"id":1,"company":{"id":77,"seats":5},"plan":"pro"}"#;
    let event = event(std::slice::from_ref(&own), item);
    assert_eq!(event.groups, pairs(&[("account", "77")]));
    assert_eq!(
        format!("{:?}", event.group_traits["account"].traits_form),
        r#"Some(TraitsJson("{\"plan\":\"pro\",\"id\":77,\"seats\":5}"))"#
    );
    assert!(event.properties_form.is_some() && event.traits_form.is_some());
    // Nobody is named: it is the account's, which has its properties, and no traits of a person.
    let alone = self::event(std::slice::from_ref(&own), &item.replace("\"id\":1,", ""));
    assert_eq!(
        (alone.groups, alone.group_traits),
        (event.groups, event.group_traits)
    );
    assert!(alone.identifiers.is_empty());
    assert!(alone.properties_form.is_some() && alone.traits_form.is_none());
    match read(std::slice::from_ref(&own), r#"{"plan":"pro"}"#) {
        Mapped::Fault(fault) => assert_eq!(fault.reason.code(), "NO_IDENTIFIER"),
        other => panic!("{other:?}"),
    }
    match read(&[own], r#"{"id":1,"company":{"id":[1]}}"#) {
        Mapped::Fault(fault) => assert_eq!(fault.field, "webhook.events[0].groups[account]"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mapping_says_whom_a_thing_is_about() {
    let nobody = EventMapping {
        identifiers: HashMap::new(),
        ..mapping("", "\"x\"")
    };
    let traits = GroupTraitsMapping {
        traits: pairs(&[("a", "itm")]),
        ..GroupTraitsMapping::default()
    };
    let bad = EventMapping {
        groups: pairs(&[("card", "item.a"), ("account", "item.b")]),
        group_traits: [("account", traits.clone()), ("company", traits)]
            .map(|(kind, traits)| (kind.to_owned(), traits))
            .into(),
        ..nobody.clone()
    };
    assert_eq!(
        compile(&[nobody, bad]).expect_err("faults"),
        [
            "webhook.events[0].identifiers is empty, and so is `groups`: say whom a thing is about",
            "webhook.events[1].group_traits[account].traits[a] 1:1: unknown name `itm`: did you mean `item`?",
            "webhook.events[1].groups[card] there is no namespace `card`: define it, or name another one",
            "webhook.events[1].group_traits[company] is not used: `groups` has no key of a `company`",
        ]
    );
}
