//! What Adobe, Mixpanel, mParticle and Unomi document, each under its policy: events in, customers out.

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

/// Takes events one by one, and compares the customers as sets of values; those without any are passed over.
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

#[test]
fn adobe_the_newest_owner_has_it() {
    let plain = adobe(&[("email", 50), ("ecid", 50)]);
    let phones = adobe(&[("phone_number", 1), ("ecid", 50)]);
    let emails = adobe(&[("email", 1), ("ecid", 50)]);
    let devices = adobe(&[("ecid", 50), ("gaid", 50)]);
    let logins = adobe(&[("login", 50), ("ecid", 50)]);
    let a2 = [
        "crm_id=Tom email=aabbcc@x.io",
        "crm_id=Tom ecid=111",
        "crm_id=Summer email=ddeeff@x.io",
        "crm_id=Summer ecid=222",
        "crm_id=Summer ecid=111",
    ];
    let a6 = [
        "crm_id=Tom login=ID_A",
        "crm_id=Tom login=ID_B",
        "login=ID_A ecid=111",
        "crm_id=Summer login=ID_C",
        "crm_id=Summer login=ID_D",
        "login=ID_C ecid=222",
        "login=ID_C ecid=111",
    ];
    let a3 = [&a2[..], &["crm_id=Summer email=aabbcc@x.io"]].concat();
    let a7 = [&a6[..], &["crm_id=Tom login=ID_D"]].concat();
    let cases: &[(&str, &Rules, &[&str], &[&str])] = &[
        (
            "A1",
            &plain,
            &["crm_id=Tom ecid=111", "crm_id=Summer ecid=111"],
            &["Tom", "Summer 111"],
        ),
        (
            "A2",
            &plain,
            &a2,
            &["Tom aabbcc@x.io", "Summer 111 222 ddeeff@x.io"],
        ),
        (
            "A3",
            &plain,
            &a3,
            &["Tom", "Summer 111 222 aabbcc@x.io ddeeff@x.io"],
        ),
        (
            "A4",
            &phones,
            &[
                "crm_id=Summer phone_number=765-4321",
                "crm_id=Summer phone_number=123-4567",
            ],
            &["Summer 123-4567"],
        ),
        (
            "A5",
            &devices,
            &[
                "crm_id=Summer ecid=444 gaid=B",
                "crm_id=Tom ecid=444 gaid=B",
            ],
            &["Summer", "Tom 444 B"],
        ),
        (
            "A6",
            &logins,
            &a6,
            &["Tom ID_A ID_B", "Summer 111 222 ID_C ID_D"],
        ),
        (
            "A7",
            &logins,
            &a7,
            &["Tom ID_A ID_B ID_D", "Summer 111 222 ID_C"],
        ),
        (
            "A8",
            &logins,
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
            &emails,
            &[
                "crm_id=Tom email=tom@x.io",
                "crm_id=Tom ecid=111",
                "email=summer@x.io ecid=111",
            ],
            &["Tom tom@x.io", "111 summer@x.io"],
        ),
        (
            "A10",
            &emails,
            &["crm_id=Tom ecid=111", "email=summer@x.io ecid=111"],
            &["Tom 111 summer@x.io"],
        ),
        (
            "A11",
            &emails,
            &["email=tom@x.io ecid=111", "email=summer@x.io ecid=111"],
            &["tom@x.io", "111 summer@x.io"],
        ),
        (
            "A12",
            &emails,
            &[
                "email=tom@x.io ecid=111",
                "email=tom@x.io crm_id=Tom",
                "crm_id=Tom ecid=111",
            ],
            &["Tom 111 tom@x.io"],
        ),
        ("A13", &plain, &["crm_id=Alice crm_id=Bob ecid=1"], &[]),
        (
            "A15",
            &plain,
            &[
                "crm_id=Jane ecid=1",
                "crm_id=John ecid=2",
                "crm_id=Jane email=test@test.com",
                "crm_id=John email=test@test.com",
            ],
            &["Jane 1", "John 2 test@test.com"],
        ),
    ];
    for (name, rules, events, expected) in cases {
        check(name, rules, events, expected);
    }
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
        "I2",
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
