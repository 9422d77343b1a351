//! The bounds that a run came to: seeds near the bounds that never come to one would show nothing.

use std::collections::BTreeSet;

use kernel::{Reason, Value};

use super::lives::{LONGEST_TRAIT, TRAITS};
use crate::simulator::picture::Picture;

/// A bound that customers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bound {
    /// A run did not start, because the customer had too many.
    Runs,
    /// A run ended, because two customers who became one had too many.
    RunsOfTwo,
    /// A message was not sent, because too many were pending.
    Pending,
    /// Of so many activations, the oldest were forgotten.
    Activations,
    /// A trait was left out, because there was no room.
    Traits,
}

impl Bound {
    pub(crate) const ALL: [Self; 5] = [
        Self::Runs,
        Self::RunsOfTwo,
        Self::Pending,
        Self::Activations,
        Self::Traits,
    ];
}

/// The bounds that the customers of a picture came to.
pub(super) fn reached(picture: &Picture) -> BTreeSet<Bound> {
    let is_reached = |bound: &Bound| match bound {
        Bound::Runs => has_counter(picture, "/refused/", Reason::RunLimit),
        Bound::RunsOfTwo => has_counter(picture, "/ended/", Reason::RunLimit),
        Bound::Pending => has_counter(picture, "/", Reason::PendingLimit),
        Bound::Activations => forgets_activations(picture),
        Bound::Traits => picture
            .profiles
            .values()
            .any(|(_, state)| trait_bytes(state) + MARGIN > segmentation_core::limits::TRAIT_BYTES),
    };
    Bound::ALL.into_iter().filter(is_reached).collect()
}

/// As many bytes as the longest trait may take.
#[expect(clippy::cast_possible_truncation, reason = "some thousand")]
const MARGIN: usize = LONGEST_TRAIT as usize + 16;

/// Returns whether a customer has so many activations that older ones may be forgotten.
pub(crate) fn forgets_activations(picture: &Picture) -> bool {
    let mut states = picture.activations.values();
    states.any(|(_, state)| state.activation_count() >= activation_core::limits::ACTIVATIONS)
}

fn has_counter(picture: &Picture, before: &str, reason: Reason) -> bool {
    let end = format!("{before}{}", reason.code());
    picture.counters.keys().any(|name| name.ends_with(&end))
}

fn trait_bytes(state: &segmentation_core::State) -> usize {
    let traits = state.traits();
    let sizes = (0..TRAITS).map(|number| {
        let name = format!("trait-{number}");
        match traits.value(&name) {
            Some(Value::Text(text)) => name.len() + text.len(),
            _ => 0,
        }
    });
    sizes.sum()
}
