//! The working set of one batch: the states it touches and everything that it causes, until the commit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::{Bytes, BytesMut};
use hot::{StateKey, StreamId};
use kernel::Timestamp;
use proto::stream::v1::Record;

use super::cache::{Cached, KnownTimer, StateCache};
use super::packer::Packer;
use super::quarantine::Origin;
use crate::key::{Key, KeyMap};
use crate::{Core, Effects};

/// One customer that a batch touches.
#[derive(Debug)]
pub(crate) struct Work<S> {
    pub(crate) key: Key,
    pub(crate) key_bytes: StateKey,
    pub(crate) state: S,
    /// Why the stored state cannot be read, if it cannot.
    pub(crate) fault: Option<Box<str>>,
    pub(crate) loaded: bool,
    pub(crate) stored: bool,
    /// Its size when encoded last.
    pub(crate) bytes: usize,
    pub(crate) change: Change,
    pub(crate) timer: KnownTimer,
    pub(crate) timer_changed: bool,
    /// The input that changed it last.
    pub(crate) last: Option<Origin>,
}

/// What a batch does to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Write,
    Remove,
}

/// A timer that waits in the batch: its due time, its key (which orders timers of one instant), its work.
pub(crate) type Waiting = Reverse<(Timestamp, Key, usize)>;

/// The working set of one batch. Used again, with its buffers.
pub(crate) struct Batch<C: Core> {
    pub(crate) works: Vec<Work<C::State>>,
    index: KeyMap<usize>,
    pub(crate) packer: Packer,
    pub(crate) forwards: Vec<(StreamId, BytesMut)>,
    pub(crate) counts: HashMap<Box<str>, i64>,
    pub(crate) dispatches: Vec<Record>,
    pub(crate) quarantine: Vec<Bytes>,
    pub(crate) effects: Effects,
    pub(crate) timers: BinaryHeap<Waiting>,
    /// Timers of the store from this instant on are not known.
    pub(crate) horizon: Option<Timestamp>,
    pub(crate) watermark: Timestamp,
    /// Records and timers run so far.
    pub(crate) inputs: usize,
    pub(crate) state_bytes: usize,
    pub(crate) other_bytes: usize,
}

impl<C: Core> Batch<C> {
    pub(crate) fn new() -> Self {
        Self {
            works: Vec::new(),
            index: KeyMap::default(),
            packer: Packer::default(),
            forwards: Vec::new(),
            counts: HashMap::new(),
            dispatches: Vec::new(),
            quarantine: Vec::new(),
            effects: Effects::default(),
            timers: BinaryHeap::new(),
            horizon: None,
            watermark: Timestamp::MIN,
            inputs: 0,
            state_bytes: 0,
            other_bytes: 0,
        }
    }

    /// Forgets everything: the states of a batch that failed are read again.
    pub(crate) fn clear(&mut self, watermark: Timestamp) {
        self.works.clear();
        self.index.clear();
        self.packer.clear();
        self.forwards.clear();
        self.counts.clear();
        self.dispatches.clear();
        self.quarantine.clear();
        self.effects.clear();
        self.timers.clear();
        self.horizon = None;
        self.watermark = watermark;
        self.inputs = 0;
        self.state_bytes = 0;
        self.other_bytes = 0;
    }

    /// The work of a key, if the batch has it.
    pub(crate) fn find(&self, key: Key) -> Option<usize> {
        self.index.get(&key).copied()
    }

    /// The work of a key; a new one takes its state out of the cache.
    pub(crate) fn enlist(
        &mut self,
        key: Key,
        key_bytes: &StateKey,
        cache: &mut StateCache<C::State>,
    ) -> usize {
        if let Some(work) = self.find(key) {
            return work;
        }
        let cached = cache.take(key);
        let loaded = cached.is_some();
        let cached = cached.unwrap_or_else(|| Cached {
            state: C::State::default(),
            stored: false,
            bytes: 0,
            timer: KnownTimer::Unknown,
        });
        self.works.push(Work {
            key,
            key_bytes: key_bytes.clone(),
            state: cached.state,
            fault: None,
            loaded,
            stored: cached.stored,
            bytes: cached.bytes,
            change: Change::None,
            timer: cached.timer,
            timer_changed: false,
            last: None,
        });
        let work = self.works.len() - 1;
        self.index.insert(key, work);
        work
    }

    /// What the commit is going to take, as far as is known before states are encoded.
    pub(crate) fn bytes(&self) -> usize {
        self.packer.bytes() + self.state_bytes + self.other_bytes
    }

    /// Puts the states back where the next batch finds them.
    pub(crate) fn return_states(&mut self, cache: &mut StateCache<C::State>) {
        self.index.clear();
        for work in self.works.drain(..) {
            if work.fault.is_none() && work.loaded {
                let cached = Cached {
                    state: work.state,
                    stored: work.stored,
                    bytes: work.bytes,
                    timer: work.timer,
                };
                cache.put(work.key, cached);
            }
        }
    }

    /// The earliest timer known to be pending.
    pub(crate) fn earliest_timer(&self) -> Option<Timestamp> {
        self.works
            .iter()
            .filter_map(|work| match work.timer {
                KnownTimer::Is(due) => due,
                KnownTimer::Unknown => None,
            })
            .min()
    }
}
