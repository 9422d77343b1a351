//! Values are read back as they were written, and heads say who is settled.

use kernel::Timestamp;
use messages::stream::v1::{CustomerSplit, Record, record::Body};

use super::*;
use crate::moving::{MoveCause, state_key};
use crate::redirect::NextRedirect;
use crate::splitting::{ComingBack, Gone, PastSplit, Returning, SplitWord, Splits, Word, Words};
use crate::tests::counting::{Counting, Seen};
use crate::waiting::write_ids;

fn customer(number: u8) -> CustomerId {
    CustomerId::try_from_bytes(&[number; 16]).expect("an id")
}

fn fragments(numbers: std::ops::RangeInclusive<u8>) -> Vec<Fragment> {
    let fragment = |number: u8| Fragment {
        customer: customer(number),
        ordinal: u16::from(number) * 3,
    };
    numbers.map(fragment).collect()
}

/// A state of which some parts are here.
fn moving() -> Moving {
    let cause = MoveCause {
        is_bulk: true,
        time: Timestamp::from_millis(-7),
        trace_parent: "00-cause".to_owned(),
    };
    let part = |name: u64| PartKey {
        ordinal: 5,
        kind: 1,
        name,
    };
    Moving {
        from: customer(9),
        fragments: fragments(1..=2),
        last_ordinal: 4,
        first_ordinal: 5,
        followed: true,
        part_count: 3,
        parts: [(0, state_key(5)), (2, part(u64::MAX))].into(),
        cause,
        leave_id: u64::MAX,
        sent_parts: 2,
        is_sent: true,
        awaited: vec![customer(8)],
        awaited_epochs: [(customer(8), 3)].into(),
        waived: vec![customer(7)],
        absent: vec![customer(7)],
        epoch: u64::MAX,
        since: 4,
    }
}

fn waiting() -> Waiting {
    Waiting {
        awaited: vec![customer(4), customer(5)],
        epochs: [(customer(5), u64::MAX)].into(),
        waived: vec![customer(6)],
        absent: vec![customer(6)],
        since: Some(Timestamp::from_millis(-9)),
        first: 3,
        next: u64::MAX,
        bytes: 1_000,
        due: Some(Timestamp::from_millis(0)),
        tries: 2,
    }
}

#[test]
fn a_value_is_read_back_and_costs_two_bytes_where_nobody_was_merged() {
    let state = Seen {
        log: vec!["a".to_owned()],
        ..Seen::default()
    };
    let value = write::<Counting>(&Head::plain(), &state);
    assert_eq!(value.len(), <Counting>::encode(&state).len() + 2);
    for head in [
        Head::plain(),
        Head {
            fragments: fragments(1..=200),
            last_ordinal: u16::MAX,
            arriving: vec![moving(), moving()],
            ..Head::plain()
        },
        Head {
            waiting: Some(Box::new(waiting())),
            ..Head::plain()
        },
    ] {
        let value = write::<Counting>(&head, &state);
        assert_eq!(read::<Counting>(&value), Ok((head, state.clone())));
    }
    for head in [
        Head::redirected_to(customer(3)),
        Head {
            fragments: fragments(1..=1),
            ..Head::default()
        },
        Head {
            leaving: Some(Box::new(Leaving {
                states: vec![moving()].into(),
                cause: moving().cause,
                tries: 3,
            })),
            released_leave_id: 7,
            next_redirect: Some(NextRedirect {
                customer: customer(2),
                has_sent: true,
                epoch: 9,
            }),
            ..Head::redirected_to(customer(3))
        },
    ] {
        let value = write::<Counting>(&head, &state);
        assert_eq!(read::<Counting>(&value), Ok((head, Seen::default())));
    }
}

#[test]
fn who_left_is_not_settled_before_all_that_waited_has_followed() {
    let mut left = Head::redirected_to(customer(3));
    assert!(left.is_settled(&[]));
    left.waiting = Some(Box::new(Waiting {
        awaited: Vec::new(),
        ..waiting()
    }));
    assert!(!left.is_settled(&[]));
}

#[test]
fn who_goes_on_alone_may_still_have_to_take_what_waited() {
    let with = |waiting: Waiting| Head {
        waiting: Some(Box::new(waiting)),
        ..Head::plain()
    };
    let late = Waiting {
        awaited: Vec::new(),
        ..waiting()
    };
    let quiet = Waiting {
        next: late.first,
        ..late.clone()
    };
    let nobody = Waiting {
        waived: Vec::new(),
        ..late.clone()
    };
    for (head, goes_on_alone, lacks_state) in [
        (with(waiting()), false, false),
        (with(nobody), false, false),
        (with(late), true, false),
        (with(quiet), true, true),
    ] {
        assert_eq!(head.goes_on_alone(), goes_on_alone, "{head:?}");
        assert_eq!(head.lacks_state(), lacks_state, "{head:?}");
    }
}

#[test]
fn a_value_without_a_head_is_refused_with_the_remedy() {
    for older in [&b""[..], b"|a", b"\x0a\x01a"] {
        let reason = read::<Counting>(older).expect_err("no head").reason;
        assert!(reason.ends_with("begin with an empty store"), "{reason}");
    }
    for damaged in [&b"\x01"[..], b"\x01\x05\x0a", b"\x01\x03\x0a\x01a|"] {
        let reason = read::<Counting>(damaged).expect_err("damaged").reason;
        assert!(reason.starts_with("its head cannot be read"), "{reason}");
    }
}

#[test]
fn a_state_on_its_way_by_an_unmerge_has_a_form_that_older_programs_refuse() {
    let state = Seen::default();
    let split = CustomerSplit {
        from_customer_id: id_bytes(customer(1)),
        fragment_ids: write_ids(&[customer(8), customer(9)]),
        graph_epoch: 7,
        merge_time_ms: -5,
        ..CustomerSplit::default()
    };
    let mut words = Words::default();
    words.add(Word {
        record: Record {
            body: Some(Body::Split(split.clone())),
            ..Record::default()
        },
        is_bulk: true,
    });
    let remembered = Splits {
        past: vec![PastSplit {
            since: 5,
            epoch: 7,
            from: customer(1),
        }],
        gone: vec![Gone {
            customer: customer(8),
            epoch: u64::MAX,
            leave_id: 3,
            ordinal: 255,
        }],
        ..Splits::default()
    };
    let coming = Splits {
        coming_back: Some(ComingBack {
            split: SplitWord::read(&split).expect("a word"),
            asked: customer(1),
            cause: moving().cause,
            state: Some(moving()),
            tries: 2,
        }),
        missed: vec![(customer(6), 8)],
        words: words.clone(),
        held: words,
        apart: vec![(customer(5), 9)],
        pending: Some(SplitWord::read(&split).expect("a word")),
        ..remembered.clone()
    };
    let returning = Splits {
        returning: vec![Returning {
            state: moving(),
            ordinals: vec![(3, 0), (7, 1)],
        }],
        ..Splits::default()
    };
    for (splits, form) in [(remembered, 1), (coming, 2), (returning, 2)] {
        let head = Head {
            merge_epoch: 6,
            graph_epoch: 7,
            splits: Some(Box::new(splits)),
            ..Head::plain()
        };
        let value = write::<Counting>(&head, &state);
        assert_eq!(value.first(), Some(&form));
        assert_eq!(read::<Counting>(&value), Ok((head, state.clone())));
    }
}
