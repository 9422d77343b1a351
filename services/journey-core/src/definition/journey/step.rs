//! Compiles steps.

use messages::journey::v1::{
    self as api, RunOutcome, step::Kind, wait_for_step::Until as AtMost, wait_step::Until,
};

use crate::definition::names::{Known, check_exists, unknown};
use crate::definition::{Arm, Send, Step, StepKind, Target, trigger};
use crate::limits;
use decision::Mistakes;

/// Compiles the step at a place.
pub(super) fn compile(
    journey: &api::Journey,
    place: usize,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<Step> {
    let step = journey.steps.get(place)?;
    let mut at = At {
        journey,
        place,
        known,
        mistakes,
    };
    let Some(kind) = step.kind.as_ref() else {
        at.add(
            "",
            "a step needs exactly one of send, wait, wait_for, branch, split, milestone and exit",
        );
        return None;
    };
    let goes_on = matches!(kind, Kind::Send(_) | Kind::Wait(_) | Kind::Milestone(_));
    if !goes_on && !step.next.is_empty() {
        at.add(
            ".next",
            "only send, wait and milestone have a `next`: the others say where to go in their arms",
        );
    }
    let kind = match kind {
        Kind::Send(send) => at.send(send, &step.next),
        Kind::Wait(wait) => at.wait(wait, &step.next),
        Kind::WaitFor(wait) => at.wait_for(wait),
        Kind::Branch(branch) => at.branch(branch),
        Kind::Split(split) => at.split(split),
        Kind::Milestone(milestone) => {
            at.next(".next", &step.next)
                .map(|next| StepKind::Milestone {
                    name: milestone.name.as_str().into(),
                    next,
                })
        }
        Kind::Exit(exit) => Some(StepKind::Exit(match exit.outcome() {
            RunOutcome::Unspecified => RunOutcome::Neutral,
            outcome => outcome,
        })),
    }?;
    Some(Step {
        id: step.id.as_str().into(),
        kind,
    })
}

/// One step of one journey.
struct At<'a, 'k> {
    journey: &'a api::Journey,
    place: usize,
    known: &'a mut Known<'k>,
    mistakes: &'a mut Mistakes,
}

impl At<'_, '_> {
    fn path(&self, field: &str) -> String {
        format!("steps[{}]{field}", self.place)
    }

    fn add(&mut self, field: &str, message: impl Into<String>) {
        let path = self.path(field);
        self.mistakes.add(path, message);
    }

    /// Where a named step is; empty is the one after this, or the end.
    fn next(&mut self, field: &str, id: &str) -> Option<Target> {
        let steps = &self.journey.steps;
        if id.is_empty() {
            let after = self.place + 1;
            return Some((after < steps.len()).then_some(after));
        }
        let place = steps.iter().position(|step| step.id == id);
        if place.is_none() {
            let ids = steps.iter().map(|step| step.id.as_str());
            let message = unknown("step", id, ids);
            self.add(field, message);
        }
        place.map(Some)
    }

    /// Where a step that must be named is.
    fn named(&mut self, field: &str, id: &str) -> Option<Target> {
        if id.is_empty() {
            self.add(field, "must name the step that follows");
            return None;
        }
        self.next(field, id)
    }

    fn send(&mut self, send: &api::SendStep, next: &str) -> Option<StepKind> {
        let path = self.path(".send.channel");
        let channels = self.known.names.channels.as_ref();
        check_exists(self.mistakes, &path, "channel", &send.channel, channels);
        let path = self.path(".send.template");
        let templates = self.known.names.templates.as_ref();
        check_exists(self.mistakes, &path, "template", &send.template, templates);
        let path = self.path(".send.expires_after");
        let expires_after = trigger::optional_duration(&send.expires_after, &path, self.mistakes);
        Some(StepKind::Send(Send {
            channel: send.channel.as_str().into(),
            template: send.template.as_str().into(),
            purpose: send.purpose.as_str().into(),
            expires_after,
            next: self.next(".next", next)?,
        }))
    }

    fn wait(&mut self, wait: &api::WaitStep, next: &str) -> Option<StepKind> {
        let duration = match &wait.until {
            Some(Until::Duration(text)) => {
                let path = self.path(".wait.duration");
                trigger::waiting_time(text, &path, self.mistakes)
            }
            None => {
                self.add(".wait", "needs a `duration`, such as 2d");
                None
            }
        };
        let next = self.next(".next", next);
        Some(StepKind::Wait {
            duration: duration?,
            next: next?,
        })
    }

    fn wait_for(&mut self, wait: &api::WaitForStep) -> Option<StepKind> {
        if wait.branches.is_empty() {
            self.add(
                ".wait_for.branches",
                "needs something to wait for, or use `wait`",
            );
        }
        let mut branches = Vec::with_capacity(wait.branches.len());
        let mut complete = true;
        for (i, branch) in wait.branches.iter().enumerate() {
            let path = self.path(&format!(".wait_for.branches[{i}].trigger"));
            let cause = trigger::compile(branch.trigger.as_ref(), &path, self.known, self.mistakes);
            let next = self.named(&format!(".wait_for.branches[{i}].next"), &branch.next);
            match (cause, next) {
                (Some(cause), Some(next)) => branches.push((cause, next)),
                _ => complete = false,
            }
        }
        let timeout = match &wait.until {
            Some(AtMost::Timeout(text)) => {
                let path = self.path(".wait_for.timeout");
                trigger::waiting_time(text, &path, self.mistakes)
            }
            None => {
                self.add(".wait_for", "needs a `timeout`, such as 2d");
                None
            }
        };
        let on_timeout = self.next(".wait_for.on_timeout", &wait.on_timeout);
        complete.then_some(StepKind::WaitFor {
            branches,
            timeout: timeout?,
            on_timeout: on_timeout?,
        })
    }

    fn branch(&mut self, branch: &api::BranchStep) -> Option<StepKind> {
        if branch.arms.is_empty() {
            self.add(".branch.arms", "needs at least one arm");
        }
        let mut arms = Vec::with_capacity(branch.arms.len());
        let mut complete = true;
        for (i, arm) in branch.arms.iter().enumerate() {
            let path = self.path(&format!(".branch.arms[{i}].when"));
            let when = trigger::condition(&arm.when, &path, self.known, self.mistakes);
            let next = self.named(&format!(".branch.arms[{i}].next"), &arm.next);
            match (when, next) {
                (Some(when), Some(next)) => arms.push((when, next)),
                _ => complete = false,
            }
        }
        let otherwise = self.named(".branch.otherwise", &branch.otherwise);
        complete.then_some(StepKind::Branch {
            arms,
            otherwise: otherwise?,
        })
    }

    fn split(&mut self, split: &api::SplitStep) -> Option<StepKind> {
        let place = self.place;
        let named = split.arms.iter().enumerate();
        trigger::check_unique(
            self.mistakes,
            named.map(|(i, arm)| {
                (
                    format!("steps[{place}].split.arms[{i}].name"),
                    arm.name.as_str(),
                )
            }),
            "arm",
        );
        let sum: u64 = split.arms.iter().map(|arm| u64::from(arm.share)).sum();
        if sum != u64::from(limits::SHARES) {
            self.add(
                ".split.arms",
                format!(
                    "the shares sum to {sum}: they must sum to 10,000, so that 5,000 is a half"
                ),
            );
        }
        let mut until = 0_u32;
        let mut arms = Vec::with_capacity(split.arms.len());
        let mut complete = true;
        for (i, arm) in split.arms.iter().enumerate() {
            until = until.saturating_add(arm.share);
            match self.named(&format!(".split.arms[{i}].next"), &arm.next) {
                Some(next) => arms.push(Arm {
                    name: arm.name.as_str().into(),
                    until,
                    holdout: arm.holdout,
                    next,
                }),
                None => complete = false,
            }
        }
        let salt = match split.salt.as_str() {
            "" => format!("{}/{}", self.journey.name, self.journey.steps[place].id),
            salt => salt.to_owned(),
        };
        complete.then(|| StepKind::Split {
            salt: salt.into(),
            arms,
        })
    }
}
