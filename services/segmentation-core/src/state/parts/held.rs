//! One history of a state: nothing yet, in the head, apart and loaded, or apart and not loaded.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use decision::{Part, PartKey, PartLoad, PartWrites};
use expr::FeatureId;
use kernel::{Duration, Timestamp};

use super::MissingParts;
use super::key::{block_key, feature_key};
use crate::codec;
use crate::feature::{Feature, MissingBlocks, Sealed};

/// A history that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) id: FeatureId,
    pub(crate) ordinal: u16,
    /// Absent where nothing ever happened.
    part: Part<Kept>,
    /// The numbers of the blocks that the store has of it.
    stored_blocks: Arc<[u32]>,
    /// It goes apart with the next commit because the head has no room.
    is_sent_apart: bool,
}

/// A history, and how it is stored once somebody asked.
#[derive(Debug, Clone)]
struct Kept {
    feature: Feature,
    bytes: OnceLock<Bytes>,
}

impl Kept {
    const fn new(feature: Feature) -> Self {
        Self {
            feature,
            bytes: OnceLock::new(),
        }
    }

    fn bytes(&self) -> &Bytes {
        self.bytes
            .get_or_init(|| codec::write_feature(&self.feature))
    }

    fn size(&self) -> usize {
        self.bytes().len()
    }
}

impl PartialEq for Kept {
    /// Histories are the same where they are stored alike.
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Held {
    /// A history in which nothing happened so far.
    pub(crate) fn empty(id: FeatureId) -> Self {
        Self::of(id, 0, Part::default())
    }

    /// A history that stands in the head; absent where it cannot be read.
    pub(crate) fn inline(id: FeatureId, ordinal: u16, bytes: Bytes) -> Option<Self> {
        let feature = codec::read_feature(&bytes)?;
        let stored_blocks = numbers_of(&feature);
        let bytes = OnceLock::from(bytes);
        Some(Self {
            stored_blocks,
            ..Self::of(id, ordinal, Part::inline(Kept { feature, bytes }))
        })
    }

    /// A history that is kept apart, with its size there and the numbers of its blocks.
    pub(crate) fn apart(id: FeatureId, ordinal: u16, bytes: u32, blocks: Vec<u32>) -> Self {
        Self {
            stored_blocks: blocks.into(),
            ..Self::of(id, ordinal, Part::apart(bytes))
        }
    }

    fn of(id: FeatureId, ordinal: u16, part: Part<Kept>) -> Self {
        Self {
            id,
            ordinal,
            part,
            stored_blocks: Arc::default(),
            is_sent_apart: false,
        }
    }

    /// Tells whether nothing ever happened.
    pub(crate) const fn is_empty(&self) -> bool {
        self.part.is_absent()
    }

    /// The history; absent where nothing ever happened.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(crate) fn feature(&self) -> Result<Option<&Feature>, MissingParts> {
        let kept = self.part.get().map_err(|_| self.missing())?;
        Ok(kept.map(|kept| &kept.feature))
    }

