//! Accounts, from the command line and from SDKs: made, shown, joined, taken apart, exported.

use serde_json::{Value, json};

use crate::Dev;
use crate::json::http::send;

/// Sends a call of an SDK, and expects success.
fn post(dev: &Dev, path: &str, body: &Value) {
    let kind = [("content-type", "application/json")];
    let answer = send(
        &dev.address,
        "POST",
        path,
        &kind,
        body.to_string().as_bytes(),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The number of customers.
fn customers(dev: &Dev) -> usize {
    let answer = send(&dev.address, "GET", "/v1/customers", &[], b"");
    let read: Value = serde_json::from_slice(&answer.body).expect("JSON");
    read["customers"].as_array().map_or(0, Vec::len)
}

fn account_id(dev: &Dev, account: &str) -> String {
    let shown = dev.json(&format!("accounts get {account}"));
    text(&shown["account"]["account_id"]).to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The sections of an export, each as often as it has lines.
fn sections(exported: &str) -> Vec<(String, Value)> {
    let lines = exported.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (text(&line["section"]).to_owned(), line["data"].clone())
    });
    lines.collect()
}

fn of<'e>(sections: &'e [(String, Value)], name: &str) -> Vec<&'e Value> {
    let own = sections.iter().filter(|(section, _)| section == name);
    own.map(|(_, data)| data).collect()
}

#[test]
fn groups_of_sdks_are_accounts_and_make_no_customers() {
    let dev = Dev::start();
    post(
        &dev,
        "/v1/batch",
        &json!({"writeKey": "web_shop", "batch": [
            {"type": "track", "event": "seen", "userId": "ada", "messageId": "1", "context": {"groupId": "acme"}},
            {"type": "group", "userId": "ada", "groupId": "acme", "messageId": "2", "traits": {"plan": "free"}},
            {"type": "group", "groupId": "acme", "messageId": "3", "traits": {"plan": "pro", "seats": 40}},
        ]}),
    );
    post(
        &dev,
        "/batch/",
        &json!({"api_key": "web_shop", "batch": [
            {"event": "$groupidentify", "uuid": "01a22b3d-cec0-765d-9a17-f7f563415823", "distinct_id": "$company_umbrella",
                "properties": {"$group_type": "company", "$group_key": "umbrella", "$group_set": {"name": "Umbrella"}}},
            {"event": "seen", "uuid": "01a22b3d-cec0-765d-9a17-f7f563415824", "distinct_id": "ben",
                "properties": {"$groups": {"company": "umbrella", "Sales Team": "emea"}}},
        ]}),
    );
    dev.settle();
    assert_eq!(customers(&dev), 2, "ada and ben");
    let acme = dev.json("accounts get account:acme");
    assert_eq!(acme["account"]["type"], "account", "{acme}");
    assert_eq!(acme["account"]["member_count"], 1, "{acme}");
    assert_eq!(
        acme["profile"]["traits"],
        json!({"plan": "pro", "seats": 40})
    );
    let counts: Vec<_> = list(&acme["profile"], "events")
        .iter()
        .map(|it| (text(&it["name"]).to_owned(), it["count"].clone()))
        .collect();
    assert!(counts.contains(&("group".to_owned(), json!(2))), "{acme}");
    let umbrella = dev.json("accounts get company:umbrella");
    assert_eq!(umbrella["account"]["type"], "company");
    assert_eq!(umbrella["profile"]["traits"]["name"], "Umbrella");
    let ada = dev.json("customer user_id:ada");
    assert_eq!(
        ada["profile"]["traits"],
        json!({}),
        "they are the account's"
    );
    let accounts = list(&ada, "accounts");
    assert_eq!(accounts.len(), 1, "{ada}");
    assert_eq!(accounts[0]["account_id"], acme["account"]["account_id"]);
    assert!(dev.ok("customer user_id:ada").contains("\nAccounts\n"));
    assert_eq!(list(&dev.json("accounts list"), "accounts").len(), 2);
}

#[test]
fn a_group_of_no_namespace_of_accounts_is_a_dead_letter_until_there_is_one() {
    let dev = Dev::start();
    post(
        &dev,
        "/capture/",
        &json!({"api_key": "web_shop", "event": "$groupidentify", "uuid": "01a22b3d-cec0-765d-9a17-f7f563415825",
            "distinct_id": "x", "properties": {"$group_type": "organization", "$group_key": "o1", "$group_set": {"a": 1}}}),
    );
    let letters = dev.json("dead-letters list");
    let letter = &letters["dead_letters"][0];
    assert_eq!(letter["reason"], "NO_IDENTIFIER", "{letters}");
    assert_eq!(letter["field"], "properties.$group_key", "{letters}");
    let told = text(&letter["description"]);
    assert!(
        told.contains("organization") && told.contains("SUBJECT_ACCOUNT"),
        "{told}"
    );
    dev.file(
        "organization.yaml",
        "namespace: {name: organization, priority: 1, limit: 1, subject: SUBJECT_ACCOUNT}\n",
    );
    dev.ok("apply -f organization.yaml");
    let replayed = dev.ok("dead-letters replay --all");
    assert!(replayed.starts_with("Taken: 1."), "{replayed}");
    dev.settle();
    let shown = dev.json("accounts get organization:o1");
    assert_eq!(shown["profile"]["traits"]["a"], 1, "{shown}");
    assert_eq!(customers(&dev), 0);
}

