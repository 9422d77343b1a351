//! The published examples of the field, each under the policy of whom it is from.

use super::{decide, told};

/// Simulates events, and compares what became of them line by line.
pub(super) fn check(policy: &str, namespaces: &str, events: &[&str], expected: &[&str]) {
    let answer = decide(policy, namespaces, events);
    assert_eq!(told(&answer), expected, "{policy}: {events:?}");
}

/// Namespaces as the examples of Adobe have them.
pub(super) const ADOBE: &str = "\
namespace: {name: crm_id, priority: 1, limit: 1}
---
namespace: {name: login_id, priority: 4, limit: 10}
---
namespace: {name: phone, priority: 5, limit: 1, normalizer: NORMALIZER_TRIM, names_people: false}
---
namespace: {name: ecid, priority: 6, limit: 20}
---
namespace: {name: gaid, priority: 6, limit: 20}
";

#[test]
fn the_event_goes_on_without_the_identifier_in_conflict() {
    let check = |events: &[&str], expected: &[&str]| {
        check("drop_lowest_priority", "", events, expected);
    };
    check(
        &[
            "anonymous_id=a1",
            "anonymous_id=a1 email=e@x.io",
            "anonymous_id=a2",
            "anonymous_id=a2 email=e@x.io",
        ],
        &[
            "c1",
            "c1",
            "c1 then c2",
            "c1",
            "c1: anonymous_id=a1 anonymous_id=a2 email=e@x.io",
        ],
    );
    check(
        &[
            "user_id=abc123 email=jane@x.io",
            "user_id=abc456 email=Jane@X.io",
        ],
        &[
            "c1",
            "c2, not email=Jane@X.io: LIMIT_EXCEEDED",
            "c1: email=jane@x.io user_id=abc123",
            "c2: user_id=abc456",
        ],
    );
    check(
        &["anonymous_id=a1 user_id=u1", "anonymous_id=a1 user_id=u2"],
        &[
            "c1",
            "c2, not anonymous_id=a1: LIMIT_EXCEEDED",
            "c1: anonymous_id=a1 user_id=u1",
            "c2: user_id=u2",
        ],
    );
    check(
        &[
            "user_id=u1 anonymous_id=0000-0000",
            "user_id=u2 anonymous_id=-1",
            "user_id=null email=anonymous",
        ],
        &[
            "c1, not anonymous_id=0000-0000: BLOCKED_VALUE",
            "c2, not anonymous_id=-1: BLOCKED_VALUE",
            "-, not email=anonymous: BLOCKED_VALUE, not user_id=null: BLOCKED_VALUE",
            "c1: user_id=u1",
            "c2: user_id=u2",
        ],
    );
    check(
        &["user_id=u1 badge=7"],
        &["c1, not badge=7: UNKNOWN_NAMESPACE", "c1: user_id=u1"],
    );
}

#[test]
fn a_sixth_device_of_a_week_waits_until_the_week_is_over() {
    let week = |number: u32, day: u32| {
        format!("@2026-01-{day:02}T00:00:00Z user_id=u1 anonymous_id=a{number}")
    };
    let events: Vec<String> = (1..=6)
        .map(|number| week(number, number))
        .chain([week(6, 9)])
        .collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let all = "c1: anonymous_id=a1 anonymous_id=a2 anonymous_id=a3 anonymous_id=a4 \
               anonymous_id=a5 anonymous_id=a6 user_id=u1";
    let sixth = "c1, not anonymous_id=a6: LIMIT_EXCEEDED";
    check(
        "drop_lowest_priority",
        "",
        &events,
        &["c1", "c1", "c1", "c1", "c1", sixth, "c1", all],
    );
}

#[test]
fn who_logged_in_last_has_the_device() {
    let check = |events: &[&str], expected: &[&str]| {
        check("reassign_newest", ADOBE, events, expected);
    };
    check(
        &["crm_id=Tom ecid=111", "crm_id=Summer ecid=111"],
        &["c1", "c2", "c1: crm_id=Tom", "c2: crm_id=Summer ecid=111"],
    );
    check(
        &[
            "crm_id=Tom ecid=444 gaid=B",
            "crm_id=Summer ecid=444 gaid=B",
            "ecid=444",
            "crm_id=Tom ecid=444 gaid=B",
        ],
        &[
            "c1",
            "c2",
            "c1 then c2",
            "c1",
            "c1: crm_id=Tom ecid=444 gaid=B",
            "c2: crm_id=Summer",
        ],
    );
    check(
        &[
            "crm_id=Summer phone=+43123456701",
            "crm_id=Summer phone=+43123456702",
        ],
        &["c1", "c1", "c1: crm_id=Summer phone=+43123456702"],
    );
    check(
        &["crm_id=Alice crm_id=Bob ecid=1"],
        &[
            "-, not ecid=1: CONFLICTING_VALUES, not crm_id=Bob: CONFLICTING_VALUES, \
             not crm_id=Alice: CONFLICTING_VALUES",
        ],
    );
}

#[test]
fn a_device_of_two_is_nobodys() {
    check(
        "ambiguous_anonymous",
        "",
        &[
            "user_id=u1 anonymous_id=a1",
            "user_id=u2 anonymous_id=a1",
            "anonymous_id=a1",
            "anonymous_id=a1",
        ],
        &[
            "c1",
            "c2, not anonymous_id=a1: CONTESTED",
            "c3",
            "c3",
            "c1: user_id=u1",
            "c2: user_id=u2",
            "c3: ",
        ],
    );
}

#[test]
fn whoever_is_known_is_not_joined() {
    check(
        "refuse_if_known",
        "",
        &[
            "anonymous_id=a1",
            "user_id=u1 anonymous_id=a1",
            "user_id=u2 anonymous_id=a1",
        ],
        &[
            "c1",
            "c1",
            "c2, not anonymous_id=a1: KNOWN_CUSTOMER",
            "c1: anonymous_id=a1 user_id=u1",
            "c2: user_id=u2",
        ],
    );
}

#[test]
fn the_session_is_somebody_elses_and_the_past_stays() {
    let email = "namespace: {name: email, priority: 1, limit: 1, normalizer: NORMALIZER_EMAIL}";
    check(
        "switch_session",
        email,
        &[
            "anonymous_id=s email=a@x.io",
            "anonymous_id=s email=b@x.io",
            "anonymous_id=s",
        ],
        &[
            "c1",
            "c2",
            "c2",
            "c1: email=a@x.io",
            "c2: anonymous_id=s email=b@x.io",
        ],
    );
}

#[test]
fn all_are_joined_whatever_limits_say() {
    check(
        "union_all",
        "",
        &["user_id=u1 anonymous_id=a1", "user_id=u2 anonymous_id=a1"],
        &["c1", "c1", "c1: anonymous_id=a1 user_id=u1 user_id=u2"],
    );
}

#[test]
fn a_visitor_is_who_logs_in_later_on_every_device() {
    check(
        "drop_lowest_priority",
        "",
        &[
            "anonymous_id=d1",
            "anonymous_id=d1",
            "anonymous_id=d1 user_id=u1",
            "anonymous_id=d2",
            "anonymous_id=d2",
            "anonymous_id=d2 user_id=u1",
        ],
        &[
            "c1",
            "c1",
            "c1",
            "c1 then c2",
            "c1 then c2",
            "c1",
            "c1: anonymous_id=d1 anonymous_id=d2 user_id=u1",
        ],
    );
}
