//! One pass over one customer: what one record, or one due timer, changes.
//!
//! The order within a pass is fixed: waits that were over before the record, what is known of the
//! customer, goals and exits of runs under way, what they wait for, new runs, positions, happy
//! paths. So a run that an event starts does not see that event again, and a goal is not missed
//! because a wait was answered.
//!
//! A pass works on what the sections of the state lend it. One that looked at a section that is not
//! loaded is void, whatever it came to: [`Pass::finish`] asks for the parts and keeps nothing.

mod assignment;
mod change;
mod conflict;
mod entry;
mod happening;
mod history;
mod merge;
mod mirror;
mod position;
mod progress;
mod remember;
mod run;
mod split;
mod trail;
mod trigger;
mod walk;

use bytes::Bytes;
use decision::{Effects, Outcome, Step, WaitKey};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::Fact;

use crate::counter::Counter;
use crate::definition::Definitions;
use crate::limits;
use crate::state::{Customer, State};
use happening::Happening;

/// One pass over one customer.
pub(crate) struct Pass<'a> {
    definitions: &'a Definitions,
    customer: CustomerId,
    /// The customer's id as records carry it.
    key: &'a Bytes,
    /// The state, which is changed when the pass ends.
    kept: &'a mut State,
    /// The sections that it lent.
    state: Customer,
    effects: &'a mut Effects,
    /// Waits that this pass passes over.
    set_aside: &'a [WaitKey],
    now: Timestamp,
    /// The time of the cause: of the record, or now where time alone is the cause.
    since: Timestamp,
    /// The fragment that the cause happened to; 0 is the customer's own.
    ordinal: u16,
    trace_parent: String,
    /// Bytes of values that actions of this pass may still carry.
    action_bytes: usize,
    changed: bool,
}

impl<'a> Pass<'a> {
    /// Begins a pass. What claims to come from the future is taken to happen now; no earlier than
    /// what happened already, though, where the clock of the machine that worked here before was
    /// ahead of this one's.
    pub(crate) fn new(
        definitions: &'a Definitions,
        kept: &'a mut State,
        step: &'a mut Step<'_>,
    ) -> Self {
        let state = kept.open();
        let since = if step.time > step.now {
            let latest = state.latest().map_or(step.now, |at| at.max(step.now));
            step.time.min(latest)
        } else {
            step.time
        };
        Self {
            definitions,
            customer: step.customer,
            key: step.key,
            changed: !kept.known,
            kept,
            state,
            effects: &mut *step.effects,
            set_aside: step.set_aside,
            now: step.now,
            since,
            ordinal: step.ordinal,
            trace_parent: step.trace_parent.to_owned(),
            action_bytes: limits::ACTION_BYTES_PER_PASS,
        }
    }

    /// Takes a fact.
    pub(crate) fn take_fact(&mut self, fact: &Fact) {
        let told;
        let fact = match &fact.profile {
            Some(profile) => {
                told = self.take_profile(profile, &fact.changes);
                &told
            }
            None => fact,
        };
        self.drop_undefined();
        // So the order is that of time, whichever came here first.
        self.fire_due(self.since);
        self.mirror(fact);
        let happening = Happening::of(fact);
        self.answer_runs(&happening);
        let readers = happening.readers(self.definitions);
        self.enter(&readers, &happening);
        self.follow(&readers, &happening);
        self.move_positions(&readers, &happening);
        self.measure_paths(&readers, &happening);
        self.measure_deadlines();
    }

    /// Takes a due timer, which may be stale: then it is set again.
    pub(crate) fn take_timer(&mut self) {
        self.since = self.now;
        self.catch_up();
    }

    /// Does what is due, by the definitions in force.
    fn catch_up(&mut self) {
        self.changed = true;
        self.drop_undefined();
        self.fire_due(self.now);
        self.measure_deadlines();
    }

    /// Ends the pass. One that missed a section asks for all that are not loaded: what it would look
    /// at next is not known, and so it is taken again once at the most.
    pub(crate) fn finish(self) -> Outcome {
        let next_due = self.changed.then(|| self.state.next_due());
        if self.state.is_missed() {
            self.need_all();
            return Outcome::Unchanged;
        }
        match next_due {
            Some(next_due) => {
                self.kept.take_back(self.state);
                Outcome::Keep { next_due }
            }
            None => Outcome::Unchanged,
        }
    }

    fn need_all(self) {
        for part in self.kept.not_loaded() {
            self.effects.need(part);
        }
    }

    /// Lets go of what was deleted or redefined since the customer was last looked at.
    fn drop_undefined(&mut self) {
        self.drop_undefined_runs();
        self.drop_undefined_positions();
        self.refresh_paths();
    }

    /// Begins with a wait that is due, unless it is set aside.
    fn begins(&mut self, wait: WaitKey) -> bool {
        let is_tried = !self.set_aside.contains(&wait);
        if is_tried {
            self.effects.begin_wait(wait);
        }
        is_tried
    }

    fn count(&mut self, counter: Counter<'_>, change: i64) {
        self.effects.count(counter.key(), change);
    }
}
