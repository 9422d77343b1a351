//! One step: an event, a due timer, or a merge of one customer or account.

use bytes::Bytes;
use decision::{
    BoundedCounters, Core, Effects, Home, Input, Moved, Outcome, PartKey, PartLoad, PartWrites,
    Poison, Split, Step,
};
use kernel::{CounterKey, Owner, StreamName, Timestamp};
use messages::convert;
use messages::stream::v1::{Event, Record, record::Body};

use crate::adopt::adopt;
use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::evaluate::{Cause, Worklist, compare, evaluate, evaluate_all, leave_deleted};
use crate::state::{LAST, MissingParts, State};
use crate::{account, codec, limits, merge, unmerge, wants};

/// Segmentation's decisions, for the engine.
#[derive(Debug)]
pub struct SegmentationCore;

impl Core for SegmentationCore {
    type Definitions = Definitions;
    type State = State;

    const OWNER: Owner = Owner::Segmentation;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] =
        &[(StreamName::Events, Some(StreamName::EventsBulk))];
    const OUTPUT: Option<(StreamName, StreamName)> =
        Some((StreamName::Facts, StreamName::FactsBulk));
    const HOME: Home = Home::Segmentation;
    const HAS_PARTS: bool = true;
    const BOUNDED_COUNTERS: Option<BoundedCounters> = Some(Counter::BOUNDED);

    fn decode(bytes: &[u8]) -> Result<State, Poison> {
        codec::decode(bytes)
    }

    fn encode(state: &State) -> Bytes {
        codec::encode(state)
    }

    fn step(
        definitions: &Definitions,
        state: &mut State,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let key = step.key;
        let mut pass = Pass::of(definitions, state, step);
        let taken = match input {
            Input::Timer { due_time } => pass.timer(key, due_time),
            Input::Record(record) => match &record.body {
                Some(Body::Event(event)) => pass.event(key, record, event),
                Some(Body::Membership(told)) => {
                    account::check(told)?;
                    pass.membership(key, record.time_ms, told)
                }
                _ => {
                    return Err(Poison::new(
                        "segmentation takes events and memberships only",
                    ));
                }
            },
        };
        Ok(unless_missing(taken, step.effects).unwrap_or(Outcome::Unchanged))
    }

    fn take_leave(
        definitions: &Definitions,
        state: &mut State,
        step: &mut Step<'_>,
    ) -> Option<Bytes> {
        let (key, time) = (step.key, step.time);
        let taken = merge::take_leave(Pass::of(definitions, state, step), key, time);
        unless_missing(taken, step.effects).flatten()
    }

    fn fold_in(
        definitions: &Definitions,
        state: &mut State,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let (key, time) = (step.key, step.time);
        let mut other = merge::read_moved(moved)?;
        let pass = Pass::of(definitions, state, step);
        let folded = merge::fold_in(pass, key, time, (&mut other, moved.ordinal));
        Ok(unless_missing(folded, step.effects).unwrap_or(Outcome::Unchanged))
    }

    fn split_off(
        definitions: &Definitions,
        state: &mut State,
        split: Split<'_>,
        step: &mut Step<'_>,
    ) -> Option<Bytes> {
        let (key, time) = (step.key, step.time);
        let left = unmerge::split_off(Pass::of(definitions, state, step), key, time, split);
        unless_missing(left, step.effects).flatten()
    }

    fn take_back(
        definitions: &Definitions,
        state: &mut State,
        head: &Bytes,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let (key, time) = (step.key, step.time);
        *state = unmerge::read_returned(state, head)?;
        let back = unmerge::take_back(Pass::of(definitions, state, step), key, time);
        Ok(unless_missing(back, step.effects).unwrap_or(Outcome::Unchanged))
    }

    fn inseparable(state: &State, split: &Split<'_>) -> Result<Vec<String>, Vec<PartKey>> {
        let all = crate::inseparable(state, split);
        Ok(all.iter().map(ToString::to_string).collect())
    }

    fn erase(_: &Definitions, state: &mut State, step: &mut Step<'_>) {
        let (key, time) = (step.key, step.time.min(step.now));
        unmerge::erase(state, key, time, step.effects);
    }

    fn wants(
        definitions: &Definitions,
        state: &State,
        input: Input<'_>,
        now: Timestamp,
        wanted: &mut Vec<PartKey>,
    ) {
        wants::name_wanted(definitions, state, input, now, wanted);
    }

    fn load_part(state: &mut State, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        state.load_part(key, bytes)
    }

    fn drain_parts(state: &mut State, writes: &mut PartWrites) {
        state.drain_parts(writes);
    }

    fn has_parts_apart(state: &State) -> bool {
        state.has_parts_apart()
    }

    fn part_keys(state: &State) -> Vec<PartKey> {
        state.part_keys()
    }

    fn measure_parts(state: &State) -> PartLoad {
        state.measure_parts()
    }

    fn is_gone(definitions: &Definitions, group: &str) -> bool {
        let segment = group.strip_prefix(Counter::SEGMENT_GROUPS);
        segment.is_some_and(|segment| definitions.place(segment).is_none())
    }

    fn counts_presence(counter: &CounterKey) -> bool {
        Counter::parse(counter).is_none_or(|counter| counter.counts_presence())
    }
}

