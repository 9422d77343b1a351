//! Keys of customers as numbers: hashed and compared in a few instructions, with no pointer behind
//! them.

use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use kernel::CustomerId;
use messages::stream::v1::Batch;
use prost::Message as _;

/// The 16 bytes of a customer id.
pub(crate) type Key = u128;

/// Reads a key; absent where there are not exactly 16 bytes.
pub(crate) fn key_of(bytes: &[u8]) -> Option<Key> {
    <[u8; 16]>::try_from(bytes).ok().map(u128::from_be_bytes)
}

/// Returns the keys of the customers of an entry; none where it cannot be read, which its reader
/// takes as a whole.
pub(crate) fn keys_of(payload: Bytes) -> Vec<Key> {
    let records = Batch::decode(payload).map_or_else(|_| Vec::new(), |batch| batch.records);
    let keys = records.iter().map(|record| key_of(&record.customer_id));
    keys.flatten().collect()
}

/// The customer of a key that [`key_of`] took.
///
/// # Panics
/// Where there are not exactly 16 bytes.
pub(crate) fn customer_of(bytes: &[u8]) -> CustomerId {
    CustomerId::try_from_bytes(bytes).expect("a key has the 16 bytes of an id")
}

/// Maps by key. Ids are made by us, with random bits: one multiplication spreads them, and nobody
/// can aim at it.
pub(crate) type KeyMap<V> = std::collections::HashMap<Key, V, BuildHasherDefault<KeyHasher>>;

/// Hashes one key.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    fn write_u128(&mut self, key: u128) {
        let (high, low) = uuid_halves(key);
        let mixed = (self.0 ^ high ^ low.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

fn uuid_halves(key: u128) -> (u64, u64) {
    let bytes = key.to_le_bytes();
    let half = |from: usize| {
        u64::from_le_bytes(
            bytes[from..from + 8]
                .try_into()
                .expect("eight of sixteen bytes"),
        )
    };
    (half(8), half(0))
}
