//! Merges: what is known of a customer goes to the survivor, and becomes part of what is known
//! there.
//!
//! Histories move as they are stored, and are those of a fragment of its own from then on. What
//! either customer knew is known of the survivor, as exactly as before, and what happened to each
//! is kept apart, so that an unmerge gives it back. A merge is never refused.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Effects, Moved, Outcome, PartWrites, Poison, fragment_ordinal};
use kernel::Timestamp;
use messages::stream::v1::ChangeReason;

use crate::adopt::adopt;
use crate::change::tell_leave;
use crate::codec;
use crate::core::Pass;
use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::state::{Fragment, Membership, MissingParts, State, join_totals, set_ordinal};

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
    count_out(&pass.state.memberships, pass.effects);
    let reason = ChangeReason::Merge;
    tell_leave(key, &pass.state.memberships, (at, reason), pass.effects);
    pass.state.settle();
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
    tell_apart(pass.state, (&mut *other, ordinal))?;
    let theirs = other.traits.iter().cloned();
    let traits = Arc::make_mut(&mut pass.state.traits).join(theirs);
    pass.count_left_out(&traits);
    join(
        pass.state,
        (&mut *other, ordinal),
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
    pass.emit_profile(key, (at, ChangeReason::Merge), changes);
    Ok(pass.keep())
}

/// Takes a customer off the counters of members.
pub(crate) fn count_out(memberships: &[Membership], effects: &mut Effects) {
    for membership in memberships {
        let counter = Counter::Members {
            segment: &membership.segment,
        };
        effects.count(counter.key(), -1);
    }
}

/// Adds to a state what another one knows beside traits, as what happened to fragments of their
/// own.
fn join(
    state: &mut State,
    (other, ordinal): (&mut State, u16),
    (at, now): (Timestamp, Timestamp),
    definitions: &Definitions,
) -> Result<(), MissingParts> {
    let is_read = |name: &str| definitions.table.groups(name).is_some();
    join_totals(&mut state.totals, &other.totals, is_read);
    for (key, part) in other.others.iter() {
        if let Some(key) = key.raised(ordinal) {
            state.others.insert(key, part.clone());
        }
    }
    let theirs = std::mem::take(&mut other.features);
    let joined = state.features.take_in(theirs, ordinal, at)?;
    let joined = joined.into_iter().filter(|own| state.fragments.has(*own));
    let joined: Vec<u16> = joined.collect();
    state.fragments.joined.extend(joined);
    for element in other.recent.to_elements() {
        let theirs = fragment_ordinal(ordinal, element.ordinal);
        state.recent.put(set_ordinal(element, theirs));
    }
    state.bound_recent()?;
    let theirs = std::mem::take(&mut other.event_ids);
    state.event_ids.take_in(theirs, ordinal, now)?;
    for seen in [other.first_seen, other.last_seen].into_iter().flatten() {
        state.see(seen);
    }
    Ok(())
}

/// Keeps apart what happened to either customer alone, before they are one.
fn tell_apart(state: &mut State, (other, ordinal): (&mut State, u16)) -> Result<(), MissingParts> {
    state.begin_fragments();
    other.begin_fragments();
    let mut theirs = std::mem::take(&mut other.fragments);
    if theirs.has(0) || other.members.is_some() {
        let own = theirs.of(0).map_err(|missing| missing.raised(ordinal))?;
        let joined = Fragment {
            memberships: other.memberships.clone(),
            members: other.members,
            ..own
        };
        theirs.put(0, joined);
    }
    state.fragments.take_in(theirs, ordinal)
}
