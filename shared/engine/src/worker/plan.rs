//! Plans a batch: which records, which timers, which states.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hot::HotError;
use kernel::{Duration, Timestamp};
use messages::stream::v1::record::Body;

use super::lane::{Item, Lane};
use super::output::Held;
use super::quarantine::panic_text;
use super::{Planned, Worker};
use crate::key::{Key, key_of};
use crate::{Freshness, TimeSource, head, limits};
use decision::Core;

impl<C: Core> Worker<C> {
    /// Reads on in every lane that may go on.
    pub(super) async fn read(&mut self, held: Held) -> Result<(), HotError> {
        let hot = Arc::clone(self.hot());
        for lane in &mut self.lanes {
            let stopped = if lane.bulk { held.bulk } else { held.live };
            if !stopped || lane.is_commands() {
                lane.read(hot.as_ref(), limits::RECORDS_PER_BATCH).await?;
            }
        }
        Ok(())
    }

    /// Runs a batch and makes it pending. False where there is nothing to do.
    pub(super) async fn prepare(&mut self, held: Held) -> Result<bool, HotError> {
        let wall_now = match &self.config.time {
            TimeSource::Wall(clock) => Some(clock.now()),
            TimeSource::Stream => None,
        };
        let mut is_newest = self.config.refresh.is_none();
        self.quarantine.stuck.clear();
        self.quarantine.named.clear();
        // Each failed round finds one more input to set aside, or that the definitions may be too old.
        loop {
            self.batch.clear(self.watermark);
            self.steps.discard();
            let mut plan = self.plan(held);
            self.take_commands(&mut plan).await?;
            let timers = if held.live {
                None
            } else {
                self.enlist_due(&plan, wall_now).await?
            };
            if plan.is_empty() && self.batch.entries.is_empty() {
                self.batch.return_states(&mut self.cache);
                self.no_timer_before = timers.or(self.no_timer_before);
                return Ok(false);
            }
            self.load().await?;
            self.batch.sort_entries();
            let definitions = Arc::clone(&self.config.definitions.borrow());
            let ran = self.run(&definitions, &plan, wall_now);
            if self.batch.effects.lacks_definition && !is_newest {
                self.refresh_for_batch().await?;
                is_newest = true;
                continue;
            }
            let built = match ran {
                Ok(ran) => self.build(&plan[..ran], timers),
                Err(failed) => Err(failed),
            };
            match built {
                Ok(pending) => {
                    self.pending = Some(pending);
                    return Ok(true);
                }
                Err(failed) => {
                    self.poisoned.insert(failed.origin, failed.reason);
                    // Each costs another round over what comes before it: what is left is for the
                    // next batches.
                    if self.poisoned.len() >= limits::POISON_PER_BATCH {
                        self.max_inputs = self.batch.inputs.max(1);
                    }
                }
            }
        }
    }

    /// Something is not defined: goes on only where it is known that no other process defined it.
    async fn refresh_for_batch(&self) -> Result<(), HotError> {
        match self.refresh().await? {
            Freshness::Newest => Ok(()),
            Freshness::Older => Err(HotError::Unavailable(
                "a batch needs definitions that this version of the program does not understand"
                    .into(),
            )),
        }
    }

    /// Chooses records, lane by lane, and enlists their customers.
    fn plan(&mut self, held: Held) -> Vec<Planned> {
        let max_states = if self.may_have_due() {
            limits::STATES_PER_BATCH - limits::TIMERS_PER_BATCH
        } else {
            limits::STATES_PER_BATCH
        };
        let mut quotas = quotas(
            &self.lanes,
            held,
            self.max_inputs.min(limits::RECORDS_PER_BATCH),
        );
        self.hold_beside_stuck(&mut quotas);
        let commands = self.lanes.iter().zip(&quotas);
        let commands = commands.filter(|(lane, _)| lane.is_commands());
        // Each may need the state of a customer.
        let max_states = max_states - commands.map(|(_, quota)| quota).sum::<usize>();
        let mut plan = Vec::with_capacity(quotas.iter().sum());
        for (number, (lane, quota)) in self.lanes.iter().zip(quotas).enumerate() {
            for place in lane.places().take(quota) {
                if self.quarantine.stuck.contains(&(number, place)) {
                    break;
                }
                let work = match lane.item(place) {
                    Item::Record(record) if !matches!(record.body, Some(Body::Tick(_))) => {
                        match key_of(&record.customer_id) {
                            Some(key) if self.batch.works.len() < max_states => {
                                Some(self.batch.enlist(key, &record.customer_id, &mut self.cache))
                            }
                            Some(key) => match self.batch.find(key) {
                                Some(work) => Some(work),
                                None => break,
                            },
                            None => None,
                        }
                    }
                    _ => None,
                };
                plan.push(Planned {
                    lane: number,
                    place,
                    work,
                });
            }
        }
        plan
    }

