//! The marks of a version: its time and its etag.

use std::time::{SystemTime, UNIX_EPOCH};

use kernel::Timestamp;
use prost::Message as _;
use proto::definition::v1::Definition;
use sha2::{Digest as _, Sha256};

/// Returns the etag of a version, which no other version of the definition ever has: versions go on
/// counting when a definition comes back that was deleted.
pub(crate) fn etag_of(version: u32, definition: &Definition) -> String {
    let digest = Sha256::digest(definition.encode_to_vec());
    let hex: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{version}-{hex}")
}

/// Returns the time at which a version is stored.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
