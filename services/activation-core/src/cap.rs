//! Frequency caps: at most so many sends to one customer in a rolling window.
//!
//! Exact: the times of the newest sends are kept, and a send is allowed unless as many as the limit lie in the window
//! before it. A send is reserved when it is admitted and given back if it was never delivered. More times are kept than
//! any limit, so a changed policy counts what was sent before it.

use decision::{Poison, fragment_ordinal, read_ordinal};
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
pub struct SendTimes(Vec<Send>);

/// One send: its time, and the fragment of the customer that it was to, 0 for the customer's own.
type Send = (Timestamp, u16);

impl SendTimes {
    /// The times, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Timestamp> + DoubleEndedIterator {
        self.0.iter().map(|(time, _)| *time)
    }

    /// Returns whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one more may be sent now.
    pub fn allows(&self, cap: FrequencyCap, now: Timestamp) -> bool {
        let start = now - cap.window;
        let in_window = self.iter().rev().take_while(|time| *time > start);
        in_window.take(cap.limit).count() < cap.limit
    }

    /// Reserves a send now, to a fragment of the customer.
    pub fn reserve(&mut self, now: Timestamp, ordinal: u16) {
        self.0.push((now, ordinal));
        self.settle();
    }

    /// Gives back one send that was reserved at this time, to a fragment of the customer.
    pub fn give_back(&mut self, time: Timestamp, ordinal: u16) {
        if let Ok(place) = self.0.binary_search(&(time, ordinal)) {
            self.0.remove(place);
        }
    }

    /// Folds in the sends to the same person under another id, as those of fragments of their own.
    pub fn fold(&mut self, other: Self, first_ordinal: u16) {
        let theirs = other.0.into_iter();
        let moved = theirs.map(|(time, own)| (time, fragment_ordinal(first_ordinal, own)));
        self.0.extend(moved);
        self.settle();
    }

    /// Takes out the sends to fragments that leave, each under the ordinal that it has there.
    #[must_use]
    pub fn split_off(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let mut gone = Self::default();
        self.0.retain(|(time, own)| match ordinal_of(*own) {
            Some(ordinal) => {
                gone.0.push((*time, ordinal));
                false
            }
            None => true,
        });
        gone.settle();
        gone
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// [`Poison`] where there are ordinals, but not one for each time.
    pub(crate) fn read(deltas: &[i64], ordinals: &[u32]) -> Result<Self, Poison> {
        if !ordinals.is_empty() && ordinals.len() != deltas.len() {
            return Err(Poison::new(
                "some sends have an ordinal and others have none",
            ));
        }
        let mut last = 0_i64;
        let sends = deltas.iter().enumerate().map(|(place, delta)| {
            last = last.wrapping_add(*delta);
            let ordinal = ordinals.get(place).copied().unwrap_or(0);
            Ok((Timestamp::from_millis(last), read_ordinal(ordinal)?))
        });
        sends.collect::<Result<_, _>>().map(Self)
    }

    /// The times as they are stored: each less the one before.
    pub(crate) fn deltas(&self) -> Vec<i64> {
        let mut last = 0_i64;
        let deltas = self.iter().map(|time| {
            let delta = time.as_millis().wrapping_sub(last);
            last = time.as_millis();
            delta
        });
        deltas.collect()
    }

    /// The ordinals as they are stored: none where all sends are the customer's own.
    pub(crate) fn ordinals(&self) -> Vec<u32> {
        if self.0.iter().all(|(_, ordinal)| *ordinal == 0) {
            return Vec::new();
        }
        self.0.iter().map(|(_, own)| u32::from(*own)).collect()
    }

    /// Bytes that they take where they are stored, at the most.
    pub(crate) const fn stored_bytes(&self) -> usize {
        self.0.len() * limits::SEND_TIME_BYTES
    }

    /// Puts them in order, and forgets the oldest of too many.
    fn settle(&mut self) {
        self.0.sort_unstable();
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
        times.reserve(at(100), 0);
        assert!(!times.allows(cap, at(109)));
        assert!(times.allows(cap, at(110)));
        times.give_back(at(100), 0);
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
                    times.reserve(at(now), 0);
                    reference.push(now);
                }
                if let Some(back) = returned.filter(|back| *back < reference.len()) {
                    let time = reference.remove(reference.len() - 1 - back);
                    times.give_back(at(time), 0);
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
                millis.iter().for_each(|time| times.reserve(at(*time), 0));
                times
            };
            let (mut one, mut other) = (of(&left), of(&right));
            let (left_times, right_times) = (one.clone(), other.clone());
            one.fold(right_times, 1);
            other.fold(left_times, 1);
            prop_assert!(one.iter().eq(other.iter()));
            let mut all = [left, right].concat();
            all.sort_unstable();
            let newest: Vec<_> = all.iter().rev().take(limits::SEND_TIMES).rev().map(|t| at(*t)).collect();
            prop_assert!(one.iter().eq(newest));
            let stored = SendTimes::read(&one.deltas(), &one.ordinals());
            prop_assert_eq!(stored, Ok(one));
        }
    }

    #[test]
    fn a_send_of_a_fragment_is_given_back_as_such() {
        let mut theirs = SendTimes::default();
        theirs.reserve(at(100), 0);
        let mut times = theirs.clone();
        assert_eq!(
            times.ordinals(),
            [] as [u32; 0],
            "nothing for the customer's own"
        );
        times.fold(theirs, 3);
        assert_eq!(times.ordinals(), [0, 3]);
        times.give_back(at(100), 2);
        assert_eq!(times.ordinals(), [0, 3]);
        times.give_back(at(100), 0);
        assert_eq!(times.ordinals(), [3]);
        assert!(SendTimes::read(&[1, 2], &[1]).is_err());
    }
}
