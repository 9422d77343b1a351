//! The name of a part within its customer.

use std::fmt;

use bytes::Bytes;
use kernel::CustomerId;

/// The name of a part within its customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartKey {
    /// The fragment that taught it: 0 is the customer's own, others came with a merge.
    pub ordinal: u16,
    /// Tells a reader how to decode it.
    pub kind: u8,
    /// The stable hash of its name.
    pub name: u64,
}

impl PartKey {
    /// Bytes of a key within its customer.
    pub const BYTES: usize = 11;
    /// Bytes of a key in the store: the customer's id, then the key.
    pub const STORE_BYTES: usize = 16 + Self::BYTES;

    /// The kind that the engine keeps for itself: no core has parts of it.
    pub const ENGINE_KIND: u8 = u8::MAX;

    /// The key that the part has at a survivor, where the ordinals of its customer begin with
    /// `first`. `None` where there are no such ordinals.
    #[must_use]
    pub const fn raised(self, first: u16) -> Option<Self> {
        match self.ordinal.checked_add(first) {
            Some(ordinal) => Some(Self { ordinal, ..self }),
            None => None,
        }
    }

    /// The key that the part had before [`raised`](Self::raised). `None` where its ordinal is below
    /// `first`.
    #[must_use]
    pub const fn lowered(self, first: u16) -> Option<Self> {
        match self.ordinal.checked_sub(first) {
            Some(ordinal) => Some(Self { ordinal, ..self }),
            None => None,
        }
    }

    /// The bytes of the key, which sort as keys do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.ordinal.to_be_bytes());
        bytes[2] = self.kind;
        bytes[3..].copy_from_slice(&self.name.to_be_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; absent where there are not exactly as many
    /// bytes.
    #[must_use]
    pub fn try_from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ordinal, rest) = bytes.split_first_chunk()?;
        let (kind, name) = rest.split_first()?;
        Some(Self {
            ordinal: u16::from_be_bytes(*ordinal),
            kind: *kind,
            name: u64::from_be_bytes(name.try_into().ok()?),
        })
    }

    /// The key of the part in the store. The head of the customer is under the 16 bytes of the id
    /// alone.
    #[must_use]
    pub fn of_customer(self, customer: CustomerId) -> Bytes {
        let mut key = [0; Self::STORE_BYTES];
        key[..16].copy_from_slice(customer.as_bytes());
        key[16..].copy_from_slice(&self.to_bytes());
        Bytes::copy_from_slice(&key)
    }
}

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:016x}", self.ordinal, self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ordinal: u16, kind: u8, name: u64) -> PartKey {
        PartKey {
            ordinal,
            kind,
            name,
        }
    }

    #[test]
    fn bytes_are_read_back_and_sort_as_keys_do() {
        let keys = [
            key(0, 0, 0),
            key(0, 1, 255),
            key(0, 1, 256),
            key(0, 2, 0),
            key(1, 0, u64::MAX),
            key(256, 0, 1),
            key(u16::MAX, u8::MAX, u64::MAX),
        ];
        assert!(keys.is_sorted());
        assert!(keys.map(PartKey::to_bytes).is_sorted());
        for key in keys {
            assert_eq!(PartKey::try_from_bytes(&key.to_bytes()), Some(key));
        }
        assert_eq!(PartKey::try_from_bytes(&[0; 10]), None);
        assert_eq!(PartKey::try_from_bytes(&[0; 12]), None);
    }

    #[test]
    fn a_key_is_raised_and_lowered_within_its_range() {
        let own = key(3, 1, 9);
        assert_eq!(own.raised(7), Some(key(10, 1, 9)));
        assert_eq!(own.raised(7).and_then(|it| it.lowered(7)), Some(own));
        assert_eq!(own.raised(u16::MAX - 3), Some(key(u16::MAX, 1, 9)));
        assert_eq!(own.raised(u16::MAX - 2), None);
        assert_eq!(own.lowered(4), None);
    }

    #[test]
    fn the_key_in_the_store_is_the_customer_and_the_part() {
        let customer = CustomerId::try_from_bytes(&[7; 16]).expect("an id");
        let stored = key(0x0102, 3, 0x0405_0607_0809_0a0b).of_customer(customer);
        assert_eq!(stored[..16], [7; 16]);
        assert_eq!(stored[16..], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }
}
