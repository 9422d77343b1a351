//! Groups that are refused, with the field, the reason and the remedy.

use identity::{ClockReading, check_event, prepare};
use identity_core::Rules;
use kernel::Timestamp;
use proto::identity::v1;
use proto::identity::v1::event::TraitsForm as Own;
use proto::identity::v1::group_traits::TraitsForm;

use super::world::acted;

fn clock() -> ClockReading {
    ClockReading {
        now: Timestamp::from_millis(1_800_000_000_000),
        is_virtual: false,
        latest: Timestamp::from_millis(1_800_086_400_000),
    }
}

/// An event of ann for acme that tells this of some types of accounts.
fn telling(told: &[(&str, &str)]) -> v1::Event {
    let mut event = acted("user_id=ann", "account=acme workspace=w1", 1);
    event.group_traits = told
        .iter()
        .map(|(name, json)| {
            let traits_form = Some(TraitsForm::TraitsJson((*json).to_owned()));
            ((*name).to_owned(), v1::GroupTraits { traits_form })
        })
        .collect();
    event
}

/// An object of so many traits.
fn many(prefix: &str, count: usize) -> String {
    let traits: Vec<String> = (0..count).map(|it| format!("\"{prefix}{it}\":1")).collect();
    format!("{{{}}}", traits.join(","))
}

fn refused(event: v1::Event, field: &str, words: &[&str]) {
    let found = prepare(event, 0, &Rules::default(), &clock()).expect_err(field);
    let [fault] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(fault.field, field);
    for word in words {
        assert!(fault.description.contains(word), "{fault:?}");
    }
}

#[test]
fn faults_of_group_traits_name_the_group_and_the_trait() {
    let bad = r#"{"x":{"y":1e999}}"#;
    refused(
        telling(&[("account", bad)]),
        r#"group_traits["account"].traits_json.x.y"#,
        &[],
    );
    refused(
        telling(&[("account", "[]")]),
        r#"group_traits["account"].traits_json"#,
        &[],
    );
    let absent = telling(&[("household", "{}")]);
    refused(absent, r#"group_traits["household"]"#, &["`groups` must"]);
    let mut nan = telling(&[]);
    let number = prost_types::Value {
        kind: Some(prost_types::value::Kind::NumberValue(f64::NAN)),
    };
    let object = prost_types::Struct {
        fields: [("x".to_owned(), number)].into(),
    };
    let traits_form = Some(TraitsForm::Traits(object));
    nan.group_traits = [("account".to_owned(), v1::GroupTraits { traits_form })].into();
    refused(nan, r#"group_traits["account"].traits.x"#, &[]);
}

#[test]
fn group_traits_are_bounded_all_together() {
    let (half, more) = (many("a", 50), many("b", 51));
    prepare(
        telling(&[("account", &half), ("workspace", &half)]),
        0,
        &Rules::default(),
        &clock(),
    )
    .expect("within the limit");
    let beyond = telling(&[("account", &half), ("workspace", &more)]);
    refused(beyond, "group_traits", &["101", "100"]);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(33_000));
    refused(telling(&[("account", &large)]), "", &["32768"]);
    let odd = telling(&[("Account", "{}")]);
    let found: Vec<_> = check_event(&odd).into_iter().map(|it| it.field).collect();
    assert_eq!(found, [r#"group_traits["Account"]"#]);
}

#[test]
fn an_event_of_accounts_alone_names_one_and_has_no_traits_of_nobody() {
    let alone = |groups: &str| acted("", groups, 1);
    let remedy = "SUBJECT_ACCOUNT";
    let reasons = [
        "`account` is BLOCKED_VALUE",
        "`team` is UNKNOWN_NAMESPACE",
        remedy,
    ];
    refused(alone("account=null team=t1"), "groups", &reasons);
    let mut traits = alone("account=acme");
    traits.traits_form = Some(Own::TraitsJson(r#"{"plan":"pro"}"#.to_owned()));
    refused(traits, "traits", &["group_traits"]);
    refused(alone(""), "identifiers", &["`groups`"]);
    // A sender who names a person means that one.
    refused(
        acted("user_id=null", "account=acme", 1),
        "identifiers",
        &["BLOCKED_VALUE"],
    );
    let prepared = prepare(
        alone("account=acme team=t1"),
        0,
        &Rules::default(),
        &clock(),
    );
    let prepared = prepared.expect("an account's");
    assert!(prepared.is_of_accounts && prepared.groups.len() == 1);
}

#[test]
fn an_event_without_groups_has_nothing_of_them() {
    let prepared = prepare(acted("user_id=ann", "", 1), 0, &Rules::default(), &clock());
    let prepared = prepared.expect("an event");
    assert_eq!(prepared.groups.capacity(), 0, "no memory is taken");
}
