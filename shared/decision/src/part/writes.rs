//! Sizes and writes: the share of a state's parts in a commit and in a cache.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::PartKey;

/// The parts that a commit writes and removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartWrites {
    parts: BTreeMap<PartKey, Option<Bytes>>,
}

impl PartWrites {
    /// Writes a part under its own key.
    pub fn put(&mut self, key: PartKey, bytes: Bytes) {
        self.parts.insert(key, Some(bytes));
    }

    /// Removes the part that is stored under a key.
    pub fn remove(&mut self, key: PartKey) {
        self.parts.insert(key, None);
    }

    /// Removes the part that is stored under a key, unless it is written anew.
    pub fn remove_unless_written(&mut self, key: PartKey) {
        self.parts.entry(key).or_default();
    }

    /// The number of parts that are written or removed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Bytes of the largest part that is written.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.parts
            .values()
            .flatten()
            .map(Bytes::len)
            .max()
            .unwrap_or(0)
    }

    /// Tells whether nothing is written or removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl IntoIterator for PartWrites {
    type Item = (PartKey, Option<Bytes>);
    type IntoIter = std::collections::btree_map::IntoIter<PartKey, Option<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.into_iter()
    }
}

/// The sizes of the parts of a state that are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartLoad {
    /// Bytes of the parts that are loaded, encoded.
    pub loaded_bytes: usize,
    /// The number of parts to be written or removed.
    pub dirty: usize,
    /// Bytes that are to be written, keys included.
    pub dirty_bytes: usize,
}
