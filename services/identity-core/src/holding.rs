//! The state of a value: whose it is, or why it is nobody's, and between whom it stood.

use kernel::{CustomerId, FragmentId};

use crate::customer::Identifier;
use crate::limits::FAN_OUT_MAX;

/// The state of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HolderState {
    /// It is the one of its customer.
    #[default]
    Live,
    /// Several customers claimed it: it is nobody's. Its fragment is the last one that had it.
    Contested,
    /// It stood between too many customers: it is nobody's. Its fragment is the last one that had
    /// it.
    Quarantined,
    /// Its fragment is the anonymous customer of events that carry nothing else: it is contested,
    /// or shared.
    Alone,
}

/// A value as it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The fragment.
    pub fragment: FragmentId,
    /// The state.
    pub state: HolderState,
    /// The customers between whom it stood.
    pub fan_out: FanOut,
}

/// A value that is held in another way after a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingChange {
    /// The value.
    pub identifier: Identifier,
    /// As it was loaded; absent where nothing was known of it. Of a value that was released without
    /// being told, its customers are not.
    pub before: Option<Holding>,
    /// As it is; absent where it was released: it names nobody until it is seen again.
    pub after: Option<Holding>,
    /// True where it came to its customer by this batch, alone or with its fragment: the time at
    /// which it was attached is that of the batch.
    pub is_attached: bool,
}

/// The customers other than its holder between whom a value stood in conflict, as hashes of their
/// ids: a bounded set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FanOut(Vec<u64>);

impl FanOut {
    /// Notes a customer. Returns whether it is another one.
    pub fn add(&mut self, customer: CustomerId) -> bool {
        let is_another = !self.contains(customer) && self.count() <= FAN_OUT_MAX;
        if is_another {
            self.0.push(hash(customer));
        }
        is_another
    }

    /// Notes a customer who is named by an identifier only.
    pub(crate) fn add_named(&mut self, identifier: &Identifier) {
        // FNV-1a, which is the same in each process.
        let bytes = [
            identifier.namespace.as_str(),
            ":",
            identifier.value.as_str(),
        ];
        let bytes = bytes.iter().flat_map(|text| text.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        if !self.0.contains(&hash) && self.count() <= FAN_OUT_MAX {
            self.0.push(hash);
        }
    }

    /// Returns whether a customer is one of them.
    pub fn contains(&self, customer: CustomerId) -> bool {
        self.0.contains(&hash(customer))
    }

    /// Returns the number of customers.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Returns it as bytes, 8 for each customer.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_be_bytes()).collect()
    }

    /// Reads it; bytes that are none of its form are left out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let hashes = bytes.as_chunks::<8>().0.iter();
        let hashes = hashes.map(|hash| u64::from_be_bytes(*hash));
        Self(hashes.take(FAN_OUT_MAX as usize + 1).collect())
    }
}

fn hash(customer: CustomerId) -> u64 {
    let (high, low) = customer.uuid().as_u64_pair();
    high.rotate_left(17) ^ low
}
