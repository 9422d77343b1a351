//! The definitions of a simulation: as SQL keeps them, and as each process has read them.
//!
//! Processes read them when they start, when they open a partition, where something is not defined,
//! and now and then by themselves; where nothing is to be late, they are told at once.

mod reader;
mod shelf;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use activation_core::ActivationCore;
use decision::{Core, Names, Source};
use definitions::{key_of, parse};
use journey_core::JourneyCore;
use proto::definition::v1::Definition;
use segmentation_core::SegmentationCore;

use super::destination::lead_here;

pub(crate) use self::reader::Reader;
pub(crate) use self::shelf::{Reading, Shelf};

/// What is defined, and was.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// Every version, oldest first, by kind and name.
    versions: BTreeMap<String, Vec<Definition>>,
    /// The number of changes.
    revision: Arc<AtomicU64>,
    /// The oldest program that understands the newest ones.
    program: u64,
    newest: Compiled,
    /// Those who are told at once.
    told: Vec<Weak<Shelf>>,
}

/// The definitions of all services, as they compile them.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    segmentation: Arc<<SegmentationCore as Core>::Definitions>,
    journey: Arc<<JourneyCore as Core>::Definitions>,
    activation: Arc<<ActivationCore as Core>::Definitions>,
}

impl Definitions {
    /// Nothing is defined yet. Whoever holds the number of changes sees it grow.
    pub(crate) fn none(revision: Arc<AtomicU64>) -> Self {
        let versions = BTreeMap::new();
        Self {
            newest: Compiled::of(&versions),
            versions,
            revision,
            program: 0,
            told: Vec::new(),
        }
    }

    /// The number of changes.
    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// Tells a process of every change at once.
    fn tell(&mut self, shelf: &Arc<Shelf>) {
        self.told.push(Arc::downgrade(shelf));
    }

    /// Adds a version of each definition that differs from the last.
    pub(crate) fn define(&mut self, definitions: Vec<Definition>) {
        for mut definition in definitions {
            lead_here(&mut definition);
            let key = format!(
                "{:?}",
                key_of(&definition).expect("a definition has a name")
            );
            let versions = self.versions.entry(key).or_default();
            if versions.last() != Some(&definition) {
                versions.push(definition);
            }
        }
        self.newest = Compiled::of(&self.versions);
        self.revision.fetch_add(1, Ordering::Relaxed);
        for shelf in self.told.iter().filter_map(Weak::upgrade) {
            shelf.read(self);
        }
        self.told.retain(|shelf| shelf.strong_count() > 0);
    }

    /// Reads definitions and adds them.
    pub(crate) fn define_yaml(&mut self, yaml: &str) {
        let parsed = parse("simulation", yaml).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        self.define(parsed.into_iter().map(|located| located.value).collect());
    }

    /// Reads definitions that programs before this one do not understand, and adds them.
    pub(crate) fn define_for(&mut self, program: u64, yaml: &str) {
        self.program = self.program.max(program);
        self.define_yaml(yaml);
    }
}

impl Compiled {
    fn of(versions: &BTreeMap<String, Vec<Definition>>) -> Self {
        let sources: Vec<Source<'_>> = versions.values().flat_map(|all| sources(all)).collect();
        let current = sources.iter().filter(|source| source.is_current);
        let current: Vec<Source<'_>> = current.copied().collect();
        let names = Names::default();
        let segmentation = segmentation_core::Definitions::compile(&current, &names);
        let journey = journey_core::Definitions::compile(&sources, &names);
        let activation = activation_core::Definitions::compile(&sources, &names);
        Self {
            segmentation: Arc::new(segmentation.unwrap_or_else(|mistakes| panic!("{mistakes:?}"))),
            journey: Arc::new(journey.unwrap_or_else(|mistakes| panic!("{mistakes:?}"))),
            activation: Arc::new(activation.unwrap_or_else(|mistakes| panic!("{mistakes:?}"))),
        }
    }
}

/// The versions of one definition, as cores compile them.
fn sources(versions: &[Definition]) -> impl Iterator<Item = Source<'_>> {
    let last = versions.len();
    let numbered = (1_u32..).zip(versions);
    numbered.filter_map(move |(version, definition)| {
        Some(Source {
            kind: definition.kind.as_ref()?,
            version,
            is_current: usize::try_from(version) == Ok(last),
        })
    })
}
