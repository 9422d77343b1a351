//! The definitions that one process decides by.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use activation_core::ActivationCore;
use decision::Core;
use engine::Freshness;
use journey_core::JourneyCore;
use segmentation_core::SegmentationCore;
use tokio::sync::watch;

use super::{Compiled, Definitions};

/// The definitions that one process decides by.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// The program of the process.
    program: u64,
    in_force: Mutex<InForce>,
}

/// The age of the definitions of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// The number of changes that it has read.
    pub(crate) revision: u64,
    /// True where there are newer ones, which its program does not understand.
    pub(crate) is_outdated: bool,
}

#[derive(Debug)]
struct InForce {
    reading: Reading,
    segmentation: Shown<SegmentationCore>,
    journey: Shown<JourneyCore>,
    activation: Shown<ActivationCore>,
}

/// The definitions that the parts of one service are shown.
///
/// Each has a channel of its own: those who wait for one channel wake in an order that no seed
/// decides.
#[derive(Debug)]
struct Shown<C: Core> {
    now: Arc<C::Definitions>,
    readers: Vec<watch::Sender<Arc<C::Definitions>>>,
}

impl<C: Core> Shown<C> {
    const fn new(now: Arc<C::Definitions>) -> Self {
        Self {
            now,
            readers: Vec::new(),
        }
    }

    fn subscribe(&mut self) -> watch::Receiver<Arc<C::Definitions>> {
        let (reader, shown) = watch::channel(Arc::clone(&self.now));
        self.readers.push(reader);
        shown
    }

    fn show(&mut self, definitions: &Arc<C::Definitions>) {
        self.now = Arc::clone(definitions);
        self.readers.retain(|reader| !reader.is_closed());
        for reader in &self.readers {
            reader.send_replace(Arc::clone(definitions));
        }
    }
}

impl Shelf {
    /// Nothing is read yet.
    pub(crate) fn new(program: u64) -> Self {
        let Compiled {
            segmentation,
            journey,
            activation,
        } = Compiled::of(&std::collections::BTreeMap::new());
        Self {
            program,
            in_force: Mutex::new(InForce {
                reading: Reading::default(),
                segmentation: Shown::new(segmentation),
                journey: Shown::new(journey),
                activation: Shown::new(activation),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program of the process.
    pub(crate) const fn program(&self) -> u64 {
        self.program
    }

    /// Returns the age of its definitions.
    pub(crate) fn reading(&self) -> Reading {
        self.lock().reading
    }

    /// Brings what is defined now into force, unless the program does not understand it.
    pub(crate) fn read(&self, definitions: &Definitions) -> Freshness {
        let mut in_force = self.lock();
        if definitions.program > self.program {
            in_force.reading.is_outdated = true;
            return Freshness::Older;
        }
        let revision = definitions.revision();
        if in_force.reading.revision != revision {
            in_force.reading.revision = revision;
            in_force.segmentation.show(&definitions.newest.segmentation);
            in_force.journey.show(&definitions.newest.journey);
            in_force.activation.show(&definitions.newest.activation);
        }
        Freshness::Newest
    }

    /// Shows segmentation what is in force, and whatever comes after it.
    pub(crate) fn segmentation(
        &self,
    ) -> watch::Receiver<Arc<<SegmentationCore as Core>::Definitions>> {
        self.lock().segmentation.subscribe()
    }

    /// As [`Self::segmentation`].
    pub(crate) fn journey(&self) -> watch::Receiver<Arc<<JourneyCore as Core>::Definitions>> {
        self.lock().journey.subscribe()
    }

    /// As [`Self::segmentation`].
    pub(crate) fn activation(&self) -> watch::Receiver<Arc<<ActivationCore as Core>::Definitions>> {
        self.lock().activation.subscribe()
    }
}