    /// The history, to be changed.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(crate) fn feature_mut(&mut self) -> Result<&mut Feature, MissingParts> {
        let missing = self.missing();
        if self.part.is_absent() {
            self.part.set(Kept::new(Feature::default()));
        }
        let Ok(Some(kept)) = self.part.get_mut() else {
            return Err(missing);
        };
        kept.bytes = OnceLock::new();
        Ok(&mut kept.feature)
    }

    /// A copy of it for another fragment, of which the store has nothing. All of it is loaded.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not.
    pub(super) fn copied_to(&self, ordinal: u16) -> Result<Self, MissingParts> {
        let mut copy = Self::of(self.id, ordinal, Part::default());
        if let Some(feature) = self.feature()? {
            let mut feature = feature.clone();
            for sealed in Arc::make_mut(&mut feature.sealed) {
                sealed.is_stored = false;
            }
            copy.part.set(Kept::new(feature));
        }
        Ok(copy)
    }

    /// Takes in the history of another customer.
    ///
    /// # Errors
    /// [`MissingParts`] where one of them is not loaded.
    pub(super) fn absorb(&mut self, other: &Self, now: Timestamp) -> Result<(), MissingParts> {
        let (id, ordinal) = (self.id, self.ordinal);
        let Some(theirs) = other.feature()? else {
            return Ok(());
        };
        let absorbed = self.feature_mut()?.absorb(theirs, now);
        absorbed.map_err(|missing| missing.of(id, ordinal))
    }

    /// The parts that a window over it needs at an instant, as far as is known without them.
    pub(crate) fn wanted(&self, window: Option<Duration>, at: Timestamp) -> Vec<PartKey> {
        match self.feature() {
            Err(missing) => missing.0,
            Ok(None) => Vec::new(),
            Ok(Some(feature)) => {
                let numbers = feature.edges_missing(window, at).collect();
                MissingBlocks(numbers).of(self.id, self.ordinal).0
            }
        }
    }

    /// The parts of it that are not loaded.
    pub(crate) fn not_loaded(&self) -> Vec<PartKey> {
        let numbers: Vec<u32> = match self.feature() {
            Ok(Some(feature)) => {
                let missing = feature.sealed.iter().filter(|sealed| !sealed.is_loaded());
                missing.map(|sealed| sealed.number).collect()
            }
            Ok(None) => Vec::new(),
            Err(_) => self.stored_blocks.to_vec(),
        };
        let blocks = MissingBlocks(numbers).of(self.id, self.ordinal).0;
        let own = self.part.is_not_loaded().then(|| self.key());
        own.into_iter().chain(blocks).collect()
    }

    /// Returns whether the store keeps any part of it apart.
    pub(super) fn has_apart(&self) -> bool {
        self.part.stored_bytes().is_some() || !self.stored_blocks.is_empty()
    }

    /// All parts of it that the store keeps apart.
    pub(super) fn keys_apart(&self) -> Vec<PartKey> {
        let own = self.part.stored_bytes().map(|_| self.key());
        let blocks = MissingBlocks(self.stored_blocks.to_vec()).of(self.id, self.ordinal);
        own.into_iter().chain(blocks.0).collect()
    }

    /// Its size in the store and the numbers of its blocks; absent where it stands in the head.
    pub(crate) fn listing(&self) -> Option<(u32, &[u32])> {
        let bytes = self.part.stored_bytes()?;
        Some((bytes, &self.stored_blocks))
    }

    /// It as it is stored; absent where nothing ever happened, or where it is not loaded.
    pub(crate) fn encoded(&self) -> Option<Bytes> {
        Some(self.part.get().ok()??.bytes().clone())
    }

    /// Bytes that it is going to take in the head.
    pub(super) fn inline_bytes(&self) -> usize {
        if self.is_sent_apart || self.part.stored_bytes().is_some() {
            return 0;
        }
        let bytes = match self.part.get() {
            Ok(Some(kept)) => kept.size(),
            Ok(None) | Err(_) => 0,
        };
        // What goes apart by its size takes no room.
        if decision::is_apart(false, bytes) {
            0
        } else {
            bytes
        }
    }

    /// Keeps it apart whatever its size.
    pub(super) fn send_apart(&mut self) {
        self.part.send_apart();
        self.is_sent_apart = true;
    }

    /// The number of its sealed blocks; zero where it is not loaded.
    pub(super) fn block_count(&self) -> usize {
        let feature = self.feature().ok().flatten();
        feature.map_or(0, |feature| feature.sealed.len())
    }

    /// The number of its parts, itself included.
    pub(super) fn part_count(&self) -> usize {
        let blocks = if self.part.is_not_loaded() {
            self.stored_blocks.len()
        } else {
            self.block_count()
        };
        blocks + usize::from(!self.is_empty() && self.inline_bytes() == 0)
    }

    /// The block that a key names.
    pub(super) fn block_of(&self, key: PartKey) -> Option<&Sealed> {
        if key.ordinal != self.ordinal {
            return None;
        }
        let feature = self.feature().ok()??;
        let mut sealed = feature.sealed.iter();
        sealed.find(|sealed| block_key(self.id, self.ordinal, sealed.number) == key)
    }

    /// Takes it as it is stored; false where it cannot be read.
    pub(super) fn load(&mut self, bytes: &Bytes) -> bool {
        let Some(feature) = codec::read_feature(bytes) else {
            return false;
        };
        let bytes = OnceLock::from(bytes.clone());
        self.part.load(Kept { feature, bytes });
        true
    }

    /// Hands out what changed, and marks it clean.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        if !self.part.is_dirty() {
            return;
        }
        let (id, ordinal, key) = (self.id, self.ordinal, self.key());
        if let Ok(Some(kept)) = self.part.get_mut() {
            let before = std::mem::replace(&mut self.stored_blocks, numbers_of(&kept.feature));
            drain_blocks(&mut kept.feature, id, ordinal, writes);
            for number in before.iter().filter(|it| !self.stored_blocks.contains(it)) {
                writes.remove_unless_written(block_key(id, ordinal, *number));
            }
        }
        self.is_sent_apart = false;
        self.part
            .drain(key, Kept::size, |kept| kept.bytes().clone(), writes);
    }

    /// Adds what it takes to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        self.part.measure(Kept::size, load);
        let Ok(Some(feature)) = self.feature() else {
            return;
        };
        for sealed in feature.sealed.iter() {
            let bytes = sealed.loaded_bytes();
            load.loaded_bytes += bytes;
            if !sealed.is_stored {
                load.dirty += 1;
                load.dirty_bytes += bytes + PartKey::STORE_BYTES;
            }
        }
        if self.part.is_dirty() {
            let is_kept = |number| feature.sealed.iter().any(|it| it.number == number);
            let removed = self
                .stored_blocks
                .iter()
                .filter(|it| !is_kept(**it))
                .count();
            load.dirty += removed;
            load.dirty_bytes += removed * PartKey::STORE_BYTES;
        }
    }

    const fn key(&self) -> PartKey {
        feature_key(self.id, self.ordinal)
    }

    fn missing(&self) -> MissingParts {
        MissingParts(vec![self.key()])
    }
}

/// Writes the blocks that the store does not have.
fn drain_blocks(feature: &mut Feature, id: FeatureId, ordinal: u16, writes: &mut PartWrites) {
    if feature.sealed.iter().all(|sealed| sealed.is_stored) {
        return;
    }
    for sealed in Arc::make_mut(&mut feature.sealed) {
        if sealed.is_stored {
            continue;
        }
        if let Some(bytes) = sealed.encoded() {
            writes.put(block_key(id, ordinal, sealed.number), bytes);
        }
        sealed.is_stored = true;
    }
}

fn numbers_of(feature: &Feature) -> Arc<[u32]> {
    feature.sealed.iter().map(|sealed| sealed.number).collect()
}
