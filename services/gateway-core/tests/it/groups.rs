//! Groups: the accounts that events tell of, and events that tell of accounts alone.

use messages::identity::v1::Event;
use messages::identity::v1::group_traits::TraitsForm;

use crate::{fault, identifiers, one, properties_of, traits_of};

/// The groups of an event, as `type=key traits`, sorted.
fn groups_of(event: &Event) -> Vec<String> {
    let told = |kind: &str| match event.group_traits.get(kind) {
        None => String::new(),
        Some(told) => match &told.traits_form {
            Some(TraitsForm::TraitsJson(json)) => format!(" {json}"),
            other => panic!("{other:?}"),
        },
    };
    let groups = event.groups.iter();
    let mut groups: Vec<String> = groups
        .map(|(kind, key)| format!("{kind}={key}{}", told(kind)))
        .collect();
    groups.sort();
    groups
}

#[test]
fn traits_of_a_group_are_the_groups() {
    let event = one(
        "/v1/group",
        r#"{"userId":"u","groupId":7,"traits":{"email":"office@acme.io"},"context":{"groupId":"other","traits":{"age":5}}}"#,
    );
    assert_eq!(
        groups_of(&event),
        [r#"account=7 {"email":"office@acme.io"}"#]
    );
    // They are properties of what the person did, and identify nobody.
    assert_eq!(properties_of(&event), r#"{"email":"office@acme.io"}"#);
    assert_eq!(identifiers(&event), ["user_id=u"]);
    assert_eq!(traits_of(&event), r#"{"age":5}"#);
    let event = one(
        "/v1/group",
        r#"{"anonymousId":"a","groupId":"g","traits":{}}"#,
    );
    assert_eq!(groups_of(&event), ["account=g"]);
}

#[test]
fn large_traits_of_a_group_are_the_groups_alone() {
    let large = "x".repeat(20_000);
    let body = format!(r#"{{"userId":"u","groupId":"g","traits":{{"a":"{large}"}}}}"#);
    let event = one("/v1/group", &body);
    assert_eq!(
        groups_of(&event),
        [format!(r#"account=g {{"a":"{large}"}}"#)]
    );
    assert_eq!(properties_of(&event), "");
    assert_eq!(identifiers(&event), ["user_id=u"]);
}

#[test]
fn a_group_without_a_person_is_an_event_of_the_account() {
    let event = one(
        "/v1/group",
        r#"{"groupId":"g","userId":"","anonymousId":null,"traits":{"a":1},"context":{"traits":{"b":2}},"messageId":"m"}"#,
    );
    assert_eq!(event.event_id, "m");
    assert_eq!(groups_of(&event), [r#"account=g {"a":1}"#]);
    assert_eq!(identifiers(&event), [""; 0]);
    assert_eq!((properties_of(&event), traits_of(&event)), ("", ""));
}

#[test]
fn a_group_update_of_posthog_makes_no_customer() {
    let update = |properties: &str| {
        format!(
            r#"{{"api_key":"k","event":"$groupidentify","uuid":"w","distinct_id":"$company_acme","properties":{properties}}}"#
        )
    };
    let event = one(
        "/capture/",
        &update(
            r#"{"$group_type":"company","$group_key":"acme","$group_set":{"seats":5},"$lib":"x"}"#,
        ),
    );
    assert_eq!(
        (event.name.as_str(), event.event_id.as_str()),
        ("$groupidentify", "w")
    );
    assert_eq!(groups_of(&event), [r#"company=acme {"seats":5}"#]);
    assert_eq!(identifiers(&event), [""; 0]);
    assert_eq!(properties_of(&event), "");
    let event = one(
        "/capture/",
        &update(r#"{"$group_type":"company","$group_key":12}"#),
    );
    assert_eq!(groups_of(&event), ["company=12"]);
    for (properties, field) in [
        ("{}", "properties.$group_type"),
        (
            r#"{"$group_type":"1 ","$group_key":"a"}"#,
            "properties.$group_type",
        ),
        (
            r#"{"$group_type":"company","$group_key":" "}"#,
            "properties.$group_key",
        ),
        (
            r#"{"$group_type":"company","$group_key":"a","$group_set":[]}"#,
            "properties.$group_set",
        ),
    ] {
        let told = fault("/capture/", &update(properties));
        assert_eq!(told, ("MALFORMED_EVENT", field.to_owned()), "{properties}");
    }
}

#[test]
fn types_of_groups_are_written_as_names_of_namespaces() {
    for (kind, expected) in [
        ("company", Some("company")),
        ("Company", Some("company")),
        ("Business Unit", Some("business_unit")),
        ("org-id", Some("org_id")),
        ("7up", None),
        ("", None),
        ("\u{fc}ber", None),
    ] {
        let body = format!(
            r#"{{"api_key":"k","event":"A","distinct_id":"u","properties":{{"$groups":{{"{kind}":"x"}}}}}}"#
        );
        let event = one("/capture/", &body);
        let groups = event.groups.keys().map(String::as_str);
        assert_eq!(
            groups.collect::<Vec<_>>(),
            expected.into_iter().collect::<Vec<_>>()
        );
        // It stays with the event as it was sent.
        assert!(properties_of(&event).contains(&format!("\"{kind}\":\"x\"")));
    }
    let body = r#"{"event":"A","distinct_id":"u","properties":{"$groups":{"company":"first","Company":"second","empty":"","list":[1]}}}"#;
    assert_eq!(groups_of(&one("/capture/", body)), ["company=first"]);
}

#[test]
fn only_an_update_of_a_group_may_name_nobody() {
    for (path, body) in [
        ("/v1/track", r#"{"event":"A","context":{"groupId":"g"}}"#),
        (
            "/v1/identify",
            r#"{"traits":{"a":1},"context":{"groupId":"g"}}"#,
        ),
        (
            "/capture/",
            r#"{"api_key":"k","event":"A","properties":{"$groups":{"company":"a"}}}"#,
        ),
    ] {
        assert_eq!(fault(path, body).0, "NO_IDENTIFIER", "{body}");
    }
    let event = one(
        "/v1/track",
        r#"{"userId":"u","event":"A","context":{"groupId":"g"}}"#,
    );
    assert_eq!(groups_of(&event), ["account=g"]);
}

#[test]
fn a_group_that_is_too_large_is_told() {
    let long = "x".repeat(401);
    let body = format!(r#"{{"userId":"u","groupId":"{long}"}}"#);
    assert_eq!(
        fault("/v1/group", &body),
        ("MALFORMED_EVENT", "groupId".to_owned())
    );
    let large = "x".repeat(33_000);
    let body = format!(r#"{{"groupId":"g","traits":{{"a":"{large}"}}}}"#);
    assert_eq!(fault("/v1/group", &body).0, "EVENT_TOO_LARGE");
    // Elsewhere a key that can be none is left in the event.
    let body = format!(r#"{{"userId":"u","event":"A","context":{{"groupId":"{long}"}}}}"#);
    assert_eq!(groups_of(&one("/v1/track", &body)), [""; 0]);
}
