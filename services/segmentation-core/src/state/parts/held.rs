//! One history of a state: nothing yet, in the head, apart and loaded, or apart and not loaded.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Part, PartKey, PartLoad, PartWrites};
use expr::FeatureId;
use kernel::{Duration, Timestamp};

use super::MissingParts;
use super::kept::Kept;
use super::key::{block_key, feature_key, index_key};
use crate::codec;
use crate::feature::{Feature, MissingBlocks, Sealed};

/// A history that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) id: FeatureId,
    pub(crate) ordinal: u16,
    /// Absent where nothing ever happened.
    part: Part<Kept>,
    /// The numbers of the blocks that the store has of it, in ascending order.
    stored_blocks: Arc<[u32]>,
    /// True where the store has its index under a key of its own.
    is_index_stored: bool,
    /// What came first of its head and its index.
    waiting: Option<Box<Waiting>>,
    /// It goes apart with the next commit because the head has no room.
    is_sent_apart: bool,
}

/// A part that waits for the other one: a history is loaded once its head and its index are there.
#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    is_index: bool,
    bytes: Bytes,
}

/// What the head of a state lists of a history that is kept apart.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    /// Bytes of its head in the store.
    pub(crate) bytes: u32,
    /// True where the store has its index under a key of its own.
    pub(crate) has_index: bool,
    /// The numbers of its blocks, in ascending order.
    pub(crate) blocks: Arc<[u32]>,
}

impl Held {
    /// A history in which nothing happened so far.
    pub(crate) fn empty(id: FeatureId) -> Self {
        Self::of(id, 0, Part::default())
    }

    /// A history that stands in the head; absent where it cannot be read.
    pub(crate) fn inline(id: FeatureId, ordinal: u16, bytes: Bytes) -> Option<Self> {
        let feature = codec::read_feature(&bytes, None)?;
        let kept = Kept::read(feature, bytes);
        Some(Self {
            stored_blocks: kept.numbers(),
            ..Self::of(id, ordinal, Part::inline(kept))
        })
    }

    /// A history that is kept apart.
    pub(crate) fn apart(id: FeatureId, ordinal: u16, listing: Listing) -> Self {
        Self {
            stored_blocks: listing.blocks,
            is_index_stored: listing.has_index,
            ..Self::of(id, ordinal, Part::apart(listing.bytes))
        }
    }

    fn of(id: FeatureId, ordinal: u16, part: Part<Kept>) -> Self {
        Self {
            id,
            ordinal,
            part,
            stored_blocks: Arc::default(),
            is_index_stored: false,
            waiting: None,
            is_sent_apart: false,
        }
    }

    /// The same history, of another fragment.
    pub(super) fn under(mut self, ordinal: u16) -> Self {
        self.ordinal = ordinal;
        self
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
        if self.part.is_not_loaded() {
            return Err(self.missing());
        }
        if self.part.is_absent() {
            self.part.set(Kept::new(Feature::default()));
        }
        let kept = self.part.get_mut().ok().flatten();
        let kept = kept.expect("it is there and loaded");
        Ok(kept.change())
    }

