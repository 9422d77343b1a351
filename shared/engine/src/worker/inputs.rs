//! Inputs of a worker: its lanes, the most that one batch may take of them, and those to be set
//! aside.
//!
//! It does not run anything.

use std::collections::HashMap;

use hot::{Cursor, Head, HotError, HotStore, Standing, StreamId, StreamName};
use kernel::PartitionId;

use super::fault::Fault;
use super::lane::{Lane, Place};
use super::output::Held;
use super::quarantine::InputId;
use crate::limits;
use decision::Core;

/// The inputs of a worker.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) lanes: Vec<Lane>,
    /// Inputs found to be poison in this batch, with what was at fault each time.
    poisoned: HashMap<InputId, Vec<Fault>>,
    /// The most inputs that a batch may take.
    pub(crate) max: usize,
}

impl Inputs {
    /// Those of a partition that was not opened yet.
    pub(crate) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            poisoned: HashMap::new(),
            max: limits::RECORDS_PER_BATCH,
        }
    }

    /// Begins where the store says that the inputs of a core are in effect.
    pub(crate) fn open<C: Core>(&mut self, partition: PartitionId, head: &Head) {
        let streams = Self::streams::<C>();
        let live_of = |low: StreamName| {
            let (live, _) = C::INPUTS.iter().find(|(_, it)| *it == Some(low))?;
            streams.iter().position(|name| name == live)
        };
        self.lanes = streams
            .iter()
            .map(|name| {
                Lane::open(
                    StreamId {
                        name: *name,
                        partition,
                    },
                    live_of(*name),
                    head,
                )
            })
            .collect();
        self.renew();
    }

    /// The streams that a worker of a core reads, in the order of their lanes.
    pub(crate) fn streams<C: Core>() -> Vec<StreamName> {
        let commands = StreamName::commands_of(C::OWNER).into_iter();
        let live = C::INPUTS.iter().map(|(name, _)| *name);
        commands
            .chain(live)
            .chain(C::INPUTS.iter().filter_map(|(_, low)| *low))
            .collect()
    }

    /// Says which lanes may have news, by bit.
    pub(crate) fn hint(&mut self, lanes: u32) {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if lanes & (1 << number) != 0 {
                lane.hint();
            }
        }
    }

    /// Says that every live lane may have news.
    pub(crate) fn hint_live(&mut self) {
        let live = self.lanes.iter_mut().filter(|lane| lane.is_live());
        live.for_each(Lane::hint);
    }

    /// Reads on in every lane that may go on.
    ///
    /// Live lanes come last: what was written to one before an entry of its low-priority lane that
    /// was just read is there by then, and is looked for whether or not anybody told of it.
    pub(crate) async fn read(&mut self, hot: &dyn HotStore, held: Held) -> Result<(), HotError> {
        let want = limits::RECORDS_PER_BATCH;
        for number in (0..self.lanes.len()).rev() {
            let lane = &mut self.lanes[number];
            let stopped = if lane.bulk { held.bulk } else { held.live };
            let read = if !stopped || lane.is_commands() {
                lane.read(hot, want).await?
            } else {
                0
            };
            if let (Some(live), 1..) = (lane.live, read) {
                self.lanes[live].hint();
            }
        }
        Ok(())
    }

    /// Shares a batch out among the lanes: live lanes first, each with a share kept for the others
    /// that wait, and a fixed share for low-priority lanes while live ones wait.
    pub(crate) fn quotas(&self, held: Held) -> Vec<usize> {
        let waiting: Vec<(bool, usize)> = self
            .lanes
            .iter()
            .map(|lane| {
                let stopped = if lane.bulk { held.bulk } else { held.live };
                let stopped = stopped || lane.is_commands();
                (lane.bulk, if stopped { 0 } else { lane.waiting() })
            })
            .collect();
        let limit = self.max.min(limits::RECORDS_PER_BATCH);
        let mut quotas = share(&waiting, limit);
        // Commands are few, and wait for nothing: they may be what everything else waits for.
        for (lane, quota) in self.lanes.iter().zip(&mut quotas) {
            if lane.is_commands() {
                *quota = lane.waiting().min(limits::COMMANDS_PER_BATCH).min(limit);
            }
        }
        quotas
    }

    /// The cursors that took effect.
    pub(crate) fn cursors(&self) -> Vec<(StreamId, Cursor)> {
        self.lanes
            .iter()
            .map(|lane| (lane.stream, lane.committed().cursor))
            .collect()
    }

    /// Takes note that everything up to these places is in effect.
    pub(crate) fn settle(&mut self, places: Vec<(usize, Place)>) {
        for (lane, place) in places {
            self.lanes[lane].settle(place);
        }
        self.renew();
    }

    /// Takes note that an input failed. Returns whether it is at fault itself already, and so
    /// should not have been run.
    pub(crate) fn blame(&mut self, origin: InputId, mut fault: Fault) -> bool {
        let faults = self.poisoned.entry(origin).or_default();
        let is_known = faults.iter().any(|known| known.wait.is_none());
        // A wait that is set aside and fails all the same cannot be passed over.
        if faults.iter().any(|known| known.wait == fault.wait) {
            fault.wait = None;
        }
        faults.push(fault);
        is_known
    }

    /// Returns what was at fault each time that an input failed.
    pub(crate) fn faults(&self, origin: InputId) -> &[Fault] {
        self.poisoned.get(&origin).map_or(&[], Vec::as_slice)
    }

    /// Returns how often inputs failed in this batch.
    pub(crate) fn fault_count(&self) -> usize {
        self.poisoned.values().map(Vec::len).sum()
    }

    /// Forgets what was found out about the inputs of one batch.
    fn renew(&mut self) {
        self.poisoned.clear();
        self.max = limits::RECORDS_PER_BATCH;
    }

    /// Removes from the streams what a program before this one left of what is in effect.
    pub(crate) async fn trim_old(
        &mut self,
        hot: &dyn HotStore,
        at: Standing,
    ) -> Result<(), HotError> {
        for lane in &mut self.lanes {
            lane.trim_old(hot, at).await?;
        }
        Ok(())
    }
}