#[test]
fn accounts_are_made_shown_and_listed_by_the_command_line() {
    let dev = Dev::start();
    let made =
        dev.ok("accounts put account:acme domain:acme.com --trait plan=pro --trait seats=40");
    assert!(
        made.starts_with("Account ") && made.contains("(a new account)"),
        "{made}"
    );
    let again = dev.ok("accounts put account:acme --remove-trait plan");
    assert!(again.contains("(a known account)"), "{again}");
    dev.settle();
    let shown = dev.ok("accounts get domain:acme.com");
    assert!(
        shown.contains("(account), first seen ") && shown.contains(", no members"),
        "{shown}"
    );
    let shown = dev.json("accounts get domain:acme.com");
    assert_eq!(shown["profile"]["traits"], json!({"seats": 40}));
    let said = dev.ok("track renewed --group account=acme");
    assert!(
        said.contains(": renewed of accounts alone\n  for account "),
        "{said}"
    );
    let said = dev.ok("track seen --id user_id=ada --group account=acme --group workspace=w1");
    assert!(said.contains("(a new customer)\n"), "{said}");
    assert!(
        said.contains("(a known account)\n") && said.contains("(a new workspace)\n"),
        "{said}"
    );
    let said = dev.ok("track seen --id user_id=ada --group account=null");
    assert!(
        said.contains("  account was left out: BLOCKED_VALUE"),
        "{said}"
    );
    let listed = dev.ok("accounts list");
    assert!(listed.contains("account:acme, domain:acme.com"), "{listed}");
    let one = dev.ok("accounts list --limit 1");
    assert!(one.ends_with("There are more: raise --limit.\n"), "{one}");
    let (code, told) = dev.refused("accounts get account:none");
    assert_eq!(code, 3, "{told}");
    let (code, told) = dev.refused("accounts get acme");
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("account:acme or domain:acme.com"), "{told}");
    // Ids of the one kind are told where the other is asked for.
    let id = account_id(&dev, "account:acme");
    let (code, told) = dev.refused(&format!("customer {id}"));
    assert!(code == 3 && told.contains("is an account"), "{told}");
}

#[test]
fn members_join_and_leave_and_are_listed_as_of_a_time() {
    let dev = Dev::start();
    dev.ok("track seen --id user_id=ada");
    dev.ok("accounts put account:acme");
    let said = dev.ok(
        "accounts join user_id:ada account:acme --role admin --primary --from 2026-01-01 --confidence 0.5",
    );
    assert!(
        said.contains(" as admin, their primary one, from 2026-01-01T00:00:00Z.\n"),
        "{said}"
    );
    assert!(
        said.contains(" is new; `happypath accounts leave "),
        "{said}"
    );
    let listed = dev.json("accounts memberships user_id:ada");
    let membership = &list(&listed, "memberships")[0];
    assert_eq!(membership["source"], "MEMBERSHIP_SOURCE_CALL");
    assert_eq!(membership["confidence"], 0.5);
    let id = text(&membership["membership_id"]);
    let left = dev.ok(&format!("accounts leave {id} --at 2026-03-01"));
    assert!(left.contains(" until 2026-03-01T00:00:00Z."), "{left}");
    let none = dev.ok("accounts members account:acme");
    assert_eq!(none, "Nobody is a member of this account.\n");
    let then = dev.json("accounts members account:acme --at 2026-02-01");
    assert_eq!(list(&then, "memberships").len(), 1, "{then}");
    let other = dev.json("accounts members account:acme --at 2026-02-01 --role buyer");
    assert_eq!(list(&other, "memberships").len(), 0, "{other}");
    let (code, told) = dev.refused("accounts leave 0192f0c1-2f3a-7000-8000-000000000000");
    assert_eq!(code, 3, "{told}");
    let (code, told) = dev.refused("accounts join user_id:none account:acme");
    assert_eq!(code, 3, "{told}");
}

