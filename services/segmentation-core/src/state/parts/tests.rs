//! Parts of histories: which there are, where they go, and when a history is loaded.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::feature::{Block, Blocks, Sealed};

fn blocks(count: u32) -> Blocks {
    let block = |number: u32| {
        let times = vec![Timestamp::from_millis(number.into())];
        let numbers = Vec::new();
        Sealed::new(number, Block::Events { times, numbers })
    };
    let mut blocks = Blocks::default();
    blocks.change().extend((0..count).map(block));
    blocks
}

fn settled(features: &mut Features) -> usize {
    features.settle(0);
    features.drain(&mut PartWrites::default());
    features.keys_apart().count()
}

#[test]
fn a_customer_has_no_more_parts_than_one_commit_removes() {
    let mut features = Features::default();
    let id = FeatureId::from_number(7);
    features.of_mut(id, 0).expect("a history").sealed = blocks(2_400);
    let parts = settled(&mut features);
    assert!((300..=decision::limits::PARTS_PER_CUSTOMER).contains(&parts));
    let feature = features.of(id)[0].feature().expect("it is loaded");
    let all = feature.expect("a history").sums(None, Timestamp::MAX);
    assert_eq!(all.expect("sums").count, 2_400, "old blocks became sums");
}

#[test]
fn two_customers_with_all_parts_share_them_once_they_are_merged() {
    let most = u32::try_from(decision::limits::PARTS_PER_CUSTOMER).expect("a bound");
    let full = |number: u64| {
        let mut features = Features::default();
        let own = features.of_mut(FeatureId::from_number(number), 0);
        own.expect("a history").sealed = blocks(most - 2);
        settled(&mut features);
        features
    };
    let (mut survivor, loser) = (full(7), full(8));
    let taken = survivor.take_in(loser, 1, Timestamp::MAX);
    taken.expect("all is loaded");
    assert!(settled(&mut survivor) <= decision::limits::PARTS_PER_CUSTOMER);
    for (number, ordinal) in [(7, 0), (8, 1)] {
        let held = &survivor.of(FeatureId::from_number(number))[0];
        assert_eq!(held.ordinal, ordinal);
        let feature = held.feature().expect("it is loaded").expect("a history");
        let all = feature.sums(None, Timestamp::MAX).expect("sums");
        assert_eq!(all.count, u64::from(most - 2), "no event is lost");
    }
}

/// Writes what changed, and returns what the store has then under each kind of key.
fn stored(features: &mut Features, parts: &mut BTreeMap<PartKey, Bytes>) -> Vec<u8> {
    features.settle(0);
    let mut writes = PartWrites::default();
    features.drain(&mut writes);
    for (key, value) in writes {
        match value {
            Some(value) => drop(parts.insert(key, value)),
            None => assert!(parts.remove(&key).is_some(), "{key} is removed twice"),
        }
    }
    let keys: BTreeSet<PartKey> = features.keys_apart().collect();
    assert!(keys.iter().eq(parts.keys()));
    let others = keys.iter().map(|key| key.kind);
    others
        .filter(|kind| *kind != PartKind::Block as u8)
        .collect()
}

#[test]
fn an_index_leaves_the_head_of_a_history_that_has_many_blocks_and_comes_back() {
    let id = FeatureId::from_number(7);
    let (mut features, mut parts) = (Features::default(), BTreeMap::new());
    features.of_mut(id, 0).expect("a history").sealed = blocks(8);
    assert_eq!(stored(&mut features, &mut parts), [0; 0]);
    let feature = features.of_mut(id, 0).expect("a history");
    let block = blocks(9)[8].clone();
    feature.sealed.change().push(block);
    let apart = [PartKind::Feature as u8, PartKind::Index as u8];
    assert_eq!(stored(&mut features, &mut parts), apart);
    let before = parts.clone();
    let event = crate::feature::Sums::one(Timestamp::from_millis(100), None);
    let feature = features.of_mut(id, 0).expect("a history");
    let now = Timestamp::from_millis(100);
    let kept = kernel::Duration::from_days(1);
    feature.add(event, now, kept).expect("all blocks");
    assert_eq!(stored(&mut features, &mut parts), apart);
    let changed = parts.iter().filter(|(key, part)| before[key] != **part);
    let changed: Vec<u8> = changed.map(|(key, _)| key.kind).collect();
    assert_eq!(
        changed,
        [PartKind::Feature as u8],
        "the index stays as it is"
    );
    features.of_mut(id, 0).expect("a history").fold_oldest(1);
    assert_eq!(stored(&mut features, &mut parts), [PartKind::Feature as u8]);
}

