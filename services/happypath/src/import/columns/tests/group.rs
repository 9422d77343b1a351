//! Tests of lines that name accounts.

use proto::identity::v1::group_traits;

use super::*;

/// Shows the accounts of an event: the keys by type, and the traits by type.
fn accounts(event: &Event) -> (Vec<String>, Vec<String>) {
    let groups = event.groups.iter();
    let mut keys: Vec<String> = groups.map(|(kind, key)| format!("{kind}={key}")).collect();
    let traits = event.group_traits.iter();
    let traits = traits.map(|(kind, traits)| match &traits.traits_form {
        Some(group_traits::TraitsForm::TraitsJson(json)) => format!("{kind}={json}"),
        form => panic!("{form:?}"),
    });
    let mut traits: Vec<String> = traits.collect();
    keys.sort_unstable();
    traits.sort_unstable();
    (keys, traits)
}

const MAPPING: &str = "groups: {account: firm, workspace: team}\n\
                       group_traits: {account: {plan: tier, seats: seats}}\n";
const HEADER: &str = "time|event|user_id|firm|team|tier|seats|value";

#[test]
fn columns_name_accounts_and_their_traits() {
    let line = "2017-01-01|x|u|acme|t1|pro|007|7";
    let event = separated(MAPPING, HEADER, line).expect("an event");
    let (keys, told) = accounts(&event);
    assert_eq!(keys, ["account=acme", "workspace=t1"]);
    assert_eq!(told, [r#"account={"plan":"pro","seats":"007"}"#]);
    assert_eq!(properties(&event), r#"{"value":7}"#);
    assert_eq!(traits(&event), "");
    // Empty cells name nothing.
    let event = separated(MAPPING, HEADER, "2017-01-01|x|u||||\\N|").expect("an event");
    assert_eq!(accounts(&event), (Vec::new(), Vec::new()));
}

#[test]
fn a_line_that_names_no_customer_is_the_accounts_alone() {
    let line = "2017-01-01|x||acme||pro||7";
    let event = separated(MAPPING, HEADER, line).expect("an event");
    assert!(event.identifiers.is_empty());
    assert_eq!(accounts(&event).1, [r#"account={"plan":"pro"}"#]);
    assert_eq!(properties(&event), r#"{"value":7}"#);
    let nobody = separated(MAPPING, HEADER, "2017-01-01|x||||||7").expect_err("nobody");
    assert_eq!(nobody.field, "identifiers");
    let traits = "traits: {plan: tier}\ngroups: {account: firm}";
    let bad = separated(traits, HEADER, line).expect_err("a customer's trait");
    assert!(bad.to_string().contains("--group-trait-column"), "{bad}");
    let alone = separated(MAPPING, HEADER, "2017-01-01|x|u|||pro||").expect_err("no account");
    assert_eq!(alone.field, "group_traits.account");
}

#[test]
fn objects_of_json_name_accounts_and_their_traits() {
    let line = |rest: &str| format!(r#"{{"time":"2017-01-01","event":"x","user_id":"u",{rest}}}"#);
    let told = r#""groups":{"account":"acme","crm_account_id":12,"workspace":null},
        "group_traits":{"account":{"plan":"pro","old":null,"size":{"n":1}}}"#;
    let event = json_line("{}", &line(told)).expect("an event");
    let (keys, told) = accounts(&event);
    assert_eq!(keys, ["account=acme", "crm_account_id=12"]);
    assert_eq!(
        told,
        [r#"account={"old":null,"plan":"pro","size":{"n":1}}"#]
    );
    let named = "groups: {account: firm}\ngroup_traits: {account: {plan: tier}}";
    let event = json_line(named, &line(r#""firm":"acme","tier":null"#)).expect("an event");
    assert_eq!(accounts(&event).1, [r#"account={"plan":null}"#]);
    for (rest, field) in [
        (r#""groups":{"account":["a"]}"#, "groups.account"),
        (r#""groups":{"account":1.5}"#, "groups.account"),
        (
            r#""groups":{"account":"a"},"group_traits":{"account":"pro"}"#,
            "group_traits.account",
        ),
        (
            r#""group_traits":{"account":{"plan":"pro"}}"#,
            "group_traits.account",
        ),
    ] {
        let bad = json_line("{}", &line(rest)).expect_err("a fault");
        assert_eq!(bad.field, field, "{rest}");
    }
    // Something else under these names is a property as before.
    let event = json_line("{}", &line(r#""groups":["a","b"]"#)).expect("an event");
    assert_eq!(properties(&event), r#"{"groups":["a","b"]}"#);
    // Two keys of one type are two accounts.
    let twice = r#""firm":"a","groups":{"account":"b"}"#;
    let bad = json_line("groups: {account: firm}", &line(twice)).expect_err("a fault");
    assert!(bad.to_string().contains("keep one"), "{bad}");
}
