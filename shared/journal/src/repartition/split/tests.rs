//! The division against a naive one: everything is somewhere, once, and in the right place.

use std::collections::BTreeMap;

use hot::Timer;
use messages::stream::v1::record::Body;
use messages::stream::v1::{Batch, Event, Record, Tick};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn count(number: u64) -> PartitionCount {
    PartitionCount::try_new(number).expect("a count")
}

fn customer(number: u64) -> CustomerId {
    CustomerId::new(Uuid::from_u128(
        0x0192_4f7e_1c5b_7a3e_9d2c_0000_0000_0000 | u128::from(number),
    ))
}

/// The head of a customer, or one of the parts.
fn state(number: u64, part: u8) -> StateWrite {
    let mut key = customer(number).as_bytes().to_vec();
    if part > 0 {
        key.extend([part; PART_BYTES]);
    }
    StateWrite {
        key: key.into(),
        value: Some(vec![part].into()),
        timer: Timer::NONE,
        adds_entry: false,
    }
}

/// Divides the states of partitions, each in order, as the record is: into runs, and then by new
/// partition in order again.
fn divide_states(
    old: &BTreeMap<PartitionId, Vec<StateWrite>>,
    to: PartitionCount,
) -> BTreeMap<PartitionId, Vec<StateWrite>> {
    let mut runs: BTreeMap<PartitionId, BTreeMap<usize, Vec<StateWrite>>> = BTreeMap::new();
    for (run, states) in old.values().enumerate() {
        for state in states {
            let partition = partition_of_state(to, &state.key).expect("of a customer");
            let runs = runs.entry(partition).or_default();
            runs.entry(run).or_default().push(state.clone());
        }
    }
    let mut new = BTreeMap::new();
    for (partition, runs) in runs {
        let mut runs: BTreeMap<usize, _> = runs
            .into_iter()
            .map(|(run, states)| (run, states.into_iter()))
            .collect();
        let mut in_order = InOrder::default();
        for (run, states) in &mut runs {
            assert!(in_order.offer(*run, states.next().expect("no run is empty")));
        }
        let mut states = Vec::new();
        while let Some((run, state)) = in_order.take() {
            states.push(state);
            if let Some(next) = runs.get_mut(&run).and_then(Iterator::next) {
                assert!(in_order.offer(run, next));
            }
        }
        new.insert(partition, states);
    }
    new
}

/// Puts states where a process of so many partitions would have, in the order of keys.
fn placed(states: &[StateWrite], to: PartitionCount) -> BTreeMap<PartitionId, Vec<StateWrite>> {
    let sorted: BTreeMap<StateKey, StateWrite> = states
        .iter()
        .map(|it| (it.key.clone(), it.clone()))
        .collect();
    let mut placed: BTreeMap<PartitionId, Vec<StateWrite>> = BTreeMap::new();
    for state in sorted.into_values() {
        let id = CustomerId::try_from_bytes(&state.key[..16]).expect("a customer");
        let partition = to.partition_of(id.fragment());
        placed.entry(partition).or_default().push(state);
    }
    placed
}

fn event(number: u64, time_ms: i64) -> Record {
    Record {
        customer_id: customer(number).as_bytes().to_vec().into(),
        time_ms,
        body: Some(Body::Event(Event::default())),
        ..Record::default()
    }
}

fn records_of(piece: &Bytes) -> Batch {
    Batch::decode(piece.clone()).expect("a batch")
}

