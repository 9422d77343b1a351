//! The count of an event of a customer, ever: known of every name, whether anybody reads it
//! or not.

use kernel::Timestamp;

use crate::feature::Sums;
use crate::limits;

/// The count of an event, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTotal {
    /// The name of the events.
    pub name: Box<str>,
    /// The number of them.
    pub count: u64,
    /// When the first happened.
    pub first_time: Timestamp,
    /// When the last happened.
    pub last_time: Timestamp,
}

impl EventTotal {
    /// Of one event.
    pub(crate) fn of(name: &str, at: Timestamp) -> Self {
        Self {
            name: name.into(),
            count: 1,
            first_time: at,
            last_time: at,
        }
    }

    /// Adds an event.
    pub(crate) fn add(&mut self, at: Timestamp) {
        self.join(&Self::of("", at));
    }

    /// Adds others of the same name.
    pub(crate) fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.first_time = self.first_time.min(other.first_time);
        self.last_time = self.last_time.max(other.last_time);
    }

    /// As aggregates see it.
    pub(crate) const fn sums(&self) -> Sums {
        Sums {
            count: self.count,
            first: self.first_time,
            last: self.last_time,
            ..Sums::NONE
        }
    }
}

/// The outcome of counting an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Its name is counted already.
    Again,
    /// It is the first of its name.
    First,
    /// It is the first of its name that is counted; others may have happened before.
    Late,
    /// So many names are counted that this one, which nobody reads, is not.
    Not,
}

/// Returns the place of a name among counts, or where it would be.
pub(crate) fn total_place(totals: &[EventTotal], name: &str) -> Result<usize, usize> {
    totals.binary_search_by(|total| total.name.as_ref().cmp(name))
}

/// Returns whether names that nobody reads are no longer counted, because so many are.
pub(crate) const fn has_all_names(totals: &[EventTotal]) -> bool {
    totals.len() >= limits::NAMES_PER_CUSTOMER
}

/// Counts an event, whose name is read by definitions or not.
pub(crate) fn count_event(
    totals: &mut Vec<EventTotal>,
    name: &str,
    time: Timestamp,
    is_read: bool,
) -> Counted {
    // Where too many names are known, this one may have happened before.
    let is_full = has_all_names(totals);
    match total_place(totals, name) {
        Ok(place) => {
            totals[place].add(time);
            Counted::Again
        }
        Err(_) if is_full && !is_read => Counted::Not,
        Err(place) => {
            totals.insert(place, EventTotal::of(name, time));
            if is_full {
                Counted::Late
            } else {
                Counted::First
            }
        }
    }
}

/// Adds the counts of another customer. Names that nobody reads find room or not.
pub(crate) fn join_totals(
    totals: &mut Vec<EventTotal>,
    theirs: &[EventTotal],
    is_read: impl Fn(&str) -> bool,
) {
    for other in theirs {
        match total_place(totals, &other.name) {
            Ok(place) => totals[place].join(other),
            Err(_) if has_all_names(totals) && !is_read(&other.name) => {}
            Err(place) => totals.insert(place, other.clone()),
        }
    }
}
