//! What an installation has come to, read from the store itself: what must be the same however it
//! came there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use activation_core::state::Activation;
use activation_core::{ActivationCore, Counter};
use decision::Core;
use hot::{CounterKey, Owner, Slot, StateKey, Stored};
use journey_core::JourneyCore;
use kernel::{CustomerId, Reason};
use proto::activation::v1::ActivationStatus;
use segmentation_core::SegmentationCore;

use super::changes::is_pending;
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
    /// The heads of all customers, of all services.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &engine::Head> {
        let profiles = self.profiles.values().map(|(head, _)| head);
        let journeys = self.journeys.values().map(|(head, _)| head);
        let activations = self.activations.values().map(|(head, _)| head);
        profiles.chain(journeys).chain(activations)
    }

    /// Adds up the counters of activations by status, and beside them those of surplus requests.
    /// These have a counter, and neither a state nor a receipt.
    pub(crate) fn counted_activations(&self) -> (BTreeMap<ActivationStatus, i64>, i64) {
        let mut by_status: BTreeMap<ActivationStatus, i64> = BTreeMap::new();
        let mut surplus = 0_i64;
        for (key, value) in &self.keys {
            match Counter::parse(key) {
                Some(counter) if counter.reason == Reason::Duplicate => surplus += value,
                Some(counter) => *by_status.entry(counter.status).or_default() += value,
                None => {}
            }
        }
        (by_status, surplus)
    }

    /// Looks at everything.
    pub(crate) async fn take(installation: &Installation) -> Self {
        let store = &*installation.shared.store;
        let mut picture = Self::default();
        for owner in SERVICES {
            for partition in installation.partitions().iter() {
                let slot = Slot { owner, partition };
                let states = installation.shared.backing.states(slot).into_iter();
                let states = states.filter(|(key, _)| !is_pending(key));
                // Longer keys are those of parts, which their customer's head lists.
                let (heads, mut parts): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    states.partition(|(key, _)| key.len() == CUSTOMER_BYTES);
                for (key, stored) in heads {
                    picture.read(installation, slot, (&key, &stored), &mut parts);
                    picture.stored.push((slot, key, stored));
                }
                for key in parts.keys() {
                    let world = installation.world();
                    world.violate(format!("no head lists the part {key:?} of {slot:?}"));
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

    fn read(
        &mut self,
        installation: &Installation,
        slot: Slot,
        (key, stored): (&StateKey, &Stored),
        parts: &mut BTreeMap<StateKey, Stored>,
    ) {
        match slot.owner {
            Owner::Segmentation => {
                let state = read_whole::<SegmentationCore>(key, stored, parts);
                self.profiles
                    .extend(state.map(|state| (key.clone(), state)));
            }
            Owner::Journey => {
                let state = read_whole::<JourneyCore>(key, stored, parts);
                self.journeys
                    .extend(state.map(|state| (key.clone(), state)));
            }
            _ => {
                let state = read_whole::<ActivationCore>(key, stored, parts);
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
            let mut own = shown(state);
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

/// Reads a state and takes all parts that it lists; none where it cannot be read, or where the
/// store lacks one.
fn read_whole<C: Core>(
    key: &StateKey,
    stored: &Stored,
    parts: &mut BTreeMap<StateKey, Stored>,
) -> Option<Kept<C::State>> {
    let (head, mut state) = engine::head::read::<C>(&stored.value).ok()?;
    let customer = CustomerId::try_from_bytes(key).ok()?;
    for part in head.parts() {
        parts.remove(&part.of_customer(customer))?;
    }
    for part in C::part_keys(&state) {
        let stored = parts.remove(&part.of_customer(customer))?;
        C::load_part(&mut state, part, stored.value).ok()?;
    }
    Some((head, state))
}

/// The activations of a state of which all parts are loaded.
pub(crate) fn shown(state: &activation_core::State) -> Vec<Arc<Activation>> {
    let all = state.activations().expect("all parts are loaded");
    all.into_iter().map(|listed| listed.activation).collect()
}
