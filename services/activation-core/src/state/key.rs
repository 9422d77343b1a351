//! The names of activation's parts, and one that somebody misses.

use decision::PartKey;
use kernel::{ActivationId, StableHash};

/// The kind of a part, as [`PartKey::kind`] carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PartKind {
    /// The admitted action of a pending activation: written once, and removed when that is settled.
    Admitted = 1,
    /// All that the customer has said.
    Consents = 2,
    /// A block of settled activations: written once, and removed when all of it is forgotten.
    Settled = 3,
}

/// A part that is needed and not loaded. Whoever needs it loads it and asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the part {0} of the state is not loaded: load it and ask again")]
pub struct MissingPart(pub PartKey);

/// The key of all that the customer has said.
pub(super) const CONSENTS: PartKey = PartKey {
    ordinal: 0,
    kind: PartKind::Consents as u8,
    name: 0,
};

/// The key of what was admitted of a pending activation.
pub(super) fn admitted_key(id: ActivationId, ordinal: u16) -> PartKey {
    PartKey {
        ordinal,
        kind: PartKind::Admitted as u8,
        name: hash_of(id),
    }
}

/// The key of a block of settled activations. Those of all fragments share the blocks.
pub(super) const fn block_key(number: u32) -> PartKey {
    PartKey {
        ordinal: 0,
        kind: PartKind::Settled as u8,
        name: number as u64,
    }
}

/// The stable hash of an id.
pub(super) fn hash_of(id: ActivationId) -> u64 {
    StableHash::new()
        .with(id.run.as_bytes())
        .with(&id.visit.to_le_bytes())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::RunId;

    #[test]
    fn a_name_never_changes() {
        let run = RunId::try_from_bytes(&[3; 16]).expect("an id");
        let key = |visit| admitted_key(ActivationId { run, visit }, 0).to_string();
        assert_eq!(key(2), "0/1/2216749eff25469b");
        assert_eq!(key(3), "0/1/8c951314c7d55ca1");
        assert_eq!(block_key(7).to_string(), "0/3/0000000000000007");
    }
}
