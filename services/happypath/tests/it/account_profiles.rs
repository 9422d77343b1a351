//! Accounts as their profiles show them: what their members' events and memberships teach them,
//! what a merge, an unmerge and an erasure make of it, and who hears of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::json::http::send;
use crate::{DEFINITIONS, Dev};

/// The time in which a change of memberships comes to an account, or never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a segment and a journey, and how it is spoken to.
struct Site(Dev);

impl Site {
    fn start() -> Self {
        let dev = Dev::start();
        dev.file("all.yaml", DEFINITIONS);
        dev.ok("apply -f all.yaml");
        Self(dev)
    }

    fn call(&self, verb: &str, target: &str, body: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let text = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = send(&self.0.address, verb, target, &headers, text.as_bytes());
        let read = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status, read)
    }

    fn ok(&self, verb: &str, target: &str, body: &Value) -> Value {
        let (status, answer) = self.call(verb, target, body);
        assert_eq!(status, 200, "{verb} {target}: {answer}");
        answer
    }

    /// Sends events, and returns the ids of the customer and of the account of each.
    fn ingest(&self, events: &Value) -> Vec<(String, String)> {
        let answer = self.ok("POST", "/v1/events:ingest", &json!({ "events": events }));
        let results = answer["results"].as_array().expect("results");
        let ids = results.iter().map(|it| {
            let customer = it["customerId"].as_str().unwrap_or_default();
            let account = it["groups"][0]["accountId"].as_str().unwrap_or_default();
            (customer.to_owned(), account.to_owned())
        });
        ids.collect()
    }

    fn profile(&self, id: &str) -> Value {
        let answer = self.ok("GET", &format!("/v1/customers/{id}/profile"), &Value::Null);
        answer["profile"].clone()
    }

    /// Returns the profile of an account once it has so many members.
    fn with_members(&self, account: &str, members: u64) -> Value {
        let begin = Instant::now();
        loop {
            self.0.settle();
            let profile = self.profile(account);
            if profile["memberCount"] == members || begin.elapsed() > PATIENCE {
                assert_eq!(profile["memberCount"], members, "{profile}");
                return profile;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the changes of memberships of accounts, oldest first, once there are so many.
    fn memberships(&self, count: usize) -> Vec<Value> {
        let line = format!("changes watch --json --from-start --kind account --limit {count}");
        let said = self.0.ok(&line);
        let lines = said.lines();
        let changes = lines.map(|line| serde_json::from_str(line).expect("JSON"));
        changes.collect()
    }
}

/// An event of a customer, or of nobody, in the context of an account.
fn event(id: &str, name: &str, user: Option<&str>, account: &str) -> Value {
    let identifiers = user.map_or_else(|| json!({}), |user| json!({ "user_id": user }));
    json!({
        "eventId": id, "name": name, "identifiers": identifiers, "groups": { "account": account },
    })
}

/// The count of each event, as a profile says.
fn counts(profile: &Value) -> Vec<(&str, u64)> {
    let events = profile["events"].as_array().expect("events").iter();
    let count = |it: &Value| it["count"].as_str().and_then(|it| it.parse().ok());
    events
        .map(|it| {
            (
                it["name"].as_str().expect("a name"),
                count(it).expect("a count"),
            )
        })
        .collect()
}

/// Three customers and two accounts: the ids of the customers, and of the accounts.
fn people(site: &Site) -> ([String; 3], [String; 2]) {
    let mut renewed = event("e-4", "renewed", None, "acme");
    renewed["groupTraits"] = json!({ "account": { "traits": { "plan": "pro", "seats": 20 } } });
    let ids = site.ingest(&json!([
        event("e-1", "purchase", Some("u1"), "acme"),
        event("e-2", "purchase", Some("u2"), "acme"),
        event("e-3", "purchase", Some("u3"), "beta"),
        renewed,
        event("e-1", "purchase", Some("u1"), "acme"),
    ]));
    assert_eq!(ids[3].0, "", "nobody acted");
    assert_eq!((&ids[0].1, &ids[3].1), (&ids[1].1, &ids[4].1));
    let customers = [0, 1, 2].map(|it: usize| ids[it].0.clone());
    (customers, [ids[0].1.clone(), ids[2].1.clone()])
}

#[test]
fn an_account_learns_from_its_members_and_nobody_else_hears_of_it() {
    let site = Site::start();
    let (customers, [acme, beta]) = people(&site);
    let profile = site.with_members(&acme, 2);
    assert_eq!(counts(&profile), [("purchase", 2), ("renewed", 1)]);
    assert_eq!(profile["traits"], json!({ "plan": "pro", "seats": 20.0 }));
    let segments = profile["memberships"].as_array();
    assert!(segments.is_none_or(Vec::is_empty), "{profile}");
    assert_eq!(counts(&site.with_members(&beta, 1)), [("purchase", 1)]);

    // Segments, journeys and the names of events know the customers alone.
    let dev = &site.0;
    assert_eq!(dev.json("segments")["segments"][0]["member_count"], 3);
    let position = &dev.json("map shop")["stages"][0];
    assert_eq!(position["present_count"], 3, "{position}");
    let names = site.ok("GET", "/v1/eventNames", &Value::Null);
    assert_eq!(
        names["events"],
        json!([{ "name": "purchase", "count": "3" }])
    );
    let explained = format!("/v1/customers/{acme}/memberships:explain");
    let (status, refused) = site.call("POST", &explained, &json!({}));
    assert_eq!(status, 404);
    assert!(refused.to_string().contains("IS_ACCOUNT"), "{refused}");

    // Consumers are told of each membership once, by the customer.
    let told = site.memberships(3);
    let pairs: Vec<_> = told
        .iter()
        .map(|it| (&it["customer_id"], &it["account"]["account_id"]))
        .collect();
    for (who, account) in customers.iter().zip([&acme, &acme, &beta]) {
        let pair = (&json!(who), &json!(account));
        assert!(pairs.contains(&pair), "{pairs:?}");
    }
    assert!(told.iter().all(|it| it["account"]["is_member"] == true));
}

#[test]
fn a_merge_of_accounts_joins_what_they_learned_and_an_unmerge_gives_it_back() {
    let site = Site::start();
    let (_, [acme, beta]) = people(&site);
    let before = (site.with_members(&acme, 2), site.with_members(&beta, 1));
    let merge = json!({ "requestId": "m-1", "accountIds": [acme, beta] });
    let merged = site.ok("POST", "/v1/accounts:merge", &merge);
    let survivor = merged["account"]["accountId"].as_str().expect("an id");
    assert_eq!(survivor, acme.as_str().min(&beta));
    for id in [&acme, &beta] {
        let profile = site.with_members(id, 3);
        assert_eq!(profile["customerId"], *survivor);
        assert_eq!(counts(&profile), [("purchase", 3), ("renewed", 1)]);
    }
    assert_eq!(site.0.json("segments")["segments"][0]["member_count"], 3);
    let gone = acme.as_str().max(&beta);
    let unmerge = json!({ "requestId": "m-2", "accountId": survivor, "fragmentId": gone });
    site.ok("POST", "/v1/accounts:unmerge", &unmerge);
    let after = (site.with_members(&acme, 2), site.with_members(&beta, 1));
    assert_eq!(after, before);
}

#[test]
fn memberships_that_change_and_members_who_are_erased_change_the_count() {
    let site = Site::start();
    let (customers, [acme, _]) = people(&site);
    let [one, two, three] = &customers;
    site.with_members(&acme, 2);
    let put = json!({
        "requestId": "p-1", "customer": { "customerId": three }, "account": { "accountId": acme },
        "role": "champion", "isPrimary": true,
    });
    let membership = site.ok("POST", "/v1/memberships", &put);
    site.with_members(&acme, 3);
    let told = site.memberships(4);
    let as_champion = told.iter().find(|it| it["account"]["role"] == "champion");
    let as_champion = as_champion.expect("told");
    assert_eq!(as_champion["customer_id"], *three);
    assert_eq!(as_champion["account"]["is_primary"], true);
    let id = &membership["membership"]["membershipId"];
    let end = json!({ "requestId": "p-2", "membershipId": id });
    site.ok("POST", "/v1/memberships:end", &end);
    site.with_members(&acme, 2);
    let said = site
        .0
        .ok("changes watch --from-start --kind account --limit 5");
    let left = format!("{three}  left account {acme} as champion");
    assert!(said.lines().any(|line| line.ends_with(&left)), "{said}");

    let erase = json!({ "requestId": "x-1", "customerIds": [one] });
    site.ok("POST", "/v1/erasures", &erase);
    let profile = site.with_members(&acme, 1);
    assert_eq!(counts(&profile), [("purchase", 2), ("renewed", 1)]);
    assert!(!profile.to_string().contains(one.as_str()));
    // The account goes, and its members stay.
    let erase = json!({ "requestId": "x-2", "customerIds": [acme] });
    site.ok("POST", "/v1/erasures", &erase);
    let begin = Instant::now();
    let target = format!("/v1/customers/{acme}/profile");
    while site.call("GET", &target, &Value::Null).0 != 404 {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(counts(&site.profile(two)), [("purchase", 1)]);
}
