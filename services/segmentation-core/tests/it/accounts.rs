//! Accounts: they learn what customers learn, are in no segment, and tell nobody; memberships are
//! told once at the member, and counted at the account.

mod naive;

use bytes::Bytes;
use decision::Core as _;
use kernel::Timestamp;
use messages::stream::v1::{
    AccountMembership, Event, MembershipChanged, change_record::Kind, record::Body,
};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq};
use proptest::proptest;
use segmentation_core::SegmentationCore;

use crate::harness::{DAY, Harness, compile, customer};
use crate::oracle::{HOUR, segments};
use crate::unmerges::{Seen, events, named, plans, play, seen};

/// Conditions that hold of everybody.
const ALL: [(&str, &str); 3] = [
    ("everybody", "true"),
    ("nobody_yet", "!events(\"a\").exists()"),
    ("seen", "now - first_seen >= duration(\"0s\")"),
];

fn changed(account: &Bytes, number: u64, member_count: u32) -> MembershipChanged {
    MembershipChanged {
        account_id: account.clone(),
        member_id: customer(9).as_bytes().to_vec().into(),
        role: "admin".to_owned(),
        is_member: true,
        is_primary: true,
        member_count,
        number,
    }
}

fn account_key(number: u128) -> Bytes {
    Harness::account(number, compile(&[])).key
}

/// An account is told nowhere.
fn check_silent(account: &Harness) {
    assert!(account.emitted.is_empty(), "{:?}", account.emitted);
    assert!(account.changes.is_empty(), "{:?}", account.changes);
    assert!(account.counters.is_empty(), "{:?}", account.counters);
    assert!(account.members().is_empty() && account.log.is_empty());
    assert_eq!(account.lacking, 0);
}

/// All that is learned, without segments and their terms.
fn learned(harness: &Harness) -> Seen {
    Seen {
        members: Vec::new(),
        terms: Vec::new(),
        ..seen(harness)
    }
}

#[test]
fn an_account_learns_from_its_events_and_is_in_no_segment() {
    let mut account = Harness::account(1, compile(&ALL));
    account.event_with("e-1", "a", DAY, &[], &[("plan", "pro".into())]);
    account.event_with("e-1", "a", DAY, &[], &[("plan", "free".into())]);
    account.event_with("e-2", "b", 2 * DAY, &[], &[]);
    account.pass(Timestamp::from_millis(900 * DAY));
    check_silent(&account);
    let state = &account.state;
    assert_eq!(state.traits().value("plan"), Some(&"pro".into()));
    let totals: Vec<(&str, u64)> = state
        .event_totals()
        .iter()
        .map(|it| (&*it.name, it.count))
        .collect();
    assert_eq!(totals, [("a", 1), ("b", 1)]);
    let recent: Vec<_> = state.recent().map(|it| it.event_id.to_string()).collect();
    assert_eq!(recent, ["e-1", "e-2"]);
    assert_eq!(state.member_count(), None);
}

#[test]
fn an_id_counts_at_an_account_once_for_each_customer_who_acted() {
    let mut account = Harness::account(1, compile(&ALL));
    let id = |number| Bytes::copy_from_slice(customer(number).as_bytes());
    let event = |member: Bytes, fragment: Bytes| Event {
        event_id: "e-1".to_owned(),
        name: "a".to_owned(),
        member_id: member,
        member_fragment_id: fragment,
        ..Event::default()
    };
    for (sent, expected) in [
        (event(id(8), Bytes::new()), 1),
        (event(id(9), Bytes::new()), 2),
        (event(Bytes::new(), Bytes::new()), 3),
        (event(id(8), Bytes::new()), 3),
        // The one was joined into the other meanwhile.
        (event(id(9), id(8)), 3),
        (event(Bytes::new(), Bytes::new()), 3),
    ] {
        account.record(DAY, Body::Event(sent));
        account.forget();
        assert_eq!(account.state.event_totals()[0].count, expected);
    }
}

#[test]
fn who_acted_is_not_kept_with_an_account() {
    let mut account = Harness::account(1, compile(&ALL));
    let member = customer(0x0192_4f7e_1c5b_7a3e_9d2c_5f0b_8a6c_1d23);
    let event = Event {
        event_id: "e-1".to_owned(),
        name: "a".to_owned(),
        member_id: Bytes::copy_from_slice(member.as_bytes()),
        ..Event::default()
    };
    account.record(DAY, Body::Event(event));
    let told = MembershipChanged {
        member_id: Bytes::copy_from_slice(member.as_bytes()),
        ..changed(&account.key, 1, 1)
    };
    account.record(DAY, Body::Membership(told));
    let stored = &account.head;
    assert!(!stored.windows(16).any(|bytes| bytes == member.as_bytes()));
    assert!(account.parts.is_empty());
}

#[test]
fn the_newest_number_says_how_many_members_there_are() {
    let mut account = Harness::account(1, compile(&ALL));
    for (number, count, expected) in [
        (3, 7, 7),
        (3, 9, 7),
        (2, 5, 7),
        (5, 0, 0),
        (4, 8, 0),
        (6, 1, 1),
    ] {
        account.record(DAY, Body::Membership(changed(&account.key, number, count)));
        account.forget();
        assert_eq!(account.state.member_count(), Some(expected), "{number}");
    }
    check_silent(&account);
    assert!(account.state.is_known(), "by its members");
    assert_eq!(account.due, None);
    // A state of the version before says nothing of members.
    let customer = Harness::new(&[]);
    let head = SegmentationCore::encode(&customer.state);
    let read = SegmentationCore::decode(&head).expect("a state");
    assert_eq!((read.member_count(), read.is_known()), (None, false));
}

