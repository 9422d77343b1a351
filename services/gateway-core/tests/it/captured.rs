//! Calls as unmodified SDKs sent them to a server that captured them: one story, told by each.

use gateway_core::SourceRules;
use messages::identity::v1::Event;
use messages::identity::v1::group_traits::TraitsForm;
use serde_json::Value;

use crate::{identifiers, properties_of, read, traits_of};

const SEGMENT: [(&str, &str); 6] = [
    (
        "segment-node",
        include_str!("../captured/segment-node.json"),
    ),
    (
        "segment-python",
        include_str!("../captured/segment-python.json"),
    ),
    ("rudder-node", include_str!("../captured/rudder-node.json")),
    (
        "rudder-python",
        include_str!("../captured/rudder-python.json"),
    ),
    ("browser", include_str!("../captured/browser.json")),
    (
        "browser-batches",
        include_str!("../captured/browser-batches.json"),
    ),
];
const POSTHOG: [(&str, &str); 4] = [
    (
        "posthog-node",
        include_str!("../captured/posthog-node.json"),
    ),
    (
        "posthog-node-v1",
        include_str!("../captured/posthog-node-v1.json"),
    ),
    (
        "posthog-python",
        include_str!("../captured/posthog-python.json"),
    ),
    (
        "posthog-python-v1",
        include_str!("../captured/posthog-python-v1.json"),
    ),
];

/// Returns the events of all calls of a story.
fn events(name: &str, captured: &str) -> Vec<Event> {
    let calls: Vec<Value> = serde_json::from_str(captured).expect("JSON");
    let mut events = Vec::new();
    for call in calls {
        let path = call["path"].as_str().expect("a path");
        let body = call["body"].to_string();
        read(path, body.as_bytes(), &SourceRules::default(), |reading| {
            assert_eq!(reading.letters, [], "{name}");
            events.extend(reading.events.iter().map(|it| it.event.clone()));
        });
    }
    events
}

/// The traits of a group that an event tells.
fn group_traits(event: &Event, kind: &str) -> Value {
    match &event.group_traits[kind].traits_form {
        Some(TraitsForm::TraitsJson(json)) => serde_json::from_str(json).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

fn find<'e>(events: &'e [Event], name: &str) -> &'e Event {
    let mut found = events.iter().filter(|event| event.name == name);
    found.next().unwrap_or_else(|| panic!("there is {name}"))
}

#[test]
fn each_sdk_of_segments_dialect_tells_the_same_story() {
    for (name, captured) in SEGMENT {
        let events = events(name, captured);
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        let expected = [
            "Product Viewed",
            "identify",
            "Order Completed",
            "page",
            "screen",
            "group",
            "Signed Up",
            "alias",
        ];
        assert_eq!(names, expected, "{name}");
        for event in &events {
            assert!(
                !event.event_id.is_empty() && event.event_id.len() <= 100,
                "{name}"
            );
            assert!(event.time.is_some(), "{name}: {}", event.name);
        }
        let identify = find(&events, "identify");
        let ids = identifiers(identify);
        assert!(
            ids.contains(&"user_id=user-captured".to_owned()),
            "{name}: {ids:?}"
        );
        assert!(
            ids.contains(&"email=captured@example.com".to_owned()),
            "{name}: {ids:?}"
        );
        let traits: Value = serde_json::from_str(traits_of(identify)).expect("traits");
        assert_eq!(traits["address"]["zip"], "08001", "{name}");
        assert_eq!(traits["name"], "Zoë \"Łucja\" 李小龍 🛍", "{name}");
        let order: Value =
            serde_json::from_str(properties_of(find(&events, "Order Completed"))).expect("JSON");
        assert_eq!(
            order["products"].as_array().map(Vec::len),
            Some(2),
            "{name}"
        );
        assert_eq!(order["products"][1]["price"], 12.5, "{name}");
        let page: Value = serde_json::from_str(properties_of(find(&events, "page"))).expect("JSON");
        assert_eq!(
            (&page["name"], &page["category"]),
            (&"Home".into(), &"Docs".into()),
            "{name}"
        );
        let group = find(&events, "group");
        assert_eq!(group.groups["account"], "acme-captured", "{name}");
        assert_eq!(group_traits(group, "account")["employees"], 120, "{name}");
        let alias = find(&events, "alias");
        assert!(alias.is_alias, "{name}");
        let ids = identifiers(alias);
        for id in [
            "user_id=user-captured",
            "user_id=old-captured",
            "anonymous_id=old-captured",
        ] {
            assert!(ids.contains(&id.to_owned()), "{name}: {ids:?}");
        }
    }
}

#[test]
fn each_sdk_of_posthogs_dialect_tells_the_same_story() {
    for (name, captured) in POSTHOG {
        let events = events(name, captured);
        let group = find(&events, "$groupidentify");
        assert_eq!(group.groups["company"], "acme-captured", "{name}");
        assert_eq!(group_traits(group, "company")["employees"], 120, "{name}");
        assert_eq!(identifiers(group), [""; 0], "{name}: nobody is made of it");
        for event in &events {
            assert_eq!(event.event_id.len(), 36, "{name}");
            assert!(event.time.is_some(), "{name}");
            assert!(!properties_of(event).contains("\"$set\":"), "{name}");
        }
        let set = events.iter().find(|event| !traits_of(event).is_empty());
        let set = set.unwrap_or_else(|| panic!("{name} sets traits"));
        let traits: Value = serde_json::from_str(traits_of(set)).expect("traits");
        assert_eq!(traits["address"]["zip"], "08001", "{name}");
        assert_eq!(traits["logins"].as_f64(), Some(19.0), "{name}");
        let ids = identifiers(set);
        assert!(
            ids.contains(&"user_id=user-captured".to_owned()),
            "{name}: {ids:?}"
        );
        assert!(
            ids.contains(&"email=captured@example.com".to_owned()),
            "{name}: {ids:?}"
        );
        let order: Value =
            serde_json::from_str(properties_of(find(&events, "Order Completed"))).expect("JSON");
        assert_eq!(
            order["products"].as_array().map(Vec::len),
            Some(2),
            "{name}"
        );
        let alias = events.iter().rfind(|event| event.name == "$create_alias");
        let alias = alias.unwrap_or_else(|| panic!("{name} has an alias"));
        assert!(alias.is_alias, "{name}");
        assert_eq!(
            identifiers(alias),
            [
                "anonymous_id=old-captured",
                "anonymous_id=user-captured",
                "user_id=old-captured",
                "user_id=user-captured"
            ],
            "{name}"
        );
    }
}
