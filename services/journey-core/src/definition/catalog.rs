//! Collects compiled definitions and what each event and segment change means to them.

use std::collections::HashMap;
use std::sync::Arc;

use expr::Conditions;
use kernel::Receipt;

use super::{
    CustomerReads, Definitions, HappyPath, Journey, JourneyMap, Readers, StepKind, TriggerKind,
};

impl Definitions {
    /// Nothing published.
    pub fn empty() -> Self {
        Self {
            journeys: HashMap::new(),
            maps: HashMap::new(),
            paths: HashMap::new(),
            events: HashMap::new(),
            entered: HashMap::new(),
            left: HashMap::new(),
            reads: CustomerReads::default(),
            conditions: Conditions::default(),
        }
    }

    pub(crate) fn add_map(&mut self, map: Arc<JourneyMap>) {
        let triggers = map.stages.iter().flat_map(|stage| &stage.enter);
        for kind in distinct(triggers.map(|trigger| &trigger.kind)) {
            self.readers(kind).maps.push(Arc::clone(&map));
        }
        self.reads.add_map(&map);
        self.maps.insert(Arc::clone(&map.name), map);
    }

    pub(crate) fn add_path(&mut self, path: Arc<HappyPath>) {
        let triggers = path.milestones.iter().map(|milestone| &milestone.trigger);
        for kind in distinct(triggers.map(|trigger| &trigger.kind)) {
            self.readers(kind).paths.push(Arc::clone(&path));
        }
        self.reads.add_path(&path);
        self.paths.insert(Arc::clone(&path.name), path);
    }

    pub(crate) fn add_journey(&mut self, journey: Arc<Journey>, is_current: bool) {
        if is_current {
            let triggers = journey.entry.triggers.iter();
            for kind in distinct(triggers.map(|trigger| &trigger.kind)) {
                self.readers(kind).entries.push(Arc::clone(&journey));
            }
        }
        self.reads.add_journey(&journey);
        let versions = self.journeys.entry(Arc::clone(&journey.name)).or_default();
        versions.by_version.insert(journey.version, journey);
    }

    /// Returns whether anything listens to receipts, in any version that a run may be on.
    pub fn hears_receipts(&self) -> bool {
        let mut receipts = Receipt::ALL.into_iter();
        receipts.any(|receipt| self.reads.has_event(receipt.name()))
    }

    /// Returns whether any journey sends, in any version that a run may be on.
    pub fn sends(&self) -> bool {
        let mut versions = self.journeys.values().flat_map(|it| it.by_version.values());
        versions.any(|journey| {
            let mut steps = journey.steps.iter();
            steps.any(|step| matches!(step.kind, StepKind::Send(_)))
        })
    }

    /// What reads an event or change.
    pub(crate) fn readers_of(&self, kind: ReadersOf<'_>) -> Option<&Readers> {
        match kind {
            ReadersOf::Event(name) => self.events.get(name),
            ReadersOf::Change { segment, entered } => {
                if entered {
                    self.entered.get(segment)
                } else {
                    self.left.get(segment)
                }
            }
        }
    }

    fn readers(&mut self, kind: &TriggerKind) -> &mut Readers {
        let (index, name) = match kind {
            TriggerKind::Event(name) => (&mut self.events, name),
            TriggerKind::Entered(name) => (&mut self.entered, name),
            TriggerKind::Left(name) => (&mut self.left, name),
        };
        index.entry(Arc::clone(name)).or_default()
    }
}

/// What is looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReadersOf<'a> {
    Event(&'a str),
    Change { segment: &'a str, entered: bool },
}

fn distinct<'a>(kinds: impl Iterator<Item = &'a TriggerKind>) -> Vec<&'a TriggerKind> {
    let mut seen: Vec<&TriggerKind> = Vec::new();
    for kind in kinds {
        if !seen.contains(&kind) {
            seen.push(kind);
        }
    }
    seen
}
