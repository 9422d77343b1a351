//! When runs ended: what re-entry is judged by, kept by journey within a budget of bytes.
//!
//! An end is a hash and an instant. Where there is no room for one more, the oldest end of a
//! journey that allows re-entry is forgotten. An end of one that does not is never forgotten: where
//! only those are left, a journey is *closed*, which takes a few bytes and means that every key
//! counts as ended.

use std::sync::Arc;

use kernel::Timestamp;

use super::Name;
use crate::limits;

/// When runs ended, by journey.
pub type Endings = Vec<Arc<JourneyEndings>>;

/// When runs of one journey ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JourneyEndings {
    /// The journey; empty stands for every journey that is not listed.
    pub journey: Name,
    /// When the journey was closed, at the latest: every key counts as ended then. Absent where it
    /// is not closed.
    pub closed: Option<Timestamp>,
    /// The last end of each key, and of each fragment of a merged customer, oldest first.
    pub ends: Vec<End>,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The hash of its key.
    pub key: u64,
    /// When it ended.
    pub time: Timestamp,
    /// The fragment whose run it was; 0 is the customer's own.
    pub ordinal: u16,
}

/// The end of the last run of a journey and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It ended then.
    At(Timestamp),
    /// Its end may have been among those that were given up when the journey was closed, then at
    /// the latest.
    Closed(Timestamp),
}

/// Bytes of one stored end: a hash and an instant.
const END_BYTES: usize = 18;
/// Bytes of the ordinal of a stored end, where ends of a journey have some.
const ORDINAL_BYTES: usize = 2;
/// Bytes of one stored journey beside its name and ends.
const JOURNEY_BYTES: usize = 25;
/// Bytes that ordinals add to those.
const ORDINALS_BYTES: usize = 4;
/// Bytes of the end of a journey that was not known before.
pub(crate) const NEW_END_BYTES: usize =
    limits::NAME_BYTES + JOURNEY_BYTES + END_BYTES + ORDINAL_BYTES + ORDINALS_BYTES;

impl JourneyEndings {
    fn new(journey: Name) -> Self {
        Self {
            journey,
            closed: None,
            ends: Vec::new(),
        }
    }

    fn bytes(&self) -> usize {
        let ordinals = match self.has_ordinals() {
            true => ORDINALS_BYTES + ORDINAL_BYTES * self.ends.len(),
            false => 0,
        };
        self.journey.len() + JOURNEY_BYTES + END_BYTES * self.ends.len() + ordinals
    }

    /// Returns whether some of its ends are those of fragments.
    pub(crate) fn has_ordinals(&self) -> bool {
        self.ends.iter().any(|own| own.ordinal != 0)
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.ends.first().map(|own| own.time).or(self.closed)
    }

    fn newest(&self) -> Option<Timestamp> {
        self.closed.max(self.ends.last().map(|own| own.time))
    }

    /// Keeps the newer end of a key of a fragment.
    fn put(&mut self, end: End) {
        let mut ends = self.ends.iter();
        if let Some(place) = ends.position(|own| (own.key, own.ordinal) == (end.key, end.ordinal)) {
            if self.ends[place].time >= end.time {
                return;
            }
            self.ends.remove(place);
        }
        let place = self.ends.partition_point(|own| own.time <= end.time);
        self.ends.insert(place, end);
    }

    /// Takes out the ends of fragments that leave, each under the ordinal that it has there. Where
    /// the journey is closed, it is for both.
    fn take_apart(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let mut gone = Self {
            closed: self.closed,
            ..Self::new(self.journey.clone())
        };
        self.ends.retain(|own| match ordinal_of(own.ordinal) {
            Some(ordinal) => {
                gone.ends.push(End { ordinal, ..*own });
                false
            }
            None => true,
        });
        gone
    }

    fn forget_oldest(&mut self) {
        if self.ends.is_empty() {
            self.closed = None;
        } else {
            self.ends.remove(0);
        }
    }

    const fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.closed.is_none()
    }
}

