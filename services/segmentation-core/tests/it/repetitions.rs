//! Events that are sent again: which ids are remembered, across merges and whatever is loaded, and
//! what they take in the store.

use std::collections::HashMap;

use decision::PartKey;
use kernel::Timestamp;
use kernel::limits::REPETITION_EVENTS;
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;
use segmentation_core::PartKind;

use crate::harness::{DAY, Harness, compile};

const MINUTE: i64 = 60_000;
/// Bytes that a key costs Redis beside the key and the value themselves.
const KEY_BYTES: usize = 105;
const SEGMENTS: [(&str, &str); 1] = [("many", "events(\"visit\").within(\"1d\").count() >= 5")];

/// The ids that counted, each with when, and how many events the customer had before.
#[derive(Debug, Default)]
struct Counted {
    ids: HashMap<String, (i64, usize)>,
    events: usize,
}

impl Counted {
    /// Takes an event; returns whether it counts.
    fn take(&mut self, id: &str, at: i64) -> bool {
        let before = self.ids.get(id);
        let is_repeated = before.is_some_and(|(minute, number)| {
            at / MINUTE - minute <= 24 * 60 && self.events - number <= REPETITION_EVENTS
        });
        if !is_repeated {
            self.ids.insert(id.to_owned(), (at / MINUTE, self.events));
            self.events += 1;
        }
        !is_repeated
    }

    /// Takes in the ids of another customer. Of an id that counted for both the later time is kept.
    fn take_in(&mut self, other: Self) {
        self.events += other.events;
        for (id, (minute, _)) in other.ids {
            let own = self.ids.entry(id).or_insert((minute, self.events));
            *own = (own.0.max(minute), self.events);
        }
    }
}

fn visits(harness: &Harness) -> u64 {
    let mut totals = harness.state.event_totals().iter();
    let visits = totals.find(|total| total.name.as_ref() == "visit");
    visits.map_or(0, |total| total.count)
}

/// Sends an event; returns whether it counted.
fn send(harness: &mut Harness, id: &str, at: i64) -> bool {
    let before = visits(harness);
    harness.event_with(id, "visit", at, &[], &[]);
    visits(harness) > before
}

/// The blocks of ids in the store.
fn blocks(harness: &Harness) -> Vec<(PartKey, usize)> {
    let parts = harness.parts.iter();
    let blocks = parts.filter(|(key, _)| key.kind == PartKind::EventIds as u8);
    blocks.map(|(key, bytes)| (*key, bytes.len())).collect()
}

#[test]
fn a_hundred_events_that_are_sent_again_count_once() {
    let mut customer = Harness::new(&SEGMENTS);
    for round in 0..3 {
        for number in 0..100 {
            let counted = send(&mut customer, &format!("e-{number}"), DAY + round * 1_000);
            assert_eq!(counted, round == 0, "{number}");
        }
    }
    assert_eq!(visits(&customer), 100);
    assert_eq!(customer.members(), ["many"]);
}

#[test]
fn an_id_is_remembered_for_a_day_whatever_the_sender_says_of_the_time() {
    for (later, counts) in [
        (0, false),
        (DAY, false),
        (DAY + MINUTE - 1, false),
        (DAY + MINUTE, true),
    ] {
        let mut customer = Harness::new(&SEGMENTS);
        assert!(send(&mut customer, "e", 5 * DAY));
        for number in 0..200 {
            send(&mut customer, &format!("other-{number}"), 5 * DAY + 1);
        }
        customer.pass(Timestamp::from_millis(5 * DAY + later));
        // It is when an event was accepted that counts.
        assert_eq!(send(&mut customer, "e", 3 * DAY), counts, "{later}");
        assert!(!send(&mut customer, "e", 9 * DAY - DAY * 3));
    }
}

#[test]
fn events_without_an_id_repeat_nothing() {
    let mut customer = Harness::new(&SEGMENTS);
    assert!(send(&mut customer, "", 0));
    assert!(send(&mut customer, "", 0));
}

#[test]
fn a_live_event_needs_no_block_where_the_head_has_all_ids() {
    let mut customer = Harness::new(&SEGMENTS);
    for number in 0..1_000 {
        // Fifty in a day.
        send(&mut customer, &format!("e-{number}"), number * DAY / 50);
        assert_eq!(blocks(&customer), []);
    }
}

#[test]
fn ids_beyond_ten_thousand_events_are_forgotten_and_take_little_room() {
    let mut customer = Harness::new(&[]);
    let (mut most, mut written) = (0, 0);
    let events = 13_000_usize;
    for number in 0..events {
        let at = DAY + i64::try_from(number).expect("few") * 6_000;
        assert!(send(&mut customer, &format!("e-{number}"), at));
        written += customer.written;
        let apart = blocks(&customer).into_iter();
        let apart: usize = apart
            .map(|(_, bytes)| bytes + PartKey::STORE_BYTES + KEY_BYTES)
            .sum();
        let remembered = (number + 1).min(REPETITION_EVENTS);
        if remembered > 1_000 {
            most = most.max((apart + customer.head.len()) * 100 / remembered);
        }
    }
    assert!(most <= 1_600, "{most} hundredths of a byte an id");
    let head = customer.head.len();
    assert!(head <= 8 * 1024, "{head} bytes");
    let each = written / events;
    assert!(each < 2 * 1024, "{each} bytes written with an event");
    let now = customer.watermark.as_millis();
    assert!(!send(
        &mut customer,
        &format!("e-{}", events - REPETITION_EVENTS),
        now
    ));
    // They go by whole blocks.
    assert!(send(
        &mut customer,
        &format!("e-{}", events - REPETITION_EVENTS - 600),
        now
    ));
}

