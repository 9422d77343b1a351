//! One input, six answers; and what each policy does with what is known, unknown, shared and weak.

use super::*;

pub(super) const RULES: [ConflictRule; 6] = [
    ConflictRule::DropLowestPriority,
    ConflictRule::ReassignNewest,
    ConflictRule::AmbiguousAnonymous,
    ConflictRule::RefuseIfKnown,
    ConflictRule::SwitchSession,
    ConflictRule::UnionAll,
];

fn run(rule: ConflictRule, events: &[&str]) -> World {
    let mut world = World::new(under(rule, Rules::default()));
    for event in events {
        world.event(event);
    }
    world
}

/// The events by customer, as numbers of the first event of each.
fn partition(world: &World) -> Vec<usize> {
    let owners: Vec<_> = (1..=world.events.len())
        .map(|it| world.customer_of(it))
        .collect();
    let first = |owner: &CustomerId| {
        owners
            .iter()
            .position(|it| it == owner)
            .map_or(0, |it| it + 1)
    };
    owners.iter().map(first).collect()
}

#[test]
fn two_people_and_one_device() {
    let events = [
        "anonymous_id=d1",
        "user_id=u1 anonymous_id=d1",
        "user_id=u2 anonymous_id=d1",
        "anonymous_id=d1",
    ];
    for (rule, customers, owners) in [
        (
            ConflictRule::DropLowestPriority,
            &["d1 u1", "u2"][..],
            [1, 1, 3, 1],
        ),
        (ConflictRule::RefuseIfKnown, &["d1 u1", "u2"], [1, 1, 3, 1]),
        (ConflictRule::ReassignNewest, &["d1 u2", "u1"], [1, 2, 1, 1]),
        (
            ConflictRule::AmbiguousAnonymous,
            &["u1", "u2", ""],
            [1, 1, 3, 4],
        ),
        (ConflictRule::SwitchSession, &["u1", "d1 u2"], [1, 1, 3, 3]),
        (ConflictRule::UnionAll, &["d1 u1 u2"], [1, 1, 1, 1]),
    ] {
        let world = run(rule, &events);
        assert_eq!(world.picture(), customers, "{rule:?}");
        assert_eq!(partition(&world), owners, "{rule:?}");
    }
}

#[test]
fn an_unseen_user_with_the_device_of_somebody_known_is_never_the_same_person() {
    for rule in RULES {
        if rule == ConflictRule::UnionAll {
            continue;
        }
        let world = run(
            rule,
            &["user_id=u1 anonymous_id=d1", "user_id=u2 anonymous_id=d1"],
        );
        assert_ne!(world.customer_of(1), world.customer_of(2), "{rule:?}");
        let known = run(
            rule,
            &[
                "user_id=u2",
                "user_id=u1 anonymous_id=d1",
                "user_id=u2 anonymous_id=d1",
            ],
        );
        assert_eq!(known.customer_of(1), known.customer_of(3), "{rule:?}");
        assert_ne!(known.customer_of(1), known.customer_of(2), "{rule:?}");
    }
}

#[test]
fn refuse_if_known_joins_only_those_whom_nobody_knows() {
    let mut world = run(
        ConflictRule::RefuseIfKnown,
        &[
            "email=e@x.io",
            "user_id=u1 anonymous_id=d1",
            "anonymous_id=d2",
        ],
    );
    let refused = world.event("email=e@x.io anonymous_id=d1");
    assert_eq!(drops(&refused), [("d1", DropReason::KnownCustomer)]);
    let joined = world.event("email=e@x.io anonymous_id=d2");
    assert_eq!(drops(&joined), []);
    assert_eq!(world.picture(), ["d2 e@x.io", "d1 u1"]);
    // An unseen identifier that names no person is no second customer.
    assert_eq!(drops(&world.event("phone=+4930123456 anonymous_id=d1")), []);
}

#[test]
fn who_bridges_two_people_without_a_name_is_an_anonymous_customer_of_its_own() {
    let mut world = run(
        ConflictRule::AmbiguousAnonymous,
        &["user_id=u1 email=e@x.io", "user_id=u2 anonymous_id=d2"],
    );
    let bridge = world.event("email=e@x.io anonymous_id=d2");
    assert!(bridge.is_new && bridge.dropped.is_empty());
    assert_eq!(world.picture(), ["u1", "u2", ""]);
    let own = bridge.customer;
    for event in [
        "email=e@x.io",
        "anonymous_id=d2",
        "anonymous_id=d2 email=e@x.io",
    ] {
        assert_eq!(world.event(event).customer, own, "{event}");
    }
    // Later logins do not absorb it.
    let login = world.event("user_id=u1 anonymous_id=d2");
    assert_eq!(login.customer, customer(1));
    assert_eq!(drops(&login), [("d2", DropReason::Contested)]);
    let other = world.event("user_id=u9 email=e@x.io");
    assert!(other.is_new && other.merged.is_empty());
}

