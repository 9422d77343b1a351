//! The working set of one batch: the states it touches and everything that it causes, until the
//! commit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use bytes::Bytes;
use hot::{CounterKey, StateKey, StreamId, Timer};
use kernel::Timestamp;
use messages::stream::v1::Record;

use super::aside::Aside;
use super::cache::{Cached, StateCache};
use super::changes::ChangePacker;
use super::packer::Packer;
use super::parts::{Asked, measure};
use super::quarantine::InputId;
use super::time::Overtaking;
use crate::head::Head;
use crate::key::{Key, KeyMap};
use crate::limits;
use crate::metrics::WaitEnd;
use decision::{Core, Effects, PartKey, PartLoad, PartWrites};

/// One customer that a batch touches.
#[derive(Debug)]
pub(crate) struct Work<S> {
    pub(crate) key: Key,
    pub(crate) key_bytes: StateKey,
    /// What is known of it, and where the cache has it: it is only handed about. Its due time is
    /// that of now; its entry is the one that the store has, or none once that has come up. The
    /// commit adds what is missing.
    pub(crate) cached: Box<Cached<S>>,
    /// Why the stored state cannot be read, if it cannot.
    pub(crate) fault: Option<Box<str>>,
    pub(crate) loaded: bool,
    /// Its bytes in the store, where they were loaded for this batch.
    pub(crate) raw: Option<Bytes>,
    pub(crate) change: Change,
    pub(crate) timer_changed: bool,
    /// Whether its size is part of the batch's.
    counted: bool,
    /// How many timers of it fired.
    pub(crate) fires: u32,
    /// The input that changed it last.
    pub(crate) last: Option<InputId>,
    pub(crate) before: Before<S>,
    /// A step was taken on it, so that `state` is not the one before the batch.
    pub(crate) is_stepped: bool,
    /// A step of it met a part that is not loaded: nothing more of it runs until the batch is taken
    /// again.
    pub(crate) is_stuck: bool,
    /// Some of a state that leaves was sent.
    pub(crate) has_sent: bool,
    /// Some of a state that goes back was sent.
    pub(crate) has_returned: bool,
    /// The survivor was told that the state stays here.
    pub(crate) has_told: bool,
    /// The number of records that waited and were taken.
    pub(crate) unparked: usize,
    /// The parts that the commit is going to take, as measured after its last step.
    pub(crate) parts: PartLoad,
    /// The number of parts that the store has of the state that this batch forgot. `None` where it
    /// forgot none.
    pub(crate) forgotten: Option<usize>,
    /// The parts of states on their way that the commit is going to write or remove.
    pub(crate) on_way: PartWrites,
    /// Bytes of those.
    pub(super) on_way_bytes: usize,
    /// The parts of states that this batch folded in.
    pub(super) taken_in: Vec<PartKey>,
}

/// A work as it was before its batch, so that the batch can be taken again without reading it
/// again.
#[derive(Debug)]
pub(crate) struct Before<S> {
    pub(super) head: Head,
    stored: bool,
    bytes: usize,
    timer: Timer,
    /// The state before its first step, where the core has parts; `None` until then.
    pub(crate) state: Option<Box<S>>,
}

impl<S> Work<S> {
    /// Takes note that the store has it.
    pub(crate) fn found(&mut self, bytes: usize, timer: Timer) {
        self.loaded = true;
        let cached = &mut self.cached;
        (cached.stored, cached.bytes, cached.timer) = (true, bytes, timer);
        self.before = Before::of(&self.cached);
    }

    /// Takes the state as it was read.
    pub(crate) fn read(&mut self, head: Head, state: S) {
        self.before.head.clone_from(&head);
        (self.cached.head, self.cached.state) = (head, state);
    }

    /// Returns what it was before its batch. `None` where that has to be read again.
    fn into_before(self) -> Option<Box<Cached<S>>> {
        if !self.loaded || self.fault.is_some() {
            return None;
        }
        let mut cached = self.cached;
        match self.before.state {
            Some(state) => cached.state = *state,
            None if self.is_stepped => return None,
            None => {}
        }
        cached.head = self.before.head;
        cached.stored = self.before.stored;
        cached.bytes = self.before.bytes;
        cached.timer = self.before.timer;
        Some(cached)
    }
}

impl<S> Before<S> {
    /// What is known now.
    fn of(cached: &Cached<S>) -> Self {
        Self {
            head: cached.head.clone(),
            stored: cached.stored,
            bytes: cached.bytes,
            timer: cached.timer,
            state: None,
        }
    }
}

