//! Walking: from step to step until a run must wait, or ends. Every transition is counted and told
//! here, and only here, but for those of merges.

use std::sync::Arc;

use bytes::Bytes;
use kernel::{Properties, Reason, Room, Timestamp};
use messages::convert::named_values;
use messages::journey::v1::{Reentry, RunOutcome};
use messages::stream::v1::{Action, Record, record::Body};

use crate::counter::{Counter, RunCount};
use crate::definition::{Arm, Journey, Send, Step, StepKind, Target, Versions};
use crate::limits;
use crate::run_id::key_hash;
use crate::state::{End, EndedRun, EndingList as _, Name, Run};

use super::Pass;
use super::happening::View;

/// The way in which a run leaves a step.
struct Departure {
    to: Target,
    reason: Reason,
    detail: Name,
}

impl Pass<'_> {
    /// Lets a run leave its step and go on; gives it back where it waits again.
    pub(super) fn walk(
        &mut self,
        mut run: Run,
        journey: &Journey,
        to: Target,
        reason: Reason,
        detail: Name,
    ) -> Option<Run> {
        let mut departure = Departure { to, reason, detail };
        for _ in 0..limits::STEPS_PER_PASS {
            let step = departure.to.and_then(|place| journey.steps.get(place));
            let next = step.map_or("", |step| step.id.as_ref());
            self.leave(&run, next, departure.reason);
            self.note_run(&run, departure.reason, Arc::clone(&departure.detail));
            let Some(step) = step else {
                self.close(run, Reason::Completed, RunOutcome::Neutral, Name::from(""));
                return None;
            };
            let left = Arc::clone(&run.step);
            self.arrive(&mut run, step);
            self.tell_arrival(&run, &left, departure.reason, &departure.detail);
            departure = match self.take_step(&mut run, step) {
                Taken::Went(departure) => departure,
                Taken::Waits => return Some(run),
                Taken::Ended(outcome) => {
                    self.end(run, Reason::Completed, outcome, Name::from(""));
                    return None;
                }
            };
        }
        self.end(run, Reason::StepLimit, RunOutcome::Failure, Name::from(""));
        None
    }

    /// Begins a new run at the first step, for this event or segment.
    pub(super) fn begin(&mut self, mut run: Run, journey: &Journey, subject: &Name) -> Option<Run> {
        let step = journey.steps.first()?;
        self.count_run(&run, RunCount::Entered, 1);
        self.count_run(&run, RunCount::Active, 1);
        self.arrive(&mut run, step);
        self.tell_arrival(&run, "", Reason::Entered, subject);
        self.note_run(&run, Reason::Entered, Arc::clone(subject));
        match self.take_step(&mut run, step) {
            Taken::Went(Departure { to, reason, detail }) => {
                self.walk(run, journey, to, reason, detail)
            }
            Taken::Waits => Some(run),
            Taken::Ended(outcome) => {
                self.end(run, Reason::Completed, outcome, Name::from(""));
                None
            }
        }
    }

    /// Ends a run wherever it is.
    pub(super) fn end(&mut self, run: Run, reason: Reason, outcome: RunOutcome, detail: Name) {
        self.leave(&run, "", reason);
        self.close(run, reason, outcome, detail);
    }

    fn take_step(&mut self, run: &mut Run, step: &Step) -> Taken {
        match &step.kind {
            StepKind::Send(send) => {
                self.send(run, send);
                went(send.next, Reason::ActivationRequested, &send.template)
            }
            StepKind::Wait { duration, .. } => {
                run.due = Some(self.now + *duration);
                Taken::Waits
            }
            StepKind::WaitFor { timeout, .. } => {
                run.due = Some(self.now + *timeout);
                Taken::Waits
            }
            StepKind::Branch { arms, otherwise } => {
                let view = View::new(&self.state, &run.trigger);
                let met = arms.iter().find(|(condition, _)| condition.holds(&view));
                match met {
                    Some((condition, next)) => {
                        went(*next, Reason::BranchMatched, &condition.source().into())
                    }
                    None => went(*otherwise, Reason::BranchElse, &Name::from("")),
                }
            }
            StepKind::Split { salt, arms } => {
                match self.arm_of(run, salt, arms) {
                    Some(arm) => self.assign(run, arm),
                    // Shares sum to all buckets in any version that could be published.
                    None => went(None, Reason::ArmAssigned, &Name::from("")),
                }
            }
            StepKind::Milestone { name, next } => {
                self.count_run(run, RunCount::Milestone(name), 1);
                went(*next, Reason::MilestonePassed, name)
            }
            StepKind::Exit(outcome) => Taken::Ended(*outcome),
        }
    }

    fn assign(&mut self, run: &mut Run, arm: &Arm) -> Taken {
        run.arm = Arc::clone(&arm.name);
        run.holdout |= arm.holdout;
        let of = RunCount::Arm {
            step: &run.step,
            arm: &arm.name,
        };
        self.count_run(run, of, 1);
        went(arm.next, Reason::ArmAssigned, &arm.name)
    }

    /// Asks for an activation, for control groups too, so that both are judged alike.
    fn send(&mut self, run: &Run, send: &Send) {
        let expire_time = send.expires_after.map(|after| self.now + after);
        let properties = self.properties_for_action(run);
        let traits = self.traits_for_action(run);
        let action = Action {
            run_id: Bytes::copy_from_slice(run.id.as_bytes()),
            visit: run.visit,
            journey: run.journey.as_ref().to_owned(),
            version: run.version,
            step: run.step.as_ref().to_owned(),
            channel: send.channel.as_ref().to_owned(),
            template: send.template.as_ref().to_owned(),
            purpose: send.purpose.as_ref().to_owned(),
            expire_time_ms: expire_time.map_or(0, Timestamp::as_millis),
            traits: named_values(&traits),
            properties: named_values(&properties),
            holdout: run.holdout,
        };
        self.effects.of_fragment(run.ordinal);
        self.effects.emit(Record {
            customer_id: self.key.clone(),
            time_ms: self.now.as_millis(),
            trace_parent: run.trace_parent.as_ref().to_owned(),
            body: Some(Body::Action(action)),
            ..Record::default()
        });
        self.effects.of_fragment(self.ordinal);
    }

    /// The traits that an action carries: all of them, unless actions of this pass carry very much
    /// already.
    fn traits_for_action(&mut self, run: &Run) -> Properties {
        let mut traits = Properties::clone(&self.state.traits);
        let room = Room {
            bytes: self.action_bytes / limits::ACTION_SHARE,
            ..limits::TRAITS
        };
        let reads = &self.definitions.reads;
        let left_out = traits.fit(room, |name| reads.has_trait(name));
        if !left_out.is_empty() {
            self.note_run(run, Reason::TraitLimit, left_out.join(", ").into());
        }
        self.action_bytes = self.action_bytes.saturating_sub(traits.bytes());
        traits
    }

    fn arrive(&mut self, run: &mut Run, step: &Step) {
        run.step = Arc::clone(&step.id);
        run.visit += 1;
        run.arrive_time = self.now;
        run.since = self.since;
        run.due = None;
        // A step by time alone has no trace of its own: it goes on with the one that began the
        // wait.
        if !self.trace_parent.is_empty() && self.trace_parent.len() <= limits::TRACE_BYTES {
            run.trace_parent = self.trace_parent.as_str().into();
        }
        self.changed = true;
        self.count_run(run, RunCount::In(&run.step), 1);
        self.count_run(run, RunCount::Present(&run.step), 1);
    }

    fn leave(&mut self, run: &Run, next: &str, reason: Reason) {
        let step = &run.step;
        self.count_run(run, RunCount::Out(step), 1);
        self.count_run(run, RunCount::Present(step), -1);
        self.count_run(run, RunCount::Exit { step, next, reason }, 1);
    }

    /// Puts a run that left its last step among those that ended.
    fn close(&mut self, run: Run, reason: Reason, outcome: RunOutcome, detail: Name) {
        self.count_run(&run, RunCount::Active, -1);
        self.count_run(&run, RunCount::Ended(reason), 1);
        self.tell_end(&run, reason, outcome, &detail);
        self.note_run(&run, reason, detail);
        let end = End {
            key: key_hash(&run.key),
            time: self.now,
            ordinal: run.ordinal,
        };
        self.state.endings.remember(&run.journey, end);
        self.shrink_endings();
        let ended = EndedRun {
            id: run.id,
            journey: run.journey,
            version: run.version,
            key: run.key,
            visit: run.visit,
            start_time: run.start_time,
            end_time: self.now,
            reason,
            outcome,
            ordinal: run.ordinal,
        };
        limits::ENDED_PAGES.push(&mut self.state.ended, ended);
    }

    /// Holds the ends of runs to their bounds.
    pub(super) fn shrink_endings(&mut self) {
        let mut endings = std::mem::take(&mut *self.state.endings);
        let forgotten = endings.shrink(|journey| self.allows_reentry(journey));
        *self.state.endings = endings;
        // Another process may know a journey, and forbid what this one allows.
        if forgotten
            .iter()
            .any(|own| !self.definitions.journeys.contains_key(own))
        {
            self.effects.lack_definition();
        }
    }

    /// Returns whether ends of a journey may be forgotten: not where each key has one run for good.
    pub(super) fn allows_reentry(&self, journey: &str) -> bool {
        let versions = self.definitions.journeys.get(journey);
        let newest = versions.and_then(Versions::newest);
        // The empty name stands for journeys that are not told apart any more.
        !journey.is_empty() && newest.is_none_or(|own| own.entry.reentry != Reentry::Never)
    }

    pub(super) fn count_run(&mut self, run: &Run, of: RunCount<'_>, change: i64) {
        let counter = Counter::Journey {
            journey: &run.journey,
            version: run.version,
            of,
        };
        self.count(counter, change);
    }
}

/// The outcome of a run's visit of a step.
enum Taken {
    Went(Departure),
    Waits,
    Ended(RunOutcome),
}

fn went(to: Target, reason: Reason, detail: &Name) -> Taken {
    Taken::Went(Departure {
        to,
        reason,
        detail: Arc::clone(detail),
    })
}
