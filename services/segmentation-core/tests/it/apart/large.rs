//! Customers with much to take apart.

use decision::{Core as _, PartKey};
use kernel::Value;
use segmentation_core::{Inseparable, PartKind, SegmentationCore};

use super::{SEGMENTS, bought, buy, join, part, plan};
use crate::harness::{DAY, Harness, compile};

#[test]
fn large_histories_go_as_they_are_stored() {
    let segments = [
        ("many", "events(\"buy\").within(\"90d\").count() >= 5000"),
        (
            "sum",
            "events(\"buy\").where(event.value > 0).sum(\"value\") >= 1",
        ),
    ];
    let (mut survivor, mut other) = (
        Harness::of(1, compile(&segments)),
        Harness::of(2, compile(&segments)),
    );
    let value = [("value", Value::from(1.0))];
    for minute in 0..1_500 {
        survivor.event_with(
            &format!("s{minute}"),
            "buy",
            DAY + minute * 60_000,
            &value,
            &[],
        );
        other.event_with(
            &format!("o{minute}"),
            "buy",
            DAY + minute * 60_001,
            &value,
            &[],
        );
    }
    join(&mut survivor, &mut other, 3 * DAY);
    for minute in 0..1_500 {
        survivor.ordinal = u16::from(minute % 3 == 0);
        let id = format!("m{minute}");
        survivor.event_with(&id, "buy", 3 * DAY + minute * 60_000, &value, &[]);
    }
    let theirs = |key: &&PartKey| key.ordinal == 1 && key.kind != PartKind::Fragment as u8;
    let stored: Vec<PartKey> = survivor.parts.keys().filter(theirs).copied().collect();
    assert!(stored.len() > 20, "{stored:?}");
    let before = survivor.parts.clone();
    let at = survivor.watermark.as_millis();
    other.pass(survivor.watermark);
    let returned = survivor
        .split_off(&[(1, 0)], at)
        .expect("something was learned");
    let same = returned.parts.iter().filter(|(key, bytes)| {
        before.get(&PartKey {
            ordinal: 1,
            ..**key
        }) == Some(*bytes)
    });
    assert_eq!(
        (same.count(), returned.parts.len()),
        (stored.len(), stored.len())
    );
    assert!(
        returned.head.len() < 8 * 1024,
        "{} bytes",
        returned.head.len()
    );
    other.take_back(returned);
    assert!(survivor.parts.keys().all(|key| key.ordinal == 0));
    for (harness, count) in [(&mut survivor, 2_500), (&mut other, 2_000)] {
        assert_eq!(bought(harness), count);
        for text in ["events(\"buy\").within(\"90d\").count() > 0", segments[1].1] {
            assert_eq!(harness.value(text), count.to_string());
        }
        harness.ordinal = 0;
        for id in ["m1497", "m1498"] {
            harness.event_with(id, "buy", at, &value, &[]);
        }
        assert_eq!(bought(harness), count + 1, "one of them was theirs");
    }
}

#[test]
fn fragments_that_are_large_are_parts_of_their_own() {
    let mut all: Vec<Harness> = (1..=4)
        .map(|it| Harness::of(it, compile(&SEGMENTS)))
        .collect();
    let tell = |harness: &mut Harness, number: usize, at: i64| {
        for trait_number in 0..30 {
            let name = format!("t{trait_number}");
            let text = format!("{number} {trait_number} and some more text");
            let id = format!("{number} {trait_number} {at}");
            let name_of_event = format!("event {trait_number}");
            let traits = [(name.as_str(), Value::from(text.as_str()))];
            harness.event_with(&id, &name_of_event, at + trait_number, &[], &traits);
        }
    };
    for (harness, number) in all.iter_mut().zip(0..) {
        tell(
            harness,
            number,
            DAY + 1_000 * i64::try_from(number).expect("few"),
        );
    }
    let expected: Vec<_> = all.iter().map(|it| it.state.traits()).collect();
    let (survivor, others) = all.split_first_mut().expect("four");
    for other in others.iter_mut() {
        join(survivor, other, 2 * DAY);
    }
    let fragments = |harness: &Harness| {
        let keys = harness.parts.keys();
        keys.filter(|key| key.kind == PartKind::Fragment as u8)
            .count()
    };
    assert_eq!(fragments(survivor), 4);
    assert!(
        survivor.head.len() < 8 * 1024,
        "{} bytes",
        survivor.head.len()
    );
    assert_eq!(
        survivor.state.traits(),
        expected[3],
        "the latest has the word"
    );
    for ordinal in [2, 1, 3] {
        let at = 3 * DAY + 1_000 * i64::from(ordinal);
        survivor.ordinal = ordinal;
        tell(survivor, ordinal.into(), at);
        part(
            survivor,
            &mut others[usize::from(ordinal) - 1],
            &[(ordinal, 0)],
            at + 500,
        );
    }
    assert_eq!((fragments(survivor), survivor.parts.len()), (0, 0));
    for (harness, traits) in all.iter().zip(expected) {
        assert_eq!(harness.state.traits(), traits);
    }
    assert_eq!((bought(&all[0]), bought(&all[1])), (30, 60));
    // A customer who takes fragments along has them as parts, too.
    let [one, two, three, _] = all.get_disjoint_mut([0, 1, 2, 3]).expect("four");
    join(two, three, 4 * DAY);
    join(one, two, 5 * DAY);
    assert_eq!(fragments(one), 3);
    part(one, two, &[(4, 0), (5, 1)], 6 * DAY);
    assert_eq!(bought(two), 120);
}

#[test]
fn histories_that_were_joined_for_lack_of_room_stay() {
    let texts: Vec<String> = (0..40)
        .map(|number| {
            format!("events(\"buy\").where(event.value != {number}.5).sum(\"value\") >= 1")
        })
        .collect();
    let names: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
    let pairs = names.iter().zip(&texts);
    let segments: Vec<(&str, &str)> = pairs
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let mut survivor = Harness::of(1, compile(&segments));
    let mut others: Vec<Harness> = (0..100)
        .map(|it| Harness::of(2 + it, compile(&segments)))
        .collect();
    for (other, number) in others.iter_mut().zip(0..) {
        buy(
            other,
            (0, &format!("o{number}")),
            number * 1_000,
            Some("pro"),
        );
        join(&mut survivor, other, DAY);
    }
    assert_eq!(survivor.inseparable(&[1]), [Inseparable::JoinedHistories]);
    assert_eq!(survivor.inseparable(&[255]), [Inseparable::SharedOrdinal]);
    part(&mut survivor, &mut others[0], &[(1, 0)], DAY);
    assert_eq!((bought(&survivor), bought(&others[0])), (99, 1));
    assert!(plan(&others[0]).is_some());
    buy(&mut others[0], (0, "new"), DAY, None);
    assert_eq!(bought(&others[0]), 2);
    let read = SegmentationCore::decode(&survivor.head).expect("a state");
    assert_eq!(SegmentationCore::encode(&read), survivor.head);
}
