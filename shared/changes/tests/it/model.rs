//! Random histories of processes and stores against what must come of them: every change whose
//! commit stayed is in the log once, and each partition's are in order.
//!
//! Processes die with what they have in memory, own partitions no longer and do not know it, write
//! and get no answer; stores lose their newest commits, as Redis can. A change of a lost commit
//! may be in the log or not.

use std::collections::BTreeSet;

use changes::{ChangeSink as _, Pending, Place, Scribe};
use kernel::{Owner, PartitionId};

use crate::world::{Chance, World, change, pending};

const PROCESSES: usize = 3;
const STEPS: usize = 150;

/// The slots: one of them has the same partition as another, and another service.
const SLOTS: [(Owner, PartitionId); 3] = [
    (Owner::Journey, PartitionId::new(0)),
    (Owner::Journey, PartitionId::new(700)),
    (Owner::Activation, PartitionId::new(0)),
];

/// The content of a store as of some commit.
#[derive(Debug, Clone, Default)]
struct Stored {
    pending: Vec<Pending>,
    /// The numbers of all changes whose commits it has.
    changes: BTreeSet<i64>,
}

#[derive(Debug, Default)]
struct Store {
    now: Stored,
    before: Vec<Stored>,
    /// Under which commits are taken.
    epoch: u64,
}

/// A worker, as it sees itself: the store may refuse it by now.
#[derive(Debug)]
struct Worker {
    epoch: u64,
    seq: u64,
    /// Commits that took effect, and are pushed next.
    unpushed: Vec<Pending>,
}

struct Process {
    scribe: Scribe,
    workers: [Option<Worker>; SLOTS.len()],
}

impl Process {
    fn new(world: &World) -> Self {
        Self {
            scribe: Scribe::new(world.log.clone()),
            workers: [const { None }; SLOTS.len()],
        }
    }

    fn push_all(&mut self, slot: usize) {
        let (owner, partition) = SLOTS[slot];
        for worker in self.workers[slot].iter_mut() {
            for one in worker.unpushed.drain(..) {
                self.scribe.push(owner, partition, one);
            }
        }
    }
}

/// The events of histories that a test would prove nothing without.
#[derive(Debug, Default)]
struct Tally {
    /// Writes that were cut off.
    cut: usize,
    /// Changes whose commits were lost and that are in the log.
    lost_and_logged: usize,
    /// Changes whose commits were lost and that are not.
    lost: usize,
}

struct History {
    world: World,
    chance: Chance,
    processes: Vec<Process>,
    stores: [Store; SLOTS.len()],
    /// The number of the last change.
    last: i64,
    tally: Tally,
}

impl History {
    fn new(world: World, seed: u64) -> Self {
        Self {
            processes: (0..PROCESSES).map(|_| Process::new(&world)).collect(),
            world,
            chance: Chance::new(seed),
            stores: Default::default(),
            last: 0,
            tally: Tally::default(),
        }
    }

    async fn step(&mut self) {
        let process = self.chance.below(PROCESSES);
        let slot = self.chance.below(SLOTS.len());
        match self.chance.below(21) {
            0..=5 => self.commit(process, slot),
            6..=8 => self.processes[process].push_all(slot),
            9..=10 => self.flush(process, usize::MAX).await,
            11..=12 => {
                let patience = self.chance.below(60);
                self.flush(process, patience).await;
            }
            13..=14 => self.forget(process, slot),
            15..=16 => self.take_over(process, slot),
            17 => self.lose(process, slot),
            18 => self.close(process, slot),
            19 => self.flush_all().await,
            _ => self.processes[process] = Process::new(&self.world),
        }
    }

    /// A worker commits, unless the store refuses it.
    fn commit(&mut self, process: usize, slot: usize) {
        let store = &mut self.stores[slot];
        let Some(worker) = &mut self.processes[process].workers[slot] else {
            return;
        };
        if worker.epoch != store.epoch {
            return;
        }
        store.before.push(store.now.clone());
        worker.seq += 1;
        let customer = u8::try_from(slot).expect("small");
        let changes: Vec<_> = (0..self.chance.below(3))
            .map(|_| {
                self.last += 1;
                store.now.changes.insert(self.last);
                change(customer, self.last)
            })
            .collect();
        let one = pending((worker.epoch, worker.seq), changes);
        store.now.pending.push(one.clone());
        worker.unpushed.push(one);
    }

