//! Parts of states in a batch: which are loaded before it runs, and what happens where a step meets
//! one that is not.
//!
//! Such a step is void, and so is the batch. It goes on nevertheless, without that customer, so
//! that all that is missing is found in one round; then the parts are loaded, and the batch is
//! taken again from the states that it began with.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use hot::{HotError, Stored};
use kernel::Timestamp;

use super::batch::{Batch, Work};
use super::cause::Cause;
use super::fault::Failed;
use super::lane::Item;
use super::quarantine::panic_text;
use super::{Planned, Worker};
use crate::key::customer_of;
use crate::limits;
use decision::{Core, Input, PartKey, PartLoad};

/// The answer to a request for a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was loaded.
    Loaded,
    /// It cannot be: whoever needs it is poison, for this reason.
    Refused(String),
}

/// Names the parts that the store has of a state that was forgotten in this batch.
///
/// # Errors
/// The words of the core's panic.
pub(super) fn forgotten_parts<C: Core>(work: &Work<C::State>) -> Result<Vec<PartKey>, String> {
    if work.forgotten.is_none() {
        return Ok(Vec::new());
    }
    stored_parts::<C>(work)
}

/// Names the parts that the store has of a state as it was before this batch.
///
/// # Errors
/// The words of the core's panic.
pub(super) fn stored_parts<C: Core>(work: &Work<C::State>) -> Result<Vec<PartKey>, String> {
    let Some(before) = &work.before.state else {
        return Ok(Vec::new());
    };
    let stored = catch_unwind(AssertUnwindSafe(|| C::part_keys(before)));
    let mut stored = stored.map_err(|panic| panic_text(panic.as_ref()))?;
    // They stay until their customer has them.
    stored.retain(|part| !work.cached.head.is_returning(*part));
    Ok(stored)
}

/// Measures the parts of a state. One that cannot be measured counts nothing: its next step fails,
/// and says why.
pub(super) fn measure<C: Core>(state: &C::State) -> PartLoad {
    catch_unwind(AssertUnwindSafe(|| C::measure_parts(state))).unwrap_or_default()
}

/// Returns whether parts of a state are kept apart. One that cannot be asked fails in its step, and
/// says why.
fn has_parts_apart<C: Core>(state: &C::State) -> bool {
    catch_unwind(AssertUnwindSafe(|| C::has_parts_apart(state))).unwrap_or(true)
}

