//! What an installation has come to, read from the store itself: what must be the same however it
//! came there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use activation_core::ActivationCore;
use bytes::Bytes;
use decision::{Core, PartKey};
use hot::{CounterKey, Owner, Slot, StateKey, Stored};
use journey_core::JourneyCore;
use segmentation_core::SegmentationCore;

use super::installation::{Installation, SERVICES};

/// Bytes of the key of a head: the customer's id.
const CUSTOMER_BYTES: usize = 16;

/// What is kept of one customer.
type Kept<S> = (engine::Head, S);

/// All states and counters.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) profiles: BTreeMap<StateKey, Kept<segmentation_core::State>>,
    pub(crate) journeys: BTreeMap<StateKey, Kept<journey_core::state::State>>,
    pub(crate) activations: BTreeMap<StateKey, Kept<activation_core::State>>,
    /// Over all partitions.
    pub(crate) keys: BTreeMap<CounterKey, i64>,
    /// The same, by the text of each key.
    pub(crate) counters: BTreeMap<String, i64>,
    /// The states with their timers, as they are stored.
    pub(crate) stored: Vec<(Slot, StateKey, Stored)>,
}

impl Picture {
    /// Looks at everything.
    pub(crate) async fn take(installation: &Installation) -> Self {
        let store = &*installation.shared.store;
        let mut picture = Self::default();
        for owner in SERVICES {
            for partition in installation.partitions().iter() {
                let slot = Slot { owner, partition };
                let states = installation.shared.backing.states(slot).into_iter();
                // Longer keys are those of parts, which their customer's head lists.
                let (heads, parts): (Vec<_>, Vec<_>) =
                    states.partition(|(key, _)| key.len() == CUSTOMER_BYTES);
                for (key, stored) in heads {
                    picture.read(installation, slot, &key, &stored);
                    picture.stored.push((slot, key, stored));
                }
                if owner == Owner::Journey {
                    picture.load_journeys(installation, &parts);
                }
                let counters = engine::counters::of_slot(store, slot, "").await;
                for (key, value) in counters.expect("no faults on this link") {
                    *picture.keys.entry(key).or_default() += value;
                }
            }
        }
        picture.keys.retain(|_, value| *value != 0);
        let keys = picture.keys.iter();
        picture.counters = keys.map(|(key, value)| (key.to_string(), *value)).collect();
        picture
    }

    fn read(&mut self, installation: &Installation, slot: Slot, key: &StateKey, stored: &Stored) {
        match slot.owner {
            Owner::Segmentation => {
                let state = decode::<SegmentationCore>(&stored.value);
                self.profiles
                    .extend(state.map(|state| (key.clone(), state)));
            }
            Owner::Journey => {
                let state = decode::<JourneyCore>(&stored.value);
                self.journeys
                    .extend(state.map(|state| (key.clone(), state)));
            }
            _ => {
                let state = decode::<ActivationCore>(&stored.value);
                self.activations
                    .extend(state.map(|state| (key.clone(), state)));
            }
        }
        if !self.has(slot.owner, key) {
            installation
                .world()
                .violate(format!("the state {key:?} of {slot:?} cannot be read"));
        }
    }

    /// Loads the parts of what journeys keep of customers.
    fn load_journeys(&mut self, installation: &Installation, parts: &[(StateKey, Stored)]) {
        for (key, stored) in parts {
            let (customer, part) = key.split_at(CUSTOMER_BYTES);
            let kept = self.journeys.get_mut(customer);
            let part = PartKey::try_from_bytes(part);
            let loaded = kept.zip(part).and_then(|((_, state), part)| {
                JourneyCore::load_part(state, part, stored.value.clone()).ok()
            });
            if loaded.is_none() {
                let world = installation.world();
                world.violate(format!(
                    "the part {key:?} of a journey's state is not listed"
                ));
            }
        }
        for (key, (_, state)) in &self.journeys {
            let missing = state.not_loaded();
            if !missing.is_empty() {
                let world = installation.world();
                world.violate(format!("the state {key:?} has no {missing:?}"));
            }
        }
    }

    fn has(&self, owner: Owner, key: &StateKey) -> bool {
        match owner {
            Owner::Segmentation => self.profiles.contains_key(key),
            Owner::Journey => self.journeys.contains_key(key),
            _ => self.activations.contains_key(key),
        }
    }

    /// What must not depend on when things were tried, as lines.
    pub(crate) fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let mut add = |what: &str, value: &dyn Debug| {
            lines.insert(format!("{what} {value:?}"));
        };
        for (key, (head, state)) in &self.profiles {
            let memberships: Vec<_> = state.memberships().iter().map(|it| &it.segment).collect();
            let totals = state.event_totals().iter();
            let events: Vec<_> = totals.map(|it| (&it.name, it.count)).collect();
            let facts = (head.redirect, state.traits(), memberships, events);
            add("profile", &(key, facts));
        }
        for (key, (head, state)) in &self.journeys {
            let state = state.open();
            let positions: Vec<_> = state
                .positions
                .iter()
                .map(|it| (&it.map, &it.stage))
                .collect();
            let runs: Vec<_> = state
                .runs
                .iter()
                .map(|it| (it.id, &it.step, it.visit))
                .collect();
            let ended: BTreeMap<_, _> = state.ended.iter().map(|it| (it.id, it.reason)).collect();
            add(
                "journeys",
                &(key, head.redirect, &*state.segments, positions, runs, ended),
            );
        }
        for (key, (head, state)) in &self.activations {
            let mut own: Vec<_> = state.activations.iter().collect();
            own.sort_by_key(|it| (it.id.run, it.id.visit));
            let own: Vec<_> = own.iter().map(|it| (it.id, it.status, it.reason)).collect();
            add("activations", &(key, head.redirect, own));
        }
        for counter in &self.counters {
            add("counter", &counter);
        }
        lines
    }
}

fn decode<C: Core>(bytes: &Bytes) -> Option<Kept<C::State>> {
    engine::head::read::<C>(bytes).ok()
}
