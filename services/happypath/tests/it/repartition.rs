//! The number of partitions of an installation is changed, and nobody can tell by what it answers.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{PostgresServer, RedisServer};

use super::{Dev, PATIENCE, binary};

const DEFINITIONS: &str = r#"segment: {name: buyers, expression: 'events("purchase").exists()'}
---
journey_map:
  name: shop
  stages: [{name: bought, enter: [{segment_entered: buyers}]}]
---
channel: {name: mail, log: {}}
---
template: {name: hello, text: {subject: Hello, body: Hello}}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: welcome
  entry: {triggers: [{event: signed_up}], reentry: REENTRY_NEVER}
  steps:
    - {id: greet, send: {channel: mail, template: hello, purpose: marketing}}
    - {id: pause, wait: {duration: 30d}}
    - {id: done, exit: {outcome: RUN_OUTCOME_SUCCESS}}
---
journey:
  name: soon
  entry: {triggers: [{event: looked}], reentry: REENTRY_NEVER}
  steps:
    - {id: pause, wait: {duration: 3s}}
    - {id: greet, send: {channel: mail, template: hello, purpose: marketing}}
    - {id: done, exit: {outcome: RUN_OUTCOME_SUCCESS}}
"#;

/// Customers who are compared: those of a file, of whom the first were visitors before.
const CUSTOMERS: usize = 8;
const VISITORS: usize = 3;
/// Customers whose runs wait for a short time.
const HASTY: usize = 3;

struct Site {
    redis: RedisServer,
    _postgres: PostgresServer,
    settings: Vec<String>,
}

impl Site {
    fn start() -> Self {
        let redis = RedisServer::start().expect("a Redis");
        let postgres = PostgresServer::start().expect("a PostgreSQL");
        let database = postgres.create_database().expect("a database");
        let settings = [
            "--hot-store".to_owned(),
            redis.url(),
            "--database".to_owned(),
            database,
        ];
        Self {
            redis,
            _postgres: postgres,
            settings: settings.into(),
        }
    }

    /// Starts all services.
    fn dev(&self, folder: tempfile::TempDir, partitions: &str) -> Dev {
        let mut settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        settings.extend(["--lease-ttl", "2s", "--partitions", partitions]);
        Dev::start_with(folder, &settings)
    }

    fn rebuild(&self, words: &[&str]) -> Output {
        let mut command = binary();
        command.arg("rebuild").args(&self.settings).args(words);
        command.output().expect("ran")
    }

