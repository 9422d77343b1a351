//! Back-pressure: a worker waits while the reader of its output is far behind.
//!
//! Only the output streams count. What a core sends to other streams (receipts, say) closes a
//! circle, and a circle of workers that wait for each other would never move again.
//!
//! It also chooses the output of what a step emits. A customer keeps one order: what follows for
//! somebody who has records in the low-priority output goes behind these, whatever caused it.

use std::collections::VecDeque;

use hot::{Cursor, HotError, HotStore, StreamId, StreamName};
use messages::stream::v1::Record;

use super::Worker;
use crate::key::{Key, KeyMap, keys_of};
use crate::limits;
use decision::Core;

/// How full an output stream is at the most.
#[derive(Debug)]
pub(crate) struct OutputGauge {
    stream: StreamId,
    /// Entries when last asked, and those written since; more than there are, since readers remove
    /// them.
    entries: u64,
}

/// Which causes have to wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) live: bool,
    pub(crate) bulk: bool,
}

impl Held {
    pub(crate) const fn any(self) -> bool {
        self.live || self.bulk
    }
}

/// The customers with records in the low-priority output that its reader may not have taken yet.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Of each, the number of the last entry with records of theirs.
    last: KeyMap<u64>,
    /// The entries, oldest first, each with its customers. Numbers are without gaps.
    entries: VecDeque<(u64, Vec<Key>)>,
    /// The number of the last entry.
    count: u64,
}

impl Trail {
    /// Adds an entry.
    pub(crate) fn push(&mut self, customers: Vec<Key>) {
        self.count += 1;
        for customer in &customers {
            self.last.insert(*customer, self.count);
        }
        self.entries.push_back((self.count, customers));
    }

    /// Returns whether a customer may have records that wait there.
    fn has(&self, customer: Key) -> bool {
        self.last.contains_key(&customer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all entries but the newest ones: so many are left in the stream.
    fn keep(&mut self, left: u64) {
        while self.entries.len() as u64 > left {
            let (number, customers) = self.entries.pop_front().expect("there are more than that");
            for customer in customers {
                if self.last.get(&customer) == Some(&number) {
                    self.last.remove(&customer);
                }
            }
        }
    }
}

impl OutputGauge {
    pub(crate) fn new(stream: StreamId) -> Self {
        Self {
            stream,
            // Unknown, so that the first look asks.
            entries: limits::OUTPUT_ENTRIES,
        }
    }

    /// Takes note of an entry written.
    pub(crate) fn count(&mut self, stream: StreamName) {
        if self.stream.name == stream {
            self.entries += 1;
        }
    }

    async fn is_full(&mut self, hot: &dyn HotStore) -> Result<bool, HotError> {
        if self.entries >= limits::OUTPUT_ENTRIES {
            self.entries = hot.lag(self.stream, Cursor::START).await?;
        }
        Ok(self.entries >= limits::OUTPUT_ENTRIES)
    }
}

impl<C: Core> Worker<C> {
    pub(super) async fn held(&mut self) -> Result<Held, HotError> {
        let hot = std::sync::Arc::clone(self.hot());
        let mut full = [false; 2];
        for (gauge, full) in self.outputs.iter_mut().zip(&mut full) {
            *full = gauge.is_full(hot.as_ref()).await?;
        }
        let [mut live, mut bulk] = full;
        if self.is_on_stream_time() {
            // Time is one for both lanes: neither may run ahead of timers that wait.
            (live, bulk) = (live || bulk, live || bulk);
        }
        Ok(Held { live, bulk })
    }

    /// Learns whose records wait in the low-priority output.
    pub(super) async fn open_trail(&mut self) -> Result<(), HotError> {
        self.trail = Trail::default();
        let [_, low] = self.outputs.as_slice() else {
            return Ok(());
        };
        let (stream, mut read_to) = (low.stream, Cursor::START);
        if self.is_on_stream_time() || self.hot().lag(stream, read_to).await? == 0 {
            return Ok(());
        }
        loop {
            let max = limits::ENTRIES_PER_POLL;
            let entries = self.hot().poll(stream, read_to, max).await?;
            let is_last = entries.len() < max;
            for entry in entries {
                read_to = entry.cursor;
                self.trail.push(keys_of(entry.payload));
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Learns what the reader of the low-priority output has taken, where live records or timers
    /// may have to go behind it.
    pub(super) async fn follow_trail(&mut self) -> Result<(), HotError> {
        let mut live = self.inputs.lanes.iter().filter(|lane| lane.is_live());
        let has_live = live.any(|lane| lane.waiting() > 0);
        if self.trail.is_empty() || !(has_live || self.may_have_due()) {
            return Ok(());
        }
        if let [_, low] = self.outputs.as_slice() {
            let left = self.hot().lag(low.stream, Cursor::START).await?;
            self.trail.keep(left);
        }
        Ok(())
    }

    /// Returns the stream that takes what a step of a customer emits. On stream time all of it goes
    /// one way: time is one for all customers of the partition, in every service.
    pub(super) fn output_for(&mut self, work: usize, is_bulk: bool) -> Option<StreamName> {
        let (live, low) = C::OUTPUT?;
        if self.is_on_stream_time() || self.batch.effects.records.is_empty() {
            return Some(live);
        }
        let key = self.batch.works[work].key;
        if !is_bulk && !self.trail.has(key) && !self.batch.packer.low.contains_key(&key) {
            return Some(live);
        }
        self.batch.packer.low.insert(key, ());
        Some(low)
    }

    /// On stream time every reader downstream learns how far time has come.
    pub(super) fn pass_on(&mut self, tick: &Record) {
        if let (Some((live, _)), true) = (C::OUTPUT, self.is_on_stream_time()) {
            self.batch.packer.push(live, tick, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_behind_its_last_entry_until_that_is_taken() {
        let mut trail = Trail::default();
        for customers in [vec![1, 2], vec![2, 3], vec![4]] {
            trail.push(customers);
        }
        let waiting = |trail: &Trail| (1..=4).filter(|key| trail.has(*key)).collect::<Vec<_>>();
        assert_eq!(waiting(&trail), [1, 2, 3, 4]);
        trail.keep(5);
        assert_eq!(waiting(&trail), [1, 2, 3, 4]);
        trail.keep(2);
        assert_eq!(waiting(&trail), [2, 3, 4]);
        trail.push(vec![3]);
        trail.keep(1);
        assert_eq!(waiting(&trail), [3]);
        trail.keep(0);
        assert!(trail.is_empty() && waiting(&trail).is_empty());
    }
}
