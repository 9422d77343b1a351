//! The documented cases of Segment and Mixpanel, as a table: events in, customers out.

use super::*;

/// Takes the events one at a time and all at once, and compares the customers, oldest first.
fn check(namespaces: &Rules, events: &[&str], expected: &[&str]) -> World {
    let mut world = World::new(namespaces.clone());
    for event in events {
        world.event(event);
    }
    assert_eq!(world.picture(), expected, "one at a time: {events:?}");
    let mut batched = World::new(namespaces.clone());
    batched.batch(events);
    assert_eq!(batched.picture(), expected, "in one batch: {events:?}");
    assert_eq!(batched.log, world.log);
    world
}

#[test]
fn segment_1_an_email_joins_two_visits() {
    let world = check(
        &Rules::default(),
        &[
            "anonymous_id=a1",
            "anonymous_id=a1 email=e@x.io",
            "anonymous_id=a2",
            "anonymous_id=a2 email=e@x.io",
        ],
        &["a1 a2 e@x.io"],
    );
    let (one, two) = (customer(1), customer(2));
    assert_eq!(world.log, [(4, two, one)]);
}

#[test]
fn segment_2_a_second_user_id_does_not_join_by_a_shared_email() {
    let mut world = check(
        &Rules::default(),
        &["user_id=abc123 email=jane@x.io"],
        &["jane@x.io abc123"],
    );
    let resolution = world.event("user_id=abc456 email=jane@x.io");
    assert!(resolution.is_new);
    assert_eq!(
        drops(&resolution),
        [("jane@x.io", DropReason::LimitExceeded)]
    );
    assert_eq!(world.picture(), ["jane@x.io abc123", "abc456"]);
}

#[test]
fn an_alias_joins_customers_with_a_user_id_each_and_no_more_than_ten() {
    let mut world = check(
        &Rules::default(),
        &[
            "user_id=old email=jane@x.io",
            "user_id=new",
            "user_id=new user_id=old anonymous_id=old alias",
            "user_id=new email=jane@x.io",
            "user_id=old",
        ],
        &["old jane@x.io new old"],
    );
    for number in 0..8 {
        world.event(&format!("user_id=new user_id=u{number} alias"));
    }
    let resolution = world.event("user_id=new user_id=stranger alias");
    assert_eq!(
        drops(&resolution),
        [("stranger", DropReason::LimitExceeded)]
    );
}

#[test]
fn segment_3_a_device_that_was_not_reset_stays_with_its_first_user() {
    check(
        &Rules::default(),
        &["anonymous_id=a1 user_id=u1", "anonymous_id=a1 user_id=u2"],
        &["a1 u1", "u2"],
    );
}

#[test]
fn segment_4_devices_gather_under_one_user() {
    let namespaces = namespaces(&[
        ("user_id", 1),
        ("android_id", 5),
        ("anonymous_id", 5),
        ("ios_id", 5),
    ]);
    let events = [
        "anonymous_id=anon_123 ios_id=ios_abc123",
        "anonymous_id=anon_123 ios_id=ios_abc123",
        "anonymous_id=anon_123 ios_id=ios_abc123 user_id=abc123def",
        "anonymous_id=anon_456 android_id=and_1a2b user_id=abc123def",
        "anonymous_id=anon_789 android_id=and_1a2b user_id=abc123def",
    ];
    check(
        &namespaces,
        &events[..3],
        &["anon_123 ios_abc123 abc123def"],
    );
    check(
        &namespaces,
        &events,
        &["and_1a2b anon_123 anon_456 anon_789 ios_abc123 abc123def"],
    );
}

#[test]
fn segment_5_garbage_is_never_an_identifier() {
    let mut world = World::new(Rules::default());
    for (user, garbage) in [
        ("u1", ["0000-0000", "null"]),
        ("u2", ["-1", "anonymous"]),
        ("u3", ["anonymous", "NULL"]),
    ] {
        let [anonymous, email] = garbage;
        let resolution = world.event(&format!(
            "user_id={user} anonymous_id={anonymous} email={email}"
        ));
        assert_eq!(
            drops(&resolution),
            [
                (anonymous, DropReason::BlockedValue),
                (email, DropReason::BlockedValue)
            ]
        );
    }
    assert_eq!(world.picture(), ["u1", "u2", "u3"]);
}

