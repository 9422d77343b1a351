//! The log of changes, in memory, and the scribe of each process: what every effective commit
//! changed comes into the log once and in order, whatever goes wrong on the way.

mod told;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use changes::{ChangeSink, Pending, Place};
use hot::memory::Delivery;
use hot::{Commit, Owner, Slot, StateKey};
use kernel::PartitionId;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::installation::{Installation, SERVICES};
use super::link::Link;
use super::picture::Picture;
use super::world;

/// The time that a scribe lets changes come together, at the most.
const TOGETHER_MS: u64 = 300;

/// Returns whether a key is that of pending changes.
pub(crate) fn is_pending(key: &StateKey) -> bool {
    key.starts_with(hot::PENDING_CHANGES.as_bytes())
}

/// The log, and what has to be in it.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    marks: BTreeMap<Slot, Place>,
    rows: BTreeMap<Slot, Vec<Pending>>,
    /// The changes of effective commits, as the hot store saw them.
    committed: BTreeMap<(Slot, Place), Bytes>,
    /// The same of commits that the hot store may have lost since.
    lost: BTreeMap<(Slot, Place), Bytes>,
}

impl ChangeLog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One transaction: adds what is not there yet, and returns how far the log is.
    fn write(&self, entries: &[(Slot, Pending)]) -> BTreeMap<Slot, Place> {
        let mut state = self.state();
        let mut marks = BTreeMap::new();
        for (slot, pending) in entries {
            let mark = state.marks.entry(*slot).or_default();
            if pending.place > *mark {
                *mark = pending.place;
                let rows = state.rows.entry(*slot).or_default();
                rows.push(pending.clone());
            }
            marks.insert(*slot, state.marks[slot]);
        }
        marks
    }

    /// Takes note of what an effective commit changed.
    pub(crate) fn after_commit(&self, slot: Slot, commit: &Commit) {
        for state in commit.states.iter().filter(|state| is_pending(&state.key)) {
            let pending = state.value.as_ref().and_then(Pending::load);
            if let Some(pending) = pending {
                let place = (slot, pending.place);
                self.state().committed.insert(place, pending.changes);
            }
        }
    }

    /// The hot store lost its newest writes, and nobody brings them back.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        let lost = std::mem::take(&mut state.committed);
        state.lost.extend(lost);
    }
}

/// Everything that effective commits changed is in the log, once and in order, and it is all that
/// is known.
pub(crate) fn check(installation: &Installation, picture: &Picture) {
    let log = &installation.shared.changes;
    is_complete(installation, log);
    if !installation.shared.watch.has_lost() {
        told::check(installation, log, picture);
    }
}

fn is_complete(installation: &Installation, log: &ChangeLog) {
    let (world, state) = (installation.world(), log.state());
    for (slot, rows) in &state.rows {
        if !rows.is_sorted_by(|one, next| one.place < next.place) {
            let places: Vec<_> = rows.iter().map(|row| row.place).collect();
            world.violate(format!("changes of {slot:?} are out of order: {places:?}"));
        }
        for row in rows {
            let place = (*slot, row.place);
            let known = state.committed.get(&place).or(state.lost.get(&place));
            if known.is_some_and(|changes| *changes != row.changes) {
                world.violate(format!("{place:?} has other changes than were committed"));
            }
        }
    }
    let is_logged = |slot: &Slot, place: Place| {
        let mut rows = state.rows.get(slot).into_iter().flatten();
        rows.any(|row| row.place == place)
    };
    for (slot, place) in state.committed.keys() {
        if !is_logged(slot, *place) {
            world.violate(format!("the log lacks {place:?} of {slot:?}"));
        }
    }
    for owner in SERVICES {
        for partition in installation.partitions().iter() {
            let slot = Slot { owner, partition };
            let states = installation.shared.backing.states(slot).into_iter();
            let pending = states.filter(|(key, _)| is_pending(key));
            for (key, stored) in pending {
                let pending = Pending::load(&stored.value);
                if !pending.is_some_and(|pending| is_logged(&slot, pending.place)) {
                    world.violate(format!("{key:?} of {slot:?} is not in the log"));
                }
            }
        }
    }
}

