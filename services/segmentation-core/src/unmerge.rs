//! Unmerges and erasures: a merged customer is taken apart, and each side has what happened to its
//! own fragments, as if they never had been one.
//!
//! Histories and ids of events of those who leave move as they are stored; all else goes in the
//! head of their state.

use bytes::Bytes;
use decision::{Effects, Outcome, Poison, Split};
use kernel::Timestamp;
use messages::stream::v1::{ChangeReason, SegmentChange};

use crate::adopt::adopt;
use crate::change::tell_leave;
use crate::codec;
use crate::core::Pass;
use crate::evaluate::{Cause, Worklist, compare, evaluate_all};
use crate::merge::count_out;
use crate::state::{LAST, Membership, MissingParts, State};

/// Takes apart what fragments that leave taught. Returns the head of their state, and decides anew
/// of who stays. `None` where nothing was learned under them, and then nothing changes.
///
/// # Errors
/// [`MissingParts`] where a part is needed.
pub(crate) fn split_off(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
    split: Split<'_>,
) -> Result<Option<Bytes>, MissingParts> {
    // The last ordinal is that of many, who cannot be told apart.
    let ordinal_of = |own: u16| split.ordinal_of(own).filter(|_| own < LAST);
    if !pass.state.is_known() || !pass.state.has_learned(ordinal_of) {
        return Ok(None);
    }
    let at = pass.instant(time);
    pass.catch_up(key, at)?;
    pass.advance(key, at)?;
    let before = std::mem::take(&mut pass.state.memberships);
    let mut left = pass.state.split_off(pass.definitions, ordinal_of, at)?;
    left.memberships = remembered(&before, &left.memberships, split.merge_time);
    left.fingerprint = pass.definitions.fingerprint;
    left.clock = Some(at);
    pass.state.memberships = before;
    pass.state.dues.clear();
    let changes = if pass.state.is_known() {
        let (cause, work) = (Cause::Unmerge(&[]), Worklist::new(pass.definitions));
        evaluate_all(pass.definitions, pass.state, work, at, cause, pass.effects)?
    } else {
        leave_all(&mut pass, at)
    };
    pass.state.clock = Some(at);
    pass.emit_profile(key, (at, ChangeReason::Unmerge), changes);
    pass.state.settle();
    Ok(Some(codec::encode(&left)))
}

/// Leaves every segment: nothing is known of the customer any more.
fn leave_all(pass: &mut Pass<'_>, at: Timestamp) -> Vec<SegmentChange> {
    let memberships = std::mem::take(&mut pass.state.memberships);
    count_out(&memberships, pass.effects);
    let left = memberships.iter().map(|membership| SegmentChange {
        segment: membership.segment.to_string(),
        version: membership.version,
        entered: false,
        reason: ChangeReason::Unmerge.into(),
        time_ms: at.as_millis(),
    });
    left.collect()
}

/// The segments of a customer who is taken apart, each with since when whoever leaves may have been
/// in it: since before the merge where they were in it then, and not before the merge otherwise.
fn remembered(
    before: &[Membership],
    theirs: &[Membership],
    merge_time: Option<Timestamp>,
) -> Vec<Membership> {
    let since = |membership: &Membership| {
        let own = theirs.iter().find(|own| own.segment == membership.segment);
        let later = |merge: Timestamp| membership.enter_time.max(merge);
        let otherwise = merge_time.map_or(membership.enter_time, later);
        own.map_or(otherwise, |own| own.enter_time)
    };
    let each = before.iter().map(|membership| Membership {
        enter_time: since(membership),
        ..membership.clone()
    });
    each.collect()
}

/// Reads a state that comes back, with the parts that were loaded for it.
///
/// # Errors
/// [`Poison`] where it cannot be read, or something is known of the customer already.
pub(crate) fn read_returned(state: &State, head: &Bytes) -> Result<State, Poison> {
    if state.is_known() {
        return Err(Poison::new(
            "a state comes back to a customer of whom something is known",
        ));
    }
    let mut back = codec::decode(head)?;
    for (key, bytes) in &state.given {
        back.load_part(*key, bytes.clone())?;
    }
    Ok(back)
}

/// Decides of a customer whose state came back.
///
/// # Errors
/// [`MissingParts`] where a part is needed.
pub(crate) fn take_back(
    mut pass: Pass<'_>,
    key: &Bytes,
    time: Timestamp,
) -> Result<Outcome, MissingParts> {
    let at = pass.instant(time);
    let known = std::mem::take(&mut pass.state.memberships);
    compare(pass.definitions, &known, pass.effects);
    if pass.state.fingerprint != pass.definitions.fingerprint {
        adopt(pass.definitions, pass.state, at)?;
        pass.state.fingerprint = pass.definitions.fingerprint;
    }
    let (cause, work) = (Cause::Unmerge(&known), Worklist::new(pass.definitions));
    let changes = evaluate_all(pass.definitions, pass.state, work, at, cause, pass.effects)?;
    pass.state.clock = Some(at);
    pass.emit_profile(key, (at, ChangeReason::Unmerge), changes);
    Ok(pass.keep())
}

/// Takes a customer who is erased off the counters of members, and tells that they left.
pub(crate) fn erase(state: &mut State, key: &Bytes, at: Timestamp, effects: &mut Effects) {
    count_out(&state.memberships, effects);
    let reason = ChangeReason::Erasure;
    tell_leave(key, &state.memberships, (at, reason), effects);
    state.memberships.clear();
}
