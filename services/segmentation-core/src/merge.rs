//! Merges: what is known of a customer goes to the survivor, and becomes part of what is known
//! there.
//!
//! Histories move as they are stored, and are those of a fragment of its own from then on. What
//! either customer knew is known of the survivor, as exactly as before. A merge is never refused.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Moved, Outcome, PartWrites, Poison};
use kernel::Timestamp;

use crate::adopt::adopt;
use crate::change::tell_leave;
use crate::codec;
use crate::core::Pass;
use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::state::{MissingParts, State};

/// Takes the customer off the counters of members, and tells that they left. Returns the head of
/// what is known, decided up to the merge.
///
/// # Errors
/// [`MissingParts`] where a part is needed to decide.
pub(crate) fn take_leave(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
) -> Result<Option<Bytes>, MissingParts> {
    if !pass.state.is_known() {
        return Ok(None);
    }
    let at = pass.instant(time);
    // Due times belong to the set of definitions that decided them.
    pass.catch_up(key, at)?;
    pass.advance(key, at)?;
    for membership in &pass.state.memberships {
        let counter = Counter::Members {
            segment: &membership.segment,
        };
        pass.effects.count(counter.key(), -1);
    }
    tell_leave(key, &pass.state.memberships, at, pass.effects);
    pass.state.features.settle();
    // The parts that changed are drained from the state itself, once more.
    let mut stored = pass.state.clone();
    let mut writes = PartWrites::default();
    stored.drain_parts(&mut writes);
    Ok(Some(codec::encode(&stored)))
}

/// Reads the state of a customer who was joined into this one, with the parts that are at hand. It
/// has its own ordinals, until it is joined.
pub(crate) fn read_moved(moved: Moved<'_>) -> Result<State, Poison> {
    let mut other = codec::decode(moved.state)?;
    for (key, bytes) in moved.parts {
        let key = key.lowered(moved.ordinal);
        let key =
            key.ok_or_else(|| Poison::new("a part of a moved state is not one of its own"))?;
        other.load_part(key, bytes.clone())?;
    }
    Ok(other)
}

/// Takes in what is known of a customer who was joined into this one.
///
/// # Errors
/// [`MissingParts`] where a part of either state is needed, by the key that it has from now on.
pub(crate) fn fold_in(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
    (other, ordinal): (&mut State, u16),
) -> Result<Outcome, MissingParts> {
    let at = pass.instant(other.clock.map_or(time, |clock| clock.max(time)));
    if pass.state.is_known() {
        pass.catch_up(key, at)?;
        pass.advance(key, at)?;
    }
    compare(pass.definitions, &other.memberships, pass.effects);
    adopt(pass.definitions, other, at).map_err(|missing| missing.raised(ordinal))?;
    let theirs = other.traits.iter().cloned();
    let traits = Arc::make_mut(&mut pass.state.traits).join(theirs);
    pass.count_left_out(&traits);
    join(
        pass.state,
        (other, ordinal),
        (at, pass.now),
        pass.definitions,
    )?;
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

/// Adds to a state what another one knows beside traits. Its histories become those of fragments of
/// their own.
fn join(
    state: &mut State,
    (other, ordinal): (&mut State, u16),
    (at, now): (Timestamp, Timestamp),
    definitions: &Definitions,
) -> Result<(), MissingParts> {
    for theirs in &other.totals {
        let is_read = definitions.table.groups(&theirs.name).is_some();
        match state.total_place(&theirs.name) {
            Ok(place) => state.totals[place].join(theirs),
            Err(_) if !is_read && state.has_all_names() => {}
            Err(place) => state.totals.insert(place, theirs.clone()),
        }
    }
    for (key, part) in other.others.iter() {
        if let Some(key) = key.raised(ordinal) {
            state.others.insert(key, part.clone());
        }
    }
    let theirs = std::mem::take(&mut other.features);
    state.features.take_in(theirs, ordinal, at)?;
    state.recent.join(&other.recent);
    let theirs = std::mem::take(&mut other.event_ids);
    state.event_ids.take_in(theirs, ordinal, now)?;
    for seen in [other.first_seen, other.last_seen].into_iter().flatten() {
        state.see(seen);
    }
    Ok(())
}
