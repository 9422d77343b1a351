//! Two processes, six slots, one store, one log, and all that happens to them.

mod everything;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hot::memory::{Hook, MemoryOptions, Snapshot};
use hot::{HotError, HotStore, MemoryStore, Owner, Slot, StreamId, StreamName};
use journal::{Fault, FoldOptions, JournaledStore, MemoryLog, SharedLog};
use kernel::{PartitionCount, PartitionId, Timestamp};
use tokio::time::Instant;

use super::client::Client;
use super::reader::{Reader, Worked, number};
use crate::chance::Chance;

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Ingest { client: usize, process: usize },
    Work { reader: usize },
    Open { slot: usize, process: usize },
    Fold { slot: usize },
    CutBehind { partition: usize },
    Crash { process: usize },
    Redeliver { process: usize },
    Copy,
    GoBack { copy: usize, is_told: bool },
    Forget,
    Wait { seconds: u64 },
}

/// Everything there is.
pub(super) struct World {
    chance: Arc<Chance>,
    hot: MemoryStore,
    log: Arc<MemoryLog>,
    leases: Arc<Mutex<BTreeMap<Slot, u64>>>,
    fold: FoldOptions,
    processes: Vec<JournaledStore>,
    clients: Vec<Client>,
    readers: Vec<Reader>,
    copies: Vec<Snapshot>,
}

const PARTITIONS: [PartitionId; 2] = [PartitionId::new(0), PartitionId::new(1)];
const OWNERS: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];

fn slots() -> Vec<Slot> {
    let pairs = PARTITIONS.into_iter().flat_map(|partition| {
        OWNERS
            .into_iter()
            .map(move |owner| Slot { owner, partition })
    });
    pairs.collect()
}

impl World {
    pub(super) async fn new(
        seed: u64,
        fault_percent: u64,
        retention_s: u64,
        event_retention_s: Option<u64>,
    ) -> Self {
        let chance = Arc::new(Chance {
            state: AtomicU64::new(seed),
            fault_percent,
            is_calm: AtomicBool::new(false),
        });
        let leases: Arc<Mutex<BTreeMap<Slot, u64>>> = Arc::default();
        let started = Instant::now();
        let now = move || {
            let millis = i64::try_from(started.elapsed().as_millis()).expect("short");
            Timestamp::from_millis(millis)
        };
        let (asked, faults) = (Arc::clone(&leases), Arc::clone(&chance));
        let log = MemoryLog::new()
            .with_leases(move |slot| {
                let leases = asked.lock().unwrap_or_else(PoisonError::into_inner);
                leases.get(&slot).copied().unwrap_or(0)
            })
            .with_clock(now)
            .with_faults(move |_| {
                if !faults.fails() {
                    return None;
                }
                Some(match faults.next() % 3 {
                    0 => Fault::Refused,
                    1 => Fault::AnswerLost,
                    _ => Fault::Delayed(Duration::from_millis(50)),
                })
            });
        let count = PartitionCount::try_new(2).expect("a count");
        let options = MemoryOptions { origins: true };
        let client = |number: usize| {
            let name = if number == 3 {
                StreamName::EventsBulk
            } else {
                StreamName::Events
            };
            let partition = PARTITIONS[number % 2];
            Client::new(number, StreamId { name, partition }, number != 2)
        };
        let seconds = |length: u64| {
            kernel::Duration::from_millis(i64::try_from(length * 1_000).expect("short"))
        };
        let mut world = Self {
            chance,
            hot: MemoryStore::new(count, options),
            log: Arc::new(log),
            leases,
            fold: FoldOptions {
                retention: seconds(retention_s),
                event_retention: event_retention_s.map(seconds),
                now: Arc::new(now),
            },
            processes: Vec::new(),
            clients: (0..4).map(client).collect(),
            readers: Vec::new(),
            copies: Vec::new(),
        };
        for _ in 0..2 {
            let process = world.process().await;
            world.processes.push(process);
        }
        world
    }

