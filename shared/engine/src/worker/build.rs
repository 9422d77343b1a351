//! Turns a batch that was run into one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use hot::marks::Marks;
use hot::{Commit, HotError, OutboxMessage, StateKey, StateWrite, Timer};
use kernel::Timestamp;

use super::batch::{Batch, Change, Work};
use super::cache::Cached;
use super::fault::{Failed, Fault};
use super::lane::Place;
use super::parts::forgotten_parts;
use super::quarantine::panic_text;
use super::{Pending, Planned, Worker};
use crate::head;
use crate::key::customer_of;
use decision::{Core, PartWrites};

impl<C: Core> Worker<C> {
    /// Encodes what changed.
    pub(super) fn build(
        &mut self,
        ran: &[Planned],
        timers: Option<Timestamp>,
    ) -> Result<Pending, Failed> {
        let mut commit = self.position.next_commit();
        self.batch.write_states(&mut commit)?;
        commit.outputs = self.batch.packer.take(commit.seq);
        commit.outbox = self
            .batch
            .forwards
            .drain(..)
            .map(|(to, payload)| OutboxMessage {
                to,
                payload: payload.into(),
            })
            .collect();
        let changes = self.changes.as_mut();
        let changes = changes.map(|queue| queue.write(&self.batch.changes, &mut commit));
        let mut dropped = std::mem::take(&mut self.batch.dropped_groups);
        dropped.extend(self.counted.gone_beside(dropped.len()));
        commit.dropped_groups = dropped.into_iter().collect();
        let counts = std::mem::take(&mut self.batch.counts).into_iter();
        commit.counters = counts.filter(|(_, change)| *change != 0).collect();
        self.batch.aside.write(&mut commit);
        if self.is_on_stream_time() && self.batch.watermark > self.position.watermark {
            commit.watermark = Some(self.batch.watermark);
        }
        let places = self.places(ran, &mut commit);
        let asked = timers.or(self.position.no_timer_before);
        let (earliest, told) = (self.batch.earliest_entry(), self.position.told_next_due);
        let no_timer_before = asked.map(|asked| asked.min(earliest.unwrap_or(asked)));
        // The index may not have been asked. Then others know all but the timers of the batch.
        let next_due = no_timer_before.or_else(|| told.into_iter().chain(earliest).min());
        if !self.is_on_stream_time() && next_due != told {
            commit.next_due = next_due;
        }
        Ok(Pending {
            inputs: self.batch.inputs,
            watermark: self.batch.watermark,
            commit,
            places,
            no_timer_before,
            changes: changes.unwrap_or_default(),
        })
    }

    /// The store finds the commit too large: tries again with half the inputs, and sets aside the
    /// one that is too large alone.
    pub(super) fn shrink(&mut self, what: &'static str, limit: usize) -> Result<(), HotError> {
        self.pending = None;
        let inputs = self.batch.inputs;
        if inputs > 1 {
            self.inputs.max = inputs / 2;
        } else if let Some(origin) = self.batch.works.iter().find_map(|work| work.last) {
            let reason = format!("what it causes is too large: {what} is over {limit}");
            let fault = Fault { reason, wait: None };
            if self.inputs.blame(origin, fault) {
                return Err(HotError::TooLarge { what, limit });
            }
        } else {
            return Err(HotError::TooLarge { what, limit });
        }
        self.batch.rewind(self.position.watermark);
        Ok(())
    }

    /// Where each lane is after the batch; cursors and marks go into the commit.
    fn places(&self, ran: &[Planned], commit: &mut Commit) -> Vec<(usize, Place)> {
        let mut places: Vec<(usize, Place)> = Vec::with_capacity(self.inputs.lanes.len());
        // A plan goes lane by lane, so the last record of a lane is the one before the next lane
        // begins.
        for (at, planned) in ran.iter().enumerate() {
            if ran
                .get(at + 1)
                .is_some_and(|next| next.lane == planned.lane)
            {
                continue;
            }
            let lane = &self.inputs.lanes[planned.lane];
            let (name, before) = (lane.stream.name, lane.committed());
            let after = lane.after(planned.place);
            if after.cursor != before.cursor {
                commit.cursors.push((name, after.cursor));
            }
            let marks = Marks {
                seen: lane.seen_by(after.cursor),
                part: after.part,
            };
            if !marks.seen.is_empty() || after.part != before.part {
                commit.marks.push((name, marks));
            }
            places.push((planned.lane, after));
        }
        places
    }
}

