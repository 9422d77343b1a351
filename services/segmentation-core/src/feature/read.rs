//! The answers of a history, at any instant: sums over windows, and by how much they may be off.
//!
//! A run counts as a whole, at the instant at which it ends. A window of length d at an instant t
//! has the runs that end in (t − d, t]. Whole blocks answer by their sums; only the blocks at the
//! edges are looked into.

use std::ops::Range;

use kernel::{Duration, Timestamp};

use super::{Block, Feature, MissingBlocks, Sums};

/// By how much an answer may be off, because runs of several events lie across an edge of the
/// window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rounding {
    /// At most so many events are counted that have left the window.
    pub(crate) over: u64,
    /// At most so many events are not counted that have come into it.
    pub(crate) under: u64,
    /// The edge is off by at most so much.
    pub(crate) width: Duration,
}

/// The runs of a block that are in a window.
enum Share {
    None,
    All,
    Some(Range<usize>),
}

impl Feature {
    /// Everything about the events of a window, or of all, up to an instant.
    pub(crate) fn sums(
        &self,
        window: Option<Duration>,
        at: Timestamp,
    ) -> Result<Sums, MissingBlocks> {
        let mut sums = if window.is_some() {
            Sums::NONE
        } else {
            self.folded
        };
        let edge = edge(window, at);
        if self.newest() <= at {
            sums.join(&self.sums_after(edge)?);
            return Ok(sums);
        }
        for place in self.first_after(edge)..=self.sealed.len() {
            match self.share(place, edge, at)? {
                Share::None => break,
                Share::All => sums.join(self.block_sums(place)),
                Share::Some(runs) => {
                    let block = self.block(place)?;
                    runs.for_each(|run| sums.join(&block.run(run)));
                }
            }
        }
        Ok(sums)
    }

    /// Returns the number of events of a window, or of all, up to an instant.
    pub(crate) fn count(
        &self,
        window: Option<Duration>,
        at: Timestamp,
    ) -> Result<u64, MissingBlocks> {
        let mut count = if window.is_some() {
            0
        } else {
            self.folded.count
        };
        let edge = edge(window, at);
        if self.newest() <= at {
            return Ok(count + self.count_after(edge)?);
        }
        for place in self.first_after(edge)..=self.sealed.len() {
            count += match self.share(place, edge, at)? {
                Share::None => break,
                Share::All => self.block_sums(place).count,
                Share::Some(runs) => self.block(place)?.count(runs),
            };
        }
        Ok(count)
    }

    /// Returns everything about the events after an instant. Whole blocks are not looked at one by
    /// one.
    pub(super) fn sums_after(&self, edge: Timestamp) -> Result<Sums, MissingBlocks> {
        let place = self.first_after(edge);
        let Some(sealed) = self.sealed.get(place) else {
            return Ok(if self.open_sums.first > edge {
                self.open_sums
            } else {
                self.open.sums_of(self.open.until(edge)..self.open.len())
            });
        };
        let tails = self.sealed.tails();
        let mut sums = if sealed.sums.first > edge {
            tails[place]
        } else {
            let mut sums = sealed.sums_from(sealed.block()?.until(edge))?;
            sums.join(&tails[place + 1]);
            sums
        };
        sums.join(&self.open_sums);
        Ok(sums)
    }

    /// Returns the number of events after an instant.
    pub(super) fn count_after(&self, edge: Timestamp) -> Result<u64, MissingBlocks> {
        let place = self.first_after(edge);
        let Some(sealed) = self.sealed.get(place) else {
            return Ok(self.open.count(self.open.until(edge)..self.open.len()));
        };
        let tails = self.sealed.tails();
        if sealed.sums.first > edge {
            return Ok(tails[place].count + self.open_sums.count);
        }
        let block = sealed.block()?;
        let own = block.count(block.until(edge)..block.len());
        Ok(own + tails[place + 1].count + self.open_sums.count)
    }

    /// By how much an answer may be off.
    pub(crate) fn rounding(
        &self,
        window: Option<Duration>,
        at: Timestamp,
    ) -> Result<Rounding, MissingBlocks> {
        let mut rounding = Rounding::default();
        if let Some(window) = window
            && let Some(run) = self.run_across(at - window)?
        {
            rounding.over = run.count - 1;
            rounding.width = Duration::from_millis(run.width_ms());
        }
        if let Some(run) = self.run_across(at)? {
            rounding.under = run.count - 1;
            rounding.width = rounding.width.max(Duration::from_millis(run.width_ms()));
        }
        Ok(rounding)
    }

    /// The run that begins at or before an instant and ends after it.
    fn run_across(&self, at: Timestamp) -> Result<Option<Sums>, MissingBlocks> {
        let place = self.first_after(at);
        if self.block_sums(place).first > at {
            return Ok(None);
        }
        let block = self.block(place)?;
        let run = block.until(at);
        let run = (run < block.len()).then(|| block.run(run));
        Ok(run.filter(|run| run.first <= at))
    }

    /// The place of the first block that ends after an instant; the open one where no sealed one
    /// does.
    pub(super) fn first_after(&self, at: Timestamp) -> usize {
        self.sealed.partition_point(|sealed| sealed.sums.last <= at)
    }

    /// The blocks that are not loaded and that an edge of a window crosses at an instant.
    pub(crate) fn edges_missing(
        &self,
        window: Option<Duration>,
        at: Timestamp,
    ) -> impl Iterator<Item = u32> {
        let edges = [Some(at), window.map(|window| at - window)];
        edges.into_iter().flatten().filter_map(move |edge| {
            let sealed = self.sealed.get(self.first_after(edge))?;
            let is_missing = sealed.sums.first <= edge && !sealed.is_loaded();
            is_missing.then_some(sealed.number)
        })
    }

    /// When the newest event happened.
    pub(super) fn newest(&self) -> Timestamp {
        let sealed = self.sealed.last();
        let sealed = sealed.map_or(Timestamp::MIN, |sealed| sealed.sums.last);
        sealed.max(self.open_sums.last)
    }

    fn share(&self, place: usize, edge: Timestamp, at: Timestamp) -> Result<Share, MissingBlocks> {
        let sums = self.block_sums(place);
        if sums.count == 0 || sums.first > at {
            return Ok(Share::None);
        }
        if sums.first > edge && sums.last <= at {
            return Ok(Share::All);
        }
        let block: &Block = self.block(place)?;
        Ok(Share::Some(block.until(edge)..block.until(at)))
    }
}

/// The instant at or before which nothing is in the window.
fn edge(window: Option<Duration>, at: Timestamp) -> Timestamp {
    window.map_or(Timestamp::MIN, |window| at - window)
}

/// A count as a number.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact to 2^53 events of one customer"
)]
pub(crate) const fn count_as_number(count: u64) -> f64 {
    count as f64
}