fn share(waiting: &[(bool, usize)], limit: usize) -> Vec<usize> {
    let count = |low: bool| {
        waiting
            .iter()
            .filter(|(bulk, n)| *bulk == low && *n > 0)
            .count()
    };
    let bulk_share = match (count(false), count(true)) {
        (_, 0) => 0,
        (0, _) => limit,
        _ => limit / limits::BULK_SHARE,
    };
    let mut left = limit;
    let mut bulk_left = bulk_share;
    let mut live_behind = count(false);
    waiting
        .iter()
        .map(|(bulk, n)| {
            let quota = if *bulk {
                (*n).min(bulk_left)
            } else {
                live_behind = live_behind.saturating_sub(usize::from(*n > 0));
                let kept = live_behind * (limit / limits::LIVE_SHARE) + bulk_share;
                (*n).min(left.saturating_sub(kept))
            };
            if *bulk {
                bulk_left -= quota;
            }
            left -= quota;
            quota
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: bool = false;
    const BULK: bool = true;

    #[test]
    fn live_records_come_first_and_low_priority_ones_get_a_share() {
        for (waiting, quotas) in [
            (vec![(LIVE, 500), (BULK, 500)], vec![75, 25]),
            (vec![(LIVE, 5), (BULK, 500)], vec![5, 25]),
            (vec![(LIVE, 0), (BULK, 500)], vec![0, 100]),
            (vec![(LIVE, 500), (BULK, 0)], vec![100, 0]),
            (
                vec![(LIVE, 500), (LIVE, 500), (BULK, 500)],
                vec![63, 12, 25],
            ),
            (vec![(LIVE, 500), (LIVE, 3), (BULK, 0)], vec![88, 3, 0]),
            (vec![(LIVE, 0), (LIVE, 0), (BULK, 0)], vec![0, 0, 0]),
        ] {
            assert_eq!(share(&waiting, 100), quotas, "{waiting:?}");
        }
    }

    #[test]
    fn a_batch_of_one_makes_progress() {
        assert_eq!(share(&[(LIVE, 5), (LIVE, 5), (BULK, 5)], 1), [1, 0, 0]);
    }
}
