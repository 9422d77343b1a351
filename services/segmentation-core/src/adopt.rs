//! Fits the histories of a customer to a set of definitions: begins those that are new, marks those
//! that nobody reads any more, and drops them some days later.

use kernel::Timestamp;

use crate::definitions::Definitions;
use crate::feature::{Feature, Sums};
use crate::limits;
use crate::state::{EventTotal, Held, MissingParts, State};

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
    state.features.retain(|held| match table.history(held.id) {
        Some(_) => resume(held, at).map(|()| true),
        None => is_kept_unread(held, at),
    })?;
    let totals = std::mem::take(&mut state.totals);
    let mut missing = MissingParts::default();
    for total in &totals {
        missing.note(begin(definitions, state, total, at), ());
    }
    state.totals = totals;
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
            *state.features.own_mut(history.id)? = Feature::beginning(at);
        }
        if !history.is_plain {
            continue;
        }
        // How often something happened is known of every name, so that a count of all begins with
        // it.
        let mut known = 0;
        for held in state.features.of(history.id) {
            if let Some(feature) = held.feature()? {
                let count = feature.count(None, Timestamp::MAX);
                known += count.map_err(|missing| missing.of(held.id, held.ordinal))?;
            }
        }
        if let Some(missed @ 1..) = total.count.checked_sub(known) {
            let own = state.features.own_mut(history.id)?;
            own.folded.join(&Sums {
                count: missed,
                first: total.first_time,
                last: total.last_time,
                ..Sums::NONE
            });
        }
    }
    Ok(())
}

/// Notes that a history is read again. What happened while nobody read it is not in it.
fn resume(held: &mut Held, at: Timestamp) -> Result<(), MissingParts> {
    if held
        .feature()?
        .is_some_and(|feature| feature.unread_since.is_some())
    {
        let feature = held.feature_mut()?;
        feature.unread_since = None;
        feature.complete_from = Some(at);
    }
    Ok(())
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