#[test]
fn a_history_is_loaded_once_its_index_is_there() {
    let id = FeatureId::from_number(7);
    let (mut features, mut parts) = (Features::default(), BTreeMap::new());
    features.of_mut(id, 0).expect("a history").sealed = blocks(9);
    stored(&mut features, &mut parts);
    let listing = features.of(id)[0].listing().expect("it is apart");
    let (head, index) = (key::feature_key(id, 0), key::index_key(id, 0));
    for order in [[head, index], [index, head]] {
        let held = Held::apart(id, 0, listing.clone());
        let mut read = Features::listed(vec![held]);
        for key in order {
            let missing = read.of(id)[0].feature().expect_err("it is not there");
            assert_eq!(missing.0, [head, index], "both are asked for");
            assert!(read.of_mut(id, 0).is_err());
            read.load(key, &parts[&key]).expect("it can be read");
        }
        let feature = read.of(id)[0].feature().expect("it is there");
        let count = feature.expect("a history").count(None, Timestamp::MAX);
        assert_eq!(count, Ok(9));
    }
    let mut read = Features::listed(vec![Held::apart(id, 0, listing)]);
    read.load(head, &parts[&head]).expect("it can be read");
    let damaged = read.load(index, &Bytes::from_static(b"\xff"));
    assert!(damaged.is_err() && read.of(id)[0].feature().is_err());
}

#[test]
fn the_largest_histories_leave_a_head_that_has_no_room() {
    let mut features = Features::default();
    for number in 0..60 {
        let events = if number < 20 { 2 } else { 60 };
        let times = (1..=events).map(|it| Timestamp::from_millis(it * 1_000_000));
        let feature = features.of_mut(FeatureId::from_number(number), 0);
        feature.expect("a history").open = Block::Events {
            times: times.collect(),
            numbers: Vec::new(),
        };
    }
    settled(&mut features);
    let inline = features.iter().map(|it| it.inline_bytes(Kept::size));
    assert!(inline.sum::<usize>() <= limits::INLINE_BYTES);
    let apart: Vec<u64> = features
        .iter()
        .filter(|held| held.listing().is_some())
        .map(|held| held.id.number())
        .collect();
    assert!(!apart.is_empty() && apart.iter().all(|number| *number >= 20));
}

#[test]
fn many_merged_customers_with_many_small_histories_fit_one_head() {
    const HISTORIES: u64 = 300;
    let with_histories = |events: i64| {
        let mut features = Features::default();
        for number in 0..HISTORIES {
            let id = FeatureId::from_number(number << 50);
            let times = (0..events).map(|it| Timestamp::from_millis(it * 1_000_000));
            features.of_mut(id, 0).expect("a history").open = Block::Events {
                times: times.collect(),
                numbers: Vec::new(),
            };
        }
        settled(&mut features);
        features
    };
    let mut survivor = with_histories(1);
    let mut most = 0;
    for ordinal in 1..=200 {
        let taken = survivor.take_in(with_histories(2), ordinal, Timestamp::MAX);
        if taken.is_err() {
            unreachable!("what is small is loaded");
        }
        settled(&mut survivor);
        let inline = survivor.iter().map(|it| it.inline_bytes(Kept::size));
        most = most.max(inline.sum());
    }
    assert!(most <= limits::FRAGMENTS_INLINE_BYTES, "{most} bytes");
    for number in 0..HISTORIES {
        let held = survivor.of(FeatureId::from_number(number << 50)).iter();
        let features = held.filter_map(|held| held.feature().expect("it is loaded"));
        let counts = features.map(|it| it.count(None, Timestamp::MAX).expect("a count"));
        assert_eq!(counts.sum::<u64>(), 1 + 200 * 2);
    }
}