#[test]
fn accounts_are_joined_and_taken_apart_with_their_members() {
    let dev = Dev::start();
    dev.ok("track seen --id user_id=ada --group account=north --time 2026-01-01T06:00:00Z");
    dev.ok("track seen --id user_id=ben --group account=south --time 2026-01-02T06:00:00Z");
    let (north, south) = (
        account_id(&dev, "account:north"),
        account_id(&dev, "account:south"),
    );
    let said = dev.ok("accounts merge account:north account:south --reason one");
    assert!(
        said.starts_with(&format!("Joined into account {north}: {south}\n")),
        "{said}"
    );
    let members = dev.json("accounts members account:south");
    assert_eq!(list(&members, "memberships").len(), 2, "{members}");
    let (code, told) = dev.refused("accounts merge account:north account:south");
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("these are one account already"), "{told}");
    let dry = dev.ok(&format!(
        "accounts unmerge account:north --fragment {south} --dry-run"
    ));
    assert!(
        dry.contains("These accounts would come of it") && dry.contains("Nothing was changed."),
        "{dry}"
    );
    let history = dev.ok(&format!("identity history {north}"));
    assert!(history.contains("merge"), "{history}");
    let apart = dev.ok(&format!("accounts unmerge --fragment {south} --reason two"));
    assert!(
        apart.contains("These accounts came of it; the first kept the id."),
        "{apart}"
    );
    assert_eq!(account_id(&dev, "account:south"), south);
    for (account, customer) in [("account:north", "ada"), ("account:south", "ben")] {
        let members = dev.json(&format!("accounts members {account}"));
        assert_eq!(list(&members, "memberships").len(), 1, "{members}");
        let own = dev.json(&format!("customer user_id:{customer}"));
        assert_eq!(
            members["memberships"][0]["customer_id"],
            own["customer"]["customer_id"]
        );
    }
}

#[test]
fn a_buying_group_says_how_complete_it_is() {
    let dev = Dev::start();
    dev.ok("track seen --id user_id=ada --group account=acme");
    dev.ok("track seen --id user_id=ben");
    let put = "accounts buying-groups put account:acme crm-0042 --slot";
    let said = dev.ok(&format!(
        "{put} decision_maker=user_id:ada --slot legal --slot fan:0"
    ));
    assert!(said.starts_with("The buying group is new.\n"), "{said}");
    assert!(said.contains(", about crm-0042: 50% complete\n"), "{said}");
    let (code, told) = dev.refused(&format!("{put} decision_maker=user_id:ben"));
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("member"), "{told}");
    let said = dev.ok(&format!("{put} decision_maker=user_id:ada"));
    assert!(
        said.starts_with("The buying group was replaced.\n"),
        "{said}"
    );
    let listed = dev.json("accounts buying-groups list --account account:acme");
    let group = &list(&listed, "buying_groups")[0];
    assert_eq!(group["completeness"], 1);
    let id = text(&group["buying_group_id"]);
    assert!(
        dev.ok(&format!("accounts buying-group get {id}"))
            .contains("100% complete")
    );
    assert_eq!(
        dev.ok(&format!("accounts buying-groups delete {id}")),
        format!("Deleted: {id}\n")
    );
    assert_eq!(
        dev.ok("accounts buying-groups list"),
        "There is no buying group.\n"
    );
    assert_eq!(
        dev.refused(&format!("accounts buying-groups get {id}")).0,
        3
    );
}

#[test]
fn all_that_is_known_about_an_account_is_exported() {
    let dev = Dev::start();
    dev.ok("track seen --id user_id=ada --group account=acme");
    dev.ok("accounts put account:acme domain:acme.com --trait plan=pro");
    dev.ok("accounts buying-groups put account:acme crm-1 --slot champion=user_id:ada");
    dev.settle();
    let id = account_id(&dev, "account:acme");
    let exported = sections(&dev.ok("accounts export domain:acme.com"));
    assert_eq!(of(&exported, "account")[0]["accountId"], id.as_str());
    assert!(!of(&exported, "evidence").is_empty(), "{exported:?}");
    assert_eq!(of(&exported, "profile")[0]["traits"]["plan"], "pro");
    assert_eq!(of(&exported, "member").len(), 1);
    assert_eq!(of(&exported, "buying_group")[0]["opportunity"], "crm-1");
    let (last, end) = exported.last().expect("a last line");
    assert_eq!(last, "end");
    assert_eq!(end["line_counts"]["member"], 1, "{end}");
    assert!(end["line_counts"]["segment"].is_null(), "{end}");
    let exported = sections(&dev.ok("identity export user_id:ada"));
    assert_eq!(of(&exported, "account")[0]["accountId"], id.as_str());
    let (code, told) = dev.refused(&format!("identity export {id}"));
    assert_eq!(code, 3, "{told}");
    assert_eq!(dev.refused("accounts export account:none").0, 3);
}

#[test]
fn an_event_of_an_account_alone_keeps_all_that_it_says() {
    let dev = Dev::start();
    dev.ok(
        "track invoiced --group account=acme --property amount=10 --group-trait account.plan=pro",
    );
    dev.ok("track seen --id user_id=ada --group account=acme --property page=home");
    dev.settle();
    let shown = dev.json("accounts get account:acme");
    assert_eq!(shown["profile"]["traits"], json!({"plan": "pro"}));
    let recent = list(&shown["profile"], "recent_events");
    let of = |name: &str| {
        let mut all = recent.iter();
        let own = all.find(|it| text(&it["name"]) == name);
        own.map(|it| it["properties"].clone())
    };
    assert_eq!(of("invoiced"), Some(json!({"amount": 10})), "{shown}");
    assert_eq!(of("seen"), Some(json!({})), "they are the customer's");
    let (code, told) = dev.refused("track invoiced --group account=acme --trait plan=pro");
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("--group-trait account.plan=pro"), "{told}");
}
