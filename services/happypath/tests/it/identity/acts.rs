//! Customers found, joined, taken apart and explained, as people do it.

use crate::Dev;

#[test]
fn customers_are_joined_taken_apart_and_explained() {
    let dev = Dev::start();
    for (user, browser) in [("u1", "a1"), ("u2", "a2")] {
        dev.ok(&format!(
            "track seen --id user_id={user} --id anonymous_id={browser}"
        ));
    }
    let found = dev.json("identity resolve user_id:u1 email:null");
    assert_eq!(found["known"], true, "{found}");
    assert_eq!(found["dropped_identifiers"][0]["reason"], "BLOCKED_VALUE");
    let nobody = dev.ok("identity resolve user_id:u9");
    assert_eq!(nobody, "Nobody is known by these.\n");

    let merged = dev.json("identity merge user_id:u1 user_id:u2 --reason test");
    assert_eq!(merged["customer"]["customer_id"], found["customer_id"]);
    dev.settle();
    let history = dev.json("identity history user_id:u2");
    let operation = &history["operations"][0];
    assert_eq!(
        operation["kind"], "IDENTITY_OPERATION_KIND_MERGE",
        "{history}"
    );
    assert_eq!(operation["reason"], "test");
    let operation = operation["operation_id"].as_str().expect("a name");

    let explained = dev.ok("identity explain user_id:u2");
    assert!(explained.contains("2 fragments, joined"), "{explained}");

    let planned = dev.json(&format!(
        "identity unmerge --operation {operation} --dry-run"
    ));
    assert_eq!(
        planned["customers"].as_array().map(Vec::len),
        Some(2),
        "{planned}"
    );
    assert_eq!(planned["operation_id"], "");
    let done = dev.json(&format!(
        "identity unmerge --operation {operation} --reason wrong"
    ));
    assert_eq!(done["customers"], planned["customers"], "{done}");
    dev.settle();
    let (first, second) = (
        dev.json("identity resolve user_id:u1"),
        dev.json("identity resolve user_id:u2"),
    );
    assert_eq!(first["customer_id"], found["customer_id"]);
    assert_ne!(second["customer_id"], found["customer_id"]);
    let history = dev.json("identity history user_id:u1");
    assert_eq!(
        history["operations"][0]["kind"],
        "IDENTITY_OPERATION_KIND_UNMERGE"
    );
    assert_eq!(history["operations"][1]["retracted"], true, "{history}");
    dev.stop();
}

#[test]
fn identifiers_are_linked_by_somebody_who_knows() {
    let dev = Dev::start();
    dev.ok("track seen --id user_id=u1");
    dev.ok("track seen --id user_id=u2");
    let linked = dev.json("identity link user_id:u1 user_id:u2 email:e@x.io --reason asked");
    assert_eq!(
        linked["merged_customer_ids"].as_array().map(Vec::len),
        Some(1)
    );
    let customer = dev.json("identity resolve email:e@x.io");
    assert_eq!(customer["customer_id"], linked["customer"]["customer_id"]);
    for (line, code) in [
        ("identity explain user_id:nobody9", 0),
        ("identity history user_id:nobody9", 3),
        ("identity resolve nothing", 2),
        ("identity resolve badge:7", 0),
        (
            "identity unmerge --operation 0192f0c1-2f3a-7000-8000-000000000000",
            3,
        ),
        ("identity merge user_id:u1 user_id:u2", 2),
    ] {
        let output = dev.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    }
    dev.stop();
}
