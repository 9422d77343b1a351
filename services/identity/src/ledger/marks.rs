//! Names of imports and ids of their events, as the ledger keeps them.

use sha2::{Digest, Sha256};

/// Bytes of a mark: two of ten million events have the same one by chance once in 10¹⁰ imports.
pub(super) const MARK_BYTES: usize = 10;

/// Stands for an event in the ledger: the first 80 bits of the hash of its id.
pub(super) type Mark = [u8; MARK_BYTES];

/// Returns the mark of an event's id.
pub(super) fn mark_of(event_id: &str) -> Mark {
    let mut mark = [0; MARK_BYTES];
    mark.copy_from_slice(&Sha256::digest(event_id)[..MARK_BYTES]);
    mark
}

/// Returns a number that stands for the id of an event, wherever it is sent.
pub(crate) fn place_of(event_id: &str) -> u64 {
    let mut place = [0; 8];
    place.copy_from_slice(&mark_of(event_id)[..8]);
    u64::from_be_bytes(place)
}

/// Returns the first 80 bits of the hash of the name of an import, in hexadecimal digits: what the
/// tables know it by.
pub fn import_digest(name: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"import\0");
    hasher.update(name);
    kernel::to_hex(&hasher.finalize()[..MARK_BYTES])
}

/// Returns the marks that a batch has.
pub(super) fn read_marks(packed: &[u8]) -> impl Iterator<Item = Mark> {
    packed.as_chunks::<MARK_BYTES>().0.iter().copied()
}
