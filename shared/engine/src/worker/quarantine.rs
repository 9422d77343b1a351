//! Records that were set aside, as they are kept.

use bytes::Bytes;
use hot::{Cursor, Slot};
use kernel::{CustomerId, Timestamp};
use messages::engine::v1::QuarantinedRecord;
use prost::Message;

use crate::key::Key;
use crate::limits;

/// Names an input across attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InputId {
    /// A record: the lane by its number, the entry, the record in it.
    Record {
        lane: usize,
        cursor: Cursor,
        index: usize,
    },
    /// A timer.
    Timer {
        key: Key,
        due_time: Timestamp,
        /// How many timers of the key fired before it in the batch: one may be due twice at the same time.
        number: u32,
    },
}

/// Encodes what is set aside: the whole record, which may be as large as an append.
pub(crate) fn encode(
    slot: Slot,
    reason: &str,
    now: Timestamp,
    customer: &[u8],
    record: Bytes,
) -> Bytes {
    let customer_id =
        CustomerId::try_from_bytes(customer).map_or_else(|_| String::new(), |id| id.to_string());
    QuarantinedRecord {
        service: slot.owner.name().to_owned(),
        partition: u32::from(slot.partition.number()),
        reason: bounded(reason),
        create_time: Some(messages::convert::timestamp(now)),
        customer_id,
        record,
    }
    .encode_to_vec()
    .into()
}

fn bounded(reason: &str) -> String {
    let mut end = reason.len().min(limits::REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("panicked: {said}")
}
