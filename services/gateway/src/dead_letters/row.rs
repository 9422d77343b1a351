//! A dead letter as it is stored, and what it is made of.

use gateway_core::Letter;
use kernel::Timestamp;
use proto::convert::timestamp;
use proto::gateway::v1;
use sea_orm::ActiveValue::Set;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use crate::entity::dead_letter;

/// Bytes of a digest.
const DIGEST_BYTES: usize = 16;
/// Random bytes of an id.
const ID_BYTES: usize = 10;

/// A dead letter as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredLetter {
    /// Its id, which grows with the time at which it was received.
    pub(crate) id: Uuid,
    /// The source that sent it.
    pub(crate) source: String,
    /// The path of the call that brought it.
    pub(crate) path: String,
    /// The reason, by its name: one of a newer version is kept as it is.
    pub(crate) reason: String,
    /// The field at fault.
    pub(crate) field: String,
    /// The fault, and what would be right.
    pub(crate) description: String,
    /// The event as it was sent, or its beginning.
    pub(crate) payload: String,
    /// True where it is the beginning only.
    pub(crate) is_cut: bool,
    /// When it was received.
    pub(crate) receive_time: Timestamp,
    /// When it was sent, by its sender's clock.
    pub(crate) sent_time: Option<Timestamp>,
    /// The number of its replays.
    pub(crate) replay_count: i32,
}

impl std::fmt::Debug for StoredLetter {
    /// Leaves out what people sent.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredLetter")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// The row of an event that a source sent.
///
/// The id is made of the time and the digest, so that nothing is drawn.
pub(super) fn of(source: &str, letter: Letter, now: Timestamp) -> dead_letter::ActiveModel {
    let payload = clean(letter.payload);
    let digest = Sha256::new()
        .chain_update(source)
        .chain_update([0])
        .chain_update(&letter.path)
        .chain_update([0, u8::from(letter.is_cut)])
        .chain_update(&payload)
        .finalize();
    let (id_bytes, digest) = (&digest[..ID_BYTES], &digest[..DIGEST_BYTES]);
    let mut random = [0; ID_BYTES];
    random.copy_from_slice(id_bytes);
    dead_letter::ActiveModel {
        id: Set(Builder::from_unix_timestamp_millis(millis(now.as_millis()), &random).into_uuid()),
        digest: Set(digest.to_vec()),
        source: Set(source.to_owned()),
        path: Set(clean(letter.path)),
        reason: Set(letter.fault.reason.code().to_owned()),
        field: Set(clean(letter.fault.field)),
        description: Set(clean(letter.fault.description)),
        payload: Set(payload),
        is_cut: Set(letter.is_cut),
        receive_time: Set(now.as_millis()),
        sent_time: Set(letter.sent_time.map(Timestamp::as_millis)),
        replay_count: Set(0),
    }
}

/// The least id of what was received at a time.
pub(super) fn first_id(time_ms: i64) -> Uuid {
    Builder::from_unix_timestamp_millis(millis(time_ms), &[0; ID_BYTES]).into_uuid()
}

/// The milliseconds that an id can hold: 48 bits, from the epoch on.
fn millis(time_ms: i64) -> u64 {
    u64::try_from(time_ms).unwrap_or(0).min((1 << 48) - 1)
}

/// Replaces what PostgreSQL cannot store in a text.
pub(super) fn clean(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    }
}

impl From<dead_letter::Model> for StoredLetter {
    fn from(row: dead_letter::Model) -> Self {
        Self {
            id: row.id,
            source: row.source,
            path: row.path,
            reason: row.reason,
            field: row.field,
            description: row.description,
            payload: row.payload,
            is_cut: row.is_cut,
            receive_time: Timestamp::from_millis(row.receive_time),
            sent_time: row.sent_time.map(Timestamp::from_millis),
            replay_count: row.replay_count,
        }
    }
}

impl From<StoredLetter> for v1::DeadLetter {
    fn from(letter: StoredLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            source: letter.source,
            path: letter.path,
            reason: letter.reason,
            field: letter.field,
            description: letter.description,
            payload: letter.payload,
            is_cut: letter.is_cut,
            receive_time: Some(timestamp(letter.receive_time)),
            sent_time: letter.sent_time.map(timestamp),
            replay_count: u32::try_from(letter.replay_count).unwrap_or(0),
        }
    }
}
