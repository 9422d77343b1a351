//! The memory of the scribe: commits of the partitions that this process owns and that wait for the
//! log, and how far the log is with each.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use kernel::{Owner, PartitionId};
use tokio::time::Instant;

use crate::limits::{FLUSH_BYTES, FLUSH_COMMITS, ROW_BYTES};
use crate::{Pending, Place};

/// A partition of a service.
pub(super) type Slot = (Owner, PartitionId);

/// The commits of a partition that go to the log next, oldest first.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) slot: Slot,
    pub(super) pending: Vec<Pending>,
}

/// The effect of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pushed {
    /// Something waits now, and nothing did before.
    pub(super) is_first: bool,
    /// A full row waits now, and none did before.
    pub(super) is_full: bool,
}

/// The commits that wait, over all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Backlog {
    pub(crate) commits: usize,
    pub(crate) bytes: usize,
    /// The time that the oldest has waited.
    pub(crate) age: Duration,
}

/// The partitions.
#[derive(Debug, Default)]
pub(super) struct Slots {
    tenures: BTreeMap<Slot, Tenure>,
    commits: usize,
    bytes: usize,
    /// The slot with which the last round ended: the next one begins behind it, so that a busy
    /// partition does not keep others waiting.
    last: Option<Slot>,
}

/// The time for which a worker owns a partition.
#[derive(Debug, Default)]
struct Tenure {
    epoch: u64,
    /// Commits that the log may lack, each with the time since which it waits.
    waiting: VecDeque<(Pending, Instant)>,
    /// The newest commit that was pushed or found.
    newest: Place,
    /// The last commit that the log has, as far as is known.
    logged: Place,
    is_closed: bool,
}

impl Slots {
    /// A worker begins, and its store has this pending.
    pub(super) fn open(&mut self, slot: Slot, epoch: u64, pending: Vec<Pending>) -> Pushed {
        let was = self.bytes;
        let tenure = self.tenures.entry(slot).or_default();
        if tenure.epoch > epoch {
            return Pushed::default();
        }
        let void = std::mem::take(&mut tenure.waiting);
        self.commits -= void.len();
        self.bytes -= void.iter().map(|(it, _)| it.changes.len()).sum::<usize>();
        if tenure.epoch < epoch {
            tenure.newest = Place::default();
        }
        tenure.epoch = epoch;
        tenure.is_closed = false;
        for one in pending {
            if one.place > tenure.logged {
                tenure.newest = one.place.max(tenure.newest);
                self.commits += 1;
                self.bytes += one.changes.len();
                tenure.waiting.push_back((one, Instant::now()));
            }
        }
        self.pushed(was)
    }

    /// A commit took effect. One of an older tenure, or that is no news, is left out: it is in the
    /// store for whoever owns the partition now.
    pub(super) fn push(&mut self, slot: Slot, pending: Pending) -> Pushed {
        let was = self.bytes;
        let Some(tenure) = self.tenures.get_mut(&slot) else {
            return Pushed::default();
        };
        let is_own = pending.place.epoch == tenure.epoch && !tenure.is_closed;
        if !is_own || pending.place <= tenure.newest || pending.place <= tenure.logged {
            return Pushed::default();
        }
        tenure.newest = pending.place;
        self.commits += 1;
        self.bytes += pending.changes.len();
        tenure.waiting.push_back((pending, Instant::now()));
        self.pushed(was)
    }

    fn pushed(&self, was: usize) -> Pushed {
        Pushed {
            is_first: was == 0 && self.bytes > 0,
            is_full: was < ROW_BYTES && self.bytes >= ROW_BYTES,
        }
    }

    pub(super) fn logged(&self, slot: Slot) -> Place {
        self.tenures
            .get(&slot)
            .map_or_else(Place::default, |tenure| tenure.logged)
    }

    /// A worker ends. What it has pushed may still be written, for whoever comes next.
    pub(super) fn close(&mut self, slot: Slot, epoch: u64) {
        if let Some(tenure) = self.tenures.get_mut(&slot)
            && tenure.epoch == epoch
        {
            tenure.is_closed = true;
            if tenure.waiting.is_empty() {
                self.tenures.remove(&slot);
            }
        }
    }

    /// Lists what one transaction brings to the log; it waits on until it is
    /// [settled](Self::settle).
    pub(super) fn gather(&mut self) -> Vec<Gathered> {
        let (mut bytes, mut commits) = (0, 0);
        let mut gathered = Vec::new();
        let behind = self.last.map_or(Unbounded, Excluded);
        let rest = self.tenures.range((behind, Unbounded));
        let first = self
            .last
            .iter()
            .flat_map(|last| self.tenures.range(..=last));
        for (slot, tenure) in rest.chain(first) {
            let mut pending = Vec::new();
            for (one, _) in &tenure.waiting {
                if bytes >= FLUSH_BYTES || commits >= FLUSH_COMMITS {
                    break;
                }
                bytes += one.changes.len();
                commits += 1;
                pending.push(one.clone());
            }
            if !pending.is_empty() {
                gathered.push(Gathered {
                    slot: *slot,
                    pending,
                });
            }
        }
        self.last = gathered.last().map(|last| last.slot);
        gathered
    }

    /// The log has the commits of a partition up to a place.
    pub(super) fn settle(&mut self, slot: Slot, mark: Place) {
        let Some(tenure) = self.tenures.get_mut(&slot) else {
            return;
        };
        tenure.logged = mark.max(tenure.logged);
        let is_logged = |(one, _): &mut (Pending, Instant)| one.place <= mark;
        while let Some((one, _)) = tenure.waiting.pop_front_if(is_logged) {
            self.commits -= 1;
            self.bytes -= one.changes.len();
        }
        if tenure.is_closed && tenure.waiting.is_empty() {
            self.tenures.remove(&slot);
        }
    }

    /// Returns whether anything waits.
    pub(super) const fn has_any(&self) -> bool {
        self.commits > 0
    }

    /// Returns whether a full row waits.
    pub(super) const fn has_row(&self) -> bool {
        self.bytes >= ROW_BYTES
    }

    pub(super) fn backlog(&self) -> Backlog {
        let fronts = self.tenures.values().filter_map(|it| it.waiting.front());
        let oldest = fronts.map(|(_, since)| *since).min();
        Backlog {
            commits: self.commits,
            bytes: self.bytes,
            age: oldest.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests;
