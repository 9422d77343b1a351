//! The rule by which an event that was sent again is told from a new one. Segmentation decides by
//! it, and so does every reader of the event log.
//!
//! An event is a repetition where its customer had one with the same id that counted, that was
//! accepted within [`REPETITION_TIME`] before it, and that is one of the customer's last
//! [`REPETITION_EVENTS`]. A repetition does not count, and does not make the id last longer.
//! Acceptance is told to the minute, and an id lasts until the end of its last minute.
//!
//! This does not know how ids are stored, nor who was joined into whom.

use std::collections::HashMap;

use crate::limits::{REPETITION_EVENTS, REPETITION_TIME};
use crate::{StableHash, Timestamp};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// The id of an event, as it is remembered: of 10,000 others one has the same hash once in 10¹⁵
/// events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventIdHash(u64);

impl EventIdHash {
    /// Hashes an id; absent for an event without one, which repeats nothing.
    pub fn of(event_id: &str) -> Option<Self> {
        let hash = StableHash::new().with(event_id.as_bytes()).finish();
        (!event_id.is_empty()).then_some(Self(hash))
    }

    /// Hashes the id of an event of an account in which a customer acted, given by the id of a
    /// fragment: ids are those of customers, of whom two may send the same. As [`Self::of`] where
    /// nobody acted, and `member` is empty.
    pub fn of_account(event_id: &str, member: &[u8]) -> Option<Self> {
        if member.is_empty() {
            return Self::of(event_id);
        }
        // No id of an event has such a sign.
        let hash = StableHash::new().with(event_id.as_bytes()).with(&[0]);
        let hash = hash.with(member).finish();
        (!event_id.is_empty()).then_some(Self(hash))
    }

    /// Reads a hash as it is stored.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The hash, to be stored.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The minute in which an event was accepted, since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcceptMinute(i64);

impl AcceptMinute {
    /// The minute of an instant.
    pub const fn of(time: Timestamp) -> Self {
        Self(time.as_millis().div_euclid(MINUTE_MS))
    }

    /// Reads a minute as it is stored.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The minute, to be stored.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Returns whether what was accepted in this minute is remembered in another one.
    pub const fn is_remembered(self, now: Self) -> bool {
        now.0.saturating_sub(self.0) <= REPETITION_TIME.as_millis() / MINUTE_MS
    }

    /// Returns the first instant at which what was accepted in this minute is forgotten.
    pub const fn forget_time(self) -> Timestamp {
        let last = REPETITION_TIME.as_millis() / MINUTE_MS;
        let first = self.0.saturating_add(last + 1);
        Timestamp::from_millis(first.saturating_mul(MINUTE_MS))
    }
}

/// A reader's memory of one customer's events.
#[derive(Debug, Clone, Default)]
pub struct Repetitions {
    /// When each id counted last, and the number of the event.
    counted: HashMap<EventIdHash, (AcceptMinute, usize)>,
    events: usize,
}

impl Repetitions {
    /// Takes the next event of the customer, in the order of acceptance. Returns whether it is a
    /// repetition.
    pub fn is_repeated(&mut self, id: EventIdHash, accepted: AcceptMinute) -> bool {
        let is_repeated = self.counted.get(&id).is_some_and(|(minute, number)| {
            minute.is_remembered(accepted) && self.events - number <= REPETITION_EVENTS
        });
        if !is_repeated {
            self.counted.insert(id, (accepted, self.events));
            self.events += 1;
        }
        is_repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn id(number: usize) -> EventIdHash {
        EventIdHash::of(&format!("e-{number}")).expect("an id")
    }

    fn at(millis: i64) -> AcceptMinute {
        AcceptMinute::of(Timestamp::from_millis(millis))
    }

    #[test]
    fn an_id_lasts_for_a_day_and_the_rest_of_its_minute() {
        for (accepted, again, is_repeated) in [
            (0, 0, true),
            (0, DAY, true),
            (0, DAY + 59_999, true),
            (0, DAY + 60_000, false),
            (59_999, DAY + 59_999, true),
            (59_999, DAY + 60_000, false),
            (-1, DAY - 1, true),
            (-1, DAY, false),
            (DAY, 0, true),
            (i64::MIN, i64::MAX, false),
        ] {
            let mut seen = Repetitions::default();
            assert!(!seen.is_repeated(id(1), at(accepted)));
            let repeated = seen.is_repeated(id(1), at(again));
            assert_eq!(repeated, is_repeated, "{accepted} {again}");
            let forget_time = at(accepted).forget_time().as_millis();
            assert_eq!(again >= forget_time, !is_repeated, "{accepted} {again}");
        }
    }

    #[test]
    fn an_id_lasts_for_ten_thousand_events() {
        for (others, is_repeated) in [(REPETITION_EVENTS - 1, true), (REPETITION_EVENTS, false)] {
            let mut seen = Repetitions::default();
            assert!(!seen.is_repeated(id(0), at(0)));
            for other in 1..=others {
                assert!(!seen.is_repeated(id(other), at(0)));
                // Repetitions are no events.
                assert!(seen.is_repeated(id(other), at(0)));
            }
            assert_eq!(seen.is_repeated(id(0), at(0)), is_repeated, "{others}");
        }
    }

    #[test]
    fn a_repetition_does_not_make_an_id_last_longer() {
        let mut seen = Repetitions::default();
        let said =
            [0, DAY / 2, DAY, DAY * 3 / 2, DAY * 2].map(|time| seen.is_repeated(id(1), at(time)));
        assert_eq!(said, [false, true, true, false, true]);
    }

    #[test]
    fn an_event_without_an_id_has_no_hash() {
        assert_eq!(EventIdHash::of(""), None);
        assert_ne!(EventIdHash::of("a"), EventIdHash::of("b"));
        let of = EventIdHash::of_account;
        assert_eq!((of("", &[1]), of("a", &[])), (None, EventIdHash::of("a")));
        assert_eq!(of("a", &[1]), of("a", &[1]));
        assert_ne!(of("a", &[1]), of("a", &[2]));
        assert_ne!(of("a", &[1]), EventIdHash::of("a"));
        let hash = id(1);
        assert_eq!(EventIdHash::from_number(hash.number()), hash);
    }
}
