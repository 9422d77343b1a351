//! The ids of the events that counted lately, by which repetitions are told.
//!
//! The newest stand in the head of the state. Older ones are in blocks, each a part of its own: one
//! of each fragment is filled up, and those that are full never change. Which ids are remembered is
//! the kernel's rule. A merge moves blocks as they are stored, and an unmerge moves them back.

mod block;
mod run;

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{PartKey, PartLoad, PartWrites, Poison, fragment_ordinal};
use kernel::limits::REPETITION_EVENTS;
use kernel::{AcceptMinute, EventIdHash, Timestamp};

use super::MissingParts;
use crate::limits;

pub(crate) use block::IdBlock;
pub(crate) use run::IdRun;

/// An id of an event that stands in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecentId {
    pub(crate) id: EventIdHash,
    /// When the event was accepted.
    pub(crate) minute: AcceptMinute,
    /// The fragment whose event it was; 0 is the customer's own.
    pub(crate) ordinal: u16,
}

/// The ids of the events of a customer that counted lately. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventIds {
    /// The newest, oldest first.
    recent: Vec<RecentId>,
    /// The others, by fragment and number.
    blocks: Vec<IdBlock>,
    /// Parts in the store of blocks that are gone.
    gone: Vec<PartKey>,
}

impl EventIds {
    /// The ids that a state lists: the newest, oldest first, and blocks.
    pub(crate) fn listed(recent: Vec<RecentId>, mut blocks: Vec<IdBlock>) -> Self {
        blocks.sort_by_key(IdBlock::place);
        Self {
            recent,
            blocks,
            gone: Vec::new(),
        }
    }

    /// The newest ids, oldest first.
    pub(crate) fn recent(&self) -> &[RecentId] {
        &self.recent
    }

    /// The blocks, by fragment and number.
    pub(crate) fn blocks(&self) -> &[IdBlock] {
        &self.blocks
    }

