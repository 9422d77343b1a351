//! Compaction: beyond the exact part, neighbours are joined into one run as far as no window can
//! tell them apart by more than a 256th of itself.
//!
//! A run may stretch over a 256th of its distance from the clock. The edge of a window of length d
//! meets a run when that is d old, so the run stretches over at most d/256, whatever the window.
//! Two runs that stay apart stretch over more than that together, so that of a history that reaches
//! back A there are at most 513·ln(A/256 ms) + 513 joined ones.

use kernel::Timestamp;

use super::{Block, Feature, MissingBlocks, Sealed, Sums};
use crate::limits;

impl Feature {
    /// Joins what can be joined once enough has gathered, so that each event is looked at a few
    /// times only.
    pub(super) fn compact(&mut self, now: Timestamp) -> Result<(), MissingBlocks> {
        let older = self.older_blocks();
        let runs: u32 = self.sealed[..older].iter().map(|sealed| sealed.runs).sum();
        let gathered = self.compacted + self.compacted / 2 + limits::GATHERED_RUNS;
        if runs < gathered {
            return Ok(());
        }
        self.join_older(older, now)
    }

    /// Folds so many of the oldest blocks into sums, whether they are loaded or not.
    pub(crate) fn fold_oldest(&mut self, blocks: usize) {
        for sealed in self.sealed.change().drain(..blocks) {
            self.folded.join(&sealed.sums);
        }
    }

    fn join_older(&mut self, older: usize, now: Timestamp) -> Result<(), MissingBlocks> {
        Self::require(&self.sealed[..older])?;
        let mut joined: Vec<Sums> = Vec::new();
        for sealed in &self.sealed[..older] {
            let block = sealed.block()?;
            for place in 0..block.len() {
                let run = block.run(place);
                match joined.last_mut() {
                    Some(last) if may_join(last, &run, now) => last.join(&run),
                    _ => joined.push(run),
                }
            }
        }
        self.compacted = u32::try_from(joined.len()).unwrap_or(u32::MAX);
        let blocks: Vec<Sealed> = joined
            .chunks(limits::JOINED_BLOCK_RUNS)
            .zip(self.next_block..)
            .map(|(runs, number)| Sealed::new(number, Block::Runs(runs.to_vec())))
            .collect();
        self.next_block += u32::try_from(blocks.len()).unwrap_or(0);
        self.sealed.change().splice(..older, blocks);
        Ok(())
    }

    /// Returns the number of blocks that lie behind the exact part.
    fn older_blocks(&self) -> usize {
        let mut newer = self.open_sums.count;
        for (place, sealed) in self.sealed.iter().enumerate().rev() {
            if newer >= limits::EXACT_EVENTS {
                return place + 1;
            }
            newer += sealed.sums.count;
        }
        0
    }
}

/// Tells whether two neighbours may be one run, as of an instant.
fn may_join(older: &Sums, newer: &Sums, now: Timestamp) -> bool {
    let width = newer.last.since(older.first).as_millis();
    // Events may be ahead of the clock: then what counts is how far.
    let distance = now
        .since(newer.last)
        .max(older.first.since(now))
        .as_millis();
    width <= distance / limits::WINDOW_PARTS
}
