//! Settled activations: the newest stand in the head, older ones in blocks that are written once.
//!
//! A step never needs a block: the head has a hash of each id, by which one that is asked for again
//! is known. Blocks are loaded to be listed, and by merges.

use std::sync::Arc;

use decision::{Part, PartKey, PartLoad, PartWrites};
use kernel::ActivationId;

use super::codec;
use super::key::{block_key, hash_of};
use super::{Activation, MissingPart};

/// The settled activations of a customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settled {
    /// Oldest first, before those in no block.
    pub(super) blocks: Vec<Block>,
    /// Those in no block, oldest first.
    pub(super) open: Vec<Arc<Activation>>,
}

/// A block of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) number: u32,
    /// The hashes of the ids of those that are not forgotten: its last ones.
    pub(super) ids: Arc<[u64]>,
    pub(super) part: Part<Vec<Arc<Activation>>>,
}

impl Block {
    /// Those that are not forgotten, oldest first.
    fn activations(&self) -> Result<&[Arc<Activation>], MissingPart> {
        let all = self.part.get().ok().flatten();
        let all = all.ok_or_else(|| MissingPart(self.key()))?;
        Ok(&all[all.len().saturating_sub(self.ids.len())..])
    }

    pub(super) const fn key(&self) -> PartKey {
        block_key(self.number)
    }
}

impl Settled {
    /// The number of them.
    pub(crate) fn len(&self) -> usize {
        let sealed: usize = self.blocks.iter().map(|block| block.ids.len()).sum();
        sealed + self.open.len()
    }

    /// Returns whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.open.is_empty()
    }

    /// Returns whether some of them are in blocks.
    pub(super) const fn has_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Returns whether one of them has this id.
    pub(crate) fn has(&self, id: ActivationId) -> bool {
        // The newest are asked for most.
        if self.open.iter().rev().any(|known| known.id == id) {
            return true;
        }
        let hash = hash_of(id);
        self.blocks.iter().any(|block| block.ids.contains(&hash))
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// [`MissingPart`] where a block is not loaded.
    pub(crate) fn all(&self) -> Result<Vec<Arc<Activation>>, MissingPart> {
        let mut all = Vec::with_capacity(self.len());
        for block in &self.blocks {
            all.extend_from_slice(block.activations()?);
        }
        all.extend_from_slice(&self.open);
        Ok(all)
    }

    /// Adds the newest one.
    pub(crate) fn push(&mut self, activation: Arc<Activation>) {
        self.open.push(activation);
    }

    /// Replaces all of them. Returns the blocks that the store has of those before.
    pub(crate) fn replace(&mut self, all: Vec<Arc<Activation>>) -> Vec<PartKey> {
        let gone = self.keys_apart().collect();
        // Names of blocks that go are not given again in the same commit.
        let number = self.next_number();
        self.blocks.clear();
        self.open.clear();
        for activation in all {
            self.push(activation);
            if self.open_bytes() > crate::limits::OPEN_BYTES {
                self.seal_as(number + u32::try_from(self.blocks.len()).unwrap_or(0));
            }
        }
        gone
    }

    /// Forgets the oldest one. Returns the block that the store has and that is gone with it.
    pub(crate) fn forget_oldest(&mut self) -> Option<PartKey> {
        let Some(block) = self.blocks.first_mut() else {
            if !self.open.is_empty() {
                self.open.remove(0);
            }
            return None;
        };
        block.ids = block.ids.get(1..).unwrap_or_default().into();
        if !block.ids.is_empty() {
            return None;
        }
        let block = self.blocks.remove(0);
        block.part.stored_bytes().map(|_| block.key())
    }

    /// Puts those in no block into one.
    pub(crate) fn seal(&mut self) {
        self.seal_as(self.next_number());
    }

    fn seal_as(&mut self, number: u32) {
        if self.open.is_empty() {
            return;
        }
        let open = std::mem::take(&mut self.open);
        let ids = open.iter().map(|it| hash_of(it.id)).collect();
        let mut part = Part::default();
        part.set(open);
        part.send_apart();
        self.blocks.push(Block { number, ids, part });
    }

    fn next_number(&self) -> u32 {
        let last = self.blocks.last();
        last.map_or(0, |block| block.number.wrapping_add(1))
    }

    /// Bytes of those in no block, at the most.
    pub(super) fn open_bytes(&self) -> usize {
        self.open.iter().map(|it| it.stored_bytes()).sum()
    }

    /// Bytes that the blocks take in a head, at the most.
    pub(super) fn listing_bytes(&self) -> usize {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| crate::limits::BLOCK_FRAME_BYTES + 8 * block.ids.len())
            .sum()
    }

    /// The blocks that are not loaded.
    pub(crate) fn missing(&self) -> impl Iterator<Item = PartKey> {
        let blocks = self.blocks.iter().filter(|it| it.part.is_not_loaded());
        blocks.map(Block::key)
    }

    /// The blocks that the store has.
    pub(super) fn keys_apart(&self) -> impl Iterator<Item = PartKey> {
        let blocks = self.blocks.iter();
        blocks
            .filter(|it| it.part.stored_bytes().is_some())
            .map(Block::key)
    }

    /// The block under a key.
    pub(super) fn block_mut(&mut self, key: PartKey) -> Option<&mut Block> {
        self.blocks.iter_mut().find(|block| block.key() == key)
    }

    /// Hands out the blocks that the store does not have yet.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        for block in &mut self.blocks {
            let key = block.key();
            block
                .part
                .drain(key, size_of, |all| codec::encode_block(all), writes);
        }
    }

    /// Adds what they take to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        for block in &self.blocks {
            block.part.measure(size_of, load);
        }
    }
}

#[expect(clippy::ptr_arg, reason = "passed by name for the content of a part")]
fn size_of(all: &Vec<Arc<Activation>>) -> usize {
    all.iter().map(|it| it.stored_bytes()).sum()
}
