//! Pending changes as a worker stores them: a place of 16 bytes, then the changes.

use std::collections::BTreeSet;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{Pending, Place, batch};

/// Bytes of a place.
const PLACE_BYTES: usize = 16;

impl Pending {
    /// Stores an encoded `ChangeBatch` with its place. Returns it with what is stored, which shares
    /// its memory.
    pub fn store(place: Place, changes: &[u8]) -> (Self, Bytes) {
        let mut stored = BytesMut::with_capacity(PLACE_BYTES + changes.len());
        stored.put_u64(place.epoch);
        stored.put_u64(place.seq);
        stored.put_slice(changes);
        let stored = stored.freeze();
        let changes = stored.slice(PLACE_BYTES..);
        (Self { place, changes }, stored)
    }

    /// Reads what [`Self::store`] stored; `None` where it is something else. Its changes are not
    /// looked at.
    pub fn load(stored: &Bytes) -> Option<Self> {
        let (place, _) = stored.split_first_chunk::<PLACE_BYTES>()?;
        let (epoch, seq) = place.split_first_chunk::<8>()?;
        let place = Place {
            epoch: u64::from_be_bytes(*epoch),
            seq: u64::from_be_bytes(seq.try_into().ok()?),
        };
        let changes = stored.slice(PLACE_BYTES..);
        Some(Self { place, changes })
    }

    /// Returns whether they say anything of some customers, or nobody can tell.
    pub fn mentions(&self, customers: &BTreeSet<[u8; 16]>) -> bool {
        batch::mentions(&self.changes, customers).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_changes_are_loaded_as_they_were_stored() {
        let place = Place {
            epoch: 7,
            seq: u64::MAX,
        };
        for changes in [&b""[..], b"changes"] {
            let (pending, stored) = Pending::store(place, changes);
            assert_eq!((pending.place, &pending.changes[..]), (place, changes));
            assert_eq!(Pending::load(&stored), Some(pending));
        }
        assert_eq!(Pending::load(&Bytes::from_static(b"fifteen bytes..")), None);
    }
}
