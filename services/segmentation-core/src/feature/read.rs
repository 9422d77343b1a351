//! The answers of a history, at any instant: sums over windows, and when they change by time alone.
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
        for place in self.first_after(edge)..=self.sealed.len() {
            count += match self.share(place, edge, at)? {
                Share::None => break,
                Share::All => self.block_sums(place).count,
                Share::Some(runs) => self.block(place)?.count(runs),
            };
        }
        Ok(count)
    }

    /// The first instant after another at which an event may come into the window or leave it.
    pub(crate) fn next_change(
        &self,
        window: Option<Duration>,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, MissingBlocks> {
        let coming = self.first_run_after(after)?;
        let leaving = match window {
            Some(window) => self
                .first_run_after(after - window)?
                .map(|last| last + window)
                .filter(|leaving| *leaving > after),
            None => None,
        };
        Ok(coming.into_iter().chain(leaving).min())
    }

    /// The first instant after another at which the count falls to a level, or an event comes.
    pub(crate) fn count_change(
        &self,
        window: Option<Duration>,
        level: f64,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, MissingBlocks> {
        if self.newest() > after {
            return self.next_change(window, after);
        }
        let Some(length) = window else {
            return Ok(None);
        };
        let mut left = self.count(window, after)?;
        if count_as_number(left) <= level || level < 0.0 {
            return Ok(None);
        }
        let edge = after - length;
        for place in self.first_after(edge)..=self.sealed.len() {
            let block = match self.share(place, edge, after)? {
                Share::None => break,
                Share::All if count_as_number(left - self.block_sums(place).count) > level => {
                    left -= self.block_sums(place).count;
                    continue;
                }
                _ => self.block(place)?,
            };
            let from = block.until(edge);
            if let Some(run) = block.fall(from, &mut left, level) {
                return Ok(Some(block.last_time(run) + length));
            }
        }
        Ok(None)
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

    /// When the first run that ends after an instant does, or an instant before it where that is
    /// enough to know: whole blocks are not looked into.
    fn first_run_after(&self, at: Timestamp) -> Result<Option<Timestamp>, MissingBlocks> {
        let place = self.first_after(at);
        let sums = self.block_sums(place);
        if sums.last <= at {
            return Ok(None);
        }
        if sums.first > at {
            return Ok(Some(sums.first));
        }
        let block = self.block(place)?;
        Ok(Some(block.last_time(block.until(at))))
    }

    /// The place of the first block that ends after an instant; the open one where no sealed one
    /// does.
    fn first_after(&self, at: Timestamp) -> usize {
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
    fn newest(&self) -> Timestamp {
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