    /// Starts a process.
    async fn process(&self) -> JournaledStore {
        let hook = Arc::clone(&self.chance) as Arc<dyn Hook>;
        let hot = Arc::new(self.hot.with_hook(hook));
        let log = Arc::clone(&self.log) as SharedLog;
        let writer = loop {
            if let Ok(writer) = log.register("somebody").await {
                break writer;
            }
        };
        JournaledStore::new(hot, log, writer, self.fold.clone().into())
    }

    pub(super) async fn act(&mut self, action: Action) {
        match action {
            Action::Ingest { client, process } => {
                let dice = self.chance.next();
                let store = &self.processes[process];
                self.clients[client].send(process, store, dice).await;
            }
            Action::Work { reader } if reader < self.readers.len() => {
                self.work(reader).await;
            }
            Action::Work { .. } => {}
            Action::Open { slot, process } => {
                self.open(slots()[slot], process).await;
            }
            Action::Fold { slot } => {
                let process = &self.processes[0];
                // Whatever happens to it, nothing may be lost.
                drop(process.fold(slots()[slot]).await);
            }
            Action::CutBehind { partition } => {
                let partition = PARTITIONS[partition];
                let mut upto = Vec::new();
                for owner in OWNERS {
                    let head = self.hot.head(Slot { owner, partition }).await;
                    upto.push((owner, head.map_or(0, |head| head.commit_seq)));
                }
                drop(self.processes[0].forget(partition, &upto).await);
            }
            Action::Crash { process } => {
                let started = self.process().await;
                self.processes[process] = started;
                self.readers.retain(|reader| reader.process != process);
                for client in &mut self.clients {
                    client.process_died(process);
                }
            }
            Action::Redeliver { process } => {
                self.processes[process].redeliver().await;
            }
            Action::Copy => {
                self.copies.push(self.hot.snapshot());
                if self.copies.len() > 3 {
                    self.copies.remove(0);
                }
            }
            Action::GoBack { copy, is_told } => {
                if let Some(copy) = self.copies.get(copy).cloned() {
                    if is_told {
                        self.hot.roll_back(copy);
                        self.readers.clear();
                    } else {
                        self.hot.roll_back_silently(copy);
                    }
                }
            }
            Action::Forget => self.hot.clear(),
            Action::Wait { seconds } => tokio::time::sleep(Duration::from_secs(seconds)).await,
        }
    }

    /// Lets a worker do a batch; one that is refused ends.
    async fn work(&mut self, number: usize) -> bool {
        let dice = self.chance.next();
        let reader = &mut self.readers[number];
        let store = &self.processes[reader.process];
        match reader.work(store, dice).await {
            Ok(worked) => worked == Worked::Something,
            Err(HotError::Unavailable(_)) => true,
            Err(error) => {
                let slot = reader.slot;
                self.readers.remove(number);
                self.refused(slot, &error);
                true
            }
        }
    }

    /// Gives the lease of a slot to a process, whoever has it, and opens it there.
    async fn open(&mut self, slot: Slot, process: usize) {
        let epoch = {
            let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            let epoch = leases.entry(slot).or_default();
            *epoch += 1;
            *epoch
        };
        match Reader::open(&self.processes[process], slot, process, epoch).await {
            Ok(reader) => self.readers.push(reader),
            Err(error) => self.refused(slot, &error),
        }
    }

    fn refused(&mut self, slot: Slot, error: &HotError) {
        match error {
            HotError::Fenced { current, .. } => {
                let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
                let epoch = leases.entry(slot).or_default();
                *epoch = (*epoch).max(*current);
            }
            // Too old a copy: what the error says is what an operator does.
            HotError::Mismatch(_) => self.hot.clear(),
            HotError::Gap { .. } | HotError::Unavailable(_) => {}
            error => panic!("{error}"),
        }
    }

