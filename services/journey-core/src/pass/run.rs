//! Runs under way: what ends them, what they wait for, and what is due.

use std::sync::Arc;

use kernel::{Reason, Timestamp};
use messages::journey::v1::RunOutcome;

use crate::definition::{Journey, StepKind, Subscription, Trigger, TriggerKind};
use crate::state::{Name, Run};
use crate::wait;

use super::Pass;
use super::entry::key;
use super::happening::{Happening, Match};

impl Pass<'_> {
    /// Lets each run see what happened: goals first, then exits, then what it waits for.
    pub(super) fn answer_runs(&mut self, happening: &Happening<'_>) {
        self.each_run(|pass, run, journey| pass.answer(run, journey, happening));
    }

    fn answer(&mut self, run: Run, journey: &Journey, happening: &Happening<'_>) -> Option<Run> {
        // An event from before the run began does not concern it.
        if self.since < run.start_time {
            return Some(run);
        }
        let met = |list: &[Subscription]| -> Option<Name> {
            list.iter()
                .find(|own| self.meets(&run, journey, &own.trigger, happening))
                .map(|own| Arc::clone(&own.name))
        };
        if let Some(goal) = met(&journey.goals) {
            self.end(run, Reason::GoalReached, RunOutcome::Success, goal);
            return None;
        }
        if let Some(exit) = met(&journey.exits) {
            self.end(run, Reason::ExitRule, RunOutcome::Failure, exit);
            return None;
        }
        let place = journey.place(&run.step)?;
        let StepKind::WaitFor { branches, .. } = &journey.steps[place].kind else {
            return Some(run);
        };
        if self.since < run.since {
            return Some(run);
        }
        let met = branches
            .iter()
            .find(|(trigger, _)| self.meets(&run, journey, trigger, happening));
        let Some((trigger, next)) = met else {
            return Some(run);
        };
        let reason = match trigger.kind {
            TriggerKind::Event(_) => Reason::WaitEvent,
            TriggerKind::Entered(_) | TriggerKind::Left(_) => Reason::WaitSegment,
        };
        let detail = Arc::clone(trigger.subject());
        self.walk(run, journey, *next, reason, detail)
    }

    /// Returns whether a trigger is met for a run. An event that carries the key of another run does not
    /// concern this one; one that carries none concerns all.
    fn meets(
        &self,
        run: &Run,
        journey: &Journey,
        trigger: &Trigger,
        happening: &Happening<'_>,
    ) -> bool {
        let is_about = || match (&trigger.kind, &journey.entry.key) {
            (TriggerKind::Event(_), Some(name)) => {
                let properties = happening.properties();
                properties.value(name).is_none()
                    || key(&journey.entry, properties).as_ref() == Some(&run.key)
            }
            _ => true,
        };
        happening.matches(trigger, &self.state) == Match::Yes && is_about()
    }

    /// Lets every run go on whose time has come by `until`, in the order of their times.
    pub(super) fn fire_due(&mut self, until: Timestamp) {
        let due = self.state.runs.iter().filter_map(|run| run.due);
        let mut order: Vec<Timestamp> = due.filter(|due| *due <= until).collect();
        order.sort_unstable();
        order.dedup();
        let cause = self.since;
        for due in order {
            // It happens when it is due, even where that is noticed a little later.
            self.since = due;
            self.each_run(|pass, run, journey| {
                if run.due == Some(due) && pass.begins(wait::of_run(&run)) {
                    pass.fire(run, journey)
                } else {
                    Some(run)
                }
            });
        }
        self.since = cause;
        self.effects.end_wait();
    }

    fn fire(&mut self, run: Run, journey: &Journey) -> Option<Run> {
        let place = journey.place(&run.step)?;
        let none = Name::from("");
        match &journey.steps[place].kind {
            StepKind::Wait { next, .. } => self.walk(run, journey, *next, Reason::WaitDue, none),
            StepKind::WaitFor { on_timeout, .. } => {
                self.walk(run, journey, *on_timeout, Reason::WaitTimeout, none)
            }
            // No other step has a due time, in any version that could be published.
            _ => {
                self.end(run, Reason::StepRemoved, RunOutcome::Neutral, none);
                None
            }
        }
    }

    /// Ends runs whose journey, version or step is not defined (any more, as the engine makes sure).
    pub(super) fn drop_undefined_runs(&mut self) {
        let definitions = self.definitions;
        let judge = |run: &Run| match definitions.journeys.get(&run.journey) {
            None => Some(Reason::JourneyDeleted),
            Some(versions) => match versions.by_version.get(&run.version) {
                Some(journey) if journey.place(&run.step).is_some() => None,
                _ => Some(Reason::StepRemoved),
            },
        };
        while let Some((place, reason)) = self
            .state
            .runs
            .iter()
            .enumerate()
            .find_map(|(place, run)| Some((place, judge(run)?)))
        {
            let run = self.state.runs.remove(place);
            self.effects.lack_definition();
            self.end(run, reason, RunOutcome::Neutral, Name::from(""));
        }
    }

    /// Gives each run with its version of the journey to a decision, which gives back those that go
    /// on.
    fn each_run(&mut self, mut decide: impl FnMut(&mut Self, Run, &Journey) -> Option<Run>) {
        if self.state.runs.is_empty() {
            return;
        }
        let runs = std::mem::take(&mut *self.state.runs);
        let mut kept = Vec::with_capacity(runs.len());
        let definitions = self.definitions;
        for run in runs {
            let version = definitions
                .journeys
                .get(&run.journey)
                .and_then(|versions| versions.by_version.get(&run.version));
            match version {
                Some(journey) => kept.extend(decide(self, run, journey)),
                None => kept.push(run),
            }
        }
        *self.state.runs = kept;
    }
}
