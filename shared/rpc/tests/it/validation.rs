//! Each kind of rule that the contracts carry, broken and kept.

use std::collections::HashMap;

use prost_reflect::ReflectMessage;
use proto::activation::v1::{
    Channel, FrequencyCap, LogChannel, Policy, Template, TextContent, WebhookChannel, channel,
    template,
};
use proto::definition::v1::{
    ApplyDefinitionsRequest, Definition, DefinitionKind, GetDefinitionRequest, definition,
};
use proto::identity::v1::{
    AdvanceClockRequest, Event, GetCustomerRequest, IngestRequest, MergeCustomersRequest,
    get_customer_request,
};
use rpc::validate;

fn check<M: ReflectMessage>(message: &M, expected: &[&str]) {
    let found: Vec<String> = match validate(message) {
        Ok(()) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected);
}

fn event(identifiers: &[(&str, &str)]) -> Event {
    Event {
        name: "purchase".to_owned(),
        identifiers: identifiers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect::<HashMap<_, _>>(),
        ..Default::default()
    }
}

#[test]
fn texts_keep_length_and_pattern() {
    let text = TextContent {
        body: "x".to_owned(),
        ..Default::default()
    };
    check(&text, &[]);
    let empty = TextContent {
        body: String::new(),
        ..text.clone()
    };
    check(&empty, &["body: must not be empty"]);
    let template = Template {
        name: "t".to_owned(),
        medium: Some(template::Medium::Text(empty)),
    };
    check(&template, &["text.body: must not be empty"]);
    let long = TextContent {
        subject: "é".repeat(501),
        ..text
    };
    check(
        &long,
        &[&format!(
            "subject: `{}…` has 1002 bytes: must have at most 1000",
            "é".repeat(60)
        )],
    );
    let request = IngestRequest {
        request_id: "é".repeat(101),
        events: vec![event(&[("email", "a@b.c")])],
        ..Default::default()
    };
    check(
        &request,
        &[&format!(
            "request_id: `{}…` has 101 characters: must have at most 100",
            "é".repeat(60)
        )],
    );
    check(
        &IngestRequest {
            request_id: "é".repeat(100),
            ..request
        },
        &[],
    );
    let policy = |name: &str| Policy {
        name: name.to_owned(),
        ..Default::default()
    };
    check(&policy("default"), &[]);
    check(&policy("other"), &["name: `other` must be `default`"]);
}

#[test]
fn lists_keep_count_and_uniqueness_and_their_items_rules() {
    let id = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23";
    let merge = |ids: &[&str]| MergeCustomersRequest {
        request_id: "r".to_owned(),
        customer_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    check(&merge(&[id, "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d24"]), &[]);
    check(
        &merge(&[id]),
        &["customer_ids: has 1 items: must have at least 2"],
    );
    check(
        &merge(&["x"; 11]),
        &["customer_ids: has 11 items: must have at most 10"],
    );
    check(
        &merge(&[id, id, "x"]),
        &[
            &format!("customer_ids[1]: `{id}` is there twice: keep one"),
            "customer_ids[2]: `x` must be a UUID such as 01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23",
        ],
    );
}

#[test]
fn maps_keep_count_and_the_rules_of_keys_and_values() {
    check(&event(&[("email", "a@b.c")]), &[]);
    let names: Vec<String> = (b'a'..=b'u')
        .map(|letter| char::from(letter).to_string())
        .collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    check(&event(&many[..20]), &[]);
    check(
        &event(&many),
        &["identifiers: has 21 entries: must have at most 20"],
    );
    check(
        &event(&[("E", "")]),
        &[
            "identifiers[\"E\"]: `E` must be 1 to 64 lower case letters, digits and _, beginning with a letter, such \
             as `first_purchase`",
            "identifiers[\"E\"]: must not be empty",
        ],
    );
}

#[test]
fn enums_numbers_and_presence_are_checked() {
    let get = |kind: i32| GetDefinitionRequest {
        kind,
        name: "a".to_owned(),
        version: 0,
    };
    check(&get(DefinitionKind::Segment.into()), &[]);
    let kinds: Vec<String> = (1..=11)
        .filter_map(|kind| DefinitionKind::try_from(kind).ok())
        .map(|kind| kind.as_str_name().to_owned())
        .collect();
    check(
        &get(0),
        &[&format!("kind: `0` must be one of {}", kinds.join(", "))],
    );
    check(
        &get(99),
        &[&format!(
            "kind: `99` must be one of DEFINITION_KIND_UNSPECIFIED, {}",
            kinds.join(", ")
        )],
    );
    let cap = |limit: u32| FrequencyCap {
        limit,
        window: "7d".to_owned(),
    };
    check(&cap(1), &[]);
    check(&cap(0), &["limit: `0` must be at least 1"]);
    check(&cap(101), &["limit: `101` must be at most 100"]);
    check(&AdvanceClockRequest { time: None }, &["time: is required"]);
    check(
        &AdvanceClockRequest {
            time: Some(prost_types::Timestamp::default()),
        },
        &[],
    );
}

#[test]
fn a_oneof_must_be_chosen_and_only_the_chosen_is_checked() {
    check(
        &GetCustomerRequest {
            key: None,
            after: String::new(),
        },
        &["must have exactly one of customer_id, identifier"],
    );
    let key = get_customer_request::Key::CustomerId("x".to_owned());
    check(
        &GetCustomerRequest {
            key: Some(key),
            after: String::new(),
        },
        &["customer_id: `x` must be a UUID such as 01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"],
    );
    let log = Channel {
        name: "c".to_owned(),
        kind: Some(channel::Kind::Log(LogChannel {})),
        ..Default::default()
    };
    check(&log, &[]);
}

#[test]
fn paths_lead_through_nested_messages_and_secrets_are_not_repeated() {
    let webhook = WebhookChannel {
        url: "ftp://x".to_owned(),
        secret: "hunter2".to_owned(),
        allow_private_network: false,
    };
    let channel = Channel {
        name: "c".to_owned(),
        kind: Some(channel::Kind::Webhook(webhook)),
        ..Default::default()
    };
    let request = ApplyDefinitionsRequest {
        request_id: "r".to_owned(),
        definitions: vec![
            Definition { kind: None },
            Definition {
                kind: Some(definition::Kind::Channel(channel)),
            },
        ],
        ..ApplyDefinitionsRequest::default()
    };
    check(
        &request,
        &[
            "definitions[0]: must have exactly one of namespace, segment, journey_map, happy_path, journey, channel, \
             template, policy, source, subscription, identity_policy",
            "definitions[1].channel.webhook.url: `ftp://x` must begin with http:// or https://",
            "definitions[1].channel.webhook.secret: must be `whsec_` and 24 to 64 bytes in base64",
        ],
    );
}

#[test]
fn a_request_full_of_faults_lists_a_hundred_and_counts_the_rest() {
    let request = IngestRequest {
        events: vec![Event::default(); 500],
        ..Default::default()
    };
    let violations = validate(&request).expect_err("all wrong");
    assert_eq!(violations.iter().count(), rpc::limits::VIOLATIONS);
    // Each event lacks its name. That it names nobody is found where it is read, since two fields
    // name somebody.
    assert_eq!(violations.more(), 500 - rpc::limits::VIOLATIONS);
}