/// The questions to the ends of runs, and the changes of them.
pub trait EndingList {
    /// Bytes that they take where they are stored, at the most.
    fn bytes(&self) -> usize;
    /// Bytes that the ends of some journeys take.
    fn bytes_of(&self, is_counted: impl Fn(&str) -> bool) -> usize;
    /// Returns the number of ends that are kept of a journey.
    fn count_of(&self, journey: &str) -> usize;
    /// Returns the end of the last run of a journey and key; absent where none ended.
    fn of(&self, journey: &str, key: u64) -> Option<Ended>;
    /// Remembers the end of a run; [`shrink`](Self::shrink) holds the whole to its bounds.
    fn remember(&mut self, journey: &Name, end: End);
    /// Takes over what was remembered of another id of the same person, as ends of fragments.
    fn take(&mut self, other: &Self);
    /// Takes out the ends of fragments that leave, each under the ordinal that it has there.
    ///
    /// Ends that were given up when a journey was closed are nobody's alone: it is closed for both.
    fn take_apart(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self;
    /// Makes room: the oldest ends of journeys that allow re-entry are forgotten first; where that
    /// is not enough, journeys are closed.
    ///
    /// Returns the journeys of which something was forgotten.
    fn shrink(&mut self, allows_reentry: impl Fn(&str) -> bool) -> Vec<Name>;
}

impl EndingList for Endings {
    fn bytes(&self) -> usize {
        self.bytes_of(|_| true)
    }

    fn bytes_of(&self, is_counted: impl Fn(&str) -> bool) -> usize {
        let counted = self.iter().filter(|own| is_counted(&own.journey));
        counted.map(|own| own.bytes()).sum()
    }

    fn count_of(&self, journey: &str) -> usize {
        find(self, journey).map_or(0, |own| own.ends.len())
    }

    fn of(&self, journey: &str, key: u64) -> Option<Ended> {
        let Some(known) = find(self, journey) else {
            return Some(Ended::Closed(find(self, "")?.closed?));
        };
        let ends = known.ends.iter().filter(|own| own.key == key);
        ends.map(|own| own.time)
            .max()
            .map(Ended::At)
            .or_else(|| known.closed.map(Ended::Closed))
    }

    fn remember(&mut self, journey: &Name, end: End) {
        entry(self, journey).put(end);
    }

    fn take(&mut self, other: &Self) {
        let rest = find(other, "").and_then(|rest| rest.closed);
        for own in self.iter_mut() {
            if rest.is_some() && find(other, &own.journey).is_none() {
                let own = Arc::make_mut(own);
                own.closed = own.closed.max(rest);
            }
        }
        for theirs in other {
            let own = entry(self, &theirs.journey);
            own.closed = own.closed.max(theirs.closed);
            theirs.ends.iter().for_each(|end| own.put(*end));
        }
    }

    fn take_apart(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let mut gone = Self::default();
        for own in self.iter_mut() {
            let is_touched = own.ends.iter().any(|end| ordinal_of(end.ordinal).is_some());
            if is_touched || own.closed.is_some() {
                gone.push(Arc::new(Arc::make_mut(own).take_apart(&ordinal_of)));
            }
        }
        self.retain(|own| !own.is_empty());
        gone
    }

    fn shrink(&mut self, allows_reentry: impl Fn(&str) -> bool) -> Vec<Name> {
        let mut forgotten: Vec<Name> = Vec::new();
        for own in self.iter_mut() {
            if own.ends.len() > limits::ENDINGS_PER_JOURNEY && allows_reentry(&own.journey) {
                let surplus = own.ends.len() - limits::ENDINGS_PER_JOURNEY;
                Arc::make_mut(own).ends.drain(..surplus);
                forgotten.push(own.journey.clone());
            }
        }
        let mut bytes = self.bytes();
        while bytes > limits::ENDING_BYTES {
            let places = 0..self.len();
            let oldest = places
                .filter(|place| allows_reentry(&self[*place].journey))
                .min_by_key(|place| self[*place].oldest());
            let Some(place) = oldest else {
                close_one(self);
                bytes = self.bytes();
                continue;
            };
            let own = Arc::make_mut(&mut self[place]);
            bytes -= own.bytes();
            own.forget_oldest();
            if !forgotten.contains(&own.journey) {
                forgotten.push(own.journey.clone());
            }
            if own.is_empty() {
                self.remove(place);
            } else {
                bytes += own.bytes();
            }
        }
        forgotten
    }
}

/// Closes the journey with the most ends; where none has more than one, gives up telling one
/// journey from those that are not listed.
fn close_one(endings: &mut Endings) {
    let most = (0..endings.len()).max_by_key(|place| endings[*place].ends.len());
    let Some(place) = most else { return };
    let own = &mut endings[place];
    if own.ends.len() > 1 {
        let own = Arc::make_mut(own);
        own.closed = own.newest();
        own.ends = Vec::new();
        return;
    }
    let listed = (0..endings.len()).filter(|place| !endings[*place].journey.is_empty());
    if let Some(place) = listed.min_by_key(|place| endings[*place].newest()) {
        let gone = endings.remove(place);
        let rest = entry(endings, &Name::from(""));
        rest.closed = rest.closed.max(gone.newest());
    }
}

fn find<'a>(endings: &'a Endings, journey: &str) -> Option<&'a JourneyEndings> {
    let mut own = endings.iter().map(AsRef::as_ref);
    own.find(|own: &&JourneyEndings| own.journey.as_ref() == journey)
}

