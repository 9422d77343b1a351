//! When the answers of a history change by time alone.
//!
//! While nothing comes, a count only falls, and so does a sum of numbers that are not negative. So
//! the run that takes it to a level is searched for, and the runs before it are not looked at.

use kernel::{Duration, Timestamp};

use super::{Feature, MissingBlocks, Sums, Twofold, count_as_number};

impl Feature {
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

    /// The first instant after another at which the count falls to a level, or an event comes; and
    /// whether it is the fall.
    pub(crate) fn count_change(
        &self,
        window: Option<Duration>,
        level: f64,
        after: Timestamp,
    ) -> Result<Option<(Timestamp, bool)>, MissingBlocks> {
        if self.newest() > after {
            let change = self.next_change(window, after)?;
            return Ok(change.map(|at| (at, false)));
        }
        let Some(length) = window else {
            return Ok(None);
        };
        let edge = after - length;
        let all = self.count_after(edge)?;
        if count_as_number(all) <= level || level < 0.0 {
            return Ok(None);
        }
        let open = self.open_sums.count;
        let first = self.first_after(edge);
        let is_above = |newer: &Sums| count_as_number(newer.count + open) > level;
        let place = self.block_of_fall(first, is_above);
        let mut left = if place == first {
            all
        } else {
            self.sealed.tails().get(place).map_or(0, |it| it.count) + open
        };
        let block = self.block(place)?;
        let run = block.fall(block.until(edge), &mut left, level);
        Ok(run.map(|run| (block.last_time(run) + length, true)))
    }

    /// Returns the first instant after another at which the sum may fall to a level, or an event
    /// comes. Where numbers may be negative that is when the next event leaves the window.
    pub(crate) fn sum_change(
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
        let edge = after - length;
        let all = self.sums_after(edge)?;
        if all.min < 0.0 {
            return self.next_change(window, after);
        }
        if level < 0.0 || all.sum.most() <= level {
            return Ok(None);
        }
        if all.sum.least() <= level {
            // What is left may add up to more in another order.
            return self.next_change(window, after);
        }
        let open = self.open_sums.sum;
        let first = self.first_after(edge);
        let is_above = |newer: &Sums| newer.sum.add(open).least() > level;
        let place = self.block_of_fall(first, is_above);
        let from = self.block(place)?.until(edge);
        let run = match self.sealed.get(place) {
            Some(sealed) => {
                let newer = self.sealed.tails()[place + 1].sum.add(open);
                sealed.rise(from, newer, level)?
            }
            None => self
                .open
                .rise(from..self.open.len(), Twofold::default(), level),
        };
        let run = run.unwrap_or(from);
        Ok(Some(self.block(place)?.last_time(run) + length))
    }

    /// Returns the place of the block with whose runs the answer falls: the last one, from a place
    /// on, that leaves it above a level until then. `is_above` is asked of the sums of the sealed
    /// blocks from one on.
    fn block_of_fall(&self, first: usize, is_above: impl Fn(&Sums) -> bool) -> usize {
        let newer = self.sealed.tails().get(first + 1..).unwrap_or_default();
        first + newer.partition_point(is_above)
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
}
