//! One pass over one customer: what one record, or one due timer, changes.
//!
//! The order within a pass is fixed: waits that were over before the record, what is known of the customer, goals and
//! exits of runs under way, what they wait for, new runs, positions, happy paths. So a run that an event starts does
//! not see that event again, and a goal is not missed because a wait was answered.

mod entry;
mod happening;
mod history;
mod merge;
mod mirror;
mod position;
mod progress;
mod run;
mod walk;

use decision::{Effects, Outcome};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{Fact, Record};

use crate::counter::Counter;
use crate::definition::Definitions;
use crate::state::State;
use happening::Happening;

/// One pass over one customer.
pub(crate) struct Pass<'a> {
    definitions: &'a Definitions,
    customer: CustomerId,
    state: &'a mut State,
    effects: &'a mut Effects,
    now: Timestamp,
    /// The time of the cause: of the event, or now.
    since: Timestamp,
    trace_parent: String,
    changed: bool,
}

impl<'a> Pass<'a> {
    /// Begins a pass that time alone causes.
    pub(crate) fn new(
        definitions: &'a Definitions,
        customer: CustomerId,
        state: &'a mut State,
        effects: &'a mut Effects,
        now: Timestamp,
    ) -> Self {
        let changed = !state.known;
        state.known = true;
        Self {
            definitions,
            customer,
            state,
            effects,
            now,
            since: now,
            trace_parent: String::new(),
            changed,
        }
    }

    /// Makes a record the cause. What claims to come from the future is taken to happen now; no earlier than what happened
    /// already, though, where the clock of the machine that worked here before was ahead of this one's.
    pub(crate) fn caused_by(&mut self, record: &Record) {
        let now = self.state.latest().map_or(self.now, |at| at.max(self.now));
        self.since = Timestamp::from_millis(record.time_ms).min(now);
        self.trace_parent.clone_from(&record.trace_parent);
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
        self.move_positions(&readers, &happening);
        self.measure_paths(&readers, &happening);
        self.measure_deadlines();
    }

    /// Takes a due timer, which may be stale: then it is set again.
    pub(crate) fn take_timer(&mut self) {
        self.changed = true;
        self.drop_undefined();
        self.fire_due(self.now);
        self.measure_deadlines();
    }

    /// Ends the pass.
    pub(crate) fn finish(self) -> Outcome {
        if self.changed {
            Outcome::Keep {
                next_due: self.state.next_due(),
            }
        } else {
            Outcome::Unchanged
        }
    }

    /// Lets go of what was deleted or redefined since the customer was last looked at.
    fn drop_undefined(&mut self) {
        self.drop_undefined_runs();
        self.drop_undefined_positions();
        self.refresh_paths();
    }

    fn count(&mut self, counter: Counter<'_>, change: i64) {
        self.effects.count(counter.to_string(), change);
    }
}