#[test]
fn a_shared_value_joins_nobody_and_is_listed_for_many() {
    let till = v1::Namespace {
        uniqueness: v1::Uniqueness::Shared.into(),
        priority: 2,
        ..namespace("till", 2)
    };
    for rule in RULES {
        let rules = compiled(vec![namespace("user_id", 1), till.clone()]);
        let mut world = World::new(under(rule, rules));
        let alone = world.event("till=t1");
        world.event("user_id=u1 till=t1");
        world.event("user_id=u2 till=t1");
        assert_eq!(world.event("till=t1").customer, alone.customer, "{rule:?}");
        assert_eq!(world.customers.len(), 3, "{rule:?}");
        let listed: Vec<_> = world.shared.iter().map(|(_, own, _)| *own).collect();
        assert_eq!(listed.len(), 3, "{rule:?}");
        world.event("user_id=u1 till=t2");
        let many = world.event("user_id=u1 till=t3");
        assert_eq!(
            drops(&many),
            [("t3", DropReason::LimitExceeded)],
            "{rule:?}"
        );
        // A value that is listed already changes nothing.
        let before = world.customers.clone();
        world.event("user_id=u1 till=t1");
        assert_eq!(world.customers, before, "{rule:?}");
    }
}

#[test]
fn a_weak_value_joins_only_who_is_not_known() {
    let weak = v1::Namespace {
        uniqueness: v1::Uniqueness::Weak.into(),
        priority: 2,
        ..namespace("cookie", 5)
    };
    let rules = compiled(vec![namespace("user_id", 1), weak, {
        let mut email = namespace("mail", 5);
        email.priority = 3;
        email
    }]);
    let mut world = World::new(rules);
    world.event("cookie=c1");
    assert_eq!(drops(&world.event("user_id=u1 cookie=c1")), []);
    assert_eq!(world.customers.len(), 1, "nobody knew who that was");
    world.event("mail=m");
    let refused = world.event("mail=m cookie=c1");
    assert_eq!(drops(&refused), [("c1", DropReason::KnownCustomer)]);
    assert_eq!(refused.customer, world.customer_of(3));
    assert_eq!(world.event("cookie=c1").customer, customer(1));
}

#[test]
fn a_value_between_too_many_is_quarantined_and_no_customer_grows_beyond_the_caps() {
    for rule in RULES {
        let mut world = World::new(under(rule, Rules::default()));
        let events: Vec<_> = (0..10_000)
            .map(|user| format!("user_id=u{user} anonymous_id=default"))
            .collect();
        for chunk in events.chunks(2_500) {
            world.batch(&chunk.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let last = world.event("user_id=last anonymous_id=default");
        let reason = match rule {
            // It was nobody's before it could be between many.
            ConflictRule::AmbiguousAnonymous => DropReason::Contested,
            _ => DropReason::Quarantined,
        };
        assert_eq!(drops(&last), [("default", reason)], "{rule:?}");
        let sizes = world
            .customers
            .values()
            .map(|(view, _)| view.identifier_count());
        let largest = sizes.max().unwrap_or_default();
        assert!(largest <= limits::FAN_OUT + 2, "{rule:?}: {largest}");
        assert!(world.customers.len() > 9_900, "{rule:?}");
        let alone = world.event("anonymous_id=default");
        let is_refused = rule != ConflictRule::AmbiguousAnonymous;
        assert_eq!(alone.is_refused, is_refused, "{rule:?}");
    }
}

#[test]
fn full_namespaces_refuse_the_newest_or_release_the_oldest() {
    for (when_full, expected) in [
        (v1::WhenFull::RefuseNewest, "p1 p2 u1"),
        (v1::WhenFull::DropOldest, "p2 p3 u1"),
    ] {
        let phone = v1::Namespace {
            when_full: when_full.into(),
            priority: 2,
            ..namespace("number", 2)
        };
        let mut world = World::new(compiled(vec![namespace("user_id", 1), phone]));
        for number in ["p1", "p2", "p3"] {
            world.event(&format!("user_id=u1 number={number}"));
        }
        assert_eq!(world.picture(), [expected]);
        // Of a released value nobody knows; of one event that names it, it is not released again.
        if when_full == v1::WhenFull::DropOldest {
            assert!(world.event("number=p1").is_new);
            world.event("user_id=u1 number=p2 number=p4");
            assert_eq!(world.picture(), ["p2 p4 u1", "p1"]);
        }
    }
}

#[test]
fn what_an_unmerge_parted_is_never_joined_again_by_events() {
    for rule in RULES {
        let mut world = run(rule, &["email=a@x.io", "anonymous_id=d1"]);
        let pair = (FragmentId::new(uuid(1)), FragmentId::new(uuid(2)));
        world.cannot_links.insert(pair);
        for _ in 0..3 {
            world.event("email=a@x.io anonymous_id=d1");
        }
        assert_ne!(world.roots[&pair.0], world.roots[&pair.1], "{rule:?}");
    }
}
