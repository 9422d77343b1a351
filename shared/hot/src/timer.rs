//! The timer of a state, and the entry that finds it again.
//!
//! The due time of record stands beside the state. An index holds entries (time, key) that say when to look. Moving a timer
//! later leaves its entry where it is: when that comes up, the timer is found to be due later, and gets a new one. So a
//! timer that every event moves a little costs the index nothing.

use kernel::Timestamp;

/// The timer of a state.
///
/// # Contract
/// Where `due` is set, `entry` is set and not after it: an entry of the index with that time leads to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timer {
    /// When the state wants to be looked at; absent for never.
    pub due: Option<Timestamp>,
    /// The time of the entry of the index that counts; every other entry of the same key is to be ignored.
    pub entry: Option<Timestamp>,
}

impl Timer {
    /// A timer that was never set.
    pub const NONE: Self = Self {
        due: None,
        entry: None,
    };

    /// Moves or clears the timer. Returns it, and whether its entry is to be added to the index.
    #[must_use]
    pub fn set(self, due: Option<Timestamp>) -> (Self, bool) {
        let Some(new) = due else {
            return (Self { due, ..self }, false);
        };
        if self.entry.is_some_and(|entry| entry <= new) {
            return (Self { due, ..self }, false);
        }
        let timer = Self { due, entry: due };
        (timer, true)
    }

    /// The timer once its entry has come up: whoever calls this sets it again, or leaves it without an entry.
    #[must_use]
    pub const fn fired(self) -> Self {
        Self {
            due: self.due,
            entry: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_entry_is_added_only_where_none_comes_up_in_time() {
        let (timer, adds) = Timer::NONE.set(Some(at(10)));
        assert!(adds);
        let (later, adds) = timer.set(Some(at(20)));
        assert!(!adds);
        assert_eq!((later.due, later.entry), (Some(at(20)), Some(at(10))));
        let (earlier, adds) = later.set(Some(at(5)));
        assert!(adds);
        assert_eq!((earlier.due, earlier.entry), (Some(at(5)), Some(at(5))));
        let (cleared, adds) = earlier.set(None);
        assert!(!adds);
        assert_eq!((cleared.due, cleared.entry), (None, Some(at(5))));
        let (again, adds) = cleared.fired().set(Some(at(7)));
        assert!(adds);
        assert_eq!(again.entry, Some(at(7)));
    }
}
