//! Erasure, from outside: a person with a value of their own in every field and every way in is
//! erased, with the account that they acted for, and no byte of any store and no line of any log
//! has it any more.

mod stores;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::stores::Stores;
use crate::Dev;
use crate::json::http::send;

/// The beginning of every value of the person; nothing else has it.
const MARK: &str = "zq7ann";
/// Longer than logs need to be written again, some rows of which have to be a minute old.
const PATIENCE: Duration = Duration::from_secs(240);
/// A time at which everything happened that is erased.
const THEN: &str = "2026-01-05T10:00:00Z";

const DEFINITIONS: &str = "\
segment:
  name: buyers
  expression: events(\"purchase\").exists()
---
channel:
  name: quiet
  log: {}
---
template:
  name: hello
  text:
    body: \"Hello {{ profile.traits.name }}\"
---
policy:
  name: default
  consent_by_default: true
---
source:
  name: web_shop
---
journey_map:
  name: shop
  stages:
    - name: bought
      enter:
        - segment_entered: buyers
---
journey:
  name: welcome
  entry:
    triggers:
      - event: purchase
    reentry: REENTRY_NEVER
  steps:
    - id: greet
      send:
        channel: quiet
        template: hello
        purpose: news
    - id: wait
      wait_for:
        branches:
          - trigger:
              event: purchase_again
            next: happy
        timeout: 30d
    - id: gone
      exit:
        outcome: RUN_OUTCOME_FAILURE
    - id: happy
      exit:
        outcome: RUN_OUTCOME_SUCCESS
";

/// Sends events as an SDK does.
fn batch(dev: &Dev, events: &Value) {
    let batch = json!({"writeKey": "web_shop", "batch": events}).to_string();
    let kind = [("content-type", "application/json")];
    let answer = send(&dev.address, "POST", "/v1/batch", &kind, batch.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// All that the person ever sent: one browser before the login, one purchase after it, one event
/// that cannot be taken.
fn lives(dev: &Dev, time: &str) {
    let own = |name: &str| format!("{MARK}-{name}");
    // Known under this name before, so that the login joins two customers.
    let seen = json!([{
        "type": "track", "event": "visit", "userId": own("user"), "messageId": own("m0"), "timestamp": time,
    }]);
    batch(dev, &seen);
    batch(
        dev,
        &json!([
            {
                "type": "track", "event": "visit", "anonymousId": own("browser"), "messageId": own("m1"),
                "timestamp": time, "properties": {"page": own("page"), "list": [own("item")]},
                "context": {"userAgent": own("agent"), "ip": "203.0.113.7"},
            },
            {
                "type": "identify", "userId": own("user"), "anonymousId": own("browser"),
                "messageId": own("m2"), "timestamp": time,
                "traits": {"name": own("name"), "email": format!("{MARK}@example.org"),
                    "address": {"street": own("street")}},
            },
            {
                "type": "group", "userId": own("user"), "groupId": own("group"), "messageId": own("m3"),
                "timestamp": time, "traits": {"title": own("title")},
            },
            {
                "type": "track", "event": "purchase", "userId": own("user"), "messageId": own("m4"),
                "timestamp": time, "properties": {"value": 7, "note": own("note")},
                "context": {"groupId": own("group")},
            },
        ]),
    );
}

/// An event that cannot be taken, and is kept with what was sent.
fn fails(dev: &Dev) {
    let own = |name: &str| format!("{MARK}-{name}");
    batch(
        dev,
        &json!([{
            "type": "track", "event": "visit", "userId": own("user"), "messageId": own("m5"),
            "timestamp": own("never"), "properties": {"page": own("lost")},
        }]),
    );
}

/// The account that the person acted for: known by more, with a member who stays, an event of its
/// own, and people who decide.
fn account(dev: &Dev) {
    for line in [
        format!(
            "accounts put account:{MARK}-group crm_account_id:{MARK}-crm domain:{MARK}.com \
             --trait plan={MARK}-plan"
        ),
        format!("accounts join user_id:{MARK}-user account:{MARK}-group --role {MARK}_role"),
        format!("accounts join user_id:bob domain:{MARK}.com --role admin --primary"),
        format!(
            "accounts buying-groups put account:{MARK}-group {MARK}-deal \
             --slot {MARK}_slot=user_id:bob"
        ),
        format!("track {MARK}-opened --group account={MARK}-group"),
    ] {
        dev.ok(&line);
    }
}

/// Others, who stay.
fn others(dev: &Dev) {
    let events = ["bob", "cleo"].map(|name| {
        json!({
            "type": "track", "event": "purchase", "userId": name, "messageId": format!("{name}-1"),
            "timestamp": THEN, "properties": {"value": 1},
        })
    });
    batch(dev, &json!(events));
}

/// The figures: members of the segment, runs under way, customers at the stage. Holds that at each
/// step of the journey as many went in as went out and are there.
fn figures(dev: &Dev) -> [u64; 3] {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let flow = dev.json("flow welcome");
    let mut present = 0;
    for step in flow["steps"].as_array().expect("steps") {
        let here = number(&step["present_count"]);
        let (entered, left) = (number(&step["in_count"]), number(&step["out_count"]));
        assert_eq!(entered, left + here, "{flow:#}");
        present += here;
    }
    assert_eq!(number(&flow["active_count"]), present, "{flow:#}");
    [
        number(&dev.json("segments")["segments"][0]["member_count"]),
        present,
        number(&dev.json("map shop")["stages"][0]["present_count"]),
    ]
}

/// The person and the account.
fn both() -> String {
    format!("user_id:{MARK}-user account:{MARK}-group")
}

/// Erases both, and waits until every store says that it is clean.
fn erase(dev: &Dev, words: &str) -> Value {
    erase_whom(dev, &format!("{}{words}", both()))
}

fn erase_whom(dev: &Dev, words: &str) -> Value {
    let asked = dev.json(&format!("identity erase {words} --urgent"));
    let operation = asked["erasure"]["operation_id"]
        .as_str()
        .expect("a name")
        .to_owned();
    let begun = Instant::now();
    loop {
        let erasure = dev.json(&format!("identity erasures {operation}"))["erasure"].clone();
        if erasure["state"] == "ERASURE_STATE_DONE" {
            return erasure;
        }
        assert!(begun.elapsed() < PATIENCE, "{erasure:#}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Holds that nobody knows the person or the account.
fn are_gone(dev: &Dev) {
    for line in ["customer user_id:{}-user", "accounts get account:{}-group"] {
        let (code, said) = dev.refused(&line.replace("{}", MARK));
        assert_eq!(code, 3, "{said}");
    }
}

/// Holds that a dry run counts the person and the account, and what goes with them.
fn is_counted(dev: &Dev) {
    let dry = dev.json(&format!("identity erase {} --dry-run", both()));
    let dry = &dry["erasure"];
    assert_eq!(
        (&dry["found_count"], &dry["account_count"]),
        (&json!(2), &json!(1))
    );
    // By an event and by a call of the person, and by a call of the one who stays.
    assert_eq!(dry["membership_count"], 3, "{dry}");
    assert_eq!(dry["buying_group_count"], 1, "{dry}");
    let shown = dev.ok(&format!("identity erase {} --dry-run", both()));
    for word in ["accounts", "memberships that go", "buying groups that go"] {
        assert!(shown.contains(word), "{shown}");
    }
}

/// Erases both where somebody was erased before, and looks at the files of the running process.
fn is_erased_while_it_runs(stores: &Stores, dev: &Dev) {
    if stores.redis.is_none() {
        // Everything comes to tables of the embedded store, which are old ones after that.
        erase_whom(dev, "user_id:dora");
    }
    let erasure = erase(dev, "");
    assert_eq!(erasure["customer_ids"].as_array().map(Vec::len), Some(2));
    Stores::check_folder(dev);
}

fn a_person_is_erased(stores: &Stores) {
    let dev = stores.start(tempfile::tempdir().expect("a folder"));
    dev.file("all.yaml", DEFINITIONS);
    dev.ok("apply -f all.yaml");
    others(&dev);
    dev.settle();
    let before = figures(&dev);
    lives(&dev, THEN);
    fails(&dev);
    account(&dev);
    dev.ok("track visit --id user_id=dora");
    dev.file(
        "events.csv",
        &format!("timestamp,event,user_id,email,note\n{THEN},visit,{MARK}-user,{MARK}@example.org,{MARK}-row\n"),
    );
    dev.ok("import events.csv");
    dev.settle();
    let with = figures(&dev);
    assert_eq!(with, before.map(|count| count + 1));
    let first = dev.json(&format!("customer user_id:{MARK}-user"));
    let first = first["customer"]["customer_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let exported = dev.ok(&format!("identity export user_id:{MARK}-user"));
    let last: Value = serde_json::from_str(exported.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["section"], "end");
    assert!(exported.contains(&format!("{MARK}-street")), "{exported}");

    is_counted(&dev);
    is_erased_while_it_runs(stores, &dev);
    dev.settle();
    are_gone(&dev);
    let left = dev.json("accounts memberships user_id:bob");
    assert_eq!(left["memberships"], json!([]), "{left}");
    // Nobody else is gone.
    assert_eq!(figures(&dev), before);
    let folder = dev.stop();
    stores.check_clean(folder.path());

    // A hot store that is made again of the journal does not have them either.
    if let Some(redis) = &stores.redis {
        redis.ask(&["FLUSHALL"]).expect("is emptied");
    }
    // All of it again, as a sender or an import would: nobody comes back.
    let dev = stores.start(folder);
    lives(&dev, THEN);
    // Its events are known by their ledger, or refused.
    let _imported = dev.run("import events.csv --on-error continue");
    dev.settle();
    are_gone(&dev);
    assert_eq!(dev.json("dead-letters list")["dead_letters"], json!([]));
    assert_eq!(figures(&dev), before);

    // Somebody new comes back of their own accord.
    dev.ok(&format!("track purchase --id user_id={MARK}-user"));
    dev.settle();
    let second = dev.json(&format!("customer user_id:{MARK}-user"));
    assert_ne!(second["customer"]["customer_id"], first.as_str());
    assert_eq!(figures(&dev)[0], before[0] + 1);

    // And nobody at all, once they are suppressed.
    erase(&dev, " --suppress");
    let (code, said) = dev.refused(&format!("track purchase --id user_id={MARK}-user"));
    assert_ne!(code, 0);
    assert!(said.contains("SUPPRESSED"), "{said}");
    assert_eq!(figures(&dev)[0], before[0]);
    let folder = dev.stop();
    stores.check_clean(folder.path());
}

#[test]
fn no_byte_of_an_erased_person_and_account_is_left_in_embedded_stores() {
    a_person_is_erased(&Stores::embedded());
}

#[test]
fn no_byte_of_an_erased_person_and_account_is_left_in_redis_and_postgresql() {
    a_person_is_erased(&Stores::servers());
}