#[test]
fn blocks_leave_the_store_a_day_after_the_last_event() {
    let mut customer = Harness::new(&SEGMENTS);
    for number in 0..700 {
        send(&mut customer, &format!("e-{number}"), DAY + number);
    }
    assert_eq!(blocks(&customer).len(), 2);
    customer.pass(Timestamp::from_millis(2 * DAY));
    assert_eq!(blocks(&customer).len(), 2);
    customer.pass(Timestamp::from_millis(2 * DAY + MINUTE));
    assert_eq!(blocks(&customer), []);
    assert_eq!(customer.due, None);
    assert!(send(&mut customer, "e-0", 2 * DAY + MINUTE));
}

#[test]
fn blocks_move_with_a_merge_as_they_are() {
    let (mut survivor, mut loser) = (
        Harness::of(1, compile(&SEGMENTS)),
        Harness::of(2, compile(&SEGMENTS)),
    );
    for number in 0..1_300 {
        send(&mut survivor, &format!("s-{number}"), DAY);
        send(&mut loser, &format!("l-{number}"), DAY);
    }
    loser.leave(DAY + 1);
    let theirs: Vec<_> = blocks(&loser);
    survivor.fold_in(&mut loser);
    let own = blocks(&survivor);
    let moved: Vec<_> = own.iter().filter(|(key, _)| key.ordinal == 1).collect();
    assert_eq!((theirs.len(), moved.len()), (3, 3), "{own:?}");
    let written = survivor.dirty.iter();
    let written: Vec<_> = written
        .filter(|key| moved.iter().any(|(own, _)| own == *key))
        .collect();
    assert_eq!(
        written,
        Vec::<&PartKey>::new(),
        "they are not written again"
    );
    for number in 0..1_300 {
        assert!(
            !send(&mut survivor, &format!("l-{number}"), DAY + 2),
            "{number}"
        );
        assert!(
            !send(&mut survivor, &format!("s-{number}"), DAY + 2),
            "{number}"
        );
    }
    assert_eq!(visits(&survivor), 2_600);
    // A later merge takes them along once more.
    survivor.leave(DAY + 3);
    let mut last = Harness::of(0, compile(&SEGMENTS));
    last.fold_in(&mut survivor);
    assert!(!send(&mut last, "l-0", DAY + 4));
    assert!(!send(&mut last, "s-1299", DAY + 4));
    last.pass(Timestamp::from_millis(3 * DAY));
    assert_eq!(blocks(&last), []);
}

/// Numbers at random that a test can repeat.
struct Draw(u64);

impl Draw {
    fn next(&mut self, end: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).cast_signed() % end
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_sent_again_at_random_counts_as_often_as_the_rule_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut customers: Vec<(Harness, Counted)> = (0..4)
            .map(|number| (Harness::of(number + 1, compile(&SEGMENTS)), Counted::default()))
            .collect();
        let mut now = 100 * DAY;
        let (mut sent, mut repeated) = (Vec::<String>::new(), 0);
        for number in 0..2_500 {
            now += match draw.next(400) {
                0 => draw.next(2 * DAY),
                _ => draw.next(2 * MINUTE),
            };
            for (harness, _) in &mut customers {
                harness.pass(Timestamp::from_millis(now));
            }
            let count = i64::try_from(customers.len()).expect("few");
            let whose = usize::try_from(draw.next(count)).expect("few");
            let known = i64::try_from(sent.len()).expect("few");
            let id = match draw.next(3) {
                0 if known > 0 => {
                    // Of late ones more than of early ones.
                    let back = draw.next(known).min(draw.next(known));
                    sent[sent.len() - 1 - usize::try_from(back).expect("few")].clone()
                }
                _ => format!("e-{number}"),
            };
            let (harness, counted) = &mut customers[whose];
            let counts = counted.take(&id, now);
            repeated += u32::from(!counts);
            let at = now - draw.next(3) * draw.next(5 * DAY);
            assert_eq!(send(harness, &id, at), counts, "{number} {id} {now}");
            sent.push(id);
            if number % 600 == 599 && customers.len() > 1 {
                let (mut loser, theirs) = customers.pop().expect("some");
                let into = usize::try_from(draw.next(count - 1)).expect("few");
                loser.leave(now);
                customers[into].0.fold_in(&mut loser);
                customers[into].1.take_in(theirs);
            }
        }
        assert!(repeated > 100, "{repeated}");
    }
}
