//! Changes of memberships for consumers outside.
//!
//! The newest change of a customer and a segment says whether the customer is a member, so that
//! nobody has to know of merges: who leaves by one leaves every segment first, and who comes out of
//! one by an unmerge enters those that they are in. The engine tells merges, unmerges and erasures
//! themselves, also of a customer of whom nothing is known here.

use bytes::Bytes;
use decision::Effects;
use kernel::Timestamp;
use messages::stream::v1::{ChangeReason, ChangeRecord, SegmentChange, change_record::Kind};

use crate::state::Membership;

/// Tells changes as they were decided.
pub(crate) fn tell_changes(key: &Bytes, changes: &[SegmentChange], effects: &mut Effects) {
    for change in changes {
        let told = SegmentChange {
            segment: change.segment.clone(),
            // Said by the record.
            time_ms: 0,
            ..*change
        };
        tell(key, change.time_ms, told, effects);
    }
}

/// Tells that a customer who is no more leaves all segments, such as one who is joined into
/// another.
pub(crate) fn tell_leave(
    key: &Bytes,
    memberships: &[Membership],
    (at, reason): (Timestamp, ChangeReason),
    effects: &mut Effects,
) {
    for membership in memberships {
        let left = SegmentChange {
            segment: membership.segment.as_ref().to_owned(),
            version: membership.version,
            entered: false,
            reason: reason.into(),
            time_ms: 0,
        };
        tell(key, at.as_millis(), left, effects);
    }
}

fn tell(key: &Bytes, time_ms: i64, change: SegmentChange, effects: &mut Effects) {
    effects.change(ChangeRecord {
        customer_id: key.clone(),
        time_ms,
        kind: Some(Kind::Membership(change)),
    });
}
