//! Merges: what is known of a customer goes to the survivor, and becomes part of what is known there.

use std::sync::Arc;

use bytes::Bytes;
use decision::Outcome;
use kernel::Timestamp;

use crate::codec;
use crate::core::Pass;
use crate::definitions::{Definitions, member_counter};
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::limits;
use crate::past::{Column, Past};
use crate::state::State;

/// Takes the customer off the counters of members. Returns what is known, decided up to the merge.
pub(crate) fn take_leave(mut pass: Pass<'_>, key: &Bytes, time: Timestamp) -> Option<Bytes> {
    if !pass.state.is_known() {
        return None;
    }
    let at = pass.instant(time);
    // Places of segments are those of the definitions that decided last, which may be older than these.
    pass.catch_up(key, at);
    pass.advance(key, at);
    for membership in &pass.state.memberships {
        pass.effects.count(member_counter(&membership.segment), -1);
    }
    Some(codec::encode(pass.state))
}

/// Takes in what is known of a customer who was joined into this one.
pub(crate) fn fold_in(mut pass: Pass<'_>, key: &Bytes, time: Timestamp, other: &State) -> Outcome {
    let at = pass.instant(other.clock.map_or(time, |clock| clock.max(time)));
    if pass.state.is_known() {
        pass.catch_up(key, at);
        pass.advance(key, at);
    }
    compare(pass.definitions, &other.memberships, pass.effects);
    join(pass.state, other, at, pass.definitions);
    pass.state.fingerprint = pass.definitions.fingerprint;
    let changes = evaluate_all(
        pass.definitions,
        pass.state,
        Worklist::new(pass.definitions),
        at,
        Cause::Merge(&other.memberships),
        pass.effects,
    );
    pass.state.clock = Some(at);
    pass.emit_profile(key, at, changes);
    pass.keep()
}

/// Adds to a state what another one knows.
fn join(state: &mut State, other: &State, at: Timestamp, definitions: &Definitions) {
    let traits = Arc::make_mut(&mut state.traits);
    for theirs in &other.traits.0 {
        traits.set(&theirs.name, Some(theirs.value.clone()), theirs.set_time);
    }
    for theirs in &other.pasts {
        let needs = definitions.needs(&theirs.name);
        let place = match state.past_place(&theirs.name) {
            Ok(place) => {
                join_pasts(Arc::make_mut(&mut state.pasts[place]), theirs);
                place
            }
            Err(_) if needs.is_none() && state.pasts.len() >= limits::NAMES_PER_CUSTOMER => {
                continue;
            }
            Err(place) => {
                state.pasts.insert(place, Arc::clone(theirs));
                place
            }
        };
        let past = Arc::make_mut(&mut state.pasts[place]);
        if let Some(needs) = needs {
            past.fit_columns(needs);
        }
        past.trim(at, needs);
    }
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
}

/// Adds one history to another of the same name; at one instant, own events come first.
fn join_pasts(own: &mut Past, theirs: &Past) {
    own.count += theirs.count;
    own.first_time = own.first_time.min(theirs.first_time);
    own.last_time = own.last_time.max(theirs.last_time);
    for column in &theirs.columns {
        if own.columns.iter().all(|known| known.name != column.name) {
            own.columns.push(Column {
                name: column.name.clone(),
                values: vec![None; own.times.len()],
            });
        }
    }
    for (row, at) in theirs.times.iter().enumerate() {
        let place = own.times.partition_point(|known| known <= at);
        own.times.insert(place, *at);
        for column in &mut own.columns {
            let known = theirs
                .columns
                .iter()
                .find(|known| known.name == column.name);
            let value = known.and_then(|known| known.values[row].clone());
            column.values.insert(place, value);
        }
    }
    for folded in &theirs.folded {
        own.fold(&folded.filter, &folded.property, &folded.sums);
    }
}
