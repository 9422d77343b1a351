//! `happypath doctor` against real processes and stores, well and not.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{PostgresServer, RedisServer};

use super::{Dev, PATIENCE};

/// The grade and the text of each check of an area.
fn of_area(checks: &Value, area: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let checks = checks["checks"].as_array().expect("a list").iter();
    checks
        .filter(|it| it["area"] == area)
        .map(|it| (text(&it["grade"]), text(&it["what"])))
        .collect()
}

/// Examines a deployment, and returns the exit code with what was found.
fn examine(dev: &Dev, line: &str) -> (i32, Value) {
    let output = dev.run(&format!("{line} --json"));
    let checks = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.code().expect("a code"), checks)
}

fn grades(checks: &Value, area: &str) -> Vec<String> {
    let checks = of_area(checks, area).into_iter();
    checks.map(|(grade, _)| grade).collect()
}

#[test]
fn a_deployment_that_is_well_is_told_so() {
    let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
    let postgres = PostgresServer::start().expect("a PostgreSQL");
    let database = postgres.create_database().expect("a database");
    let url = redis.url();
    let settings = ["--hot-store", &url, "--database", &database];
    let dev = Dev::start_with(tempfile::tempdir().expect("a folder"), &settings);
    dev.settle();
    let doctor = format!("doctor --hot-store {url} --database {database}");
    // A process is ready a moment after it answers.
    let begun = Instant::now();
    let checks = loop {
        let (code, checks) = examine(&dev, &doctor);
        if code == 0 {
            break checks;
        }
        assert!(begun.elapsed() < PATIENCE, "{checks:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    for area in ["processes", "partitions", "hot store", "database"] {
        assert_eq!(grades(&checks, area), ["good"], "{area}: {checks}");
    }
    assert!(of_area(&checks, "database")[0].1.starts_with("PostgreSQL "));
    // Nothing is looked at that was not named, and that is no fault.
    let checks = dev.json("doctor");
    assert_eq!(grades(&checks, "hot store"), ["warning"]);
    assert_eq!(grades(&checks, "database"), ["warning"]);

    // A fault of a store is told with its remedy, and by the exit code.
    let set = redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    set.expect("set");
    let output = dev.run(&doctor);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(
        said.contains("! hot store    it forgets customers"),
        "{said}"
    );
    assert!(said.contains("→ set it to noeviction"), "{said}");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(errors.contains("one thing is wrong"), "{errors}");
    dev.stop();
}

#[test]
fn whoever_does_not_answer_is_told_and_the_others_are_examined() {
    let dev = Dev::start();
    let nowhere = "postgres://nobody:hunter2@127.0.0.1:9/none";
    let output = dev.run(&format!(
        "doctor --database {nowhere} --hot-store redis://127.0.0.1:9 --journey-address http://127.0.0.1:9"
    ));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).expect("text");
    for wrong in [
        "! hot store",
        "! database",
        "! partitions   journey: cannot reach",
    ] {
        assert!(said.contains(wrong), "{wrong}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    dev.stop();
}

#[test]
fn embedded_stores_are_looked_at_beside_their_process_and_none_is_made() {
    let dev = Dev::start();
    let folder = dev.folder.path().join("stores");
    let (hot, file) = (folder.join("hot"), folder.join("happypath.db"));
    let stores = format!(
        "--hot-store embedded:{} --database sqlite:{}",
        hot.display(),
        file.display()
    );
    let (_, checks) = examine(&dev, &format!("doctor {stores}"));
    let told = |area: &str| -> Vec<String> {
        let checks = of_area(&checks, area).into_iter();
        checks.map(|(_, what)| what).collect()
    };
    let [disk] = told("hot store").try_into().expect("one check");
    assert!(disk.starts_with("the disk of its folder has "), "{disk}");
    let [version, disk] = told("database").try_into().expect("two checks");
    assert!(version.starts_with("SQLite "), "{version}");
    assert!(disk.starts_with("the disk of its file has "), "{disk}");

    let none = folder.join("none.db");
    let line = format!("doctor --database sqlite:{}", none.display());
    let (code, checks) = examine(&dev, &line);
    assert_eq!(code, 1);
    assert_eq!(grades(&checks, "database"), ["fault"]);
    assert!(!none.exists(), "doctor made it");
    dev.stop();
}