    /// Nothing fails any more; everybody works until nothing is left to do.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.chance.is_calm.store(true, Ordering::Relaxed);
        self.readers.clear();
        let mut quiet = 0;
        for round in 0..2_000 {
            let mut worked = false;
            for slot in slots() {
                if !self.readers.iter().any(|reader| reader.slot == slot) {
                    worked = true;
                    self.open(slot, round % 2).await;
                }
            }
            for process in &self.processes {
                worked |= process.redeliver().await > 0;
            }
            for number in (0..self.readers.len()).rev() {
                worked |= self.work(number).await;
            }
            quiet = if worked { 0 } else { quiet + 1 };
            if quiet > 12 {
                return Ok(());
            }
            if round % 10 == 9 {
                // Longer than a gate is respected that a process left behind.
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        }
        Err("it does not come to an end".to_owned())
    }

    /// Every accepted event is in effect once, at every service, and no other twice.
    pub(super) async fn check_effects(&self) -> Result<(), String> {
        let accepted: BTreeSet<&String> = self
            .clients
            .iter()
            .flat_map(|client| &client.accepted)
            .collect();
        let mut seen = BTreeMap::new();
        for slot in slots() {
            let states = self.hot.states(slot);
            let counters = self.hot.counters(slot, &["all"]).await;
            let counters = counters.map_err(|error| error.to_string())?;
            let total = counters.first().map_or(0, |(_, total)| *total);
            if total != i64::try_from(states.len()).expect("few") {
                return Err(format!("{slot:?} counted {total} of {}", states.len()));
            }
            for (key, stored) in states {
                let key = String::from_utf8_lossy(&key).into_owned();
                if number(&stored.value) != 1 {
                    return Err(format!("{key} took effect {} times", number(&stored.value)));
                }
                if seen.insert(key.clone(), slot).is_some() {
                    return Err(format!("{key} took effect in two partitions"));
                }
            }
        }
        let events: BTreeSet<&String> = seen.keys().filter(|key| is_event(key)).collect();
        if let Some(lost) = accepted.iter().find(|event| !events.contains(*event)) {
            return Err(format!("{lost} was accepted and lost"));
        }
        for event in &events {
            for prefix in ["f", "af", "mf"] {
                if !seen.contains_key(&format!("{prefix}{event}")) {
                    return Err(format!("{prefix}{event} is missing"));
                }
            }
        }
        if seen.len() != 4 * events.len() {
            return Err(format!("{} effects of {} events", seen.len(), events.len()));
        }
        Ok(())
    }

    /// What the journal makes of an empty store is what was there; every timer is found again.
    pub(super) async fn check_rebuild(&mut self) -> Result<(), String> {
        let before = self.everything().await?;
        self.check_timers().await?;
        for slot in slots() {
            if self.chance.next().is_multiple_of(2) {
                let folded = self.processes[0].fold(slot).await;
                folded.map_err(|error| error.to_string())?;
            }
        }
        self.hot.clear();
        for partition in PARTITIONS {
            let recovered = self.processes[1].recover(partition).await;
            recovered.map_err(|error| error.to_string())?;
        }
        let after = self.everything().await?;
        if before != after {
            return Err(format!("rebuilt otherwise: {before:#?} {after:#?}"));
        }
        self.check_timers().await?;
        self.settle().await?;
        self.check_effects().await
    }

    async fn check_timers(&self) -> Result<(), String> {
        for slot in slots() {
            let due = self.hot.due(slot, Timestamp::MAX, 100_000).await;
            let due = due.map_err(|error| error.to_string())?;
            let entries: BTreeSet<_> = due.timers.into_iter().collect();
            for (key, stored) in self.hot.states(slot) {
                let entry = stored.timer.entry.ok_or("a timer has no entry")?;
                if Some(entry) > stored.timer.due || !entries.contains(&(key.clone(), entry)) {
                    return Err(format!("the timer of {key:?} is lost: {:?}", stored.timer));
                }
            }
        }
        Ok(())
    }
}

fn is_event(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_digit())
}