    /// Changes the number of partitions, and returns what was printed.
    fn change(&self, count: &str) -> Value {
        let output = self.rebuild(&["--json", "--partitions", count]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The exit code and what was said.
    fn refused(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.rebuild(words);
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("text"),
        )
    }

    fn empty(&self) {
        self.redis.ask(&["FLUSHALL"]).expect("is emptied");
    }
}

/// All that can be read of customers and of their sums.
fn everything(dev: &Dev) -> Vec<Value> {
    let sums = ["flow welcome", "map shop", "segments"];
    let mut all: Vec<Value> = sums.iter().map(|line| dev.json(line)).collect();
    for number in 0..CUSTOMERS {
        let customer = dev.json(&format!("customer user_id:u{number}"));
        assert_eq!(
            customer["profile"]["memberships"][0]["segment"], "buyers",
            "{customer}"
        );
        let events = dev.json(&format!("events --customer user_id:u{number}"));
        all.extend([customer, events]);
    }
    all
}

/// Sends purchases of a file, and signs visitors up who turn out to be users. Returns the position
/// of a write.
fn fill(dev: &Dev) -> String {
    dev.file("all.yaml", DEFINITIONS);
    dev.ok("apply -f all.yaml");
    let lines = (0..CUSTOMERS).map(|number| {
        let time = format!("2026-01-01T10:00:{number:02}Z");
        format!("{time},u{number},purchase,{number}\n")
    });
    let lines: String = lines.collect();
    dev.file(
        "events.csv",
        &format!("timestamp,customer_id,event,value\n{lines}"),
    );
    assert_eq!(
        dev.json("import events.csv")["files"][0]["accepted"],
        CUSTOMERS
    );
    for number in 0..VISITORS {
        dev.ok(&format!("track visited --id anonymous_id=a{number}"));
        dev.ok(&format!(
            "track signed_up --id anonymous_id=a{number} --id user_id=u{number}"
        ));
    }
    let tracked = dev.json("track purchase --id user_id=u7 --event-id again");
    dev.settle();
    tracked["position"].as_str().expect("a position").to_owned()
}

/// Sends again what was sent before.
fn repeat(dev: &Dev) {
    let again = dev.json("import events.csv");
    assert_eq!(again["files"][0]["replayed"], CUSTOMERS, "{again}");
    dev.ok("track purchase --id user_id=u7 --event-id again");
    dev.settle();
}

/// Returns whether the runs of the customers with short waits have all ended.
fn has_ended(dev: &Dev) -> bool {
    let flow = dev.json("flow soon");
    flow["entered_count"] == HASTY && flow["active_count"] == 0
}

/// Tries to change the number while services run, and while Redis is not empty.
fn stop_after_refusals(site: &Site, dev: Dev) -> tempfile::TempDir {
    let (code, said) = site.refused(&["--partitions", "8"]);
    assert_eq!(code, Some(1), "{said}");
    for expected in [
        "the number of partitions stays 3",
        "of segmentation (counts as dead in",
        "Stop all services",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let folder = dev.stop();
    let (code, said) = site.refused(&["--partitions", "8"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("empty it: FLUSHALL"), "{said}");
    folder
}

#[test]
fn nobody_can_tell_that_the_number_of_partitions_was_changed() {
    let site = Site::start();
    let dev = site.dev(tempfile::tempdir().expect("a folder"), "3");
    let position = fill(&dev);
    let before = everything(&dev);
    let folder = stop_after_refusals(&site, dev);
    assert_eq!(
        site.change("3")["repartitioned"],
        Value::Null,
        "it has that number"
    );
    site.empty();
    let moved = site.change("8");
    let services = &moved["repartitioned"]["services"];
    assert_eq!(services[0]["service"], "segmentation", "{moved}");
    assert_eq!(services[0]["customers"], CUSTOMERS + VISITORS, "{moved}");
    assert_eq!(moved["partitions"].as_array().map(Vec::len), Some(8));

    let dev = site.dev(folder, "8");
    assert_eq!(everything(&dev), before);
    repeat(&dev);
    assert_eq!(
        dev.json("segments"),
        before[2],
        "what is sent again has no effect"
    );
    let (code, said) = dev.refused(&format!("customer user_id:u7 --after {position}"));
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("of before the number of partitions was changed"),
        "{said}"
    );
    dev.ok("track purchase --id user_id=u7");
    dev.settle();
    let before = everything(&dev);
    for number in 0..HASTY {
        dev.ok(&format!("track looked --id user_id=h{number}"));
    }
    let folder = dev.stop();
    site.empty();
    assert_eq!(
        site.change("2")["partitions"].as_array().map(Vec::len),
        Some(2)
    );

    let dev = site.dev(folder, "2");
    assert_eq!(everything(&dev), before);
    let deadline = Instant::now() + PATIENCE;
    while !has_ended(&dev) {
        assert!(Instant::now() < deadline, "{}", dev.json("flow soon"));
        std::thread::sleep(Duration::from_millis(100));
    }
    site.empty();
    let rebuilt = site.rebuild(&[]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(everything(&dev), before);
    assert!(has_ended(&dev));
    assert_eq!(dev.json("status")["well"], true);
    dev.stop();
}

#[test]
fn numbers_that_cannot_be_and_installations_without_a_record_are_refused() {
    let site = Site::start();
    site.dev(tempfile::tempdir().expect("a folder"), "3").stop();
    site.empty();
    for (words, code, expected) in [
        (
            &["--partitions", "0"][..],
            2,
            "0 partitions are not possible: choose 1 to 1024",
        ),
        (
            &["--partitions", "1025"],
            2,
            "1025 partitions are not possible",
        ),
        (&["--partitions", "many"], 2, "partitions = \"many\""),
        (
            &["--partitions", "8", "--partition", "1"],
            2,
            "leave --partition out",
        ),
        (
            &["--partitions", "8", "--durability", "hot"],
            2,
            "there is no journal",
        ),
        (
            &["--partitions", "8", "--installation", "typo"],
            3,
            "no installation named typo",
        ),
    ] {
        let (found, said) = site.refused(words);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let output = binary()
        .args(["rebuild", "--partitions", "8"])
        .output()
        .expect("ran");
    assert_eq!(
        output.status.code(),
        Some(2),
        "embedded stores are their own record"
    );

    assert_eq!(site.change("8")["repartitioned"]["from"], 3);
    let settings: Vec<&str> = site.settings.iter().map(String::as_str).collect();
    let output = binary()
        .args(["dev", "--listen", "127.0.0.1:0", "--partitions", "3"])
        .args(settings)
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("set partition count to 8"), "{said}");
}