    /// A copy of it for another fragment, of which the store has nothing. All of it is loaded.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not.
    pub(super) fn copied_to(&self, ordinal: u16) -> Result<Self, MissingParts> {
        let mut copy = Self::of(self.id, ordinal, Part::default());
        if let Some(feature) = self.feature()? {
            let mut feature = feature.clone();
            for sealed in feature.sealed.change() {
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
        let own = self.part.is_not_loaded().then(|| self.missing().0);
        own.into_iter().flatten().chain(blocks).collect()
    }

    /// Returns whether the store keeps any part of it apart.
    pub(super) fn has_apart(&self) -> bool {
        self.part.stored_bytes().is_some() || !self.stored_blocks.is_empty()
    }

    /// All parts of it that the store keeps apart.
    pub(super) fn keys_apart(&self) -> Vec<PartKey> {
        let own = self.part.stored_bytes().map(|_| self.key());
        let index = self.is_index_stored.then(|| self.index_key());
        let blocks = MissingBlocks(self.stored_blocks.to_vec()).of(self.id, self.ordinal);
        own.into_iter().chain(index).chain(blocks.0).collect()
    }

    /// What the store has of it; absent where it stands in the head.
    pub(crate) fn listing(&self) -> Option<Listing> {
        let bytes = self.part.stored_bytes()?;
        Some(Listing {
            bytes,
            has_index: self.is_index_stored,
            blocks: Arc::clone(&self.stored_blocks),
        })
    }

    /// Its head as it is stored; absent where nothing ever happened, or where it is not loaded.
    pub(crate) fn encoded(&self) -> Option<Bytes> {
        Some(self.part.get().ok()??.bytes().clone())
    }

    /// Bytes that it is going to take in the head, by a measure of it.
    pub(super) fn inline_bytes(&self, measure: impl Fn(&Kept) -> usize) -> usize {
        if self.is_sent_apart || self.part.stored_bytes().is_some() {
            return 0;
        }
        let bytes = match self.part.get() {
            Ok(Some(kept)) => measure(kept),
            Ok(None) | Err(_) => 0,
        };
        // One that goes apart by its size takes no room.
        if decision::is_apart(false, bytes) {
            0
        } else {
            bytes
        }
    }

    /// Keeps it apart where its index is, whatever its size: what the head of a state has must not
    /// miss a part of itself.
    pub(super) fn settle(&mut self) {
        let feature = self.feature().ok().flatten();
        if self.part.is_dirty() && feature.is_some_and(|feature| feature.sealed.is_indexed()) {
            self.send_apart();
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

    /// The number of its parts, itself included, and bytes that it is going to take in the head, by
    /// a measure of it.
    pub(super) fn extent(&self, measure: impl Fn(&Kept) -> usize) -> (usize, usize) {
        let (blocks, has_index) = match self.part.get() {
            Err(_) => (self.stored_blocks.len(), self.is_index_stored),
            Ok(None) => return (0, 0),
            Ok(Some(kept)) => {
                let blocks = &kept.feature.sealed;
                (blocks.len(), blocks.is_indexed())
            }
        };
        let bytes = self.inline_bytes(measure);
        let is_apart = usize::from(bytes == 0);
        (blocks + usize::from(has_index) + is_apart, bytes)
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

    /// Takes its head, or its index, as it is stored; false where they cannot be read. It is loaded
    /// once both are there.
    pub(super) fn load(&mut self, is_index: bool, bytes: &Bytes) -> bool {
        if !self.part.is_not_loaded() {
            return true;
        }
        if !self.is_index_stored {
            return !is_index && self.take(bytes, None);
        }
        match self.waiting.take() {
            Some(first) if first.is_index && !is_index => self.take(bytes, Some(&first.bytes)),
            Some(first) if !first.is_index && is_index => self.take(&first.bytes, Some(bytes)),
            _ => {
                let bytes = bytes.clone();
                self.waiting = Some(Box::new(Waiting { is_index, bytes }));
                true
            }
        }
    }

    fn take(&mut self, head: &Bytes, index: Option<&Bytes>) -> bool {
        let Some(feature) = codec::read_feature(head, index) else {
            return false;
        };
        self.part.load(Kept::read(feature, head.clone()));
        true
    }

    /// Hands out what changed, and marks it clean.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        if !self.part.is_dirty() {
            return;
        }
        let (id, ordinal, key) = (self.id, self.ordinal, self.key());
        let index_key = self.index_key();
        if let Ok(Some(kept)) = self.part.get_mut()
            && kept.feature.sealed.is_changed()
        {
            let blocks = &mut kept.feature.sealed;
            let put = |number, bytes| writes.put(block_key(id, ordinal, number), bytes);
            blocks.drain(put);
            let is_indexed = blocks.is_indexed();
            if is_indexed {
                writes.put(index_key, blocks.index().clone());
            } else if self.is_index_stored {
                writes.remove(index_key);
            }
            self.is_index_stored = is_indexed;
            let before = std::mem::replace(&mut self.stored_blocks, kept.numbers());
            let is_kept = |number| self.stored_blocks.binary_search(number).is_ok();
            for number in before.iter().filter(|number| !is_kept(number)) {
                writes.remove_unless_written(block_key(id, ordinal, *number));
            }
        }
        self.is_sent_apart = false;
        self.part
            .drain(key, Kept::size, |kept| kept.bytes().clone(), writes);
    }

    /// Adds what it takes to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        self.part.measure(Kept::most_bytes, load);
        let Ok(Some(kept)) = self.part.get() else {
            return;
        };
        let blocks = &kept.feature.sealed;
        load.loaded_bytes += kept.index_size();
        for sealed in blocks.iter() {
            let bytes = sealed.loaded_bytes();
            load.loaded_bytes += bytes;
            if !sealed.is_stored {
                load.dirty += 1;
                load.dirty_bytes += bytes + PartKey::STORE_BYTES;
            }
        }
        if !blocks.is_changed() {
            return;
        }
        if blocks.is_indexed() || self.is_index_stored {
            load.dirty += 1;
            load.dirty_bytes += kept.index_size() + PartKey::STORE_BYTES;
        }
        let kept = kept.numbers();
        let is_gone = |number: &&u32| kept.binary_search(number).is_err();
        let removed = self.stored_blocks.iter().filter(is_gone).count();
        load.dirty += removed;
        load.dirty_bytes += removed * PartKey::STORE_BYTES;
    }

    const fn key(&self) -> PartKey {
        feature_key(self.id, self.ordinal)
    }

    const fn index_key(&self) -> PartKey {
        index_key(self.id, self.ordinal)
    }

    fn missing(&self) -> MissingParts {
        let index = self.is_index_stored.then(|| self.index_key());
        MissingParts(std::iter::once(self.key()).chain(index).collect())
    }
}