proptest! {
    #[test]
    fn every_state_is_where_its_customer_is_and_comes_back(
        all in vec((0..60_u64, 0..4_u8), 0..120),
        from in 1..20_u64,
        to in 1..20_u64,
    ) {
        let states: Vec<StateWrite> = all.iter().map(|(id, part)| state(*id, *part)).collect();
        let old = placed(&states, count(from));
        let new = divide_states(&old, count(to));
        prop_assert_eq!(&new, &placed(&states, count(to)));
        prop_assert_eq!(divide_states(&new, count(from)), old);
    }

    #[test]
    fn counters_keep_their_sums_and_groups_stay_together(
        all in vec((0..20_u8, 0..5_u8, -1_000..1_000_i64), 0..80),
        to in 1..20_u64,
    ) {
        let key = |group: u8, name: u8| CounterKey {
            group: format!("group {group}").into(),
            name: format!("name {name}").into(),
        };
        let mut expected: BTreeMap<CounterKey, i64> = BTreeMap::new();
        let mut sums = Sums::default();
        for (group, name, value) in all {
            *expected.entry(key(group, name)).or_default() += value;
            sums.add([(key(group, name), value)]);
        }
        let mut found = BTreeMap::new();
        let mut groups: BTreeMap<Box<str>, PartitionId> = BTreeMap::new();
        for partition in count(to).iter() {
            for (key, value) in sums.of(count(to), partition) {
                prop_assert_eq!(found.insert(key.clone(), value), None);
                let known = *groups.entry(key.group.clone()).or_insert(partition);
                prop_assert_eq!(known, partition);
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_records_of_an_entry_keep_their_order_by_customer(
        all in vec((0..12_u64, 0..1_000_i64), 0..30),
        done in 0..8_usize,
        to in 1..9_u64,
        commit_seq in 0..3_u64,
        has_times in any::<bool>(),
    ) {
        let records: Vec<Record> = all.iter().map(|(id, time)| event(*id, *time)).collect();
        let batch = Batch {
            accept_times_ms: all.iter().map(|(_, time)| *time).filter(|_| has_times).collect(),
            records: records.clone(),
            commit_seq,
            message_number: 5,
        };
        let payload: Bytes = batch.encode_to_vec().into();
        let pieces = divide_entry(count(to), payload, done as u64, 77).expect("divided");
        let mut found = 0;
        for (partition, piece) in &pieces {
            let piece = records_of(piece);
            let expected: Vec<Record> = records
                .iter()
                .skip(done)
                .filter(|record| {
                    partition_of_customer(count(to), &record.customer_id) == Some(*partition)
                })
                .cloned()
                .collect();
            found += expected.len();
            let times: Vec<i64> = expected.iter().map(|it| it.time_ms).collect();
            prop_assert_eq!(&piece.accept_times_ms, if has_times { &times } else { &[][..] });
            prop_assert_eq!(piece.records, expected);
            prop_assert_eq!(piece.commit_seq, if commit_seq == 0 { 0 } else { 77 });
            prop_assert_eq!(piece.message_number, 0);
        }
        prop_assert_eq!(found, records.len().saturating_sub(done));
    }
}

#[test]
fn what_is_of_no_customer_is_told() {
    let tick = Record {
        body: Some(Body::Tick(Tick {})),
        ..Record::default()
    };
    let odd = Record {
        customer_id: Bytes::from_static(b"short"),
        ..event(1, 1)
    };
    for (records, expected) in [
        (vec![event(1, 1), tick.clone()], Indivisible::OfNobody),
        (vec![odd], Indivisible::Damaged),
    ] {
        let batch = Batch {
            records,
            ..Batch::default()
        };
        let divided = divide_entry(count(3), batch.encode_to_vec().into(), 0, 1);
        assert_eq!(divided, Err(expected));
    }
    let damaged = Bytes::from_static(b"\xff\xff");
    assert_eq!(
        divide_entry(count(3), damaged.clone(), 0, 1),
        Err(Indivisible::Damaged)
    );
    assert_eq!(
        divide_events(count(3), damaged, u64::MAX),
        Err(Indivisible::Damaged)
    );
    let key = StateKey::from_static(b"quarantine/tries/1-0");
    assert_eq!(partition_of_state(count(3), &key), None);
    assert_eq!(
        partition_of_state(count(3), &StateKey::from_static(b"k")),
        None
    );

    let mut in_order = InOrder::default();
    assert!(in_order.offer(0, state(1, 0)));
    assert!(!in_order.offer(1, state(1, 0)), "it is in two partitions");
}

#[test]
fn the_event_log_keeps_events_and_nothing_else() {
    let copied = Record {
        forwarded_from_id: customer(9).as_bytes().to_vec().into(),
        ..event(2, 5)
    };
    let tick = Record {
        body: Some(Body::Tick(Tick {})),
        ..Record::default()
    };
    let batch = Batch {
        records: vec![tick, event(1, 3), copied, event(1, 4), event(2, 6)],
        commit_seq: 8,
        ..Batch::default()
    };
    let payload: Bytes = batch.encode_to_vec().into();
    let all = [event(1, 3), event(1, 4), event(2, 6)];
    for (most, expected) in [
        (u64::MAX, &all[..]),
        (4, &all[..2]),
        (2, &all[..1]),
        (1, &[]),
    ] {
        let pieces = divide_events(count(1), payload.clone(), most).expect("divided");
        let records: Vec<Record> = pieces
            .values()
            .flat_map(|it| records_of(it).records)
            .collect();
        assert_eq!(records, expected, "{most}");
    }
}
