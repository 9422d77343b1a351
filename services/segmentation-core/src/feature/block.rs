//! A block of runs in the order of time. Where each run is one event, only its time and its number
//! are kept.

use std::ops::Range;

use kernel::Timestamp;

use super::{Sums, Twofold, count_as_number};

/// A block of runs, by when each ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    /// Single events.
    Events {
        /// When they happened.
        times: Vec<Timestamp>,
        /// Their numbers, not-a-number for those without; empty where none has one.
        numbers: Vec<f64>,
    },
    /// Runs of one or more events.
    Runs(Vec<Sums>),
}

impl Default for Block {
    fn default() -> Self {
        Self::Events {
            times: Vec::new(),
            numbers: Vec::new(),
        }
    }
}

impl Block {
    /// Returns the number of its runs.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Events { times, .. } => times.len(),
            Self::Runs(runs) => runs.len(),
        }
    }

    /// Returns the most bytes that it takes as it is stored, in a fixed time.
    pub(crate) fn most_bytes(&self) -> usize {
        // Tags and lengths of the lists, and of the message around them.
        const FRAME: usize = 40;
        match self {
            Self::Events { times, numbers } => {
                let span = times.last().map(|last| last.since(times[0]).as_millis());
                let bits = 65 - span.unwrap_or(0).max(0).leading_zeros() as usize;
                // The first time is whole, each further one a step within the span, zigzag.
                FRAME + 10 + times.len() * bits.div_ceil(7) + numbers.len() * 8
            }
            // Four varints and four numbers each.
            Self::Runs(runs) => FRAME + runs.len() * 72,
        }
    }

    /// A run by its place.
    pub(crate) fn run(&self, place: usize) -> Sums {
        match self {
            Self::Events { times, numbers } => {
                let number = numbers.get(place).copied();
                Sums::one(times[place], number.filter(|number| !number.is_nan()))
            }
            Self::Runs(runs) => runs[place],
        }
    }

    /// When a run ends.
    pub(crate) fn last_time(&self, place: usize) -> Timestamp {
        match self {
            Self::Events { times, .. } => times[place],
            Self::Runs(runs) => runs[place].last,
        }
    }

    /// Returns the number of runs that end at or before an instant.
    pub(crate) fn until(&self, at: Timestamp) -> usize {
        match self {
            Self::Events { times, .. } => times.partition_point(|time| *time <= at),
            Self::Runs(runs) => runs.partition_point(|run| run.last <= at),
        }
    }

    /// Returns the number of events that some of its runs have.
    pub(crate) fn count(&self, places: Range<usize>) -> u64 {
        match self {
            Self::Events { .. } => places.len() as u64,
            Self::Runs(runs) => runs[places].iter().map(|run| run.count).sum(),
        }
    }

    /// The run from a place on with which a count that loses one run after another falls to a
    /// level. None where the count loses all of them and is still above it.
    pub(crate) fn fall(&self, from: usize, left: &mut u64, level: f64) -> Option<usize> {
        match self {
            Self::Events { times, .. } => {
                let more = count_as_number(*left) - level;
                let runs = (times.len() - from) as u64;
                if count_as_number(runs) < more {
                    *left -= runs;
                    return None;
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between one and the length of a block"
                )]
                let lost = more.ceil() as usize;
                Some(from + lost.max(1) - 1)
            }
            Self::Runs(runs) => (from..runs.len()).find(|run| {
                *left -= runs[*run].count;
                count_as_number(*left) <= level
            }),
        }
    }

    /// Returns the newest of some runs with which, and with all that is newer, the sum is surely
    /// above a level. `None` where no run takes it there.
    pub(crate) fn rise(&self, runs: Range<usize>, newer: Twofold, level: f64) -> Option<usize> {
        let mut sum = newer;
        runs.rev().find(|run| {
            sum = sum.add(self.run(*run).sum);
            sum.least() > level
        })
    }

    /// The sums of all of it.
    pub(crate) fn sums(&self) -> Sums {
        self.sums_of(0..self.len())
    }

    /// Returns the sums of some runs.
    pub(crate) fn sums_of(&self, runs: Range<usize>) -> Sums {
        let mut sums = Sums::NONE;
        runs.for_each(|run| sums.join(&self.run(run)));
        sums
    }

    /// Adds a run at its place, behind those that end at the same instant. Runs that overlap become
    /// one.
    pub(crate) fn insert(&mut self, run: Sums) {
        let place = self.until(run.last);
        match self {
            Self::Events { times, numbers } if run.count == 1 => {
                let number = if run.number_count > 0 {
                    run.sum.number()
                } else {
                    f64::NAN
                };
                if numbers.is_empty() && !number.is_nan() {
                    numbers.resize(times.len(), f64::NAN);
                }
                if !numbers.is_empty() || !number.is_nan() {
                    numbers.insert(place, number);
                }
                times.insert(place, run.last);
            }
            Self::Events { .. } => {
                let mut runs: Vec<Sums> = (0..self.len()).map(|place| self.run(place)).collect();
                insert_run(&mut runs, place, run);
                *self = Self::Runs(runs);
            }
            Self::Runs(runs) => insert_run(runs, place, run),
        }
    }

    /// Removes the runs from a place on and returns them.
    pub(crate) fn split_off(&mut self, place: usize) -> Self {
        match self {
            Self::Events { times, numbers } => Self::Events {
                times: times.split_off(place),
                numbers: numbers.split_off(place.min(numbers.len())),
            },
            Self::Runs(runs) => Self::Runs(runs.split_off(place)),
        }
    }
}

/// Adds a run before the one at a place, the first that ends later.
fn insert_run(runs: &mut Vec<Sums>, place: usize, run: Sums) {
    match runs.get_mut(place) {
        Some(newer) if newer.first <= run.last => newer.join(&run),
        _ => runs.insert(place, run),
    }
    // A run that is longer than one event may reach back over those before it.
    let mut place = place;
    while place > 0 && runs[place - 1].last > runs[place].first {
        let newer = runs.remove(place);
        place -= 1;
        runs[place].join(&newer);
    }
}
