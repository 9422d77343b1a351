//! Plans a batch: which records, which timers, which states.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hot::HotError;
use kernel::{Duration, Timestamp};
use messages::stream::v1::record::Body;

use super::changes::ChangeQueue;
use super::lane::Item;
use super::output::Held;
use super::quarantine::panic_text;
use super::time::Reach;
use super::{Planned, Worker};
use crate::key::{Key, key_of};
use crate::{Freshness, TimeSource, head, limits};
use decision::Core;

impl<C: Core> Worker<C> {
    /// Runs a batch and makes it pending. False where there is nothing to do.
    pub(super) async fn prepare(&mut self, held: Held) -> Result<bool, HotError> {
        let wall_now = match &self.config.time {
            TimeSource::Wall(clock) => Some(clock.now()),
            TimeSource::Stream => None,
        };
        let mut is_newest = self.config.refresh.is_none();
        self.quarantine.stuck.clear();
        self.quarantine.named.clear();
        // Each failed round finds one more input to set aside, parts to load, or that the
        // definitions may be too old.
        loop {
            self.batch.rewind(self.position.watermark);
            self.steps.discard();
            let mut plan = self.plan(held);
            self.take_commands(&mut plan).await?;
            self.find_erased(&plan).await?;
            self.reach = match wall_now {
                Some(now) => self.reach(&plan, now),
                None => Reach::default(),
            };
            let timers = if held.live {
                None
            } else {
                self.enlist_due(&plan, wall_now).await?
            };
            if plan.is_empty() && self.batch.entries.is_empty() {
                self.batch.return_states(&mut self.cache);
                self.position.no_timer_before = timers.or(self.position.no_timer_before);
                return self.prepare_rest().await;
            }
            self.load().await?;
            let definitions = Arc::clone(&self.config.definitions.borrow());
            self.find_gone(&definitions).await?;
            self.load_parts(&definitions, &plan, wall_now).await?;
            self.batch.sort_entries();
            let ran = self.run(&definitions, &plan, wall_now);
            if self.batch.effects.lacks_definition && !is_newest {
                self.refresh_for_batch().await?;
                is_newest = true;
                continue;
            }
            if !self.batch.misses.is_empty() {
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
                    self.inputs.blame(failed.origin, failed.fault);
                    // Each costs another round over what comes before it: what is left is for the
                    // next batches.
                    if self.inputs.fault_count() >= limits::POISON_PER_BATCH {
                        self.inputs.max = self.batch.inputs.max(1);
                    }
                }
            }
        }
    }

    /// Nothing else is to be done: drops counters of definitions that are gone, tells those who
    /// wait for a timer that is none, and removes changes that the log has, in a commit of its own.
    /// False where there is nothing of all that.
    async fn prepare_rest(&mut self) -> Result<bool, HotError> {
        let definitions = Arc::clone(&self.config.definitions.borrow());
        self.find_gone(&definitions).await?;
        let keeps_logged = self
            .changes
            .as_ref()
            .is_some_and(ChangeQueue::keeps_much_that_is_logged);
        if !self.counted.has_gone() && !self.has_told_too_early() && !keeps_logged {
            return Ok(false);
        }
        // Nothing was run that could fail.
        self.pending = self.build(&[], None).ok();
        Ok(self.pending.is_some())
    }

    /// Something is not defined: goes on only where it is known that no other process defined it.
    async fn refresh_for_batch(&self) -> Result<(), HotError> {
        match self.refresh().await? {
            Freshness::Newest => Ok(()),
            Freshness::Older => Err(HotError::unavailable(
                "a batch needs definitions that this version of the program does not understand",
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
        let mut quotas = self.inputs.quotas(held);
        self.hold_beside_stuck(&mut quotas);
        let commands = self.inputs.lanes.iter().zip(&quotas);
        let commands = commands.filter(|(lane, _)| lane.is_commands());
        // Each may need the state of a customer.
        let max_states = max_states - commands.map(|(_, quota)| quota).sum::<usize>();
        let mut plan = Vec::with_capacity(quotas.iter().sum());
        // Of each lane, how many records of it are planned.
        let mut taken = vec![0; quotas.len()];
        for (number, (lane, quota)) in self.inputs.lanes.iter().zip(quotas).enumerate() {
            // Records that were written to the live lane before it go first: they may be of the
            // same customer.
            let live = lane.live.map(|live| (live, &self.inputs.lanes[live]));
            let before = live.map(|(live, lane)| lane.next_commit(taken[live]));
            for place in lane.places().take(quota) {
                if self.quarantine.stuck.contains(&(number, place))
                    || before.is_some_and(|before| before <= lane.commit_of(place.0))
                {
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
                taken[number] += 1;
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
        for (number, (lane, quota)) in self.inputs.lanes.iter().zip(quotas).enumerate() {
            if number != *stuck && !lane.is_commands() {
                *quota = 0;
            }
        }
    }

    pub(super) fn may_have_due(&self) -> bool {
        match (&self.config.time, self.position.no_timer_before) {
            (TimeSource::Wall(clock), Some(next)) => next <= clock.now(),
            (_, Some(Timestamp::MAX)) => false,
            _ => true,
        }
    }

    /// Enlists the entries of the index of timers up to the end of the plan. Returns an instant
    /// before which the index has no other (the latest there is, if it has none at all); absent
    /// where the store was not asked.
    async fn enlist_due(
        &mut self,
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, HotError> {
        let until = wall_now.map_or_else(
            || {
                plan.iter()
                    .filter_map(|planned| {
                        match self.inputs.lanes[planned.lane].item(planned.place) {
                            Item::Record(record) => Some(Timestamp::from_millis(record.time_ms)),
                            Item::Damaged(_) | Item::Empty => None,
                        }
                    })
                    .fold(self.position.watermark, Timestamp::max)
            },
            |_| self.reach.latest(),
        );
        if self
            .position
            .no_timer_before
            .is_some_and(|next| next > until)
        {
            return Ok(None);
        }
        let max = limits::TIMERS_PER_BATCH.min(self.inputs.max.max(1));
        let due = self.hot().due(self.position.slot, until, max).await?;
        let mut last = None;
        for (key_bytes, time) in due.timers {
            let Some(key) = key_of(&key_bytes) else {
                return Err(HotError::Damaged(format!(
                    "a timer of partition {} belongs to no customer",
                    self.position.slot.partition
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
        let loaded = self.hot().load(self.position.slot, &keys).await?;
        let missing = self.batch.works.iter_mut().filter(|work| !work.loaded);
        for (work, stored) in missing.zip(loaded) {
            work.loaded = true;
            let Some(stored) = stored else { continue };
            work.found(stored.value.len(), stored.timer);
            work.raw = Some(stored.value.clone());
            match catch_unwind(AssertUnwindSafe(|| head::read::<C>(&stored.value))) {
                Ok(Ok((head, state))) => work.read(head, state),
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
