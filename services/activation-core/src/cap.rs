//! Frequency caps: at most so many sends to one customer in a rolling window.
//!
//! Exact: the times of the newest sends are kept, and a send is allowed unless as many as the limit lie in the window
//! before it. A send is reserved when it is admitted and given back if it was never delivered. More times are kept than
//! any limit, so a changed policy counts what was sent before it.

use kernel::{Duration, Timestamp};

use crate::limits;

/// A cap, as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrequencyCap {
    /// How many, 1 to [`limits::SEND_TIMES`].
    pub limit: usize,
    /// The window: a send leaves it when it is exactly this old.
    pub window: Duration,
}

/// When the newest sends were, oldest first, at most [`limits::SEND_TIMES`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SendTimes(Vec<Timestamp>);

impl SendTimes {
    /// The times, oldest first.
    pub fn as_slice(&self) -> &[Timestamp] {
        &self.0
    }

    /// Whether one more may be sent now.
    pub fn allows(&self, cap: FrequencyCap, now: Timestamp) -> bool {
        let start = now - cap.window;
        let in_window = self.0.iter().rev().take_while(|time| **time > start);
        in_window.take(cap.limit).count() < cap.limit
    }

    /// Reserves a send now.
    pub fn reserve(&mut self, now: Timestamp) {
        let place = self.0.partition_point(|time| *time <= now);
        self.0.insert(place, now);
        self.forget();
    }

    /// Gives back one send that was reserved at this time.
    pub fn give_back(&mut self, time: Timestamp) {
        if let Ok(place) = self.0.binary_search(&time) {
            self.0.remove(place);
        }
    }

    /// Folds in the sends to the same person under another id.
    pub fn fold(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort_unstable();
        self.forget();
    }

    /// Restores what was stored.
    pub(crate) const fn restored(times: Vec<Timestamp>) -> Self {
        Self(times)
    }

    fn forget(&mut self) {
        let surplus = self.0.len().saturating_sub(limits::SEND_TIMES);
        self.0.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_send_leaves_the_window_when_it_is_exactly_as_old() {
        let cap = FrequencyCap {
            limit: 1,
            window: Duration::from_millis(10),
        };
        let mut times = SendTimes::default();
        times.reserve(at(100));
        assert!(!times.allows(cap, at(109)));
        assert!(times.allows(cap, at(110)));
        times.give_back(at(100));
        assert!(times.allows(cap, at(100)));
    }

    proptest! {
        /// The reference keeps every send for ever and counts those in the window.
        #[test]
        fn the_cap_agrees_with_a_naive_count(
            limit in 1_usize..6,
            window in 1_i64..50,
            steps in prop::collection::vec((0_i64..12, prop::option::weighted(0.3, 0_usize..6)), 1..200),
        ) {
            let cap = FrequencyCap { limit, window: Duration::from_millis(window) };
            let (mut times, mut reference, mut now) = (SendTimes::default(), Vec::new(), 0);
            for (pause, returned) in steps {
                now += pause;
                let expected = reference.iter().filter(|time| **time > now - window).count() < limit;
                prop_assert_eq!(times.allows(cap, at(now)), expected);
                if expected {
                    times.reserve(at(now));
                    reference.push(now);
                }
                if let Some(back) = returned.filter(|back| *back < reference.len()) {
                    let time = reference.remove(reference.len() - 1 - back);
                    times.give_back(at(time));
                }
            }
        }

        #[test]
        fn folding_keeps_the_newest_of_both(
            left in prop::collection::vec(0_i64..1_000, 0..90),
            right in prop::collection::vec(0_i64..1_000, 0..90),
        ) {
            let of = |millis: &[i64]| {
                let mut times = SendTimes::default();
                millis.iter().for_each(|time| times.reserve(at(*time)));
                times
            };
            let (mut one, mut other) = (of(&left), of(&right));
            let (left_times, right_times) = (one.clone(), other.clone());
            one.fold(right_times);
            other.fold(left_times);
            prop_assert_eq!(&one, &other);
            let mut all = [left, right].concat();
            all.sort_unstable();
            let newest: Vec<_> = all.iter().rev().take(limits::SEND_TIMES).rev().map(|t| at(*t)).collect();
            prop_assert_eq!(one.as_slice(), newest.as_slice());
        }
    }
}