    /// A process writes, and is cut off after a while.
    async fn flush(&mut self, process: usize, patience: usize) {
        let cut = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = cut => self.tally.cut += 1,
            flushed = self.processes[process].scribe.flush() => flushed.expect("it is written"),
        }
    }

    /// All processes write at once.
    async fn flush_all(&self) {
        let [one, two, three] = &self.processes[..] else {
            panic!("there are three processes");
        };
        let (one, two, three) =
            tokio::join!(one.scribe.flush(), two.scribe.flush(), three.scribe.flush());
        for flushed in [one, two, three] {
            flushed.expect("it is written");
        }
    }

    /// A worker removes from its store what it hears is in the log.
    fn forget(&mut self, process: usize, slot: usize) {
        let store = &mut self.stores[slot];
        let process = &self.processes[process];
        let (owner, partition) = SLOTS[slot];
        if process.workers[slot].as_ref().map(|it| it.epoch) == Some(store.epoch) {
            let logged: Place = process.scribe.logged(owner, partition);
            store.before.push(store.now.clone());
            store.now.pending.retain(|one| one.place > logged);
        }
    }

    /// A process takes a partition over from whoever has it, who does not hear of it.
    fn take_over(&mut self, process: usize, slot: usize) {
        let (owner, partition) = SLOTS[slot];
        let store = &mut self.stores[slot];
        store.epoch += 1;
        let process = &mut self.processes[process];
        process.workers[slot] = Some(Worker {
            epoch: store.epoch,
            seq: 0,
            unpushed: Vec::new(),
        });
        let pending = store.now.pending.clone();
        process.scribe.open(owner, partition, store.epoch, pending);
    }

    /// A store loses its newest commits, and a worker finds out: the same one, or another.
    fn lose(&mut self, process: usize, slot: usize) {
        let store = &mut self.stores[slot];
        let kept = store.before.len() - self.chance.below(4).min(store.before.len());
        if let Some(before) = store.before.get(kept).cloned() {
            store.now = before;
        }
        store.before.truncate(kept);
        let (owner, partition) = SLOTS[slot];
        for process in &mut self.processes {
            if let Some(worker) = &mut process.workers[slot]
                && worker.epoch == store.epoch
            {
                worker.unpushed.clear();
                let pending = store.now.pending.clone();
                process.scribe.open(owner, partition, worker.epoch, pending);
                return;
            }
        }
        self.take_over(process, slot);
    }

    /// A worker ends in order.
    fn close(&mut self, process: usize, slot: usize) {
        let process = &mut self.processes[process];
        process.push_all(slot);
        if let Some(worker) = process.workers[slot].take() {
            let (owner, partition) = SLOTS[slot];
            process.scribe.close(owner, partition, worker.epoch);
        }
    }

    /// Everything is written, also by those who own nothing any more.
    async fn settle(&mut self) {
        for slot in 0..SLOTS.len() {
            self.take_over(0, slot);
        }
        for process in 0..PROCESSES {
            for slot in 0..SLOTS.len() {
                self.processes[process].push_all(slot);
            }
            self.flush(process, usize::MAX).await;
        }
    }

    async fn check(mut self, seed: u64) -> Tally {
        let all = self.world.read_all().await;
        let mut present: BTreeSet<i64> = BTreeSet::new();
        for (slot, store) in self.stores.iter().enumerate() {
            let customer = [u8::try_from(slot).expect("small"); 16];
            let of_slot = all.iter().filter(|(_, it)| *it.customer_id == customer);
            let logged: Vec<i64> = of_slot.map(|(_, change)| change.time_ms).collect();
            assert!(
                logged.is_sorted_by(|one, next| one < next),
                "seed {seed}: {logged:?}"
            );
            let logged: BTreeSet<i64> = logged.into_iter().collect();
            let lacking: Vec<_> = store.now.changes.difference(&logged).collect();
            assert!(
                lacking.is_empty(),
                "seed {seed}, slot {slot}: {lacking:?} are lost"
            );
            present.extend(&store.now.changes);
            self.tally.lost_and_logged += logged.difference(&store.now.changes).count();
        }
        present.extend(all.iter().map(|(_, change)| change.time_ms));
        let committed = usize::try_from(self.last).expect("small");
        self.tally.lost = committed - present.len();
        self.tally
    }
}

async fn check(world: World, seed: u64) -> Tally {
    let mut history = History::new(world, seed);
    for _ in 0..STEPS {
        history.step().await;
    }
    history.settle().await;
    history.check(seed).await
}

/// Makes sure that histories had all that can happen.
fn check_tallies(tallies: &[Tally]) {
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    assert!(sum(|it| it.cut) > 0, "{tallies:?}");
    assert!(sum(|it| it.lost_and_logged) > 0, "{tallies:?}");
    assert!(sum(|it| it.lost) > 0, "{tallies:?}");
}

#[tokio::test]
async fn every_change_whose_commit_stays_is_in_the_log_once_and_in_order_on_sqlite() {
    let mut tallies = Vec::new();
    for seed in 0..60 {
        tallies.push(check(World::sqlite().await, seed).await);
    }
    check_tallies(&tallies);
}

#[tokio::test]
async fn every_change_whose_commit_stays_is_in_the_log_once_and_in_order_on_postgres() {
    let mut tallies = Vec::new();
    for seed in 100..115 {
        tallies.push(check(World::postgres().await, seed).await);
    }
    check_tallies(&tallies);
}
