//! The marks of a version: its time and its etag.

use std::time::SystemTime;

use kernel::{Timestamp, to_hex};
use prost::Message as _;
use proto::definition::v1::Definition;
use sha2::{Digest as _, Sha256};

/// Returns the etag of a version, which no other version of the definition ever has: versions go on
/// counting when a definition comes back that was deleted.
pub(crate) fn etag_of(version: u32, definition: &Definition) -> String {
    let digest = Sha256::digest(definition.encode_to_vec());
    format!("{version}-{}", to_hex(&digest[..6]))
}

/// Returns the time at which a version is stored.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}
