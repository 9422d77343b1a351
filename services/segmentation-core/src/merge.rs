//! Merges: what is known of a customer goes to the survivor, and becomes part of what is known
//! there.
//!
//! All of it goes in one record. Where it is more than a record may carry, the histories are made
//! coarser until it fits: the edges of windows become blurred, which readings state, and at last
//! only sums over everything are left. Until then nothing is lost. A merge is never refused.

use std::sync::Arc;

use bytes::Bytes;
use decision::Outcome;
use kernel::Timestamp;

use crate::adopt::adopt;
use crate::core::Pass;
use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::state::{MissingParts, State};
use crate::{codec, limits};

/// The share of a window by which its edge may be off, one after another until a state fits: none
/// at the end, where only sums are left.
const COARSER_PARTS: [i64; 9] = [128, 64, 32, 16, 8, 4, 2, 1, 0];

/// Takes the customer off the counters of members. Returns what is known, decided up to the merge.
///
/// # Errors
/// [`MissingParts`]: everything moves, so that everything must be loaded.
pub(crate) fn take_leave(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
) -> Result<Option<Bytes>, MissingParts> {
    if !pass.state.is_known() {
        return Ok(None);
    }
    MissingParts(pass.state.not_loaded()).or(())?;
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
    Ok(Some(write_moved(pass.state, at, limits::MOVED_BYTES)))
}

/// Writes all of a state, made coarser until it fits.
fn write_moved(state: &mut State, at: Timestamp, most: usize) -> Bytes {
    let mut bytes = codec::encode_whole(state);
    for parts in COARSER_PARTS {
        if bytes.len() <= most {
            break;
        }
        for held in state.features.iter_mut().filter(|held| !held.is_empty()) {
            // All of it is loaded: a history that is not would stay as it is.
            if let Ok(feature) = held.feature_mut() {
                drop(feature.coarsen(parts, at));
            }
        }
        bytes = codec::encode_whole(state);
    }
    bytes
}

/// Takes in what is known of a customer who was joined into this one.
///
/// # Errors
/// [`MissingParts`] where a part of the survivor's state is needed.
pub(crate) fn fold_in(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
    other: &mut State,
) -> Result<Outcome, MissingParts> {
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
) -> Result<(), MissingParts> {
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
    state.others.take_in(&other.others, first_ordinal);
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

#[cfg(test)]
mod tests {
    use decision::{Names, Source};
    use messages::definition::v1::definition::Kind;
    use messages::segmentation::v1 as api;

    use super::*;
    use crate::feature::{Feature, Sums};

    #[test]
    fn what_is_too_large_to_move_is_made_coarser_and_loses_no_event() {
        let segment = Kind::Segment(api::Segment {
            name: "s".to_owned(),
            expression: "events(\"a\").within(\"90d\").count() > 1".to_owned(),
            ..api::Segment::default()
        });
        let sources = [Source::current(&segment)];
        let definitions = Definitions::compile(&sources, &Names::default()).expect("a segment");
        let id = definitions.segments[0].histories[0];
        let kept = kernel::Duration::from_days(90);
        let mut state = State::default();
        let mut now = Timestamp::from_millis(0);
        for number in 0..20_000 {
            now = Timestamp::from_millis(number * 300_000);
            let own: &mut Feature = state.features.own_mut(id).expect("a history");
            own.add(Sums::one(now, Some(1.0)), now, kept)
                .expect("all blocks");
        }
        let whole = write_moved(&mut state.clone(), now, limits::MOVED_BYTES).len();
        for most in [whole, whole / 2, whole / 20, 200] {
            let bytes = write_moved(&mut state.clone(), now, most);
            assert!(bytes.len() <= most, "{} of {most}", bytes.len());
            let moved = codec::decode(&bytes).expect("a state");
            let feature = moved.features.of(id)[0].feature().expect("it is loaded");
            let all = feature
                .expect("a history")
                .sums(None, now)
                .expect("all blocks");
            assert_eq!((all.count, all.sum.number()), (20_000, 20_000.0));
        }
    }
}