/// What a batch does to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Write,
    Remove,
}

/// What waits in a batch for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// An entry of the index, which leads to a timer.
    Entry,
    /// A timer.
    Due,
}

/// Something that waits in a batch: its time, its key (which orders timers of one instant), what it
/// is, its work.
pub(crate) type Waiting = Reverse<(Timestamp, Key, Wait, usize)>;

/// The working set of one batch. Used again, with its buffers.
pub(crate) struct Batch<C: Core> {
    pub(crate) works: Vec<Work<C::State>>,
    index: KeyMap<usize>,
    /// States as they were before the batch, from a try of it that came to nothing.
    kept: KeyMap<Box<Cached<C::State>>>,
    /// Parts that steps of this try met and that are not loaded.
    pub(crate) misses: BTreeSet<(Key, PartKey)>,
    /// Parts that were asked for in any try, and what came of it.
    pub(crate) asked: HashMap<(Key, PartKey), Asked>,
    /// Parts of states on their way that were loaded in any try.
    pub(crate) raw: HashMap<(Key, PartKey), Bytes>,
    pub(crate) packer: Packer,
    pub(crate) changes: ChangePacker,
    pub(crate) forwards: Vec<(StreamId, Vec<u8>)>,
    pub(crate) counts: BTreeMap<CounterKey, i64>,
    /// Groups of counters to drop before those changes.
    pub(crate) dropped_groups: BTreeSet<Box<str>>,
    pub(crate) dispatches: Vec<Record>,
    pub(crate) aside: Aside,
    pub(crate) effects: Effects,
    pub(crate) timers: BinaryHeap<Waiting>,
    /// Entries of the index, as the store returned them: works and times.
    pub(crate) entries: Vec<(usize, Timestamp)>,
    /// Entries of the index that are done with.
    pub(crate) fired: Vec<(usize, Timestamp)>,
    /// After this instant and key there are timers of the store that are not known.
    pub(crate) horizon: Option<(Timestamp, Key)>,
    pub(crate) watermark: Timestamp,
    /// Records and timers run so far, and timers moved.
    pub(crate) inputs: usize,
    /// States to be written or removed.
    state_writes: usize,
    state_bytes: usize,
    /// Their parts.
    pub(super) parts: PartLoad,
    pub(crate) other_bytes: usize,
    /// The ends of waits of customers for the states of others.
    pub(crate) wait_ends: Vec<WaitEnd>,
    /// Timers that fired before all that was accepted before them had come, and when the first of
    /// them was due.
    pub(crate) overtaking: Overtaking,
}