/// The scribe of one process.
#[derive(Debug)]
pub(crate) struct Scribe {
    link: Arc<Link>,
    log: Arc<ChangeLog>,
    queues: Mutex<BTreeMap<Slot, Queue>>,
    news: Notify,
}

#[derive(Debug)]
struct Queue {
    epoch: u64,
    waiting: VecDeque<Pending>,
    logged: Place,
}

impl Scribe {
    /// Begins to write; it ends with its process.
    pub(crate) fn start(link: &Arc<Link>, log: &Arc<ChangeLog>) -> Arc<Self> {
        let scribe = Arc::new(Self {
            link: Arc::clone(link),
            log: Arc::clone(log),
            queues: Mutex::default(),
            news: Notify::new(),
        });
        tokio::spawn(Arc::clone(&scribe).run());
        scribe
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<Slot, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits, in the order of each partition.
    fn waiting(&self) -> Vec<(Slot, Pending)> {
        let queues = self.queues();
        let all = queues.iter().flat_map(|(slot, queue)| {
            let waiting = queue.waiting.iter();
            waiting.map(|pending| (*slot, pending.clone()))
        });
        all.collect()
    }

    async fn run(self: Arc<Self>) {
        while !self.link.life.is_dead() {
            if self.waiting().is_empty() {
                self.news.notified().await;
            }
            let wait_ms = self.link.world.draw(|rng| rng.below(TOGETHER_MS));
            sleep(Duration::from_millis(wait_ms + 1)).await;
            self.write().await;
        }
    }

    async fn write(&self) {
        let place = world::Place::Log;
        let Ok(delivery) = self.link.enter(place, true).await else {
            return;
        };
        let waiting = self.waiting();
        let mut marks = self.log.write(&waiting);
        if delivery == Delivery::Twice {
            marks = self.log.write(&waiting);
        }
        if !waiting.is_empty() {
            self.link.world.note_change();
            let (name, entries) = (&self.link.name, waiting.len());
            let line = format!("{name} logs changes of {entries} commits");
            self.link.world.tell(line);
        }
        if self.link.leave().await.is_err() {
            return;
        }
        for (slot, mark) in marks {
            if let Some(queue) = self.queues().get_mut(&slot) {
                queue.logged = queue.logged.max(mark);
                queue.waiting.retain(|pending| pending.place > mark);
            }
        }
    }
}

impl ChangeSink for Scribe {
    fn open(&self, owner: Owner, partition: PartitionId, epoch: u64, pending: Vec<Pending>) {
        let queue = Queue {
            epoch,
            waiting: pending.into(),
            logged: Place::default(),
        };
        self.queues().insert(Slot { owner, partition }, queue);
        self.news.notify_one();
    }

    fn push(&self, owner: Owner, partition: PartitionId, pending: Pending) {
        let slot = Slot { owner, partition };
        let mut queues = self.queues();
        let queue = queues.get_mut(&slot).expect("it was opened");
        assert_eq!(queue.epoch, pending.place.epoch, "of this lease");
        assert!(
            queue
                .waiting
                .back()
                .is_none_or(|last| last.place < pending.place),
            "in order"
        );
        queue.waiting.push_back(pending);
        self.news.notify_one();
    }

    fn logged(&self, owner: Owner, partition: PartitionId) -> Place {
        let queues = self.queues();
        let queue = queues.get(&Slot { owner, partition });
        queue.map_or_else(Place::default, |queue| queue.logged)
    }

    fn close(&self, owner: Owner, partition: PartitionId, epoch: u64) {
        let slot = Slot { owner, partition };
        // In every second process, what is left is for the next owner, who finds it in the store.
        let drops = self.link.name.len().is_multiple_of(2);
        let mut queues = self.queues();
        if drops && queues.get(&slot).is_some_and(|it| it.epoch == epoch) {
            queues.remove(&slot);
        }
    }
}
