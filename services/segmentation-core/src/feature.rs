//! One history: the events of one name that passed one filter, with one of their properties or
//! none. Every aggregate over them, in every window, is computed from it.
//!
//! It is a sequence of *runs* in the order of time. The newest
//! [`limits::EXACT_EVENTS`](crate::limits::EXACT_EVENTS) events are runs of their own; older
//! neighbours are joined (`compact`). Runs stand in *blocks* (`block`): the newest is open, the
//! others are sealed and summed up, so that a window costs its blocks and a scan of its edges,
//! however much happened (`read`). What is older than any window is only a sum.

mod block;
mod blocks;
mod change;
mod compact;
mod read;
mod sealed;
mod sums;
#[cfg(test)]
mod tests;
mod twofold;

use kernel::{Duration, Timestamp};

pub(crate) use block::Block;
pub(crate) use blocks::Blocks;
pub(crate) use read::{Rounding, count_as_number};
pub(crate) use sealed::Sealed;
pub(crate) use sums::Sums;
pub(crate) use twofold::Twofold;

use crate::limits;

/// A history of events. Cheap to clone: sealed blocks are shared.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    /// Since when it has every event; absent where it has all that ever happened.
    pub(crate) complete_from: Option<Timestamp>,
    /// Since when no definition reads it; absent while one does.
    pub(crate) unread_since: Option<Timestamp>,
    /// The sums of events that are older than any window.
    pub(crate) folded: Sums,
    /// Oldest first.
    pub(crate) sealed: Blocks,
    /// The newest runs.
    pub(crate) open: Block,
    pub(crate) open_sums: Sums,
    /// The number of the next block to be sealed.
    pub(crate) next_block: u32,
    /// The number of joined runs that the last compaction left.
    pub(crate) compacted: u32,
}

/// Sealed blocks that are needed and were not loaded, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingBlocks(pub(crate) Vec<u32>);

impl Default for Feature {
    fn default() -> Self {
        Self {
            complete_from: None,
            unread_since: None,
            folded: Sums::NONE,
            sealed: Blocks::default(),
            open: Block::default(),
            open_sums: Sums::NONE,
            next_block: 0,
            compacted: 0,
        }
    }
}

impl Feature {
    /// A history that begins at an instant, of a customer who was known before.
    pub(crate) fn beginning(at: Timestamp) -> Self {
        Self {
            complete_from: Some(at),
            ..Self::default()
        }
    }

    /// Adds an event at its place in time; what is older than `retention` is folded into sums.
    ///
    /// # Errors
    /// [`MissingBlocks`] where its place is in a block that is not there. Nothing has changed then.
    pub(crate) fn add(
        &mut self,
        event: Sums,
        now: Timestamp,
        retention: Duration,
    ) -> Result<(), MissingBlocks> {
        self.insert(event)?;
        self.fold_older(now - retention);
        if self.open.len() >= limits::BLOCK_RUNS {
            self.seal();
            self.compact(now)?;
        }
        Ok(())
    }

    /// Takes in another history of the same events, such as one that was kept for a customer who
    /// was joined into this one.
    ///
    /// # Errors
    /// [`MissingBlocks`] where a block of either is not there.
    pub(crate) fn absorb(&mut self, other: &Self, now: Timestamp) -> Result<(), MissingBlocks> {
        Self::require(&self.sealed)?;
        Self::require(&other.sealed)?;
        self.complete_from = self.complete_from.max(other.complete_from);
        self.folded.join(&other.folded);
        for place in 0..=other.sealed.len() {
            let block = other.block(place)?;
            for run in 0..block.len() {
                self.insert(block.run(run))?;
                if self.open.len() >= limits::BLOCK_RUNS {
                    self.seal();
                }
            }
        }
        self.compact(now)
    }

    fn insert(&mut self, run: Sums) -> Result<(), MissingBlocks> {
        // Of two at one instant the one that came first stands first.
        let place = self
            .sealed
            .partition_point(|sealed| sealed.sums.last <= run.last);
        if place == self.sealed.len() {
            self.open.insert(run);
            self.open_sums.join(&run);
            return Ok(());
        }
        let number = self.next_block;
        let mut block = self.sealed[place].block()?.clone();
        block.insert(run);
        let most = match block {
            Block::Events { .. } => limits::BLOCK_RUNS,
            Block::Runs(_) => limits::JOINED_BLOCK_RUNS,
        };
        let is_full = block.len() > most;
        let split = is_full.then(|| block.split_off(block.len() / 2));
        let sealed = self.sealed.change();
        sealed[place] = Sealed::new(sealed[place].number, block);
        if let Some(newer) = split {
            sealed.insert(place + 1, Sealed::new(number, newer));
            self.next_block += 1;
        }
        Ok(())
    }

    /// Folds what ends at or before an instant, whole blocks at a time while there are any.
    fn fold_older(&mut self, oldest: Timestamp) {
        let outdated = self
            .sealed
            .partition_point(|sealed| sealed.sums.last <= oldest);
        if outdated > 0 {
            self.fold_oldest(outdated);
        }
        if self.sealed.is_empty() {
            let outdated = self.open.until(oldest);
            if outdated > 0 {
                for run in 0..outdated {
                    self.folded.join(&self.open.run(run));
                }
                self.open = self.open.split_off(outdated);
                self.open_sums = self.open.sums();
            }
        }
    }

    fn seal(&mut self) {
        let block = std::mem::take(&mut self.open);
        self.open_sums = Sums::NONE;
        let sealed = Sealed::new(self.next_block, block);
        self.sealed.change().push(sealed);
        self.next_block += 1;
    }

    /// Asks for all that is missing of some blocks at once.
    fn require(sealed: &[Sealed]) -> Result<(), MissingBlocks> {
        let missing = sealed.iter().filter(|sealed| !sealed.is_loaded());
        let missing: Vec<u32> = missing.map(|sealed| sealed.number).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(MissingBlocks(missing))
        }
    }

    /// A block by its place; the open one follows the sealed ones.
    fn block(&self, place: usize) -> Result<&Block, MissingBlocks> {
        match self.sealed.get(place) {
            Some(sealed) => sealed.block(),
            None => Ok(&self.open),
        }
    }

    /// The sums of a block by its place.
    fn block_sums(&self, place: usize) -> &Sums {
        self.sealed
            .get(place)
            .map_or(&self.open_sums, |sealed| &sealed.sums)
    }
}