/// The accounts of which a customer was told, as `+account role! @time`.
fn told(customer: &mut Harness) -> Vec<String> {
    let changes = std::mem::take(&mut customer.changes).into_iter();
    let told = changes.filter_map(|change| {
        assert_eq!(change.customer_id, customer.key);
        let Some(Kind::Account(it)) = change.kind else {
            return None;
        };
        let AccountMembership {
            account_id,
            role,
            is_member,
            is_primary,
        } = it;
        let sign = if is_member { '+' } else { '-' };
        let mark = if is_primary { "!" } else { "" };
        let (account, at) = (account_id[15], change.time_ms);
        Some(format!("{sign}{account} {role}{mark} @{at}"))
    });
    told.collect()
}

#[test]
fn a_membership_is_told_once_at_the_member_and_changes_nothing_else() {
    let mut customer = Harness::new(&[("buyers", "events(\"a\").within(\"20h\").exists()")]);
    customer.event("a", 0, &[]);
    let before = (
        learned(&customer),
        customer.members().len(),
        customer.emitted.len(),
    );
    let (joined, other) = (
        changed(&account_key(1), 4, 0),
        changed(&account_key(2), 4, 0),
    );
    let ended = MembershipChanged {
        is_member: false,
        is_primary: false,
        number: 5,
        ..joined.clone()
    };
    for told in [&joined, &joined, &other, &ended, &joined, &ended] {
        customer.record(3 * HOUR + 1, Body::Membership(told.clone()));
        customer.forget();
    }
    assert_eq!(
        told(&mut customer),
        [
            "+1 admin! @10800001",
            "+2 admin! @10800001",
            "-1 admin @10800001"
        ]
    );
    // One of a time long gone, and one that comes again a while later.
    customer.take_ahead(-5, Body::Membership(changed(&account_key(3), 1, 0)));
    customer.take_ahead(-5, Body::Membership(changed(&account_key(3), 1, 0)));
    assert_eq!(told(&mut customer), ["+3 admin! @-5"]);
    // An account that is gone has no numbers.
    let gone = MembershipChanged {
        is_member: false,
        ..changed(&account_key(4), 0, 0)
    };
    customer.record(4 * HOUR, Body::Membership(gone.clone()));
    customer.record(4 * HOUR, Body::Membership(gone));
    assert_eq!(told(&mut customer).len(), 1);
    let after = (
        learned(&customer),
        customer.members().len(),
        customer.emitted.len(),
    );
    assert_eq!(after, before);
    // A change by time alone is still due.
    customer.pass(Timestamp::from_millis(30 * HOUR));
    assert_eq!(customer.log, ["+buyers@0d EVENT", "-buyers@72000000 TIME"]);
}

#[test]
fn a_membership_of_one_who_is_not_known_makes_nobody_known() {
    let mut customer = Harness::new(&ALL);
    for number in 1..=200 {
        for _ in 0..2 {
            customer.record(DAY, Body::Membership(changed(&account_key(1), number, 0)));
        }
    }
    assert_eq!(told(&mut customer).len(), 200);
    assert!(customer.counters.is_empty() && !customer.state.is_known());
    assert!(!customer.parts.is_empty(), "so many ids go apart");
    customer.event("b", DAY + 1, &[]);
    assert_eq!(customer.members(), ["everybody", "nobody_yet", "seen"]);
    customer.record(DAY + 2, Body::Membership(changed(&account_key(1), 7, 0)));
    assert!(told(&mut customer).is_empty());
    assert_eq!(customer.misses, 0, "what is needed is named before");
}

#[test]
fn ids_of_memberships_are_forgotten_in_time() {
    let mut customer = Harness::new(&ALL);
    for number in 1..=70 {
        customer.record(DAY, Body::Membership(changed(&account_key(1), number, 0)));
    }
    assert!(customer.due.is_some() && !customer.parts.is_empty());
    customer.pass(Timestamp::from_millis(90 * DAY));
    assert_eq!((customer.due, customer.parts.len()), (None, 0));
}

#[test]
fn what_names_no_account_is_refused() {
    let mut harness = Harness::new(&ALL);
    for account in [Bytes::new(), Bytes::from_static(b"x"), harness.key.clone()] {
        let told = changed(&account, 1, 1);
        let refused = harness.refusal(Body::Membership(told));
        assert_eq!(refused.reason, "a membership is of no account");
    }
}

#[test]
fn a_survivor_of_a_merge_tells_a_membership_once() {
    let (mut one, mut other) = (Harness::new(&ALL), Harness::of(2, compile(&ALL)));
    one.event("a", 0, &[]);
    other.event("a", 1, &[]);
    let joined = || Body::Membership(changed(&account_key(1), 1, 0));
    other.record(2, joined());
    other.leave(3);
    one.fold_in(&mut other);
    one.ordinal = 1;
    one.record(4, joined());
    assert!(told(&mut one).is_empty());
    assert_eq!(told(&mut other).len(), 1);
    // Whoever comes out of it is told by the number of a later change.
    let returned = one.split_off(&[(1, 0)], 5).expect("something was learned");
    other.take_back(returned);
    other.record(6, joined());
    assert!(told(&mut other).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_account_learns_exactly_what_a_customer_does_and_tells_nobody(
        expressions in segments(),
        events in events(),
        plan in plans(),
        merges in any::<[bool; 2]>(),
    ) {
        let named = named(&expressions);
        let merges = [merges[0], merges[0] && merges[1], merges[0] && merges[1]];
        let customers = play(Harness::of, &named, &events, plan, &merges);
        let accounts = play(Harness::account, &named, &events, plan, &merges);
        prop_assert_eq!(&customers.places, &accounts.places);
        for (customer, account) in customers.customers.iter().zip(&accounts.customers) {
            prop_assert_eq!(learned(customer), learned(account));
            check_silent(account);
        }
    }
}