/// Passes on an answer, or asks for the parts that it misses: the step is void then.
fn unless_missing<T>(answer: Result<T, MissingParts>, effects: &mut Effects) -> Option<T> {
    answer.map_err(|missing| missing.need(effects)).ok()
}

/// The arguments of every part of a step: one pass over one customer.
pub(crate) struct Pass<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) state: &'a mut State,
    pub(crate) now: Timestamp,
    /// The fragment that the cause happened to.
    pub(crate) ordinal: u16,
    /// True for an account, which is in no segment, and of which nothing is told downstream.
    pub(crate) is_account: bool,
    pub(crate) effects: &'a mut Effects,
}

impl<'a> Pass<'a> {
    fn of(definitions: &'a Definitions, state: &'a mut State, step: &'a mut Step<'_>) -> Self {
        Self {
            definitions: account::definitions_of(step.customer, definitions),
            state,
            now: step.now,
            ordinal: step.ordinal.min(LAST),
            is_account: step.customer.is_account(),
            effects: &mut *step.effects,
        }
    }

    fn timer(&mut self, key: &Bytes, due_time: Timestamp) -> Result<Outcome, MissingParts> {
        if !self.state.is_known() {
            return Ok(self.forget_ids());
        }
        self.catch_up(key, due_time.min(self.now))?;
        self.advance(key, self.now)?;
        self.state.event_ids.forget(self.now);
        Ok(self.keep())
    }

    fn event(
        &mut self,
        key: &Bytes,
        record: &Record,
        event: &Event,
    ) -> Result<Outcome, MissingParts> {
        if let Some(id) = convert::repetition_id(event) {
            if self.state.event_ids.is_repeated(id, self.now)? {
                return Ok(Outcome::Unchanged);
            }
            self.state.event_ids.add(id, self.now, self.ordinal)?;
        }
        let time = Timestamp::from_millis(record.time_ms);
        let is_new = !self.state.is_known();
        let at = self.instant(time);
        if is_new {
            self.state.fingerprint = self.definitions.fingerprint;
        } else {
            self.catch_up(key, at)?;
            self.advance(key, at)?;
        }
        let mut work = Worklist::new(self.definitions);
        let traits = self.learn(event, time, at, &mut work)?;
        let cause = Cause::Event(time.min(at));
        let decide = if is_new { evaluate_all } else { evaluate };
        let changes = decide(self.definitions, self.state, work, at, cause, self.effects)?;
        self.state.clock = Some(at);
        self.tell_event(key, (record.time_ms, event), changes, traits);
        self.advance(key, self.now)?;
        Ok(self.keep())
    }

    /// The instant to decide at: when it happened, unless later things were decided before, or it
    /// lies ahead.
    pub(crate) fn instant(&self, time: Timestamp) -> Timestamp {
        let at = time.min(self.now);
        self.state.clock.map_or(at, |clock| clock.max(at))
    }

    /// Decides everything anew where the definitions changed since the last time.
    ///
    /// # Errors
    /// [`MissingParts`] where a part of the state is not loaded.
    pub(crate) fn catch_up(&mut self, key: &Bytes, time: Timestamp) -> Result<(), MissingParts> {
        if self.state.fingerprint == self.definitions.fingerprint {
            return Ok(());
        }
        let at = self.instant(time);
        compare(self.definitions, &self.state.memberships, self.effects);
        self.state.fingerprint = self.definitions.fingerprint;
        self.state.dues.clear();
        adopt(self.definitions, self.state, at)?;
        let mut changes = leave_deleted(self.definitions, self.state, at, self.effects);
        changes.extend(evaluate_all(
            self.definitions,
            self.state,
            Worklist::new(self.definitions),
            at,
            Cause::Definition,
            self.effects,
        )?);
        self.state.clock = Some(at);
        self.emit_changes(key, at, changes);
        Ok(())
    }

    /// Lets time pass up to an instant: each change by time alone happens at its own instant, in
    /// order.
    ///
    /// # Errors
    /// [`MissingParts`] where a part of the state is not loaded.
    pub(crate) fn advance(&mut self, key: &Bytes, until: Timestamp) -> Result<(), MissingParts> {
        debug_assert_eq!(
            self.state.fingerprint, self.definitions.fingerprint,
            "due times are places in the set that decided them: catch up first"
        );
        for _ in 0..limits::INSTANTS_PER_STEP {
            let Some(due) = self.state.next_due().filter(|due| *due <= until) else {
                return Ok(());
            };
            let at = self.state.clock.map_or(due, |clock| clock.max(due));
            let mut work = Worklist::new(self.definitions);
            let touched = self.state.dues.iter().filter(|(_, time)| *time == due);
            work.add_all(touched.map(|(place, _)| *place));
            let changes = evaluate(
                self.definitions,
                self.state,
                work,
                at,
                Cause::Time,
                self.effects,
            )?;
            self.state.clock = Some(at);
            self.emit_changes(key, at, changes);
        }
        Ok(())
    }

    /// Ends a step that changed the state.
    pub(crate) fn keep(&mut self) -> Outcome {
        self.state.settle();
        Outcome::Keep {
            next_due: self.state.next_wake(),
        }
    }
}
