//! Fits the histories of a customer to a set of definitions: begins those that are new, marks those
//! that nobody reads any more, and drops them some days later.
//!
//! The histories of each fragment of a merged customer are fitted as if it were a customer.

use std::collections::BTreeSet;

use expr::FeatureId;
use kernel::Timestamp;

use crate::definitions::{Definitions, History};
use crate::feature::{Feature, Sums};
use crate::limits;
use crate::state::{EventTotal, Features, Fragments, Held, LAST, MissingParts, State};

/// Fits the histories of a customer to a set of definitions, as of an instant.
///
/// # Errors
/// [`MissingParts`] where a history cannot be read.
pub(crate) fn adopt(
    definitions: &Definitions,
    state: &mut State,
    at: Timestamp,
) -> Result<(), MissingParts> {
    let table = &definitions.table;
    let mut resumed = BTreeSet::new();
    state.features.retain(|held| match table.history(held.id) {
        Some(_) => {
            if resume(held, at)? {
                resumed.insert(held.id);
            }
            Ok(true)
        }
        None => is_kept_unread(held, at),
    })?;
    let mut missing = MissingParts::default();
    if state.fragments.is_empty() {
        let totals = std::mem::take(&mut state.totals);
        for total in &totals {
            missing.note(begin(definitions, state, total, at), ());
        }
        state.totals = totals;
        return missing.or(());
    }
    let kept: BTreeSet<FeatureId> = state.features.iter().map(|held| held.id).collect();
    let is_new = |id: FeatureId| !kept.contains(&id) || resumed.contains(&id);
    for (ordinal, fragment) in state.fragments.all()? {
        for total in &fragment.totals {
            for history in table.of_event(&total.name) {
                let mut own = Own {
                    features: &mut state.features,
                    fragments: &state.fragments,
                    ordinal,
                };
                missing.note(own.begin(history, is_new(history.id), total, at), ());
            }
        }
    }
    missing.or(())
}

/// Begins the histories of a name that happened before anybody read it so, and tops up those that
/// have all its events.
fn begin(
    definitions: &Definitions,
    state: &mut State,
    total: &EventTotal,
    at: Timestamp,
) -> Result<(), MissingParts> {
    for history in definitions.table.of_event(&total.name) {
        if !state.features.has(history.id) {
            *state.features.of_mut(history.id, 0)? = Feature::beginning(at);
        }
        if history.is_plain {
            top_up(&mut state.features, history.id, (total, 0), |_| true)?;
        }
    }
    Ok(())
}

/// The histories of one fragment of a merged customer.
struct Own<'a> {
    features: &'a mut Features,
    fragments: &'a Fragments,
    ordinal: u16,
}

impl Own<'_> {
    /// Begins one that happened before anybody read it so, and tops it up where it has all events
    /// of its name. One that is not new, and in which nothing happened to the fragment, is whole.
    fn begin(
        &mut self,
        history: &History,
        is_new: bool,
        total: &EventTotal,
        at: Timestamp,
    ) -> Result<(), MissingParts> {
        let (id, ordinal) = (history.id, self.ordinal);
        if self.fragments.joined.contains(&ordinal) && self.features.has_of(id, LAST) {
            // Its events are among those of others.
            return Ok(());
        }
        if is_new && !self.features.has_of(id, ordinal) {
            *self.features.of_mut(id, ordinal)? = Feature::beginning(at);
        }
        if !history.is_plain {
            return Ok(());
        }
        // Before fragments were told apart all was counted as the customer's own.
        let has_joined = !self.fragments.joined.is_empty();
        let fragments = self.fragments;
        let is_of = |other: u16| {
            let is_nobodys = !(fragments.has(other) || (other == LAST && has_joined));
            other == ordinal || (ordinal == 0 && is_nobodys)
        };
        top_up(self.features, id, (total, ordinal), is_of)
    }
}

/// Adds the events that a history lacks of all of its name: a count of them is known of every name,
/// and a history of all begins with it.
fn top_up(
    features: &mut Features,
    id: FeatureId,
    (total, ordinal): (&EventTotal, u16),
    is_of: impl Fn(u16) -> bool,
) -> Result<(), MissingParts> {
    let mut known = 0;
    for held in features.of(id).iter().filter(|held| is_of(held.ordinal)) {
        if let Some(feature) = held.feature()? {
            let count = feature.count(None, Timestamp::MAX);
            known += count.map_err(|missing| missing.of(held.id, held.ordinal))?;
        }
    }
    if let Some(missed @ 1..) = total.count.checked_sub(known) {
        features.of_mut(id, ordinal)?.folded.join(&Sums {
            count: missed,
            first: total.first_time,
            last: total.last_time,
            ..Sums::NONE
        });
    }
    Ok(())
}

/// Notes that a history is read again. What happened while nobody read it is not in it. Returns
/// whether that is so.
fn resume(held: &mut Held, at: Timestamp) -> Result<bool, MissingParts> {
    let feature = held.feature()?;
    let is_resumed = feature.is_some_and(|feature| feature.unread_since.is_some());
    if is_resumed {
        let feature = held.feature_mut()?;
        feature.unread_since = None;
        feature.complete_from = Some(at);
    }
    Ok(is_resumed)
}

/// Returns whether a history that nobody reads is kept for now.
fn is_kept_unread(held: &mut Held, at: Timestamp) -> Result<bool, MissingParts> {
    let Some(feature) = held.feature()? else {
        return Ok(false);
    };
    match feature.unread_since {
        Some(since) => Ok(at.since(since) < limits::UNREAD_KEPT),
        None => {
            held.feature_mut()?.unread_since = Some(at);
            Ok(true)
        }
    }
}
