//! Values of files as people have them: looked at first, then imported, then read by conditions.

use serde_json::{Value, json};

use super::{Dev, binary};

const SHOP: &str = "when;what;who;mail;tier;price;sku\n\
    2026-11-01 10:00:00 +0100;signed_up;m1;mia@example.com;free;;\n\
    2026-11-03 18:30:00 +0100;Order Completed;m1;;pro;19,50;1e5\n\
    2026-11-04 09:00:00 +0100;Order Completed;m2;;pro;1.249,50;007\n";

const MAPPING: &str = "time: when\nevent: what\nevent_names: {Order Completed: purchase}\n\
    identifiers: {user_id: who, email: mail}\ntraits: {email: mail, plan: tier}\n";

/// Runs without any service.
fn alone(folder: &std::path::Path, line: &str) -> (i32, String, String) {
    let output = binary()
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .expect("ran");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("a code"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_dry_run_shows_what_becomes_of_a_file_without_a_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("shop.csv", SHOP);
    write("mapping.yaml", MAPPING);
    let (code, shown, _) = alone(
        folder.path(),
        "import shop.csv --mapping mapping.yaml --dry-run",
    );
    assert_eq!(code, 0, "{shown}");
    for part in [
        "separated by `;`",
        "3 events from 2026-11-01T09:00:00Z to 2026-11-04T08:00:00Z",
        "identifier email, trait email",
        "property price",
        "\"event\": \"purchase\"",
        "\"price\":1249.50",
        "\"sku\":\"1e5\"",
        "Nothing was sent.",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    write(
        "bad.csv",
        "timestamp,event,user_id,n\n2024,x,u1,1\n05/01/2024,x,u2,2\nsoon,,,3\n2024-05-01,x,u3,4\n",
    );
    let (code, shown, said) = alone(folder.path(), "import bad.csv --dry-run --json");
    assert_eq!(code, 2, "{said}");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let file = &shown["files"][0];
    assert_eq!((&file["events"], &file["bad"]), (&json!(1), &json!(3)));
    let reasons: Vec<&str> = file["faults"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|group| group["reason"].as_str())
        .collect();
    for part in [
        "is a year",
        "--time-format dmy or mdy",
        "`soon` is no instant",
        "event: is empty",
        "identifiers: ",
    ] {
        assert!(
            reasons.iter().any(|reason| reason.contains(part)),
            "{part} in {reasons:?}"
        );
    }
    let (code, _, said) = alone(folder.path(), "import bad.csv --dry-run --type nn=text");
    assert_eq!(code, 2);
    let (_, shown, _) = alone(
        folder.path(),
        "import bad.csv --dry-run --type nn=text --json",
    );
    assert!(shown.contains("did you mean `n`?"), "{shown} {said}");
}

#[test]
fn values_arrive_as_they_are_meant() {
    let dev = Dev::start();
    dev.file(
        "rich.yaml",
        "segment:\n  name: rich\n  expression: events(\"purchase\").sum(\"price\") > 1249.0 && profile.email.contains(\"@\")\n",
    );
    dev.ok("apply -f rich.yaml");
    dev.file(
        "shop.csv",
        &format!(
            "{SHOP}2026-11-05 09:00:00 +0100;Order Completed;m2;max@example.com;pro;0,50;1.10\n"
        ),
    );
    dev.file("mapping.yaml", MAPPING);
    dev.ok("import shop.csv --mapping mapping.yaml --type sku=text");
    dev.settle();
    let customer = dev.json("customer user_id:m2");
    let profile = &customer["profile"];
    assert_eq!(profile["memberships"][0]["segment"], "rich", "{profile}");
    assert_eq!(profile["traits"]["email"], "max@example.com");
    let event = &profile["recent_events"][0];
    assert_eq!(event["name"], "purchase");
    assert_eq!(event["time"], "2026-11-04T08:00:00Z");
    assert_eq!(event["properties"], json!({"price": 1249.5, "sku": "007"}));
    let event = &profile["recent_events"][1];
    assert_eq!(event["properties"], json!({"price": 0.5, "sku": "1.10"}));
    dev.stop();
}

#[test]
fn nobody_joins_strangers() {
    let dev = Dev::start();
    let nobody = [
        "\\N",
        "(null)",
        "NULL",
        "N/A",
        "unknown",
        "-",
        "",
        "#N/A",
        "(not set)",
        "null\u{200b}",
    ];
    let mut file = "timestamp,event,user_id,email\n".to_owned();
    for (place, name) in nobody.iter().enumerate() {
        file.push_str(&format!(
            "2026-11-01,x,u{place},{name}\n2026-11-01,x,{name},e{place}@example.com\n"
        ));
    }
    file.push_str("2026-11-01,x,one,\u{feff}o\u{ad}ne@exam\u{200b}ple.com\u{a0}\n2026-11-01,y,,ONE@example.com\n");
    dev.file("nobody.csv", &file);
    let summary = dev.json("import nobody.csv");
    assert_eq!(
        summary["files"][0]["created"],
        2 * nobody.len() + 1,
        "{summary}"
    );
    dev.settle();
    let id = |key: &str| dev.json(&format!("customer {key}"))["customer"]["customer_id"].clone();
    assert_eq!(id("user_id:one"), id("email:one@example.com"));
    assert_ne!(id("user_id:u0"), id("user_id:u1"));
    dev.stop();
}
