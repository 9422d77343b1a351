//! Reading the index of timers, and keeping what is known of it in step with commits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::{PartitionCount, Timestamp};
use redis::{Value, cmd};

use super::index::{Index, Missing, Moves};
use super::reply::{bytes, items, number, unexpected};
use super::{RedisStore, record};
use crate::{Commit, Due, HotError, Owner, Slot, StateKey};

/// Elements of a list that are read at once: each is what one commit added, a few kilobytes at most.
const ELEMENTS: usize = 256;

/// How long before its time a list is read, where its slot is asked for timers meanwhile; up to twice that, spread over the
/// slots, so that not all of them read theirs at the same moment.
const LEAD_MS: i64 = 60_000;

/// The indexes of timers of all slots.
pub(super) struct Timers {
    slots: Vec<SlotTimers>,
}

struct SlotTimers {
    index: Mutex<Index>,
    /// Held by whoever reads what is missing, so that nothing is read twice.
    reading: tokio::sync::Mutex<()>,
}

impl SlotTimers {
    fn new(place: usize, slots: usize) -> Self {
        let share = i64::try_from(place * 1_000 / slots).unwrap_or_default();
        Self {
            index: Mutex::new(Index::new(LEAD_MS + LEAD_MS * share / 1_000)),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Locks the index. Never held across an await.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A commit under way. Where nobody learns what became of it, the index is forgotten, and read again.
pub(super) struct Pending<'a> {
    timers: &'a SlotTimers,
    moves: Moves,
    is_applied: bool,
}

impl Timers {
    pub(super) fn new(count: PartitionCount) -> Self {
        let slots = usize::from(count.get()) * Owner::ALL.len();
        Self {
            slots: (0..slots)
                .map(|place| SlotTimers::new(place, slots))
                .collect(),
        }
    }

    fn of(&self, slot: Slot) -> &SlotTimers {
        let place = usize::from(slot.partition.number()) * Owner::ALL.len();
        &self.slots[place + slot.owner.index()]
    }

    /// Starts anew with the buckets that a slot has.
    pub(super) fn open(&self, slot: Slot, buckets: Value) -> Result<(), HotError> {
        let buckets = items(buckets)?.into_iter().map(number);
        let buckets = buckets.collect::<Result<Vec<_>, _>>()?;
        self.of(slot).index().reset(buckets);
        Ok(())
    }

    /// Says what a commit does to the lists.
    pub(super) fn begin(&self, slot: Slot, commit: &Commit) -> Pending<'_> {
        let timers = self.of(slot);
        let moves = timers.index().moves(commit);
        Pending {
            timers,
            moves,
            is_applied: false,
        }
    }
}

impl Pending<'_> {
    pub(super) const fn moves(&self) -> &Moves {
        &self.moves
    }

    /// It took effect.
    pub(super) fn apply(mut self, commit: &Commit) {
        self.timers.index().apply(commit, &self.moves);
        self.is_applied = true;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_applied {
            self.timers.index().forget();
        }
    }
}

impl RedisStore {
    /// The first entries up to a time, reading what is missing.
    pub(super) async fn read_due(
        &self,
        slot: Slot,
        until: Timestamp,
        max: usize,
    ) -> Result<Due, HotError> {
        let timers = self.timers.of(slot);
        if let Ok(due) = timers.index().due(until, max) {
            return Ok(due);
        }
        let _reading = timers.reading.lock().await;
        loop {
            let missing = match timers.index().due(until, max) {
                Ok(due) => return Ok(due),
                Err(missing) => missing,
            };
            match missing {
                Missing::Buckets => {
                    let mut members = cmd("SMEMBERS");
                    members.arg(self.keys.buckets(slot));
                    let buckets = self.ask(slot.partition, &members).await?;
                    self.timers.open(slot, buckets)?;
                }
                Missing::Bucket(bucket) => {
                    let generation = timers.index().begin_reading(bucket);
                    let read = self.read_bucket(slot, bucket).await;
                    let (read, outcome) = match read {
                        Ok(read) => (Some(read), Ok(())),
                        Err(error) => (None, Err(error)),
                    };
                    timers.index().end_reading(bucket, generation, read);
                    outcome?;
                }
            }
        }
    }

    /// Reads a list. It only grows at its end meanwhile: it is removed when all of it has fired, and nothing of it has.
    async fn read_bucket(&self, slot: Slot, bucket: i64) -> Result<Vec<(i64, StateKey)>, HotError> {
        let key = format!("{}{bucket}", self.keys.timers(slot));
        let (mut records, mut first) = (Vec::new(), 0);
        loop {
            let mut range = cmd("LRANGE");
            range.arg(&key).arg(first).arg(first + ELEMENTS - 1);
            let elements = items(self.ask(slot.partition, &range).await?)?;
            let count = elements.len();
            for element in elements {
                record::read(bucket, bytes(element)?, &mut records)
                    .ok_or_else(|| unexpected("the entries of a list of timers"))?;
            }
            if count < ELEMENTS {
                return Ok(records);
            }
            first += count;
        }
    }
}
