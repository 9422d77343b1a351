//! Merges: the state of the customer that was joined moves to the survivor, and what comes later follows it.
//!
//! Both go the way of the facts, through the services that read them, and come to the survivor from the last of these: so
//! what the survivor's segments tell of the merge finds there what those services knew of the customer.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Outcome, Poison};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{Carried, CustomerMerged, Home, Record, StateMoved, record::Body};

use crate::adopt::adopt;
use crate::codec;
use crate::core::Pass;
use crate::definitions::{Definitions, member_counter};
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::state::{MissingPart, State};

/// Takes the word that this customer was joined into another.
pub(crate) fn merged(
    pass: &mut Pass<'_>,
    key: &Bytes,
    record: &Record,
    merged: &CustomerMerged,
) -> Result<Outcome, Poison> {
    let into = customer_id(&merged.into_customer_id)?;
    if into.as_bytes() == key.as_ref() || pass.state.redirect == Some(into) {
        return Ok(Outcome::Unchanged);
    }
    if pass.state.redirect.is_none() {
        let at = pass.instant(Timestamp::from_millis(record.time_ms));
        if pass.state.is_known() {
            // Due times belong to the set of definitions that decided them.
            pass.catch_up(key, at, &record.trace_parent)?;
            pass.advance(key, at, &record.trace_parent)?;
        }
        for membership in &pass.state.memberships {
            pass.effects.count(member_counter(&membership.segment), -1);
        }
        pass.effects.emit(Record {
            customer_id: key.clone(),
            time_ms: record.time_ms,
            trace_parent: record.trace_parent.clone(),
            body: Some(Body::Merged(merged.clone())),
        });
        if pass.state.is_known() {
            let moved = StateMoved {
                from_customer_id: key.clone(),
                state: codec::encode(pass.state),
            };
            carry(pass, key, into, record, Body::Moved(moved));
        }
    }
    *pass.state = State {
        redirect: Some(into),
        ..State::default()
    };
    Ok(Outcome::Keep { next_due: None })
}

/// Sends a record of a merged customer to the survivor.
pub(crate) fn pass_on(pass: &mut Pass<'_>, key: &Bytes, record: &Record) -> Outcome {
    if let (Some(into), Some(body)) = (pass.state.redirect, record.body.clone()) {
        carry(pass, key, into, record, body);
    }
    Outcome::Unchanged
}

/// Takes in the state of a customer that was joined into this one.
pub(crate) fn moved(
    pass: &mut Pass<'_>,
    key: &Bytes,
    record: &Record,
    moved: &StateMoved,
) -> Result<Outcome, Poison> {
    let mut other = codec::decode(&moved.state)?;
    let time = Timestamp::from_millis(record.time_ms);
    let at = pass.instant(other.clock.map_or(time, |clock| clock.max(time)));
    if pass.state.is_known() {
        pass.catch_up(key, at, &record.trace_parent)?;
        pass.advance(key, at, &record.trace_parent)?;
    }
    compare(pass.definitions, &other.memberships, pass.effects);
    adopt(pass.definitions, &mut other, at)?;
    join(pass.state, &mut other, at, pass.definitions)?;
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
    pass.emit_profile(key, at, &record.trace_parent, changes);
    Ok(pass.keep())
}

/// Sends something after a merged customer.
fn carry(pass: &mut Pass<'_>, key: &Bytes, into: CustomerId, record: &Record, body: Body) {
    let carried = Record {
        customer_id: into.as_bytes().to_vec().into(),
        time_ms: record.time_ms,
        trace_parent: record.trace_parent.clone(),
        body: Some(body),
    };
    pass.effects.emit(Record {
        customer_id: key.clone(),
        time_ms: record.time_ms,
        trace_parent: record.trace_parent.clone(),
        body: Some(Body::Carried(Box::new(Carried {
            home: Home::Segmentation.into(),
            record: Some(Box::new(carried)),
        }))),
    });
}

fn customer_id(bytes: &[u8]) -> Result<CustomerId, Poison> {
    CustomerId::try_from_bytes(bytes)
        .map_err(|_| Poison::new("the surviving customer of a merge is not an id of 16 bytes"))
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
