//! Ids with when each was accepted, in the order of their hashes, so that one is found in a few
//! looks.

use kernel::{AcceptMinute, EventIdHash};

/// Ids of events, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct IdRun {
    /// In ascending order.
    ids: Vec<EventIdHash>,
    /// When each was accepted last.
    minutes: Vec<AcceptMinute>,
}

impl IdRun {
    /// Reads ids; absent where they are not in ascending order.
    pub(crate) fn sorted(pairs: impl Iterator<Item = (EventIdHash, AcceptMinute)>) -> Option<Self> {
        let (ids, minutes): (Vec<_>, Vec<_>) = pairs.unzip();
        let run = Self { ids, minutes };
        run.ids.is_sorted_by(|one, next| one < next).then_some(run)
    }

    /// The number of ids.
    pub(super) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// All of them, by hash.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (EventIdHash, AcceptMinute)> + Clone {
        self.ids.iter().copied().zip(self.minutes.iter().copied())
    }

    /// Returns whether it has an id that is remembered in a minute.
    pub(super) fn has(&self, id: EventIdHash, now: AcceptMinute) -> bool {
        let place = self.ids.binary_search(&id);
        place.is_ok_and(|place| self.minutes[place].is_remembered(now))
    }

    /// Adds an id, or notes that it counted once more.
    pub(super) fn insert(&mut self, id: EventIdHash, minute: AcceptMinute) {
        match self.ids.binary_search(&id) {
            Ok(place) => self.minutes[place] = self.minutes[place].max(minute),
            Err(place) => {
                self.ids.insert(place, id);
                self.minutes.insert(place, minute);
            }
        }
    }

    /// Returns the most bytes that it takes as it is stored.
    pub(super) fn most_bytes(&self) -> usize {
        // Tags, lengths and the first minute; then a hash and at most a varint of 32 bits for each.
        const FRAME: usize = 24;
        FRAME + self.len() * (8 + 5)
    }
}
