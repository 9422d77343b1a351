//! Maps, happy paths and journeys as they are executed: checked, compiled, immutable.
//!
//! Names are resolved to places, durations and conditions are parsed. Customers refer to definitions by name, so that
//! their state outlives every change of them.

mod catalog;
mod compile;
mod graph;
mod happy_path;
mod journey;
mod journey_map;
mod names;
mod outline;
mod reads;
mod trigger;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use expr::{Condition, Conditions};
use kernel::Duration;
use messages::journey::v1::{OnMergeConflict, Reentry, RunOutcome};

pub(crate) use catalog::ReadersOf;
pub use outline::StepOutline;
pub(crate) use reads::CustomerReads;

use crate::state::Name;

/// Everything that was published.
#[derive(Debug)]
pub struct Definitions {
    pub(crate) journeys: HashMap<Name, Versions>,
    pub(crate) maps: HashMap<Name, Arc<JourneyMap>>,
    pub(crate) paths: HashMap<Name, Arc<HappyPath>>,
    pub(crate) events: HashMap<Name, Readers>,
    pub(crate) entered: HashMap<Name, Readers>,
    pub(crate) left: HashMap<Name, Readers>,
    pub(crate) reads: CustomerReads,
    /// The conditions of all of them, for the next set to take over.
    pub(crate) conditions: Conditions,
}

/// What reads one event, or one change of one segment: the cost of a fact grows with this, not with what exists.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    pub(crate) entries: Vec<Arc<Journey>>,
    pub(crate) maps: Vec<Arc<JourneyMap>>,
    pub(crate) paths: Vec<Arc<HappyPath>>,
}

/// The versions of one journey. Runs stay on the one they started on.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    pub(crate) by_version: BTreeMap<u32, Arc<Journey>>,
}

/// What brings something about.
#[derive(Debug)]
pub(crate) struct Trigger {
    pub(crate) kind: TriggerKind,
    pub(crate) condition: Option<Arc<Condition>>,
}

/// What a trigger listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TriggerKind {
    Event(Name),
    Entered(Name),
    Left(Name),
}

/// A map.
#[derive(Debug)]
pub(crate) struct JourneyMap {
    pub(crate) name: Name,
    pub(crate) version: u32,
    pub(crate) stages: Vec<Stage>,
}

/// A stage of a map.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: Name,
    pub(crate) enter: Vec<Trigger>,
    pub(crate) from: From,
}

/// Where a customer may come to a stage from.
#[derive(Debug, Default)]
pub(crate) struct From {
    pub(crate) anywhere: bool,
    pub(crate) outside: bool,
    pub(crate) stages: Vec<Name>,
}

/// A happy path.
#[derive(Debug)]
pub(crate) struct HappyPath {
    pub(crate) name: Name,
    pub(crate) version: u32,
    pub(crate) milestones: Vec<Milestone>,
    /// How far before the newest event others are remembered for a beginning that arrives later.
    pub(crate) horizon: Duration,
}

/// A milestone.
#[derive(Debug)]
pub(crate) struct Milestone {
    pub(crate) name: Name,
    pub(crate) trigger: Trigger,
    pub(crate) within: Option<Duration>,
    pub(crate) optional: bool,
}

/// One version of a journey.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) name: Name,
    pub(crate) version: u32,
    pub(crate) entry: Entry,
    pub(crate) steps: Vec<Step>,
    pub(crate) goals: Vec<Subscription>,
    pub(crate) exits: Vec<Subscription>,
    /// What happens to two runs of one key where two customers are found to be one.
    pub(crate) on_merge_conflict: OnMergeConflict,
    /// The properties that its steps read of the event that started the run.
    pub(crate) trigger_reads: BTreeSet<Box<str>>,
}

/// What starts a run.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Any of them starts a run.
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) key: Option<Name>,
    pub(crate) reentry: Reentry,
    pub(crate) cooldown: Duration,
    pub(crate) max_age: Option<Duration>,
}

/// A goal or an exit rule.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) name: Name,
    pub(crate) trigger: Trigger,
}

/// A step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: Name,
    pub(crate) kind: StepKind,
}

/// Where a run goes: the place of a step, or nowhere, where the journey ends.
pub(crate) type Target = Option<usize>;

/// What a step does.
#[derive(Debug)]
pub(crate) enum StepKind {
    Send(Send),
    Wait {
        duration: Duration,
        next: Target,
    },
    WaitFor {
        branches: Vec<(Trigger, Target)>,
        timeout: Duration,
        on_timeout: Target,
    },
    Branch {
        arms: Vec<(Arc<Condition>, Target)>,
        otherwise: Target,
    },
    Split {
        salt: Box<str>,
        arms: Vec<Arm>,
    },
    Milestone {
        name: Name,
        next: Target,
    },
    Exit(RunOutcome),
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) channel: Name,
    pub(crate) template: Name,
    pub(crate) purpose: Name,
    pub(crate) expires_after: Option<Duration>,
    pub(crate) next: Target,
}

/// An arm of a split.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) name: Name,
    /// The bucket that ends this arm, itself excluded.
    pub(crate) until: u32,
    pub(crate) holdout: bool,
    pub(crate) next: Target,
}

impl Versions {
    /// The newest version, which is the one in force while the journey is defined.
    pub(crate) fn newest(&self) -> Option<&Arc<Journey>> {
        self.by_version.last_key_value().map(|(_, journey)| journey)
    }
}

impl Journey {
    /// The place of a step.
    pub(crate) fn place(&self, step: &str) -> Option<usize> {
        self.steps.iter().position(|own| own.id.as_ref() == step)
    }
}

impl StepKind {
    /// Where a run may go from here.
    pub(crate) fn targets(&self) -> Vec<Target> {
        match self {
            Self::Send(send) => vec![send.next],
            Self::Wait { next, .. } | Self::Milestone { next, .. } => vec![*next],
            Self::WaitFor {
                branches,
                on_timeout,
                ..
            } => branches
                .iter()
                .map(|(_, next)| *next)
                .chain([*on_timeout])
                .collect(),
            Self::Branch { arms, otherwise } => arms
                .iter()
                .map(|(_, next)| *next)
                .chain([*otherwise])
                .collect(),
            Self::Split { arms, .. } => arms.iter().map(|arm| arm.next).collect(),
            Self::Exit(_) => Vec::new(),
        }
    }

    /// Whether a run always stays here for a while.
    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self, Self::Wait { .. } | Self::WaitFor { .. })
    }
}