impl<C: Core> Batch<C> {
    pub(crate) fn new() -> Self {
        Self {
            works: Vec::new(),
            index: KeyMap::default(),
            kept: KeyMap::default(),
            misses: BTreeSet::new(),
            asked: HashMap::new(),
            raw: HashMap::new(),
            packer: Packer::default(),
            changes: ChangePacker::default(),
            forwards: Vec::new(),
            counts: BTreeMap::new(),
            dropped_groups: BTreeSet::new(),
            dispatches: Vec::new(),
            aside: Aside::default(),
            effects: Effects::default(),
            timers: BinaryHeap::new(),
            entries: Vec::new(),
            fired: Vec::new(),
            horizon: None,
            watermark: Timestamp::MIN,
            inputs: 0,
            state_writes: 0,
            state_bytes: 0,
            parts: PartLoad::default(),
            other_bytes: 0,
            wait_ends: Vec::new(),
            overtaking: Overtaking::default(),
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, watermark: Timestamp) {
        self.works.clear();
        self.kept.clear();
        self.asked.clear();
        self.raw.clear();
        self.misses.clear();
        self.rewind(watermark);
    }

    /// Forgets what the batch did, so that it can be taken again: its states are what they were,
    /// with the parts that were loaded for it. What is not known any more is read again.
    pub(crate) fn rewind(&mut self, watermark: Timestamp) {
        for work in self.works.drain(..) {
            let key = work.key;
            if let Some(before) = work.into_before() {
                self.kept.insert(key, before);
            }
        }
        self.index.clear();
        self.packer.clear();
        self.changes.clear();
        self.forwards.clear();
        self.counts.clear();
        self.dropped_groups.clear();
        self.dispatches.clear();
        self.aside.clear();
        self.effects.clear();
        self.timers.clear();
        self.entries.clear();
        self.fired.clear();
        self.horizon = None;
        self.watermark = watermark;
        self.inputs = 0;
        self.state_writes = 0;
        self.state_bytes = 0;
        self.parts = PartLoad::default();
        self.other_bytes = 0;
        self.wait_ends.clear();
        self.overtaking = Overtaking::default();
    }

    /// The work of a key, if the batch has it.
    pub(crate) fn find(&self, key: Key) -> Option<usize> {
        self.index.get(&key).copied()
    }

    /// The work of a key; a new one takes its state from an earlier try of the batch, or out of the
    /// cache.
    pub(crate) fn enlist(
        &mut self,
        key: Key,
        key_bytes: &StateKey,
        cache: &mut StateCache<C::State>,
    ) -> usize {
        if let Some(work) = self.find(key) {
            return work;
        }
        let cached = self.kept.remove(&key).or_else(|| cache.take(key));
        let loaded = cached.is_some();
        let cached = cached.unwrap_or_default();
        self.works.push(Work {
            key,
            key_bytes: key_bytes.clone(),
            before: Before::of(&cached),
            cached,
            fault: None,
            loaded,
            raw: None,
            change: Change::None,
            timer_changed: false,
            counted: false,
            fires: 0,
            last: None,
            is_stepped: false,
            is_stuck: false,
            has_sent: false,
            has_returned: false,
            has_told: false,
            unparked: 0,
            parts: PartLoad::default(),
            forgotten: None,
            on_way: PartWrites::default(),
            on_way_bytes: 0,
            taken_in: Vec::new(),
        });
        let work = self.works.len() - 1;
        self.index.insert(key, work);
        work
    }

    /// Drops a group of counters, with what the batch has counted in it so far.
    pub(crate) fn drop_group(&mut self, group: Box<str>) {
        self.counts.retain(|key, _| key.group != group);
        self.dropped_groups.insert(group);
    }

    /// What the commit is going to take, as far as is known before states are encoded.
    pub(crate) fn bytes(&self) -> usize {
        let packed = self.packer.bytes() + self.changes.bytes();
        packed + self.state_bytes + self.parts.dirty_bytes + self.other_bytes
    }

    /// Returns the number of keys that the commit is going to write or remove, as far as is known
    /// before states are encoded.
    pub(crate) const fn writes(&self) -> usize {
        self.state_writes + self.parts.dirty
    }

    /// Puts the states back where the next batch finds them.
    pub(crate) fn return_states(&mut self, cache: &mut StateCache<C::State>) {
        self.index.clear();
        let works = self.works.drain(..);
        let done = works.filter(|work| work.fault.is_none() && work.loaded);
        let done = done.map(|work| (work.key, work.cached));
        for (key, mut cached) in done.chain(self.kept.drain()) {
            cached.part_bytes = measure::<C>(&cached.state).loaded_bytes;
            cache.put(key, cached);
        }
    }

    /// Takes note that a state is going to be written.
    pub(crate) fn count_write(&mut self, work: usize) {
        let work = &mut self.works[work];
        if !std::mem::replace(&mut work.counted, true) {
            self.state_writes += 1;
            self.state_bytes += work.cached.bytes + limits::STATE_GROWTH_BYTES;
        }
    }

    /// Once the states are there: entries that lead to a timer wait for their time, all others are
    /// done with.
    pub(crate) fn sort_entries(&mut self) {
        for (number, time) in self.entries.drain(..) {
            let work = &self.works[number];
            if work.cached.timer.entry == Some(time) {
                let waiting = (time, work.key, Wait::Entry, number);
                self.timers.push(Reverse(waiting));
            } else {
                self.fired.push((number, time));
            }
        }
    }

    /// The entry that leads to a timer has come up: it is done with, and the timer waits for its
    /// due time, which may be later. Returns that.
    pub(crate) fn come_up(&mut self, number: usize, time: Timestamp) -> Option<Timestamp> {
        self.fired.push((number, time));
        self.count_write(number);
        let work = &mut self.works[number];
        work.cached.timer = work.cached.timer.fired();
        work.timer_changed = true;
        work.last.get_or_insert(InputId::Timer {
            key: work.key,
            due_time: time,
            number: work.fires,
        });
        work.cached.timer.due
    }

    /// The earliest entry of the index that leads to a state of the batch.
    pub(crate) fn earliest_entry(&self) -> Option<Timestamp> {
        self.works
            .iter()
            .filter_map(|work| work.cached.timer.entry)
            .min()
    }
}