#[test]
fn segment_7_the_order_of_namespaces_is_explicit_and_others_are_left_out() {
    let mut world = World::new(namespaces(&[
        ("user_id", 1),
        ("ga_client_id", 1),
        ("anonymous_id", 1),
    ]));
    world.event("user_id=u1 ga_client_id=g1 anonymous_id=a1");
    let resolution = world.event("user_id=u1 ga_client_id=g1 anonymous_id=a2 android_id=x");
    assert_eq!(
        drops(&resolution),
        [
            ("x", DropReason::UnknownNamespace),
            ("a2", DropReason::LimitExceeded)
        ]
    );
    let resolution = world.event("user_id=u2 ga_client_id=g1 anonymous_id=a1");
    assert_eq!(
        drops(&resolution),
        [
            ("a1", DropReason::LimitExceeded),
            ("g1", DropReason::LimitExceeded)
        ]
    );
    assert_eq!(world.picture(), ["a1 g1 u1", "u2"]);
}

#[test]
fn segment_8_a_customer_at_a_cap_refuses_links_and_the_event_still_resolves() {
    let mut full = World::new(namespaces(&[("user_id", 1), ("device", 1_000)]));
    for device in 0..999 {
        full.event(&format!("user_id=u1 device=d{device}"));
    }
    let resolution = full.event("user_id=u1 device=d999");
    assert_eq!(drops(&resolution), [("d999", DropReason::CustomerFull)]);
    assert!(!resolution.is_new);

    let mut merged = World::new(namespaces(&[("user_id", 1), ("device", 1_000)]));
    for device in 0..101 {
        merged.event(&format!("device=d{device}"));
    }
    for device in 0..100 {
        let resolution = merged.event(&format!("user_id=u1 device=d{device}"));
        assert_eq!(resolution.dropped, []);
    }
    let resolution = merged.event("user_id=u1 device=d100");
    assert_eq!(drops(&resolution), [("d100", DropReason::CustomerFull)]);
    assert_eq!(resolution.customer, CustomerId::new(uuid(1)));
    assert_eq!(merged.customers.len(), 2);
}

#[test]
fn segment_10_merges_follow_each_other() {
    let world = check(
        &namespaces(&[
            ("user_id", 1),
            ("email", 5),
            ("phone", 5),
            ("anonymous_id", 5),
        ]),
        &[
            "anonymous_id=a0",
            "email=e1",
            "phone=p2",
            "email=e1 phone=p2",
            "anonymous_id=a0 email=e1",
        ],
        &["a0 e1 p2"],
    );
    let id = |number| CustomerId::new(uuid(number));
    assert_eq!(world.log, [(4, id(3), id(2)), (5, id(2), id(1))]);
    assert!(
        world.roots.values().all(|root| *root == id(1)),
        "redirects are compressed"
    );
}

#[test]
fn mixpanel_1_to_3_devices_join_their_user_and_a_reset_parts_them() {
    let default = Rules::default();
    let one = [
        "anonymous_id=D1",
        "anonymous_id=D1",
        "anonymous_id=D1 user_id=U1",
    ];
    check(&default, &one, &["D1 U1"]);
    let again = [
        "anonymous_id=D2",
        "anonymous_id=D2",
        "anonymous_id=D2 user_id=U1",
    ];
    check(&default, &[one, again].concat(), &["D1 D2 U1"]);
    let reset = [
        "anonymous_id=D2",
        "anonymous_id=D2",
        "anonymous_id=D2 user_id=U2",
    ];
    check(&default, &[&one[1..], &reset].concat(), &["D1 U1", "D2 U2"]);
}

