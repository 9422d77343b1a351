//! The documented cases of Adobe, mParticle and Unomi, each under its policy: events in, customers
//! out.

use super::*;

fn unique(name: &str, priority: u32, limit: u32) -> v1::Namespace {
    v1::Namespace {
        priority,
        ..namespace(name, limit)
    }
}

/// CRMID is unique; of the others a customer may have many.
fn adobe(others: &[(&str, u32)]) -> Rules {
    let mut all = vec![unique("crm_id", 1, 1)];
    for (priority, (name, limit)) in (2..).zip(others) {
        all.push(unique(name, priority, *limit));
    }
    under(ConflictRule::ReassignNewest, compiled(all))
}

/// Takes events one by one, and compares the customers as sets of values; those without any are
/// passed over.
fn check(name: &str, rules: &Rules, events: &[&str], expected: &[&str]) -> World {
    let mut world = World::new(rules.clone());
    for event in events {
        world.event(event);
    }
    let mut seen: Vec<_> = world
        .picture()
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    seen.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(seen, expected, "{name}");
    world
}

/// The name of a case, the namespaces beside CRMID, the events, and the customers.
type Case = (
    &'static str,
    &'static [(&'static str, u32)],
    &'static [&'static str],
    &'static [&'static str],
);

const PLAIN: &[(&str, u32)] = &[("email", 50), ("ecid", 50)];
/// The e-mail address is unique too.
const EMAILS: &[(&str, u32)] = &[("email", 1), ("ecid", 50)];
const LOGINS: &[(&str, u32)] = &[("login", 50), ("ecid", 50)];

const CASES: [Case; 14] = [
    (
        "A1",
        PLAIN,
        &["crm_id=Tom ecid=111", "crm_id=Summer ecid=111"],
        &["Tom", "Summer 111"],
    ),
    (
        "A2",
        PLAIN,
        &[
            "crm_id=Tom email=aabbcc@x.io",
            "crm_id=Tom ecid=111",
            "crm_id=Summer email=ddeeff@x.io",
            "crm_id=Summer ecid=222",
            "crm_id=Summer ecid=111",
        ],
        &["Tom aabbcc@x.io", "Summer 111 222 ddeeff@x.io"],
    ),
    (
        "A3",
        PLAIN,
        &[
            "crm_id=Tom email=aabbcc@x.io",
            "crm_id=Tom ecid=111",
            "crm_id=Summer email=ddeeff@x.io",
            "crm_id=Summer ecid=222",
            "crm_id=Summer ecid=111",
            "crm_id=Summer email=aabbcc@x.io",
        ],
        &["Tom", "Summer 111 222 aabbcc@x.io ddeeff@x.io"],
    ),
    (
        "A4",
        &[("phone_number", 1), ("ecid", 50)],
        &[
            "crm_id=Summer phone_number=765-4321",
            "crm_id=Summer phone_number=123-4567",
        ],
        &["Summer 123-4567"],
    ),
    (
        "A5",
        &[("ecid", 50), ("gaid", 50)],
        &[
            "crm_id=Summer ecid=444 gaid=B",
            "crm_id=Tom ecid=444 gaid=B",
        ],
        &["Summer", "Tom 444 B"],
    ),
    (
        "A6",
        LOGINS,
        &[
            "crm_id=Tom login=ID_A",
            "crm_id=Tom login=ID_B",
            "login=ID_A ecid=111",
            "crm_id=Summer login=ID_C",
            "crm_id=Summer login=ID_D",
            "login=ID_C ecid=222",
            "login=ID_C ecid=111",
        ],
        &["Tom ID_A ID_B", "Summer 111 222 ID_C ID_D"],
    ),
    (
        "A7",
        LOGINS,
        &[
            "crm_id=Tom login=ID_A",
            "crm_id=Tom login=ID_B",
            "login=ID_A ecid=111",
            "crm_id=Summer login=ID_C",
            "crm_id=Summer login=ID_D",
            "login=ID_C ecid=222",
            "login=ID_C ecid=111",
            "crm_id=Tom login=ID_D",
        ],
        &["Tom ID_A ID_B ID_D", "Summer 111 222 ID_C"],
    ),
    (
        "A8",
        LOGINS,
        &[
            "crm_id=Tom login=ID_A",
            "crm_id=Tom login=ID_B",
            "login=ID_A ecid=111",
            "login=ID_C ecid=111",
        ],
        &["Tom 111 ID_A ID_B ID_C"],
    ),
    (
        "A9",
        EMAILS,
        &[
            "crm_id=Tom email=tom@x.io",
            "crm_id=Tom ecid=111",
            "email=summer@x.io ecid=111",
        ],
        &["Tom tom@x.io", "111 summer@x.io"],
    ),
    (
        "A10",
        EMAILS,
        &["crm_id=Tom ecid=111", "email=summer@x.io ecid=111"],
        &["Tom 111 summer@x.io"],
    ),
    (
        "A11",
        EMAILS,
        &["email=tom@x.io ecid=111", "email=summer@x.io ecid=111"],
        &["tom@x.io", "111 summer@x.io"],
    ),
    (
        "A12",
        EMAILS,
        &[
            "email=tom@x.io ecid=111",
            "email=tom@x.io crm_id=Tom",
            "crm_id=Tom ecid=111",
        ],
        &["Tom 111 tom@x.io"],
    ),
    ("A13", PLAIN, &["crm_id=Alice crm_id=Bob ecid=1"], &[]),
    (
        "A15",
        PLAIN,
        &[
            "crm_id=Jane ecid=1",
            "crm_id=John ecid=2",
            "crm_id=Jane email=test@test.com",
            "crm_id=John email=test@test.com",
        ],
        &["Jane 1", "John 2 test@test.com"],
    ),
];