impl<C: Core> Batch<C> {
    /// Writes the states and timers that changed, and what that means for the index of timers.
    fn write_states(&mut self, commit: &mut Commit) -> Result<(), Failed> {
        self.fired.sort_unstable();
        self.fired.dedup();
        for (number, work) in self.works.iter_mut().enumerate() {
            if work.change == Change::Remove {
                if work.cached.stored {
                    commit.states.push(removal(work.key_bytes.clone()));
                }
                let customer = customer_of(&work.key_bytes);
                let parts = forgotten_parts::<C>(work).map_err(|reason| failed(work, reason))?;
                let parts = parts.into_iter();
                commit
                    .states
                    .extend(parts.map(|part| removal(part.of_customer(customer))));
                work.cached.stored = false;
                work.cached.bytes = 0;
                work.cached.timer = Timer::NONE;
                continue;
            }
            let Some((value, parts)) = value_of::<C>(work)? else {
                continue;
            };
            let (timer, mut adds_entry) = work.cached.timer.set(work.cached.timer.due);
            // An entry that came up and is wanted again stays where it is.
            if let (true, Some(entry)) = (adds_entry, timer.entry)
                && let Ok(at) = self.fired.binary_search(&(number, entry))
            {
                self.fired.remove(at);
                adds_entry = false;
            }
            work.cached.timer = timer;
            commit.states.push(StateWrite {
                key: work.key_bytes.clone(),
                value: Some(value),
                timer,
                adds_entry,
            });
            let customer = customer_of(&work.key_bytes);
            commit
                .states
                .extend(parts.into_iter().map(|(part, value)| StateWrite {
                    value,
                    ..removal(part.of_customer(customer))
                }));
        }
        for (number, time) in self.fired.drain(..) {
            commit
                .fired
                .push((self.works[number].key_bytes.clone(), time));
        }
        Ok(())
    }
}

/// Removes what is under a key. What has no timer is written with the same.
pub(super) const fn removal(key: StateKey) -> StateWrite {
    StateWrite {
        key,
        value: None,
        timer: Timer::NONE,
        adds_entry: false,
    }
}

/// Blames the input that changed a work last.
fn failed<S>(work: &Work<S>, reason: String) -> Failed {
    Failed::new(work.last.expect("a change has a cause"), reason)
}

/// The bytes to write for a state, and its parts that changed; absent where neither it nor its
/// timer changed.
fn value_of<C: Core>(work: &mut Work<C::State>) -> Result<Option<(Bytes, PartWrites)>, Failed> {
    let mut parts = PartWrites::default();
    if work.change == Change::None {
        if !(work.timer_changed && work.cached.stored) {
            return Ok(None);
        }
        // Only the timer changed. Bytes that nobody could read are kept as they are.
        if let Some(raw) = &work.raw {
            return Ok(Some((raw.clone(), parts)));
        }
    }
    let forgotten = forgotten_parts::<C>(work).map_err(|reason| failed(work, reason))?;
    let is_changed = work.change != Change::None;
    let Cached { head, state, .. } = &mut *work.cached;
    let encoded = catch_unwind(AssertUnwindSafe(|| {
        if C::HAS_PARTS && is_changed {
            C::drain_parts(state, &mut parts);
        }
        (head::write::<C>(head, state), parts)
    }));
    let (bytes, drained) = encoded.map_err(|panic| failed(work, panic_text(panic.as_ref())))?;
    let mut parts = std::mem::take(&mut work.on_way);
    // The last word is the core's: it may have changed a part since a state left with it.
    for (part, value) in drained {
        match value {
            Some(value) => parts.put(part, value),
            None => parts.remove(part),
        }
    }
    for part in forgotten {
        parts.remove_unless_written(part);
    }
    let largest = parts.largest();
    for (what, size) in [
        ("state", bytes.len()),
        ("largest part of the state", largest),
    ] {
        if size > hot::limits::STATE_BYTES {
            let reason = format!(
                "the {what} would be {size} bytes, and {} are the limit",
                hot::limits::STATE_BYTES
            );
            return Err(failed(work, reason));
        }
    }
    work.cached.bytes = bytes.len();
    work.cached.stored = true;
    Ok(Some((bytes, parts)))
}