#[test]
fn ten_thousand_events_with_the_same_default_id_build_no_giant() {
    let namespaces = namespaces(&[("user_id", 1_000), ("anonymous_id", 1_000)]);
    let mut world = World::new(namespaces);
    let events: Vec<_> = (0..10_000)
        .map(|user| format!("user_id=u{user} anonymous_id=default"))
        .collect();
    for chunk in events.chunks(1_000) {
        world.batch(&chunk.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let largest = world
        .customers
        .values()
        .map(|(view, _)| view.identifier_count())
        .max();
    assert_eq!(largest, Some(limits::IDENTIFIERS_PER_CUSTOMER - 1));
    assert_eq!(world.rows.len(), 10_001, "no user was lost");
}

#[test]
fn a_lowered_limit_undoes_nothing_and_lets_nothing_more_in() {
    let mut world = World::new(namespaces(&[
        ("user_id", 1),
        ("email", 3),
        ("anonymous_id", 5),
    ]));
    for email in ["e1", "e2", "e3"] {
        world.event(&format!("user_id=u1 email={email}"));
    }
    let views: Vec<_> = world.customers.values().cloned().collect();
    let lowered = namespaces(&[("user_id", 1), ("email", 1), ("anonymous_id", 5)]);
    let mut overlay = Overlay::new(&lowered);
    for (identifier, row) in &world.rows {
        let fragment = row.holding.fragment;
        let state = HolderState::Live;
        overlay.hold(
            identifier.clone(),
            fragment,
            fragment.into(),
            state,
            FanOut::default(),
        );
    }
    overlay.know(views[0].0.clone(), views[0].1);
    for (event, expected) in [("email=e2 anonymous_id=a1", 0), ("user_id=u1 email=e4", 1)] {
        let pairs = event.split(' ').map(|pair| {
            let (namespace, value) = pair.split_once('=').expect("a pair");
            (namespace.to_owned(), value.to_owned())
        });
        let resolution = overlay
            .resolve(
                &screen(&lowered, pairs),
                || FragmentId::new(uuid(99)),
                Timestamp::MAX,
            )
            .expect("loaded");
        assert_eq!(
            (resolution.customer, resolution.dropped.len()),
            (views[0].0.id, expected)
        );
    }
}

#[test]
fn a_forced_merge_ignores_limits_of_namespaces_but_no_cap() {
    let view = |number, fragments| CustomerView {
        fragment_count: fragments,
        ..CustomerView::new(CustomerId::new(uuid(number)), Timestamp::from_millis(5))
    };
    let (mut one, mut two, large) = (view(1, 60), view(2, 40), view(3, 41));
    one.add_identifiers("user_id", 1);
    two.add_identifiers("user_id", 1);
    let rules = Rules::default();
    let joined = plan_merge(&rules, &[&two, &one]);
    assert_eq!(joined, Ok((one.id, vec![two.id])));
    let too_large = crate::TooLarge {
        fragments: 101,
        identifiers: 1,
    };
    let refused = plan_merge(&rules, &[&one, &large]);
    assert_eq!(refused, Err(too_large.into()));
}

#[test]
fn one_too_many_of_a_namespace_costs_no_other_identifier() {
    let limits = namespaces(&[("user_id", 1), ("email", 2), ("device", 5)]);
    let mut world = World::new(limits.clone());
    let resolution = world.event("user_id=u device=d email=a@x.io email=b@x.io email=c@x.io");
    assert_eq!(drops(&resolution), [("c@x.io", DropReason::LimitExceeded)]);
    // The browser is known from now on.
    assert!(!world.event("device=d").is_new);
    // An address that somebody holds links, whatever its place.
    world.event("email=z@x.io");
    let event = "user_id=v email=k@x.io email=l@x.io email=m@x.io email=z@x.io";
    let resolution = world.event(event);
    let expected = ["z@x.io", "m@x.io"].map(|it| (it, DropReason::LimitExceeded));
    assert_eq!(drops(&resolution), expected);
}

#[test]
fn segment_6_the_sixth_browser_of_the_week_is_left_out_until_the_window_slides() {
    let mut world = World::new(Rules::default());
    let day = 86_400_000;
    for browser in 1..=5 {
        world.event(&format!("user_id=u1 anonymous_id=b{browser}"));
    }
    world.now = 6 * day;
    let resolution = world.event("user_id=u1 anonymous_id=b6");
    assert_eq!(drops(&resolution), [("b6", DropReason::LimitExceeded)]);
    world.now = 8 * day;
    let resolution = world.event("user_id=u1 anonymous_id=b6");
    assert_eq!(drops(&resolution), []);
    assert_eq!(world.picture(), ["b1 b2 b3 b4 b5 b6 u1"]);
    // Whoever is known stays, also where a limit was reached long ago.
    assert!(!world.event("anonymous_id=b1").is_new);
}
