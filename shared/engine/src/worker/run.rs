//! Runs the core over a batch: due timers and records, in order.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use hot::StreamId;
use kernel::{Duration, Timestamp};
use prost::Message;
use proto::stream::v1::{Record, record::Body};

use super::batch::Change;
use super::cache::KnownTimer;
use super::lane::{Item, Lane};
use super::packer::pack;
use super::quarantine::{self, Origin, panic_text};
use super::{Planned, Worker};
use crate::{Core, Input, Outcome, limits};

/// An input that can never be processed, found while running it: the batch is run again without it.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) origin: Origin,
    pub(crate) reason: String,
}

/// Whether the batch has room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Left,
    Full,
}

/// What caused a step.
#[derive(Debug, Clone, Copy)]
struct Cause<'a> {
    origin: Origin,
    bulk: bool,
    trace_parent: &'a str,
}

impl<C: Core> Worker<C> {
    /// Runs due timers and the planned records, until the batch is full. Returns how many of the plan were run.
    pub(super) fn run(
        &mut self,
        definitions: &C::Definitions,
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<usize, Failed> {
        let until = wall_now.unwrap_or(self.batch.watermark);
        if self.fire_due(definitions, until, wall_now)? == Room::Full {
            return Ok(0);
        }
        // The lanes are only read here, and everything else of the worker is written.
        let lanes = std::mem::take(&mut self.lanes);
        let ran = self.run_records(definitions, &lanes, plan, wall_now);
        self.lanes = lanes;
        ran
    }

    fn run_records(
        &mut self,
        definitions: &C::Definitions,
        lanes: &[Lane],
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<usize, Failed> {
        for (ran, planned) in plan.iter().enumerate() {
            let lane = &lanes[planned.lane];
            let item = lane.item(planned.place);
            let mut now = wall_now.unwrap_or(self.batch.watermark);
            if let (None, Item::Record(record)) = (wall_now, item) {
                now = now.max(Timestamp::from_millis(record.time_ms));
                let horizon = self.batch.horizon.filter(|horizon| *horizon <= now);
                let room = self.fire_due(definitions, horizon.unwrap_or(now), None)?;
                if room == Room::Full || horizon.is_some() {
                    return Ok(ran);
                }
                self.batch.watermark = now;
            }
            if self.room() == Room::Full {
                return Ok(ran);
            }
            self.batch.inputs += 1;
            self.run_item(definitions, lane, planned, item, now)?;
        }
        Ok(plan.len())
    }

    fn run_item(
        &mut self,
        definitions: &C::Definitions,
        lane: &Lane,
        planned: &Planned,
        item: Item<'_>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let record = match item {
            Item::Record(record) => record,
            Item::Damaged(bytes) => {
                self.set_aside(
                    "the entry is not a batch of records",
                    now,
                    &[],
                    bytes.clone(),
                );
                return Ok(());
            }
            Item::Empty => return Ok(()),
        };
        if let Some(Body::Tick(_)) = record.body {
            self.pass_on(record, lane.bulk);
            return Ok(());
        }
        let Some(work) = planned.work else {
            self.set_aside_record("the record names no customer", now, record);
            return Ok(());
        };
        let origin = Origin::Record {
            lane: planned.lane,
            cursor: lane.cursor_of(planned.place.0),
            index: planned.place.1,
        };
        if let Some(fault) = self.batch.works[work].fault.clone() {
            self.set_aside_record(&fault, now, record);
            return Ok(());
        }
        if !self.poisoned.is_empty()
            && let Some(reason) = self.poisoned.get(&origin).cloned()
        {
            self.set_aside_record(&reason, now, record);
            return Ok(());
        }
        let cause = Cause {
            origin,
            bulk: lane.bulk,
            trace_parent: &record.trace_parent,
        };
        let input = Input::Record {
            key: &record.customer_id,
            record,
        };
        self.step(definitions, work, input, now, cause)
    }

    /// On stream time every reader downstream learns how far time has come.
    fn pass_on(&mut self, tick: &Record, bulk: bool) {
        if let (Some((live, low)), true) = (C::OUTPUT, self.is_on_stream_time()) {
            self.batch.packer.push(if bulk { low } else { live }, tick);
        }
    }

    /// Fires the timers that are due at `until`, oldest first.
    fn fire_due(
        &mut self,
        definitions: &C::Definitions,
        until: Timestamp,
        wall_now: Option<Timestamp>,
    ) -> Result<Room, Failed> {
        while let Some(Reverse((due_time, key, work))) = self.batch.timers.peek().copied() {
            if due_time > until {
                break;
            }
            if self.batch.works[work].timer != KnownTimer::Is(Some(due_time)) {
                self.batch.timers.pop();
                continue;
            }
            if self.room() == Room::Full {
                return Ok(Room::Full);
            }
            self.batch.timers.pop();
            self.batch.inputs += 1;
            let now = wall_now.unwrap_or_else(|| self.batch.watermark.max(due_time));
            if wall_now.is_none() {
                self.batch.watermark = now;
            }
            let origin = Origin::Timer { key, due_time };
            let fault = self.batch.works[work]
                .fault
                .as_deref()
                .map(str::to_owned)
                .or_else(|| self.poisoned.get(&origin).cloned());
            if let Some(reason) = fault {
                let customer = self.batch.works[work].key_bytes.clone();
                self.set_aside(&reason, now, &customer, Bytes::new());
                self.set_timer(work, None);
                continue;
            }
            let key_bytes = self.batch.works[work].key_bytes.clone();
            let input = Input::Timer {
                key: &key_bytes,
                due_time,
            };
            let cause = Cause {
                origin,
                bulk: false,
                trace_parent: "",
            };
            self.step(definitions, work, input, now, cause)?;
        }
        Ok(Room::Left)
    }

    fn step(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        input: Input<'_>,
        now: Timestamp,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let batch = &mut self.batch;
        let (state, effects) = (&mut batch.works[work].state, &mut batch.effects);
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            C::step(definitions, state, input, now, effects)
        }));
        let failed = |reason| Failed {
            origin: cause.origin,
            reason,
        };
        let outcome = match stepped {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(poison)) => return Err(failed(poison.reason)),
            Err(panic) => return Err(failed(panic_text(panic.as_ref()))),
        };
        self.apply_outcome(work, outcome, matches!(input, Input::Timer { .. }), now);
        self.batch.works[work].last = Some(cause.origin);
        self.apply_effects(cause)
    }

    fn apply_outcome(&mut self, work: usize, outcome: Outcome, from_timer: bool, now: Timestamp) {
        let entry = &mut self.batch.works[work];
        match outcome {
            Outcome::Keep { next_due } => {
                if entry.change == Change::None {
                    self.batch.state_bytes += entry.bytes + limits::STATE_GROWTH_BYTES;
                }
                entry.change = Change::Write;
                // A timer that asked for its own instant again would fire for ever.
                let earliest = now + Duration::from_millis(1);
                let due = next_due.map(|due| if from_timer { due.max(earliest) } else { due });
                self.set_timer(work, due);
            }
            Outcome::Unchanged => {
                if from_timer {
                    self.set_timer(work, None);
                }
            }
            Outcome::Remove => {
                entry.change = Change::Remove;
                entry.state = C::State::default();
                self.set_timer(work, None);
            }
        }
    }

    fn set_timer(&mut self, work: usize, due: Option<Timestamp>) {
        let entry = &mut self.batch.works[work];
        if entry.timer == KnownTimer::Is(due) {
            // A timer that fired was taken off the queue, so the same one again must be put on it; and the store has it.
            return;
        }
        entry.timer = KnownTimer::Is(due);
        entry.timer_changed = true;
        if let Some(due) = due {
            self.batch.timers.push(Reverse((due, entry.key, work)));
        }
    }

    fn apply_effects(&mut self, cause: Cause<'_>) -> Result<(), Failed> {
        let batch = &mut self.batch;
        let inherit = |record: &mut Record| {
            if record.trace_parent.is_empty() && !cause.trace_parent.is_empty() {
                cause.trace_parent.clone_into(&mut record.trace_parent);
            }
        };
        if !batch.effects.records.is_empty() {
            let Some((live, low)) = C::OUTPUT else {
                return Err(Failed {
                    origin: cause.origin,
                    reason: "the service emits records and has no output stream".to_owned(),
                });
            };
            let output = if cause.bulk { low } else { live };
            for mut record in batch.effects.records.drain(..) {
                inherit(&mut record);
                batch.packer.push(output, &record);
            }
        }
        for (stream, mut record) in batch.effects.to_streams.drain(..) {
            inherit(&mut record);
            batch.packer.push(stream, &record);
        }
        for (partition, name, mut record) in batch.effects.forwards.drain(..) {
            inherit(&mut record);
            let to = StreamId { name, partition };
            let mut payload = BytesMut::new();
            pack(&record, &mut payload);
            batch.other_bytes += payload.len();
            batch.forwards.push((to, payload));
        }
        for (name, change) in batch.effects.counts.drain(..) {
            let sum = batch.counts.entry(name).or_default();
            *sum = sum.saturating_add(change);
        }
        for mut record in batch.effects.dispatches.drain(..) {
            inherit(&mut record);
            batch.dispatches.push(record);
        }
        Ok(())
    }

    fn set_aside_record(&mut self, reason: &str, now: Timestamp, record: &Record) {
        self.set_aside(
            reason,
            now,
            &record.customer_id,
            record.encode_to_vec().into(),
        );
    }

    fn set_aside(&mut self, reason: &str, now: Timestamp, customer: &[u8], record: Bytes) {
        tracing::warn!(
            service = C::OWNER.name(),
            partition = self.slot.partition.number(),
            reason,
            "a record was quarantined"
        );
        let entry = quarantine::encode(self.slot, reason, now, customer, record);
        self.batch.other_bytes += entry.len();
        self.batch.quarantine.push(entry);
    }

    fn room(&self) -> Room {
        let batch = &self.batch;
        let full = batch.inputs >= self.max_inputs
            || batch.inputs > 0 && batch.bytes() >= limits::BYTES_PER_BATCH;
        if full { Room::Full } else { Room::Left }
    }
}