    /// Returns whether none is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.blocks.is_empty()
    }

    /// Returns whether an event with this id counted, and that is remembered at an instant.
    ///
    /// # Errors
    /// [`MissingParts`]: all blocks that may have it and are not loaded.
    pub(crate) fn is_repeated(
        &self,
        id: EventIdHash,
        now: Timestamp,
    ) -> Result<bool, MissingParts> {
        let now = AcceptMinute::of(now);
        // Most senders repeat what they sent last.
        let mut recent = self.recent.iter().rev();
        if recent.any(|own| own.id == id && own.minute.is_remembered(now)) {
            return Ok(true);
        }
        let mut missing = MissingParts::default();
        for block in self.blocks.iter().rev() {
            if !block.last.is_remembered(now) {
                continue;
            }
            match block.run() {
                Ok(run) if run.has(id, now) => return Ok(true),
                Ok(_) => {}
                Err(not_loaded) => missing.0.extend(not_loaded.0),
            }
        }
        missing.or(false)
    }

    /// Remembers the id of an event of a fragment that counts, and forgets those whose time is
    /// over.
    ///
    /// # Errors
    /// [`MissingParts`] where the block that is filled up is not loaded.
    pub(crate) fn add(
        &mut self,
        id: EventIdHash,
        now: Timestamp,
        ordinal: u16,
    ) -> Result<(), MissingParts> {
        self.forget(now);
        let minute = AcceptMinute::of(now);
        self.recent.push(RecentId {
            id,
            minute,
            ordinal,
        });
        self.fill_blocks()
    }

    /// Forgets ids whose time is over, as far as that needs no block to be loaded.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let now = AcceptMinute::of(now);
        let is_over = |own: &&RecentId| !own.minute.is_remembered(now);
        let over = self.recent.iter().take_while(is_over).count();
        self.recent.drain(..over);
        self.drop_blocks(|block| !block.last.is_remembered(now));
    }

    /// Returns when the next block is forgotten, unless something happens before.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let last = self.blocks.iter().map(|block| block.last).min();
        last.map(AcceptMinute::forget_time)
    }

    /// Takes in the ids of a customer who was joined into this one. Blocks stay as they are stored,
    /// under their new keys.
    ///
    /// # Errors
    /// [`MissingParts`] where a block that is filled up is not loaded.
    pub(crate) fn take_in(
        &mut self,
        other: Self,
        first_ordinal: u16,
        now: Timestamp,
    ) -> Result<(), MissingParts> {
        let gone = other.gone.into_iter();
        self.gone
            .extend(gone.filter_map(|key| key.raised(first_ordinal)));
        self.recent.extend(other.recent.iter().map(|own| RecentId {
            ordinal: fragment_ordinal(first_ordinal, own.ordinal),
            ..*own
        }));
        self.blocks.extend(other.blocks.into_iter().map(|block| {
            let ordinal = first_ordinal.saturating_add(block.ordinal);
            block.under(ordinal)
        }));
        self.blocks.sort_by_key(IdBlock::place);
        self.recent.sort_by_key(|own| own.minute);
        self.forget(now);
        self.fill_blocks()
    }

    /// Takes out the ids of fragments that leave, each under the ordinal that it has there.
    pub(crate) fn split_off(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let mut left = Self::default();
        self.recent.retain(|own| {
            let ordinal = ordinal_of(own.ordinal);
            left.recent
                .extend(ordinal.map(|ordinal| RecentId { ordinal, ..*own }));
            ordinal.is_none()
        });
        for block in std::mem::take(&mut self.blocks) {
            match ordinal_of(block.ordinal) {
                Some(ordinal) => left.blocks.push(block.under(ordinal)),
                None => self.blocks.push(block),
            }
        }
        left.blocks.sort_by_key(IdBlock::place);
        left
    }

    /// Returns whether there is any of a fragment.
    pub(crate) fn has_any_of(&self, is_of: impl Fn(u16) -> bool) -> bool {
        let blocks = self.blocks.iter().map(|block| block.ordinal);
        let mut ordinals = self.recent.iter().map(|own| own.ordinal).chain(blocks);
        ordinals.any(is_of)
    }

    /// Moves the oldest ids of the head to blocks, some at once, so that a block is not written
    /// with every event. Of several fragments the one that has most of them gives some of its own.
    fn fill_blocks(&mut self) -> Result<(), MissingParts> {
        if self.recent.len() < limits::HEAD_EVENT_IDS + limits::MOVED_EVENT_IDS {
            return Ok(());
        }
        let mut is_filled = false;
        while self.recent.len() >= self.most_recent() {
            let ordinal = self.busiest();
            let mut moved = Vec::with_capacity(limits::MOVED_EVENT_IDS);
            self.recent.retain(|own| {
                let is_moved = own.ordinal == ordinal && moved.len() < limits::MOVED_EVENT_IDS;
                moved.extend(is_moved.then_some((own.id, own.minute)));
                !is_moved
            });
            let place = self.open_block(ordinal);
            self.blocks[place].insert(&moved)?;
            is_filled = true;
        }
        if is_filled {
            self.drop_what_is_beyond();
        }
        Ok(())
    }

    /// The number of ids in the head at which some of them leave it.
    fn most_recent(&self) -> usize {
        let mut ordinals = self.recent.iter().map(|own| own.ordinal);
        let first = ordinals.next();
        if ordinals.all(|ordinal| Some(ordinal) == first) {
            limits::HEAD_EVENT_IDS + limits::MOVED_EVENT_IDS
        } else {
            limits::MERGED_HEAD_EVENT_IDS
        }
    }

    /// The fragment that has most ids in the head.
    fn busiest(&self) -> u16 {
        let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
        for own in &self.recent {
            *counts.entry(own.ordinal).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        most.map_or(0, |(ordinal, _)| ordinal)
    }

    /// The place of the block of a fragment that is filled up; a new one where all are full.
    fn open_block(&mut self, ordinal: u16) -> usize {
        let end = self
            .blocks
            .partition_point(|block| block.ordinal <= ordinal);
        let last = self.blocks[..end].last();
        match last.filter(|last| last.ordinal == ordinal) {
            Some(last) if !last.is_full() => end - 1,
            last => {
                let number = last.map_or(0, |last| last.number.wrapping_add(1));
                self.blocks.insert(end, IdBlock::new(ordinal, number));
                end
            }
        }
    }

    /// Drops blocks that have none of the ids of the customer's last events.
    fn drop_what_is_beyond(&mut self) {
        let blocks: usize = self.blocks.iter().map(IdBlock::len).sum();
        if self.recent.len() + blocks <= REPETITION_EVENTS {
            return;
        }
        let beyond = |block: &IdBlock| {
            let newer = self.blocks.iter().filter(|other| other.is_after(block));
            self.recent.len() + newer.map(IdBlock::len).sum::<usize>() >= REPETITION_EVENTS
        };
        let places = self.blocks.iter().filter(|block| beyond(block));
        let places: Vec<(u16, u32)> = places.map(IdBlock::place).collect();
        self.drop_blocks(|block| places.contains(&block.place()));
    }

    fn drop_blocks(&mut self, is_dropped: impl Fn(&IdBlock) -> bool) {
        let dropped = self.blocks.extract_if(.., |block| is_dropped(block));
        self.gone
            .extend(dropped.filter_map(|block| block.stored_key()));
    }

    /// Takes a block as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it is not listed, or cannot be read.
    pub(super) fn load(&mut self, key: PartKey, bytes: &Bytes) -> Result<(), Poison> {
        let block = self.blocks.iter_mut().find(|block| block.key() == key);
        let block = block.ok_or_else(|| Poison::new("the state does not list it"))?;
        block.load(bytes)
    }

    /// Hands out what changed, and marks it clean.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        for block in &mut self.blocks {
            block.drain(writes);
        }
        for key in self.gone.drain(..) {
            writes.remove_unless_written(key);
        }
    }

    /// Returns whether the store keeps any block.
    pub(super) fn has_apart(&self) -> bool {
        self.keys_apart().next().is_some()
    }

    /// All blocks that the store keeps.
    pub(super) fn keys_apart(&self) -> impl Iterator<Item = PartKey> {
        let blocks = self.blocks.iter().filter_map(IdBlock::stored_key);
        blocks.chain(self.gone.iter().copied())
    }

    /// Adds what they take to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        for block in &self.blocks {
            block.measure(load);
        }
        load.dirty += self.gone.len();
        load.dirty_bytes += self.gone.len() * PartKey::STORE_BYTES;
    }
}
