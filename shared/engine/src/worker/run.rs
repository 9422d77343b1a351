//! Runs the core over a batch: records, and between them the timers that are due.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::{Duration, Timestamp};
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use messages::stream::v1::{Record, record::Body};

use super::batch::{Change, Work};
use super::cause::Cause;
use super::fault::{Failed, Fault};
use super::lane::{Item, Lane};
use super::quarantine::{InputId, panic_text};
use super::words::is_of_merge;
use super::{Planned, Worker};
use crate::key::customer_of;
use crate::limits;
use crate::splitting::epoch_of_word;
use decision::{Core, Outcome, Poison, Step};

/// Whether the batch has room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Left,
    Full,
}

impl<C: Core> Worker<C> {
    /// Runs due timers and the planned records, until the batch is full. Returns how many of the
    /// plan were run.
    pub(super) fn run(
        &mut self,
        definitions: &C::Definitions,
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<usize, Failed> {
        if wall_now.is_none() {
            let until = self.known_until(self.batch.watermark).0;
            if self.fire_due(definitions, until, None)? == Room::Full {
                return Ok(0);
            }
        }
        // The lanes are only read here, and everything else of the worker is written.
        let lanes = std::mem::take(&mut self.inputs.lanes);
        let ran = self.run_records(definitions, &lanes, plan, wall_now);
        self.inputs.lanes = lanes;
        ran
    }

    fn run_records(
        &mut self,
        definitions: &C::Definitions,
        lanes: &[Lane],
        plan: &[Planned],
        wall_now: Option<Timestamp>,
    ) -> Result<usize, Failed> {
        let live = plan.iter().rposition(|it| !lanes[it.lane].bulk);
        let live = live.map_or(0, |last| last + 1);
        for (ran, planned) in plan.iter().enumerate() {
            if ran == live && self.fire_after_live(definitions, wall_now)? == Room::Full {
                return Ok(ran);
            }
            let lane = &lanes[planned.lane];
            let item = lane.item(planned.place);
            let time = match (wall_now, item) {
                (Some(_), _) => Some(self.reach.before[ran]),
                (None, Item::Record(record)) if !lane.is_commands() => {
                    Some(Timestamp::from_millis(record.time_ms).max(self.batch.watermark))
                }
                (None, _) => None,
            };
            if let Some(time) = time {
                let (until, is_all) = self.known_until(time);
                let room = self.fire_due(definitions, until, wall_now)?;
                if room == Room::Full || !is_all {
                    return Ok(ran);
                }
            }
            let now = self.now_of(lane, planned.place, wall_now, time);
            if self.room() == Room::Full {
                return Ok(ran);
            }
            let body = match item {
                Item::Record(record) => record.body.as_ref(),
                Item::Damaged(_) | Item::Empty => None,
            };
            if let Some(work) = planned.work
                && self.has_to_wait(definitions, work, body, now)?
            {
                return Ok(ran);
            }
            self.batch.inputs += 1;
            self.run_item(definitions, lane, planned, item, now)?;
        }
        if live == plan.len() {
            self.fire_after_live(definitions, wall_now)?;
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
        let origin = InputId::Record {
            lane: planned.lane,
            cursor: lane.cursor_of(planned.place.0),
            index: planned.place.1,
        };
        let record = match item {
            Item::Record(record) => record,
            Item::Damaged(bytes) => {
                let entry = QuarantinedRecord {
                    kind: QuarantinedKind::DamagedEntry.into(),
                    record: bytes.clone(),
                    ..QuarantinedRecord::default()
                };
                let reason = "the entry is not a batch of records";
                self.set_aside_item(planned, lane, (origin, reason), now, entry)?;
                return Ok(());
            }
            Item::Empty => return Ok(()),
        };
        match &record.body {
            Some(Body::Tick(_)) => {
                self.pass_on(record);
                return Ok(());
            }
            _ if planned
                .work
                .is_some_and(|work| self.batch.works[work].is_stuck) =>
            {
                return Ok(());
            }
            Some(Body::Quarantine(command)) if lane.is_commands() => {
                let work = planned.work;
                let ran = self.run_command(definitions, work, command, origin, now);
                return self.unless_stuck(work, ran);
            }
            _ => {}
        }
        let refused = match planned.work {
            None => Some("the record names no customer".to_owned()),
            Some(work) => self.refusal(work, origin, Some(record), now),
        };
        let work = match (refused, planned.work) {
            (None, Some(work)) => work,
            (reason, _) => {
                let reason = reason.unwrap_or_default();
                return self.refuse((planned, lane), record, (origin, &reason), now);
            }
        };
        let traced = self.steps.begin(record);
        let record = traced.as_ref().unwrap_or(record);
        let cause = Cause::of_record(origin, lane.bulk, record, now);
        let ran = self.run_record(definitions, work, record, cause);
        self.unless_stuck(Some(work), ran)
    }

    /// Runs one record of a customer: what is carried only passes through.
    pub(super) fn run_record(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        self.run_or_park(definitions, work, record, cause)?;
        self.go_on_with_words(definitions, work, record, cause)
    }

    fn run_or_park(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        // An erasure waits for nobody, and drops what comes behind it.
        if let Some(Body::Erased(erased)) = &record.body {
            return self.take_erased(definitions, work, erased, cause);
        }
        if self.batch.works[work].cached.head.erased_by.is_some() {
            self.answer_of_erased(work, record, cause)?;
            return self.drop_of_erased(work, cause);
        }
        // Words go by their graph epochs, whatever waits behind them.
        if epoch_of_word(record).is_some() {
            return self.run_at_once(definitions, work, record, cause);
        }
        if self.waits_in_head(work, record, cause)? {
            return Ok(());
        }
        if let Some(Body::Moved(moved)) = &record.body
            && self.is_early(work, moved)
        {
            return self.miss_moved(work, moved, cause);
        }
        // News that waits are for, or are ended by, do not wait. Nor does a merge: whoever waits
        // takes the wait along, so that it is always with the one who gets the state.
        if self.comes_before_return(work, record) {
            return self.park_before_return(work, record, cause);
        }
        let goes_first = is_of_merge(record) || self.can_divide(work, record);
        if !goes_first && self.batch.works[work].cached.head.redirect.is_none() {
            if self.batch.works[work].cached.head.has_words() {
                return self.park(work, record, cause);
            }
            if self.elsewhere(work, cause).is_none() {
                self.await_evidence(work, record, cause)?;
            }
            if self.batch.works[work].cached.head.is_holding() {
                return self.park(work, record, cause);
            }
        }
        if self.comes_before_split(work, record, cause) {
            self.hold_split(work, cause);
            return self.park(work, record, cause);
        }
        if self.comes_behind(work, record) && !self.is_question(work, record.body.as_ref()) {
            return self.park(work, record, cause);
        }
        self.run_at_once(definitions, work, record, cause)?;
        self.pass_word_on(work, record, cause)
    }

    /// Runs one record of a customer, whatever waits.
    pub(super) fn run_at_once(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if self.waits_in_head(work, record, cause)? {
            return Ok(());
        }
        match &record.body {
            Some(Body::Carried(carried)) => self.hand_on(work, record, carried, cause),
            _ => self.take(definitions, work, record, cause),
        }
    }

    /// Returns the reason that an input, a record or a timer, cannot be processed, where one is
    /// known. Waits that were at fault instead are set aside, and the input goes on without them.
    pub(super) fn refusal(
        &mut self,
        work: usize,
        origin: InputId,
        record: Option<&Record>,
        now: Timestamp,
    ) -> Option<String> {
        let fault = self.batch.works[work].fault.as_deref();
        let body = record.and_then(|record| record.body.as_ref());
        if matches!(body, Some(Body::Erased(_))) {
            return self.erasure_refusal(origin);
        }
        // A carried record only passes through: it needs nothing that is known of the customer.
        let fault = fault.filter(|_| !matches!(body, Some(Body::Carried(_))));
        if let Some(fault) = fault {
            return Some(fault.to_owned());
        }
        let entry = &self.batch.works[work];
        // What comes after the state of a customer cannot go before it.
        if entry.cached.head.is_sending()
            && !self.is_question(work, body)
            && let Some(stays) = self.inputs.faults(InputId::Move { key: entry.key }).first()
        {
            return Some(stays.reason.clone());
        }
        for fault in self.inputs.faults(origin).to_vec() {
            let wait = fault.wait;
            if !wait.is_some_and(|wait| self.set_wait_aside(work, wait, &fault.reason, now)) {
                return Some(fault.reason);
            }
        }
        None
    }

    /// Calls the core for a customer. Where it fails or panics, the cause is at fault.
    pub(super) fn call<T>(
        &mut self,
        work: usize,
        cause: Cause<'_>,
        core: impl FnOnce(&mut C::State, &mut Step<'_>) -> Result<T, Poison>,
    ) -> Result<T, Failed> {
        self.batch.begin_step(work);
        let set_aside = self.waits_set_aside(self.batch.works[work].key, cause.now);
        let batch = &mut self.batch;
        let Work {
            cached, key_bytes, ..
        } = &mut batch.works[work];
        let state = &mut cached.state;
        let ordinal = cached.head.ordinal_of(cause.fragment);
        batch.effects.of_fragment(ordinal);
        let lacked = batch.effects.lacks_definition;
        let mut step = Step {
            customer: customer_of(key_bytes),
            key: key_bytes,
            time: cause.time,
            now: cause.now,
            trace_parent: cause.trace_parent,
            ordinal,
            set_aside: &set_aside,
            effects: &mut batch.effects,
        };
        let called = catch_unwind(AssertUnwindSafe(|| {
            let answer = core(state, &mut step)?;
            Ok((answer, C::measure_parts(state)))
        }));
        if !batch.effects.needs.is_empty() {
            return Err(self.miss(work, cause, lacked));
        }
        // A failure from here on is no fault of a wait.
        let wait = self.batch.effects.wait.take();
        let reason = match called {
            Ok(Ok((answer, load))) => {
                self.batch.count_parts(work, load);
                self.batch.name_fragments(work);
                return Ok(answer);
            }
            Ok(Err(Poison { reason })) => reason,
            Err(panic) => panic_text(panic.as_ref()),
        };
        Err(Failed {
            origin: cause.origin,
            fault: Fault { reason, wait },
        })
    }

    pub(super) fn apply_outcome(
        &mut self,
        work: usize,
        outcome: Outcome,
        from_timer: bool,
        now: Timestamp,
    ) {
        let entry = &mut self.batch.works[work];
        match outcome {
            Outcome::Keep { next_due } => {
                entry.cached.head.has_state = true;
                entry.change = Change::Write;
                self.batch.count_write(work);
                // A timer that asked for its own instant again would fire for ever.
                let earliest = now + Duration::from_millis(1);
                let due = next_due.map(|due| if from_timer { due.max(earliest) } else { due });
                let due = self.due_beside_poison(work, due, from_timer, now);
                self.set_timer(work, due);
            }
            Outcome::Unchanged => {
                if from_timer {
                    self.clear_timer(work, now);
                }
            }
            Outcome::Remove => {
                self.batch.forget_state(work);
                let entry = &mut self.batch.works[work];
                entry.cached.head.has_state = false;
                // Merges are remembered, whatever the service forgets.
                let has_merges = entry.cached.head.has_merges();
                entry.change = if has_merges {
                    Change::Write
                } else {
                    Change::Remove
                };
                if has_merges {
                    self.batch.count_write(work);
                }
                self.clear_timer(work, now);
            }
        }
    }

    pub(super) fn room(&self) -> Room {
        let batch = &self.batch;
        let is_large = batch.bytes() >= limits::BYTES_PER_BATCH
            // As many states as a batch may touch can all be written; it is their parts that come
            // on top.
            || C::HAS_PARTS && batch.writes() >= limits::STATES_PER_BATCH;
        let full = batch.inputs >= self.inputs.max
            || batch.inputs > 0 && is_large
            || batch.aside.is_full();
        if full { Room::Full } else { Room::Left }
    }
}