impl<C: Core> Worker<C> {
    /// Loads the parts that the last try missed, and those that the inputs are going to need.
    pub(super) async fn load_parts(
        &mut self,
        definitions: &C::Definitions,
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<(), HotError> {
        // Those of the engine are missed by any core.
        if !C::HAS_PARTS && self.batch.misses.is_empty() {
            return Ok(());
        }
        let wanted = self.wanted(definitions, plan, wall_now);
        for chunk in wanted.chunks(limits::PARTS_PER_READ) {
            let works = &self.batch.works;
            let key = |(work, part): &(usize, PartKey)| {
                part.of_customer(customer_of(&works[*work].key_bytes))
            };
            let keys: Vec<_> = chunk.iter().map(key).collect();
            let loaded = self.hot().load(self.position.slot, &keys).await?;
            for ((work, part), stored) in chunk.iter().zip(loaded) {
                self.batch.take_part(*work, *part, stored);
            }
        }
        Ok(())
    }

    /// The parts to load: works and keys, each once, none that was asked for before.
    fn wanted(
        &mut self,
        definitions: &C::Definitions,
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Vec<(usize, PartKey)> {
        let misses = std::mem::take(&mut self.batch.misses);
        let batch = &self.batch;
        let mut wanted: Vec<_> = misses
            .into_iter()
            .filter_map(|(key, part)| Some((batch.find(key)?, part)))
            .collect();
        let mut keys = Vec::new();
        let mut ask = |number: usize, input: Input<'_>, now: Timestamp| {
            let work = &batch.works[number];
            let is_whole = !work.cached.head.has_state || !has_parts_apart::<C>(&work.cached.state);
            if work.fault.is_some() || is_whole {
                return;
            }
            keys.clear();
            // A core that fails here fails again in the step, where that is told.
            let named = catch_unwind(AssertUnwindSafe(|| {
                C::wants(definitions, &work.cached.state, input, now, &mut keys);
            }));
            if named.is_ok() {
                wanted.extend(keys.drain(..).map(|key| (number, key)));
            }
        };
        for (number, time) in &batch.entries {
            let timer = batch.works[*number].cached.timer;
            if let (Some(entry), Some(due_time)) = (timer.entry, timer.due)
                && entry == *time
                && wall_now.is_none_or(|now| due_time <= now)
            {
                let now = wall_now.unwrap_or(due_time);
                ask(*number, Input::Timer { due_time }, now);
            }
        }
        for planned in plan {
            let lane = &self.inputs.lanes[planned.lane];
            if let (Some(number), Item::Record(record), false) =
                (planned.work, lane.item(planned.place), lane.is_commands())
            {
                let now = wall_now
                    .unwrap_or_else(|| batch.watermark.max(Timestamp::from_millis(record.time_ms)));
                ask(number, Input::Record(record), now);
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|(number, part)| {
            let key = batch.works[*number].key;
            !batch.asked.contains_key(&(key, *part))
        });
        wanted
    }

    /// Takes note that a step met parts that are not loaded, so that it is void. Returns why it
    /// failed: for good where the parts cannot be had, and otherwise for
    /// [`unless_stuck`](Self::unless_stuck) to pass over. `lacked` is what was known of definitions
    /// before the step.
    pub(super) fn miss(&mut self, work: usize, cause: Cause<'_>, lacked: bool) -> Failed {
        let batch = &mut self.batch;
        let needs = std::mem::take(&mut batch.effects.needs);
        batch.effects.clear();
        batch.effects.lacks_definition = lacked;
        let work = &mut batch.works[work];
        for part in needs {
            match batch.asked.get(&(work.key, part)) {
                None => {
                    batch.misses.insert((work.key, part));
                }
                Some(Asked::Refused(reason)) => return cause.failed(reason.clone()),
                Some(Asked::Loaded) => {
                    return cause.failed(format!(
                        "the step asks for the part {part} again, which it was given"
                    ));
                }
            }
        }
        work.is_stuck = true;
        cause.failed("parts are to be loaded first")
    }

    /// Asks for the parts that a step would need, for what is no step. What cannot be had is done
    /// without.
    pub(super) fn ask_ahead(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        input: Input<'_>,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Work { key, cached, .. } = &self.batch.works[work];
        let (key, state) = (*key, &cached.state);
        let mut wanted = Vec::new();
        // A core that fails here fails again in the step, where that is told.
        let named = catch_unwind(AssertUnwindSafe(|| {
            C::wants(definitions, state, input, cause.now, &mut wanted);
        }));
        wanted.retain(|part| !self.batch.asked.contains_key(&(key, *part)));
        if !C::HAS_PARTS || named.is_err() || wanted.is_empty() {
            return Ok(());
        }
        let lacked = self.batch.effects.lacks_definition;
        self.batch.effects.needs.extend(wanted);
        Err(self.miss(work, cause, lacked))
    }

    /// Passes over the failure of a step that only waits for its parts.
    pub(super) fn unless_stuck(
        &self,
        work: Option<usize>,
        taken: Result<(), Failed>,
    ) -> Result<(), Failed> {
        match (taken, work) {
            (Err(_), Some(work)) if self.batch.works[work].is_stuck => Ok(()),
            (taken, _) => taken,
        }
    }
}

impl<C: Core> Batch<C> {
    /// Keeps what a state was before its first step, where that step may turn out to be void for
    /// lack of a part. A state without such parts is read again in the rare case that the batch is
    /// void for another customer's.
    pub(super) fn begin_step(&mut self, number: usize) {
        let work = &mut self.works[number];
        // One that comes back is given parts before it lists them.
        let has_parts = |work: &Work<C::State>| {
            work.cached.head.coming_back().is_some() || has_parts_apart::<C>(&work.cached.state)
        };
        if C::HAS_PARTS && !work.is_stepped && has_parts(work) {
            work.before.state = Some(Box::new(work.cached.state.clone()));
        }
        work.is_stepped = true;
    }

    /// Forgets a state, its parts with it.
    pub(super) fn forget_state(&mut self, number: usize) {
        let work = &mut self.works[number];
        work.cached.state = C::State::default();
        if C::HAS_PARTS {
            work.forgotten = Some(0);
            // A failure is told when the commit is built.
            work.forgotten = Some(forgotten_parts::<C>(work).map_or(0, |parts| parts.len()));
            self.count_parts(number, PartLoad::default());
        }
        for part in std::mem::take(&mut self.works[number].taken_in) {
            if self.works[number].cached.head.is_returning(part) {
                continue;
            }
            self.put_part(number, part, None);
        }
    }

    /// Takes note of what is going to be written of the parts of a state.
    pub(super) fn count_parts(&mut self, number: usize, mut now: PartLoad) {
        let work = &mut self.works[number];
        // A part that is removed and written again counts twice: it is a bound.
        let forgotten = work.forgotten.unwrap_or_default();
        now.dirty += forgotten;
        now.dirty_bytes += forgotten * PartKey::STORE_BYTES;
        now.dirty += work.on_way.len();
        now.dirty_bytes += work.on_way_bytes;
        let before = std::mem::replace(&mut work.parts, now);
        self.parts.dirty = self.parts.dirty + now.dirty - before.dirty;
        self.parts.dirty_bytes = self.parts.dirty_bytes + now.dirty_bytes - before.dirty_bytes;
    }

    /// Writes or removes a part of a state that is on its way.
    pub(super) fn put_part(&mut self, number: usize, part: PartKey, value: Option<Bytes>) {
        let work = &mut self.works[number];
        let bytes = PartKey::STORE_BYTES + value.as_ref().map_or(0, Bytes::len);
        match value {
            Some(value) => work.on_way.put(part, value),
            None => work.on_way.remove(part),
        }
        work.on_way_bytes += bytes;
        for load in [&mut work.parts, &mut self.parts] {
            load.dirty += 1;
            load.dirty_bytes += bytes;
        }
    }

    /// Hands a part to its state, or keeps it as it is where no core knows it.
    fn take_part(&mut self, number: usize, part: PartKey, stored: Option<Stored>) {
        let work = &mut self.works[number];
        let asked = match stored {
            None => Asked::Refused(format!(
                "the state lists the part {part}, and the store does not have it"
            )),
            Some(stored) if work.cached.head.has_on_way(part) => {
                self.raw.insert((work.key, part), stored.value);
                Asked::Loaded
            }
            Some(stored) => {
                let state = &mut work.cached.state;
                let taken =
                    catch_unwind(AssertUnwindSafe(|| C::load_part(state, part, stored.value)));
                match taken {
                    Ok(Ok(())) => Asked::Loaded,
                    Ok(Err(poison)) => {
                        Asked::Refused(format!("the part {part} cannot be read: {poison}"))
                    }
                    Err(panic) => {
                        let text = panic_text(panic.as_ref());
                        Asked::Refused(format!("the part {part} cannot be read: {text}"))
                    }
                }
            }
        };
        self.asked.insert((work.key, part), asked);
    }
}
