//! Customers who come out of one another and are joined again: each profile has what its
//! customer's events say.

use serde_json::Value;

use crate::Dev;

/// Tracks events, numbered from 1, each given by its identifiers.
fn track(dev: &Dev, events: &[&str]) {
    for (item, event) in (1..).zip(events) {
        let ids: Vec<String> = event.split(' ').map(|id| format!(" --id {id}")).collect();
        dev.ok(&format!(
            "track purchase --property item={item}{}",
            ids.concat()
        ));
    }
    dev.settle();
}

/// The numbers of the events that the profile of a customer has.
fn items(dev: &Dev, id: &str) -> Vec<i64> {
    dev.settle();
    let shown = dev.json(&format!("customer {id}"));
    let recent = shown["profile"]["recent_events"].as_array();
    let recent = recent.into_iter().flatten();
    let item = |event: &Value| {
        let item = &event["properties"]["item"];
        item.as_f64()
            .map(|it| it.round().to_string())
            .or_else(|| item.as_str().map(str::to_owned))
    };
    let mut items: Vec<i64> = recent
        .filter_map(|event| item(event)?.parse().ok())
        .collect();
    items.sort_unstable();
    items
}

/// Takes the newest merge of a customer back.
fn unmerge(dev: &Dev, id: &str) {
    let history = dev.json(&format!("identity history {id}"));
    let operation = &history["operations"][0]["operation_id"];
    let operation = operation.as_str().expect("a name");
    dev.ok(&format!("identity unmerge --operation {operation}"));
    dev.settle();
}

#[test]
fn who_came_out_of_an_unmerge_is_joined_again() {
    let dev = Dev::start();
    track(&dev, &["user_id=old", "user_id=u1", "user_id=u2"]);
    for how in [
        "identity link user_id:u1 user_id:u2",
        "identity merge user_id:u1 user_id:u2",
    ] {
        dev.ok(how);
        assert_eq!(items(&dev, "user_id:u2"), [2, 3], "{how}");
        unmerge(&dev, "user_id:u2");
        assert_eq!(items(&dev, "user_id:u1"), [2], "{how}");
        assert_eq!(items(&dev, "user_id:u2"), [3], "{how}");
    }
    // By somebody who is older than both.
    dev.ok("identity link user_id:old user_id:u2");
    assert_eq!(items(&dev, "user_id:u2"), [1, 3]);
    dev.ok("identity link user_id:u1 user_id:u2");
    assert_eq!(items(&dev, "user_id:u2"), [1, 2, 3]);
    dev.stop();
}

#[test]
fn a_device_that_is_older_than_its_newest_owner_takes_its_history_there() {
    let dev = Dev::start();
    let policy = "identity_policy: {name: default, conflict_rule: CONFLICT_RULE_REASSIGN_NEWEST}";
    dev.file("policy.yaml", policy);
    dev.ok("apply -f policy.yaml");
    track(
        &dev,
        &[
            "user_id=tom",
            "user_id=tom anonymous_id=d",
            "anonymous_id=d",
            "user_id=summer",
            "user_id=summer anonymous_id=d",
        ],
    );
    assert_eq!(items(&dev, "user_id:tom"), [1, 2]);
    assert_eq!(items(&dev, "user_id:summer"), [3, 4, 5]);
    dev.stop();
}