fn entry<'a>(endings: &'a mut Endings, journey: &Name) -> &'a mut JourneyEndings {
    let place = endings.iter().position(|own| own.journey == *journey);
    let place = place.unwrap_or_else(|| {
        let mut new = JourneyEndings::new(journey.clone());
        // A run of a journey that was not listed so far may have ended.
        new.closed = find(endings, "").and_then(|rest| rest.closed);
        endings.push(Arc::new(new));
        endings.len() - 1
    });
    Arc::make_mut(&mut endings[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(i64::try_from(millis).expect("a small time"))
    }

    fn end(key: u64, millis: u64) -> End {
        End {
            key,
            time: at(millis),
            ordinal: 0,
        }
    }

    fn name(number: u64) -> Name {
        format!("journey_{number:050}").into()
    }

    #[test]
    fn the_oldest_end_of_a_journey_that_allows_reentry_goes_first() {
        let (never, again) = (Name::from("never"), Name::from("again"));
        let mut endings = Endings::default();
        endings.remember(&never, end(7, 0));
        for key in 0..5_000 {
            endings.remember(&again, end(key, key + 1));
            endings.shrink(|journey| journey == "again");
        }
        assert_eq!(endings.of("never", 7), Some(Ended::At(at(0))));
        assert_eq!(endings.of("again", 0), None);
        assert_eq!(endings.of("again", 4_999), Some(Ended::At(at(5_000))));
        assert_eq!(endings.count_of("again"), limits::ENDINGS_PER_JOURNEY);
    }

    #[test]
    fn an_end_that_forbids_reentry_is_never_forgotten() {
        let fill = |from: u64, keys: u64| {
            let mut endings = Endings::default();
            for number in from..from + 1_000 {
                for key in 0..keys {
                    endings.remember(&name(number), end(key, number));
                }
                endings.shrink(|_| false);
            }
            endings
        };
        for keys in [1, 7] {
            let mut endings = fill(0, keys);
            endings.take(&fill(700, keys));
            endings.shrink(|_| false);
            assert!(endings.bytes() <= limits::ENDING_BYTES);
            for number in 0..1_700 {
                assert!(endings.of(&name(number), 0).is_some(), "{number}");
            }
        }
    }

    #[test]
    fn a_newer_end_of_a_key_stands_whichever_came_first() {
        let journey = Name::from("j");
        let mut endings = Endings::default();
        endings.remember(&journey, end(1, 9));
        endings.remember(&journey, end(1, 5));
        endings.remember(&journey, end(2, 7));
        assert_eq!(endings.of("j", 1), Some(Ended::At(at(9))));
        assert_eq!(endings.of("j", 2), Some(Ended::At(at(7))));
        assert_eq!(endings.of("j", 3), None);
        assert_eq!(endings.first().map(|own| own.ends.len()), Some(2));
    }

    #[test]
    fn ends_of_fragments_stand_beside_each_other_and_come_apart_again() {
        let journey = Name::from("j");
        let of = |key, millis, ordinal| End {
            ordinal,
            ..end(key, millis)
        };
        let mut endings = Endings::default();
        for end in [of(1, 9, 0), of(1, 5, 1), of(2, 7, 2), of(3, 8, 0)] {
            endings.remember(&journey, end);
        }
        assert_eq!(endings.of("j", 1), Some(Ended::At(at(9))));
        let gone = endings.take_apart(|ordinal| ordinal.checked_sub(1));
        assert_eq!(gone[0].ends, [of(1, 5, 0), of(2, 7, 1)]);
        assert_eq!(endings[0].ends, [of(3, 8, 0), of(1, 9, 0)]);
        let rest = endings.take_apart(Some);
        assert_eq!((endings.len(), rest[0].ends.len()), (0, 2));
    }
}
