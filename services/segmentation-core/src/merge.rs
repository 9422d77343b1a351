//! Merges: what is known of a customer goes to the survivor, and becomes part of what is known
//! there.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Outcome, Poison};
use kernel::Timestamp;

use crate::adopt::adopt;
use crate::codec;
use crate::core::Pass;
use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::state::{MissingPart, State};

/// Takes the customer off the counters of members. Returns what is known, decided up to the merge.
pub(crate) fn take_leave(mut pass: Pass<'_>, key: &Bytes, time: Timestamp) -> Option<Bytes> {
    if !pass.state.is_known() {
        return None;
    }
    let at = pass.instant(time);
    // Due times belong to the set of definitions that decided them. A part that cannot be read
    // leaves the memberships as they were decided last.
    let decided = pass.catch_up(key, at).and_then(|()| pass.advance(key, at));
    drop(decided);
    for membership in &pass.state.memberships {
        let counter = Counter::Members {
            segment: &membership.segment,
        };
        pass.effects.count(counter.key(), -1);
    }
    Some(codec::encode(pass.state))
}

/// Takes in what is known of a customer who was joined into this one.
///
/// # Errors
/// [`Poison`] where a part of either state cannot be read.
pub(crate) fn fold_in(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
    other: &mut State,
) -> Result<Outcome, Poison> {
    let at = pass.instant(other.clock.map_or(time, |clock| clock.max(time)));
    if pass.state.is_known() {
        pass.catch_up(key, at)?;
        pass.advance(key, at)?;
    }
    compare(pass.definitions, &other.memberships, pass.effects);
    adopt(pass.definitions, other, at)?;
    join(pass.state, other, at, pass.definitions)?;
    pass.state.fingerprint = pass.definitions.fingerprint;
    let changes = evaluate_all(
        pass.definitions,
        pass.state,
        Worklist::new(pass.definitions),
        at,
        Cause::Merge(&other.memberships),
        pass.effects,
    )?;
    pass.state.clock = Some(at);
    pass.emit_profile(key, at, changes);
    Ok(pass.keep())
}

/// Adds to a state what another one knows. Its histories become those of fragments of their own.
fn join(
    state: &mut State,
    other: &mut State,
    at: Timestamp,
    definitions: &Definitions,
) -> Result<(), MissingPart> {
    let traits = Arc::make_mut(&mut state.traits);
    for theirs in &other.traits.0 {
        traits.set(&theirs.name, Some(theirs.value.clone()), theirs.set_time);
    }
    for theirs in &other.totals {
        let is_read = definitions.table.groups(&theirs.name).is_some();
        match state.total_place(&theirs.name) {
            Ok(place) => state.totals[place].join(theirs),
            Err(_) if !is_read && state.has_all_names() => {}
            Err(place) => state.totals.insert(place, theirs.clone()),
        }
    }
    let first_ordinal = state.fragments.saturating_add(1);
    state.fragments = first_ordinal.saturating_add(other.fragments);
    let theirs = std::mem::take(&mut other.features);
    state.features.take_in(theirs, first_ordinal, at)?;
    for event in &other.recent {
        state.show(Arc::clone(event));
    }
    let own = std::mem::take(&mut state.event_ids);
    for id in other.event_ids.iter().chain(&own) {
        state.remember(*id);
    }
    for seen in [other.first_seen, other.last_seen].into_iter().flatten() {
        state.see(seen);
    }
    Ok(())
}
