//! The names of segmentation's parts, and those that a step misses.

use decision::{Effects, PartKey};
use expr::FeatureId;
use kernel::StableHash;

use crate::feature::MissingBlocks;

/// The kind of a part, as [`PartKey::kind`] carries it. Parts are loaded in this order: a block has
/// its place once the index tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PartKind {
    /// The head of a history: its newest events, and the index where that is small.
    Feature = 1,
    /// The index of a history: the sums of its sealed blocks.
    Index = 2,
    /// A sealed block of a history.
    Block = 3,
    /// Ids of events that counted.
    EventIds = 4,
    /// One fragment of a merged customer.
    Fragment = 5,
}

/// Parts that are needed and not loaded. Whoever needs them loads them and asks again.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} parts of the state are not loaded: load them and ask again", .0.len())]
pub struct MissingParts(pub Vec<PartKey>);

impl MissingParts {
    /// Passes on an answer, or takes note of what it misses and passes on another.
    pub(crate) fn note<T>(&mut self, answer: Result<T, Self>, otherwise: T) -> T {
        answer.unwrap_or_else(|missing| {
            self.0.extend(missing.0);
            otherwise
        })
    }

    /// Passes on an answer, unless anything is missing.
    ///
    /// # Errors
    /// Itself.
    pub(crate) fn or<T>(self, answer: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(answer)
        } else {
            Err(self)
        }
    }

    /// The same parts by the keys that they have at a survivor.
    pub(crate) fn raised(self, first_ordinal: u16) -> Self {
        let keys = self.0.into_iter();
        Self(keys.filter_map(|key| key.raised(first_ordinal)).collect())
    }

    /// Asks for all of them, each once.
    pub(crate) fn need(mut self, effects: &mut Effects) {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.into_iter().for_each(|key| effects.need(key));
    }
}

impl MissingBlocks {
    /// The parts that the blocks are, of a history.
    pub(crate) fn of(self, id: FeatureId, ordinal: u16) -> MissingParts {
        let numbers = self.0.into_iter();
        MissingParts(
            numbers
                .map(|number| block_key(id, ordinal, number))
                .collect(),
        )
    }
}

/// The key of the head of a history.
pub(super) const fn feature_key(id: FeatureId, ordinal: u16) -> PartKey {
    PartKey {
        ordinal,
        kind: PartKind::Feature as u8,
        name: id.number(),
    }
}

/// The key of the index of a history.
pub(super) const fn index_key(id: FeatureId, ordinal: u16) -> PartKey {
    PartKey {
        kind: PartKind::Index as u8,
        ..feature_key(id, ordinal)
    }
}

/// The key of a block of a history.
pub(super) fn block_key(id: FeatureId, ordinal: u16, number: u32) -> PartKey {
    let name = StableHash::new()
        .with(&id.number().to_le_bytes())
        .with(&number.to_le_bytes());
    PartKey {
        ordinal,
        kind: PartKind::Block as u8,
        name: name.finish(),
    }
}