    /// On stream time all lanes wait where one does, since time is one for all of them.
    fn hold_beside_stuck(&self, quotas: &mut [usize]) {
        let stuck = self.quarantine.stuck.first();
        let (Some((stuck, _)), true) = (stuck, self.is_on_stream_time()) else {
            return;
        };
        for (number, (lane, quota)) in self.lanes.iter().zip(quotas).enumerate() {
            if number != *stuck && !lane.is_commands() {
                *quota = 0;
            }
        }
    }

    fn may_have_due(&self) -> bool {
        match (&self.config.time, self.no_timer_before) {
            (TimeSource::Wall(clock), Some(next)) => next <= clock.now(),
            (_, Some(Timestamp::MAX)) => false,
            _ => true,
        }
    }

    /// Enlists the entries of the index of timers up to the end of the plan. Returns an instant before which the index has
    /// no other (the latest there is, if it has none at all); absent where the store was not asked.
    async fn enlist_due(
        &mut self,
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, HotError> {
        let until = wall_now.unwrap_or_else(|| {
            plan.iter()
                .filter_map(
                    |planned| match self.lanes[planned.lane].item(planned.place) {
                        Item::Record(record) => Some(Timestamp::from_millis(record.time_ms)),
                        Item::Damaged(_) | Item::Empty => None,
                    },
                )
                .fold(self.watermark, Timestamp::max)
        });
        if self.no_timer_before.is_some_and(|next| next > until) {
            return Ok(None);
        }
        let max = limits::TIMERS_PER_BATCH.min(self.max_inputs.max(1));
        let due = self.hot().due(self.slot, until, max).await?;
        let mut last = None;
        for (key_bytes, time) in due.timers {
            let Some(key) = key_of(&key_bytes) else {
                return Err(HotError::Damaged(format!(
                    "a timer of partition {} belongs to no customer",
                    self.slot.partition
                )));
            };
            let work = self.batch.enlist(key, &key_bytes, &mut self.cache);
            self.batch.entries.push((work, time));
            last = last.max(Some((time, key)));
        }
        let next = due.next.unwrap_or(Timestamp::MAX);
        let Some(last) = last else {
            // All up to `until` would have been returned.
            return Ok(Some(next.max(until + Duration::from_millis(1))));
        };
        if next <= until {
            // The oldest are returned first, so whatever is left comes after the last of them.
            let before = (next - Duration::from_millis(1), Key::MAX);
            self.batch.horizon = Some(before.max(last));
        }
        Ok(Some(next))
    }

    /// Loads the states that are not in the cache, all in one read.
    async fn load(&mut self) -> Result<(), HotError> {
        let keys: Vec<_> = self
            .batch
            .works
            .iter()
            .filter(|work| !work.loaded)
            .map(|work| work.key_bytes.clone())
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let loaded = self.hot().load(self.slot, &keys).await?;
        let missing = self.batch.works.iter_mut().filter(|work| !work.loaded);
        for (work, stored) in missing.zip(loaded) {
            work.loaded = true;
            let Some(stored) = stored else { continue };
            work.stored = true;
            work.bytes = stored.value.len();
            work.timer = stored.timer;
            work.raw = Some(stored.value.clone());
            match catch_unwind(AssertUnwindSafe(|| head::read::<C>(&stored.value))) {
                Ok(Ok(read)) => (work.head, work.state) = read,
                Ok(Err(poison)) => {
                    work.fault = Some(format!("the state cannot be read: {poison}").into());
                }
                Err(panic) => {
                    let text = panic_text(panic.as_ref());
                    work.fault = Some(format!("the state cannot be read: {text}").into());
                }
            }
        }
        Ok(())
    }
}

/// How many records each lane gives to a batch of `limit`: live lanes first, each with a share kept for the others that
/// wait, and a fixed share for low-priority lanes while live ones wait.
fn quotas(lanes: &[Lane], held: Held, limit: usize) -> Vec<usize> {
    let waiting: Vec<(bool, usize)> = lanes
        .iter()
        .map(|lane| {
            let stopped = if lane.bulk { held.bulk } else { held.live };
            let stopped = stopped || lane.is_commands();
            (lane.bulk, if stopped { 0 } else { lane.waiting() })
        })
        .collect();
    let mut quotas = share(&waiting, limit);
    // Commands are few, and wait for nothing: they may be what everything else waits for.
    for (lane, quota) in lanes.iter().zip(&mut quotas) {
        if lane.is_commands() {
            *quota = lane.waiting().min(limits::COMMANDS_PER_BATCH).min(limit);
        }
    }
    quotas
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
