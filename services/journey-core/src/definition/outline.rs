//! What answers tell of definitions: names in their order.

use crate::state::Name;

use super::{Definitions, StepKind};

/// A step, as answers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutline {
    /// Its name.
    pub id: Name,
    /// What it does, such as `wait_for`.
    pub kind: &'static str,
}

impl Definitions {
    /// The versions of a journey, newest first; empty where it is not defined.
    pub fn journey_versions(&self, journey: &str) -> Vec<u32> {
        self.journeys
            .get(journey)
            .map(|versions| versions.by_version.keys().rev().copied().collect())
            .unwrap_or_default()
    }

    /// The steps of one version of a journey, in order.
    pub fn steps(&self, journey: &str, version: u32) -> Option<Vec<StepOutline>> {
        let journey = self.journeys.get(journey)?.by_version.get(&version)?;
        let steps = journey.steps.iter().map(|step| StepOutline {
            id: step.id.clone(),
            kind: step.kind.name(),
        });
        Some(steps.collect())
    }

    /// The stages of a map, in order.
    pub fn stages(&self, map: &str) -> Option<Vec<Name>> {
        let map = self.maps.get(map)?;
        Some(map.stages.iter().map(|stage| stage.name.clone()).collect())
    }

    /// The milestones of a happy path, in order.
    pub fn milestones(&self, path: &str) -> Option<Vec<Name>> {
        let path = self.paths.get(path)?;
        let names = path
            .milestones
            .iter()
            .map(|milestone| milestone.name.clone());
        Some(names.collect())
    }
}

impl StepKind {
    /// What it does, as definitions spell it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Wait { .. } => "wait",
            Self::WaitFor { .. } => "wait_for",
            Self::Branch { .. } => "branch",
            Self::Split { .. } => "split",
            Self::Milestone { .. } => "milestone",
            Self::Exit(_) => "exit",
        }
    }
}
