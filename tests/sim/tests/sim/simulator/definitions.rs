//! The definitions of a simulation, compiled for the cores as services compile them.

use std::collections::BTreeMap;
use std::sync::Arc;

use activation_core::ActivationCore;
use decision::{Core, Names, Source};
use definitions::{key_of, parse};
use journey_core::JourneyCore;
use proto::definition::v1::Definition;
use segmentation_core::SegmentationCore;
use tokio::sync::watch;

use super::destination::lead_here;

/// What is defined, and was.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// Every version, oldest first, by kind and name.
    versions: BTreeMap<String, Vec<Definition>>,
    pub(crate) segmentation: Shown<SegmentationCore>,
    pub(crate) journey: Shown<JourneyCore>,
    pub(crate) activation: Shown<ActivationCore>,
}

/// The definitions that the engines of one service are shown.
///
/// Each has a channel of its own: those who wait for one channel wake in an order that no seed
/// decides.
#[derive(Debug)]
pub(crate) struct Shown<C: Core> {
    now: Arc<C::Definitions>,
    readers: Vec<watch::Sender<Arc<C::Definitions>>>,
}

impl<C: Core> Shown<C> {
    fn new(definitions: C::Definitions) -> Self {
        Self {
            now: Arc::new(definitions),
            readers: Vec::new(),
        }
    }

    /// Shows what is defined now, and whatever comes after it.
    pub(crate) fn subscribe(&mut self) -> watch::Receiver<Arc<C::Definitions>> {
        let (reader, shown) = watch::channel(Arc::clone(&self.now));
        self.readers.push(reader);
        shown
    }

    fn show(&mut self, definitions: C::Definitions) {
        self.now = Arc::new(definitions);
        self.readers.retain(|reader| !reader.is_closed());
        for reader in &self.readers {
            reader.send_replace(Arc::clone(&self.now));
        }
    }
}

impl Definitions {
    /// Nothing is defined yet.
    pub(crate) fn none() -> Self {
        let versions = BTreeMap::new();
        let (segmentation, journey, activation) = compile(&versions);
        Self {
            versions,
            segmentation: Shown::new(segmentation),
            journey: Shown::new(journey),
            activation: Shown::new(activation),
        }
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
        let (segmentation, journey, activation) = compile(&self.versions);
        self.segmentation.show(segmentation);
        self.journey.show(journey);
        self.activation.show(activation);
    }

    /// Reads definitions and adds them.
    pub(crate) fn define_yaml(&mut self, yaml: &str) {
        let parsed = parse("simulation", yaml).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        self.define(parsed.into_iter().map(|located| located.value).collect());
    }
}

type Compiled = (
    <SegmentationCore as Core>::Definitions,
    <JourneyCore as Core>::Definitions,
    <ActivationCore as Core>::Definitions,
);

fn compile(versions: &BTreeMap<String, Vec<Definition>>) -> Compiled {
    let sources: Vec<Source<'_>> = versions
        .values()
        .flat_map(|versions| {
            let last = versions.len();
            (1_u32..)
                .zip(versions)
                .filter_map(move |(version, definition)| {
                    Some(Source {
                        kind: definition.kind.as_ref()?,
                        version,
                        is_current: usize::try_from(version) == Ok(last),
                    })
                })
        })
        .collect();
    let current = sources.iter().filter(|source| source.is_current);
    let current: Vec<Source<'_>> = current.copied().collect();
    let names = Names::default();
    (
        segmentation_core::Definitions::compile(&current, &names)
            .unwrap_or_else(|mistakes| panic!("{mistakes:?}")),
        journey_core::Definitions::compile(&sources, &names)
            .unwrap_or_else(|mistakes| panic!("{mistakes:?}")),
        activation_core::Definitions::compile(&sources, &names)
            .unwrap_or_else(|mistakes| panic!("{mistakes:?}")),
    )
}
