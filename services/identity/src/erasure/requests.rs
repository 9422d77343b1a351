//! Names of operations, by the requests that ask for them: the same request has the same name.

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// Returns the name of the operation that a request of a method is.
pub(crate) fn operation_of(method: &str, request_id: &str) -> Uuid {
    let digest = Sha256::new()
        .chain_update(method)
        .chain_update([0])
        .chain_update(request_id)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Made by a rule of our own.
    Builder::from_custom_bytes(bytes).into_uuid()
}
