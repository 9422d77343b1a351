//! More of the published examples, each under the policy of whom it is from.

use super::cases::{ADOBE, check};

/// Namespaces of Adobe's examples, in which an e-mail address names a person too.
const WITH_EMAIL: &str = "\
namespace: {name: crm_id, priority: 1, limit: 1}
---
namespace: {name: email, priority: 2, limit: 1, normalizer: NORMALIZER_EMAIL, names_people: true}
---
namespace: {name: ecid, priority: 6, limit: 20}
";
/// Namespaces of Segment's example with two kinds of devices.
const DEVICES: &str = "\
namespace: {name: ios_id, priority: 3, limit: 5}
---
namespace: {name: android_id, priority: 3, limit: 5}
";

/// A policy, namespaces, events, and what becomes of them.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

fn check_all(cases: &[Case]) {
    for (policy, namespaces, events, expected) in cases {
        check(policy, namespaces, events, expected);
    }
}

/// Those of Adobe's documentation.
const OF_ADOBE: &[Case] = &[
    (
        "reassign_newest",
        ADOBE,
        &[
            "crm_id=Tom ecid=aabbcc",
            "crm_id=Tom ecid=111",
            "crm_id=Summer ecid=ddeeff",
            "crm_id=Summer ecid=222",
            "crm_id=Summer ecid=111",
        ],
        &[
            "c1",
            "c1",
            "c2",
            "c2",
            "c2",
            "c1: crm_id=Tom ecid=aabbcc",
            "c2: crm_id=Summer ecid=111 ecid=222 ecid=ddeeff",
        ],
    ),
    (
        "reassign_newest",
        ADOBE,
        &[
            "crm_id=Tom email=aabbcc@x.io",
            "crm_id=Tom ecid=111",
            "crm_id=Summer ecid=222",
            "crm_id=Summer email=aabbcc@x.io",
        ],
        &[
            "c1",
            "c1",
            "c2",
            "c2",
            "c1: crm_id=Tom ecid=111",
            "c2: crm_id=Summer ecid=222 email=aabbcc@x.io",
        ],
    ),
    (
        "reassign_newest",
        ADOBE,
        &[
            "crm_id=Tom login_id=A",
            "crm_id=Tom login_id=B",
            "login_id=A ecid=111",
            "crm_id=Summer login_id=C",
            "crm_id=Summer login_id=D",
            "login_id=C ecid=222",
            "login_id=C ecid=111",
        ],
        &[
            "c1",
            "c1",
            "c1",
            "c2",
            "c2",
            "c2",
            "c2",
            "c1: crm_id=Tom login_id=A login_id=B",
            "c2: crm_id=Summer ecid=111 ecid=222 login_id=C login_id=D",
        ],
    ),
    (
        "reassign_newest",
        ADOBE,
        &[
            "crm_id=Tom login_id=A",
            "crm_id=Tom login_id=B",
            "login_id=A ecid=111",
            "crm_id=Summer login_id=C",
            "crm_id=Summer login_id=D",
            "login_id=C ecid=222",
            "login_id=C ecid=111",
            "crm_id=Tom login_id=D",
        ],
        &[
            "c1",
            "c1",
            "c1",
            "c2",
            "c2",
            "c2",
            "c2",
            "c1",
            "c1: crm_id=Tom login_id=A login_id=B login_id=D",
            "c2: crm_id=Summer ecid=111 ecid=222 login_id=C",
        ],
    ),
    (
        "reassign_newest",
        ADOBE,
        &[
            "crm_id=Tom login_id=A",
            "crm_id=Tom login_id=B",
            "login_id=A ecid=111",
            "login_id=C ecid=111",
        ],
        &[
            "c1",
            "c1",
            "c1",
            "c1",
            "c1: crm_id=Tom ecid=111 login_id=A login_id=B login_id=C",
        ],
    ),
    (
        "reassign_newest",
        WITH_EMAIL,
        &[
            "crm_id=Tom email=tom@x.io",
            "crm_id=Tom ecid=111",
            "email=summer@x.io ecid=111",
        ],
        &[
            "c1",
            "c1",
            "c2",
            "c1: crm_id=Tom email=tom@x.io",
            "c2: ecid=111 email=summer@x.io",
        ],
    ),
    (
        "reassign_newest",
        WITH_EMAIL,
        &["crm_id=Tom ecid=111", "email=summer@x.io ecid=111"],
        &["c1", "c1", "c1: crm_id=Tom ecid=111 email=summer@x.io"],
    ),
    (
        "reassign_newest",
        WITH_EMAIL,
        &["email=tom@x.io ecid=111", "email=summer@x.io ecid=111"],
        &[
            "c1",
            "c2",
            "c1: email=tom@x.io",
            "c2: ecid=111 email=summer@x.io",
        ],
    ),
    (
        "reassign_newest",
        WITH_EMAIL,
        &[
            "email=tom@x.io ecid=111",
            "email=tom@x.io crm_id=Tom",
            "crm_id=Tom ecid=111",
        ],
        &["c1", "c1", "c1", "c1: crm_id=Tom ecid=111 email=tom@x.io"],
    ),
    (
        "reassign_newest",
        ADOBE,
        &[
            "ecid=d",
            "crm_id=Kevin ecid=d",
            "ecid=d",
            "crm_id=Nora ecid=d",
            "ecid=d",
            "crm_id=Kevin ecid=d",
        ],
        &[
            "c1",
            "c1",
            "c1",
            "c2",
            "c1 then c2",
            "c1",
            "c1: crm_id=Kevin ecid=d",
            "c2: crm_id=Nora",
        ],
    ),
    (
        "reassign_newest",
        ADOBE,
        &[
            "crm_id=Jane email=test@test.com",
            "crm_id=John email=test@test.com",
        ],
        &[
            "c1",
            "c2",
            "c1: crm_id=Jane",
            "c2: crm_id=John email=test@test.com",
        ],
    ),
];