#[test]
fn adobe_the_newest_owner_has_it() {
    for (name, others, events, expected) in CASES {
        check(name, &adobe(others), events, expected);
    }
}

/// The documented cases that are not decided here, and where they are held.
const ELSEWHERE: [(&str, &str); 9] = [
    (
        "S9",
        "erasure of an identifier: services/identity/tests/it, and replays stay erased",
    ),
    ("S10 log rows", "history: services/identity/tests/it/graph"),
    ("M3", "acceptance.rs: a reset parts them"),
    (
        "I1 logout",
        "no logout event: conversion is refuse_if_known with an unseen device id",
    ),
    ("U5", "anonymising past events is an erasure"),
    ("U6", "forcing a master: the oldest survives, always"),
    (
        "J1",
        "re-emitted events: the event log is not rewritten, customers are read through fragments",
    ),
    ("A8 Explain", "services/identity/src/resolution/explain.rs"),
    (
        "5.4 contention",
        "services/identity/tests/it/graph/contention.rs",
    ),
];

#[test]
fn cases_that_are_held_elsewhere_are_named_once() {
    let names: std::collections::BTreeSet<_> = ELSEWHERE.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), ELSEWHERE.len());
}

#[test]
fn adobe_13_an_event_of_two_people_is_refused_whole() {
    let mut world = World::new(adobe(&[("ecid", 50)]));
    let resolution = world.event("crm_id=Alice crm_id=Bob ecid=1");
    assert!(resolution.is_refused);
    let reasons: Vec<_> = resolution.dropped.iter().map(|it| it.reason).collect();
    assert_eq!(reasons, [DropReason::ConflictingValues; 3]);
    assert!(world.rows.is_empty() && world.customers.is_empty());
}

#[test]
fn adobe_14_the_events_of_a_device_are_those_of_who_logged_in_last() {
    let rules = adobe(&[("ecid", 50)]);
    let until_nora = [
        "ecid=d",
        "crm_id=Kevin ecid=d",
        "crm_id=Nora ecid=d",
        "ecid=d",
    ];
    let mut world = check("until t4", &rules, &until_nora, &["Kevin", "Nora d"]);
    // The events without a name are Nora's until Kevin logs in again.
    let nora = world.customer_of(3);
    assert_eq!((world.customer_of(1), world.customer_of(4)), (nora, nora));
    assert_ne!(world.customer_of(2), nora);
    world.event("crm_id=Kevin ecid=d");
    let kevin = world.customer_of(2);
    for event in [1, 4, 5] {
        assert_eq!(world.customer_of(event), kevin, "event {event}");
    }
    assert_ne!(world.customer_of(3), kevin);
}

#[test]
fn adobe_16_of_more_than_fifty_the_oldest_cookie_goes() {
    let mut world = World::new(adobe(&[("email", 50), ("cookie", 1_000)]));
    world.event("crm_id=Tom email=tom@x.io");
    for cookie in 1..=49 {
        world.event(&format!("crm_id=Tom cookie=c{cookie:02}"));
    }
    let values = world.picture().join(" ");
    assert!(!values.contains("c01") && values.contains("c02") && values.contains("tom@x.io"));
    assert_eq!(values.split(' ').count(), 50);
    // It names nobody until it is seen again.
    assert!(world.event("cookie=c01").is_new);
    // A customer with as many fragments as one may have still takes identifiers, also of others.
    for cookie in 50..=150 {
        let resolution = world.event(&format!("crm_id=Tom cookie=c{cookie}"));
        assert_eq!(drops(&resolution), []);
    }
    let tom = &world.customers[&world.customer_of(1)].0;
    assert_eq!((tom.fragment_count, tom.identifier_count()), (100, 50));
    world.event("crm_id=Summer cookie=s");
    let moved = world.event("crm_id=Tom cookie=s");
    assert_eq!(drops(&moved), [("s", DropReason::CustomerFull)]);
}

#[test]
fn mparticle_and_unomi() {
    let conversion = [
        "device=IDFV",
        "user_id=customer email=e@x.io device=IDFV",
        "device=IDFV",
        "user_id=customer email=e@x.io device=IDFV",
    ];
    let rules = || {
        let all = vec![
            unique("user_id", 1, 1),
            unique("email", 2, 5),
            unique("device", 3, 5),
        ];
        compiled(all)
    };
    check(
        "a login and a logout of one device",
        &under(ConflictRule::DropLowestPriority, rules()),
        &conversion,
        &["IDFV e@x.io customer"],
    );
    let session = |email: u32| {
        let all = vec![unique("email", 1, email), unique("session", 2, 5)];
        under(ConflictRule::SwitchSession, compiled(all))
    };
    for (name, events, expected) in [
        (
            "U1",
            &["email=a@x.io", "session=s", "email=a@x.io session=s"][..],
            &["a@x.io s"][..],
        ),
        (
            "U2",
            &["email=a@x.io session=s", "email=b@x.io session=s"],
            &["a@x.io", "b@x.io s"],
        ),
        (
            "U3",
            &[
                "email=b@x.io",
                "email=a@x.io session=s",
                "email=b@x.io session=s",
                "session=s",
            ],
            &["a@x.io", "b@x.io s"],
        ),
    ] {
        let world = check(name, &session(1), events, expected);
        let last = world.customer_of(events.len());
        assert_eq!(last, world.customer_of(events.len().min(3)), "{name}");
        if name == "U1" {
            assert_eq!(world.customer_of(1), world.customer_of(2), "U4");
        }
    }
}
