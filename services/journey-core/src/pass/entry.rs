//! Entry: which runs a fact starts, and why it does not start the others.

use std::fmt::Write as _;
use std::sync::Arc;

use kernel::{Properties, Reason, Value};
use messages::journey::v1::{Reentry, RunOutcome};

use crate::counter::{Counter, RunCount};
use crate::definition::{Entry, Journey, Readers, Trigger};
use crate::limits;
use crate::run_id::{key_hash, run_id};
use crate::state::{Ended, EndingList as _, NEW_END_BYTES, Name, Run};

use super::Pass;
use super::happening::{Happening, Match};

impl Pass<'_> {
    /// Starts the runs that a fact triggers, each journey at most once.
    pub(super) fn enter(&mut self, readers: &[&Readers], happening: &Happening<'_>) {
        let mut repeated: Vec<&Arc<Journey>> = Vec::new();
        for journey in readers.iter().flat_map(|readers| &readers.entries) {
            // One with several triggers may read more than one of the news.
            if journey.entry.triggers.len() > 1 {
                if repeated.iter().any(|it| Arc::ptr_eq(it, journey)) {
                    continue;
                }
                repeated.push(journey);
            }
            let is_met = |own: &&Trigger| happening.matches(own, &self.state) == Match::Yes;
            let Some(trigger) = journey.entry.triggers.iter().find(is_met) else {
                // The normal course of things, and not told as history.
                self.count_refusal(journey, Reason::FilterNotMatched);
                continue;
            };
            match self.admit(journey, happening) {
                Ok(key) => self.start(journey, trigger, key, happening),
                Err(reason) => {
                    self.count_refusal(journey, reason);
                    self.note_refusal(&journey.name, reason, Arc::clone(trigger.subject()));
                }
            }
        }
    }

    /// Decides whether a trigger that was met starts a run, and under which key.
    fn admit(&mut self, journey: &Journey, happening: &Happening<'_>) -> Result<Name, Reason> {
        let entry = &journey.entry;
        if entry
            .max_age
            .is_some_and(|age| self.now.since(self.since) > age)
        {
            return Err(Reason::EventTooOld);
        }
        let key = key(entry, happening.properties()).ok_or(Reason::KeyMissing)?;
        self.admit_again(journey, &key)?;
        if self.state.runs.len() >= limits::RUNS_ACTIVE {
            return Err(Reason::RunLimit);
        }
        Ok(key)
    }

    /// Applies the policy on re-entry.
    fn admit_again(&mut self, journey: &Journey, key: &Name) -> Result<(), Reason> {
        let is_active = self.state.run_place(&journey.name, key).is_some();
        let ended = self.state.endings.of(&journey.name, key_hash(key));
        let cools_down = |ended| {
            let (Ended::At(end) | Ended::Closed(end)) = ended;
            self.now < end + journey.entry.cooldown
        };
        match journey.entry.reentry {
            Reentry::Never if is_active || matches!(ended, Some(Ended::At(_))) => {
                Err(Reason::ReentryNever)
            }
            Reentry::Never if ended.is_some() => Err(Reason::ReentryLimit),
            Reentry::AfterExit | Reentry::AfterCooldown if is_active => Err(Reason::ReentryActive),
            Reentry::AfterCooldown if ended.is_some_and(cools_down) => Err(Reason::ReentryCooldown),
            // Its end must be remembered, and nothing that must be remembered too may be forgotten
            // for it.
            Reentry::Never | Reentry::AfterCooldown if !self.has_room_for_end(journey) => {
                Err(Reason::ReentryLimit)
            }
            Reentry::Replace => {
                while let Some(place) = self.state.run_place(&journey.name, key) {
                    let old = self.state.runs.remove(place);
                    self.end(old, Reason::Replaced, RunOutcome::Neutral, Name::from(""));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the end of a run can be kept beside all that are kept for good, those of the
    /// runs under way included.
    fn has_room_for_end(&self, journey: &Journey) -> bool {
        let endings = &self.state.endings;
        if journey.entry.reentry == Reentry::Never
            && endings.count_of(&journey.name) >= limits::ENDINGS_PER_JOURNEY
        {
            return false;
        }
        let kept = endings.bytes_of(|journey| !self.allows_reentry(journey));
        kept + limits::RUNS_ACTIVE * NEW_END_BYTES <= limits::ENDING_BYTES
    }

    /// Starts a run for a fact.
    fn start(
        &mut self,
        journey: &Arc<Journey>,
        cause: &Trigger,
        key: Name,
        happening: &Happening<'_>,
    ) {
        let subject = cause.subject();
        let cause = match happening.event_id() {
            "" => subject.as_ref(),
            id => id,
        };
        let id = run_id(
            self.customer,
            &journey.name,
            &key,
            cause,
            self.state.run_count,
        );
        self.state.run_count += 1;
        let mut run = Run {
            id,
            journey: Arc::clone(&journey.name),
            version: journey.version,
            key,
            step: Name::from(""),
            visit: 0,
            start_time: self.since,
            arrive_time: self.now,
            since: self.since,
            due: None,
            trigger: Arc::new(happening.properties().clone()),
            holdout: false,
            arm: Name::from(""),
            trace_parent: Box::default(),
            ordinal: self.ordinal,
        };
        self.fit_trigger(&mut run, journey);
        if let Some(run) = self.begin(run, journey, subject) {
            self.state.runs.push(run);
        }
    }

    fn count_refusal(&mut self, journey: &Journey, reason: Reason) {
        let counter = Counter::Journey {
            journey: &journey.name,
            version: journey.version,
            of: RunCount::Refused(reason),
        };
        self.count(counter, 1);
    }
}

/// The key of a run, if the event has it: a text, number or truth value of a bounded length.
pub(super) fn key(entry: &Entry, properties: &Properties) -> Option<Name> {
    let Some(name) = &entry.key else {
        return Some(Name::from(""));
    };
    let key = match properties.value(name)? {
        Value::Text(text) => text.as_ref().into(),
        Value::List(_) | Value::Json(_) => return None,
        plain => {
            let mut text = String::new();
            write!(text, "{plain}").ok()?;
            Name::from(text)
        }
    };
    (!key.is_empty() && key.len() <= limits::KEY_BYTES).then_some(key)
}
