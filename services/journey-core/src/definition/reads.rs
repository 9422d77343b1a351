//! The reads of all definitions of a customer: where room is short, it is kept before what nobody
//! reads; and the events that any of them listens to.

use std::collections::{BTreeSet, HashSet};

use expr::Condition;
use kernel::names_around;

use super::{HappyPath, Journey, JourneyMap, Step, StepKind, Trigger, TriggerKind};

/// The traits and segments that any definition reads, in any version that a run may be on.
#[derive(Debug, Default)]
pub(crate) struct CustomerReads {
    traits: HashSet<Box<str>>,
    segments: HashSet<Box<str>>,
    events: HashSet<Box<str>>,
}

impl CustomerReads {
    /// Returns whether any definition reads a trait, or asks for an object around it.
    pub(crate) fn has_trait(&self, name: &str) -> bool {
        let mut names = names_around(name).chain([name]);
        names.any(|name| self.traits.contains(name))
    }

    /// Returns whether any definition reads a segment, or waits for a change of it.
    pub(crate) fn has_segment(&self, name: &str) -> bool {
        self.segments.contains(name)
    }

    /// Returns whether any definition listens to an event.
    pub(crate) fn has_event(&self, name: &str) -> bool {
        self.events.contains(name)
    }

    pub(super) fn add_map(&mut self, map: &JourneyMap) {
        let triggers = map.stages.iter().flat_map(|stage| &stage.enter);
        triggers.for_each(|trigger| self.add_trigger(trigger));
    }

    pub(super) fn add_path(&mut self, path: &HappyPath) {
        let triggers = path.milestones.iter().map(|milestone| &milestone.trigger);
        triggers.for_each(|trigger| self.add_trigger(trigger));
    }

    pub(super) fn add_journey(&mut self, journey: &Journey) {
        for trigger in &journey.entry.triggers {
            self.add_trigger(trigger);
        }
        for own in journey.goals.iter().chain(&journey.exits) {
            self.add_trigger(&own.trigger);
        }
        for step in &journey.steps {
            if let StepKind::WaitFor { branches, .. } = &step.kind {
                for (trigger, _) in branches {
                    self.add_trigger(trigger);
                }
            }
        }
        for condition in conditions(&journey.steps) {
            self.add_condition(condition);
        }
    }

    fn add_trigger(&mut self, trigger: &Trigger) {
        match &trigger.kind {
            TriggerKind::Event(name) => self.events.insert(name.as_ref().into()),
            TriggerKind::Entered(segment) | TriggerKind::Left(segment) => {
                self.segments.insert(segment.as_ref().into())
            }
        };
        if let Some(condition) = &trigger.condition {
            self.add_condition(condition);
        }
    }

    fn add_condition(&mut self, condition: &Condition) {
        let reads = condition.reads();
        self.traits.extend(reads.traits.iter().cloned());
        self.segments.extend(reads.segments.iter().cloned());
    }
}

/// The properties that steps read of the event that started their run.
pub(super) fn trigger_reads(steps: &[Step]) -> BTreeSet<Box<str>> {
    conditions(steps)
        .flat_map(|condition| condition.reads().properties.iter().cloned())
        .collect()
}

/// The conditions of branches: the only ones that see the event that started the run.
fn conditions(steps: &[Step]) -> impl Iterator<Item = &Condition> {
    let arms = steps.iter().filter_map(|step| match &step.kind {
        StepKind::Branch { arms, .. } => Some(arms),
        _ => None,
    });
    arms.flatten().map(|(condition, _)| condition.as_ref())
}
