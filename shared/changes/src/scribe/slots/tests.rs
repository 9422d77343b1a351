//! Commits wait in order, once each, and leave when the log has them.

use bytes::Bytes;

use super::*;

const SLOT: Slot = (Owner::Journey, PartitionId::new(3));
const OTHER: Slot = (Owner::Activation, PartitionId::new(3));

fn pending(epoch: u64, seq: u64, bytes: usize) -> Pending {
    Pending {
        place: Place { epoch, seq },
        changes: Bytes::from(vec![0; bytes]),
    }
}

/// The numbers of commits that wait, by slot, in the order in which they are written.
fn gathered(slots: &mut Slots) -> Vec<(Slot, Vec<u64>)> {
    let gathered = slots.gather().into_iter();
    let seqs = |one: &Gathered| one.pending.iter().map(|it| it.place.seq).collect();
    gathered.map(|one| (one.slot, seqs(&one))).collect()
}

fn check(slots: &mut Slots, expected: &[(Slot, &[u64])]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(slot, seqs)| (*slot, seqs.to_vec()))
        .collect();
    assert_eq!(gathered(slots), expected);
    let commits: usize = expected.iter().map(|(_, seqs)| seqs.len()).sum();
    assert_eq!(slots.backlog().commits, commits);
    assert_eq!(slots.has_any(), commits > 0);
}

#[test]
fn what_waits_is_listed_until_the_log_has_it() {
    let mut slots = Slots::default();
    slots.open(SLOT, 2, vec![pending(1, 7, 1), pending(1, 9, 1)]);
    slots.push(SLOT, pending(2, 10, 1));
    for _ in 0..2 {
        check(&mut slots, &[(SLOT, &[7, 9, 10])]);
    }
    slots.settle(SLOT, Place { epoch: 1, seq: 9 });
    check(&mut slots, &[(SLOT, &[10])]);
    assert_eq!(slots.logged(SLOT), Place { epoch: 1, seq: 9 });
    slots.settle(SLOT, Place { epoch: 2, seq: 10 });
    check(&mut slots, &[]);
    assert_eq!(slots.backlog(), Backlog::default());
}

#[test]
fn pushes_that_are_no_news_are_dropped() {
    let mut slots = Slots::default();
    slots.push(SLOT, pending(1, 1, 1));
    check(&mut slots, &[]);
    slots.open(SLOT, 2, vec![pending(1, 7, 1)]);
    // Of a worker that has ended, of one that is not there yet, and one that was pushed before.
    for (epoch, seq) in [(1, 8), (3, 8), (2, 8), (2, 8), (2, 7)] {
        slots.push(SLOT, pending(epoch, seq, 1));
    }
    check(&mut slots, &[(SLOT, &[7, 8])]);
    slots.settle(SLOT, Place { epoch: 3, seq: 1 });
    slots.push(SLOT, pending(2, 9, 1));
    check(&mut slots, &[]);
    slots.close(SLOT, 2);
    slots.push(SLOT, pending(2, 10, 1));
    check(&mut slots, &[]);
}

#[test]
fn a_worker_that_opens_again_voids_what_was_pushed() {
    let mut slots = Slots::default();
    slots.open(SLOT, 2, vec![pending(1, 7, 10)]);
    slots.push(SLOT, pending(2, 8, 10));
    slots.settle(SLOT, Place { epoch: 1, seq: 7 });
    // Its store lost the newest, and has still one that the log has by now.
    slots.open(SLOT, 2, vec![pending(1, 7, 10)]);
    check(&mut slots, &[]);
    assert_eq!(slots.backlog().bytes, 0);
    slots.push(SLOT, pending(2, 8, 1));
    check(&mut slots, &[]);
    slots.push(SLOT, pending(2, 9, 1));
    check(&mut slots, &[(SLOT, &[9])]);
    // Under another epoch the numbers may come again.
    slots.open(SLOT, 3, vec![pending(2, 9, 1)]);
    slots.push(SLOT, pending(3, 8, 1));
    check(&mut slots, &[(SLOT, &[9, 8])]);
    // A worker that is late to begin changes nothing.
    slots.open(SLOT, 2, vec![]);
    check(&mut slots, &[(SLOT, &[9, 8])]);
}

#[test]
fn a_worker_that_ends_leaves_what_waits() {
    let mut slots = Slots::default();
    slots.open(SLOT, 2, vec![pending(1, 7, 1)]);
    slots.close(SLOT, 1);
    slots.push(SLOT, pending(2, 8, 1));
    slots.close(SLOT, 2);
    check(&mut slots, &[(SLOT, &[7, 8])]);
    slots.settle(SLOT, Place { epoch: 2, seq: 8 });
    check(&mut slots, &[]);
    assert_eq!(slots.logged(SLOT), Place::default());
    assert!(slots.tenures.is_empty());
}

#[test]
fn a_round_is_bounded_and_the_next_begins_with_others() {
    let mut slots = Slots::default();
    for slot in [SLOT, OTHER] {
        slots.open(slot, 1, Vec::new());
        for seq in 1..=4 {
            slots.push(slot, pending(1, seq, FLUSH_BYTES / 3));
        }
    }
    assert_eq!(gathered(&mut slots), [(SLOT, vec![1, 2, 3, 4])]);
    assert_eq!(gathered(&mut slots), [(OTHER, vec![1, 2, 3, 4])]);
    assert_eq!(gathered(&mut slots), [(SLOT, vec![1, 2, 3, 4])]);
    slots.settle(SLOT, Place { epoch: 1, seq: 2 });
    assert_eq!(gathered(&mut slots), [(OTHER, vec![1, 2, 3, 4])]);
    assert_eq!(
        gathered(&mut slots),
        [(SLOT, vec![3, 4]), (OTHER, vec![1, 2])]
    );
    let mut small = Slots::default();
    small.open(SLOT, 1, Vec::new());
    for seq in 1..=2 * FLUSH_COMMITS as u64 {
        small.push(SLOT, pending(1, seq, 0));
    }
    assert_eq!(small.gather()[0].pending.len(), FLUSH_COMMITS);
}

#[test]
fn the_first_push_and_a_full_row_wake_who_writes() {
    let mut slots = Slots::default();
    let woken = |is_first, is_full| Pushed { is_first, is_full };
    assert_eq!(slots.open(SLOT, 1, Vec::new()), woken(false, false));
    assert_eq!(slots.push(SLOT, pending(1, 1, 10)), woken(true, false));
    assert_eq!(slots.push(SLOT, pending(1, 2, 10)), woken(false, false));
    assert_eq!(
        slots.push(SLOT, pending(1, 3, ROW_BYTES)),
        woken(false, true)
    );
    assert!(slots.has_row());
    let found = vec![pending(1, 1, ROW_BYTES)];
    assert_eq!(slots.open(OTHER, 1, found), woken(false, false));
    slots.settle(SLOT, Place { epoch: 1, seq: 3 });
    slots.settle(OTHER, Place { epoch: 1, seq: 1 });
    let found = vec![pending(2, 1, ROW_BYTES)];
    assert_eq!(slots.open(OTHER, 2, found), woken(true, true));
}