#[test]
fn links_go_to_whoever_came_last() {
    check_all(OF_ADOBE);
}

/// Those of others.
const OF_OTHERS: &[Case] = &[
    (
        "drop_lowest_priority",
        DEVICES,
        &[
            "anonymous_id=anon_123 ios_id=ios_abc123",
            "anonymous_id=anon_123 ios_id=ios_abc123",
            "anonymous_id=anon_123 ios_id=ios_abc123 user_id=abc123def",
            "anonymous_id=anon_456 android_id=and_1a2b user_id=abc123def",
            "anonymous_id=anon_789 android_id=and_1a2b user_id=abc123def",
        ],
        &[
            "c1",
            "c1",
            "c1",
            "c1",
            "c1",
            "c1: android_id=and_1a2b anonymous_id=anon_123 anonymous_id=anon_456 anonymous_id=anon_789 ios_id=ios_abc123 user_id=abc123def",
        ],
    ),
    (
        "drop_lowest_priority",
        "",
        &[
            "anonymous_id=D1",
            "anonymous_id=D1 user_id=U1",
            "anonymous_id=D2",
            "anonymous_id=D2",
            "anonymous_id=D2 user_id=U2",
        ],
        &[
            "c1",
            "c1",
            "c2",
            "c2",
            "c2",
            "c1: anonymous_id=D1 user_id=U1",
            "c2: anonymous_id=D2 user_id=U2",
        ],
    ),
    (
        "drop_lowest_priority",
        "",
        &[
            "anonymous_id=v1",
            "user_id=c email=e@x.io anonymous_id=v1",
            "anonymous_id=v2",
            "user_id=c email=e@x.io anonymous_id=v2",
        ],
        &[
            "c1",
            "c1",
            "c1 then c2",
            "c1",
            "c1: anonymous_id=v1 anonymous_id=v2 email=e@x.io user_id=c",
        ],
    ),
    (
        "switch_session",
        "",
        &[
            "user_id=B",
            "anonymous_id=s user_id=A",
            "anonymous_id=s user_id=B",
            "anonymous_id=s",
        ],
        &[
            "c1",
            "c2",
            "c1",
            "c1",
            "c1: anonymous_id=s user_id=B",
            "c2: user_id=A",
        ],
    ),
    (
        "ambiguous_anonymous",
        "",
        &[
            "user_id=u1 anonymous_id=a1",
            "user_id=u2 anonymous_id=a2",
            "anonymous_id=a1 anonymous_id=a2",
            "anonymous_id=a1",
            "user_id=u1 anonymous_id=a1",
        ],
        &[
            "c1",
            "c2",
            "c3",
            "c3",
            "c1, not anonymous_id=a1: CONTESTED",
            "c1: user_id=u1",
            "c2: user_id=u2",
            "c3: ",
        ],
    ),
    (
        "refuse_if_known",
        "",
        &[
            "user_id=u1 anonymous_id=a1",
            "user_id=u2",
            "user_id=u2 anonymous_id=a1",
            "anonymous_id=x",
            "user_id=u2 anonymous_id=x",
        ],
        &[
            "c1",
            "c2",
            "c2, not anonymous_id=a1: KNOWN_CUSTOMER",
            "c2 then c3",
            "c2",
            "c1: anonymous_id=a1 user_id=u1",
            "c2: anonymous_id=x user_id=u2",
        ],
    ),
];

#[test]
fn examples_of_others_hold_under_their_policies() {
    check_all(OF_OTHERS);
}

#[test]
fn the_fifty_first_identifier_takes_the_place_of_the_oldest_device() {
    let number = |name: &'static str, count: u32| {
        (0..count).map(move |number| format!("crm_id=Tom {name}{number}"))
    };
    let events = number("gaid=g", 19).chain(number("ecid=e", 20));
    let events = events.chain(number("login_id=l", 10));
    let mut events: Vec<String> = events.collect();
    events.push("crm_id=Tom email=a@x.io".to_owned());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let answer = super::decide("reassign_newest", ADOBE, &events);
    let customers = answer["customers"].as_array().expect("a list");
    let own = customers[0]["identifiers"].as_array().expect("a list");
    assert_eq!((customers.len(), own.len()), (1, 50));
    let has = |value: &str| own.iter().any(|it| it["value"] == value);
    assert!(!has("g0") && has("g1") && has("e0") && has("a@x.io"));
}
