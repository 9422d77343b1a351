//! Finds the events of a page that repeat others of the log, by the rule of the kernel.
//!
//! The log is not indexed by ids of events. A sender repeats an event with its time, so the rows
//! around the times of the page are looked at; those of a customer as far around as the rule goes,
//! because an event without a time has that of its arrival. What a look costs is bounded: beyond
//! that, an event that may be a repetition is kept. It does not know who was joined into whom when:
//! an event that repeats one which did not count, because the customer had another id when the first
//! of them came, is for its caller to tell.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use kernel::limits::REPETITION_TIME;
use kernel::{AcceptMinute, CustomerId, EventIdHash, Repetitions, Timestamp};
use messages::convert::repetition_id;

use super::{EventLog, EventQuery, EventsBy, Found, PARTITIONS_AT_ONCE, read_events};
use crate::LogError;
use crate::events::limits::RANGES_AROUND;
use crate::events::{Budget, RowKey, Scan, Step, hash_of};

/// Milliseconds around an event in which the first of its kind can be: the minutes of acceptance
/// tell the rule's time, so that it lasts for the rest of a minute.
const AROUND: i64 = REPETITION_TIME.as_millis() + 60_000;

/// An event of the log: its row, and its place there.
pub(super) type Place = (RowKey, u32);

/// A look around the events of a page.
pub(super) struct Look<'a> {
    log: &'a EventLog,
    is_on_stream_time: bool,
    /// One customer, by all ids; absent where each id is a customer.
    is_one: bool,
    customers: HashSet<CustomerId>,
    hashes: Vec<u32>,
    partitions: Vec<u16>,
    budget: Budget,
    /// All that was found, in the order of acceptance.
    seen: BTreeMap<(Timestamp, Place), Seen>,
}

/// An event that was found.
struct Seen {
    customer: CustomerId,
    id: EventIdHash,
    /// When it happened.
    time: Timestamp,
}

impl<'a> Look<'a> {
    /// A look around a page of a search.
    pub(super) fn new(log: &'a EventLog, query: &EventQuery, page: &[Found]) -> Self {
        let customers: HashSet<CustomerId> = match &query.by {
            EventsBy::Customers(customers) => customers.iter().copied().collect(),
            EventsBy::Partition(_) | EventsBy::All => {
                page.iter().map(|found| found.logged.customer).collect()
            }
        };
        let by = EventsBy::Customers(customers.iter().copied().collect());
        Self {
            log,
            is_on_stream_time: query.is_on_stream_time,
            is_one: matches!(query.by, EventsBy::Customers(_)),
            hashes: customers.iter().map(|id| hash_of(*id)).collect(),
            partitions: log.partitions_of(&by),
            customers,
            budget: Budget::PAGE,
            seen: BTreeMap::new(),
        }
    }

    /// Returns the events that are repetitions, of those of the page and some around them.
    ///
    /// # Errors
    /// As [`EventLog::read`].
    pub(super) async fn repeated(mut self, page: &[Found]) -> Result<HashSet<Place>, LogError> {
        let mut times: Vec<i64> = Vec::with_capacity(page.len());
        for found in page {
            times.push(found.logged.time.as_millis());
            self.see(found);
        }
        times.sort_unstable();
        let around = if self.is_one { AROUND } else { 0 };
        // The same times come first, since these are most likely to be found.
        let mut widths = vec![0, around];
        widths.dedup();
        for width in widths {
            for (from, to) in ranges(&times, width) {
                self.look(from, to).await?;
            }
        }
        if !self.is_one && !self.narrow(page) {
            return Ok(HashSet::new());
        }
        let repeated = self.follow_back(page, AROUND).await?;
        // The first one of a day may not have been seen, so none is known to have counted.
        let is_known = self.is_one || !self.budget.is_spent();
        Ok(if is_known { repeated } else { HashSet::new() })
    }

    /// Narrows the look to the customers who seem to have repetitions on the page, whose first
    /// events may be further back. Returns whether there are any.
    fn narrow(&mut self, page: &[Found]) -> bool {
        let repeated = self.judge();
        let suspects = page.iter().filter(|it| repeated.contains(&it.place));
        self.customers = suspects.map(|it| it.logged.customer).collect();
        self.hashes = self.customers.iter().map(|id| hash_of(*id)).collect();
        let by = EventsBy::Customers(self.customers.iter().copied().collect());
        self.partitions = self.log.partitions_of(&by);
        self.budget = Budget::PAGE;
        !self.customers.is_empty()
    }

    /// Looks further back for each id that is there more than once, until the first of its kind is
    /// found: what is repeated more than a day after that counts again, and a day begins with it.
    /// Returns the repetitions.
    async fn follow_back(
        &mut self,
        page: &[Found],
        width: i64,
    ) -> Result<HashSet<Place>, LogError> {
        let mut before = Vec::new();
        loop {
            let earliest = self.earliest(page);
            if earliest == before {
                return Ok(self.judge());
            }
            for (from, to) in ranges(&earliest, width) {
                self.look(from, to).await?;
            }
            before = earliest;
        }
    }

    /// The times of the earliest events that were seen of each id of the page that was seen more
    /// than once, in ascending order.
    fn earliest(&self, page: &[Found]) -> Vec<i64> {
        let events = page.iter().map(|found| &found.logged.event);
        let ids: HashSet<EventIdHash> = events.filter_map(repetition_id).collect();
        let mut seen: HashMap<_, (usize, i64)> = HashMap::new();
        for event in self.seen.values() {
            if !ids.contains(&event.id) || !self.customers.contains(&event.customer) {
                continue;
            }
            let own = seen.entry((self.whose(event), event.id));
            let own = own.or_insert((0, i64::MAX));
            *own = (own.0 + 1, own.1.min(event.time.as_millis()));
        }
        let repeated = seen.into_values().filter(|(count, _)| *count > 1);
        let mut times: Vec<i64> = repeated.map(|(_, time)| time).collect();
        times.sort_unstable();
        times
    }

    /// Looks at the events of a range of time, as far as the budget goes.
    async fn look(&mut self, from: i64, to: i64) -> Result<(), LogError> {
        let partitions = std::mem::take(&mut self.partitions);
        for partitions in partitions.chunks(PARTITIONS_AT_ONCE) {
            let hashes = std::mem::take(&mut self.hashes);
            let mut scan = Scan {
                statements: &self.log.statements,
                partitions,
                hashes: Some(&hashes),
                from,
                to,
                headers: VecDeque::new(),
                after: None,
                budget: self.budget,
            };
            while !scan.budget.is_spent()
                && let Step::Rows(rows) = scan.step().await?
            {
                for row in rows {
                    for found in read_events(row)? {
                        self.see(&found);
                    }
                }
            }
            self.budget = scan.budget;
            self.hashes = hashes;
        }
        self.partitions = partitions;
        Ok(())
    }

    /// Takes note of an event, once.
    fn see(&mut self, found: &Found) {
        let logged = &found.logged;
        let id = repetition_id(&logged.event);
        if let Some(id) = id.filter(|_| self.customers.contains(&logged.customer)) {
            let accepted = if self.is_on_stream_time {
                logged.time
            } else {
                logged.accept_time
            };
            let seen = Seen {
                customer: logged.customer,
                id,
                time: logged.time,
            };
            self.seen.insert((accepted, found.place), seen);
        }
    }

    /// Returns whose event it is; absent for the one customer of the search.
    fn whose(&self, seen: &Seen) -> Option<CustomerId> {
        (!self.is_one).then_some(seen.customer)
    }

    /// Returns the repetitions among all that was seen.
    fn judge(&self) -> HashSet<Place> {
        let mut customers: HashMap<Option<CustomerId>, Repetitions> = HashMap::new();
        let mut repeated = HashSet::new();
        for ((accepted, place), seen) in &self.seen {
            let own = customers.entry(self.whose(seen)).or_default();
            if own.is_repeated(seen.id, AcceptMinute::of(*accepted)) {
                repeated.insert(*place);
            }
        }
        repeated
    }
}

/// Ranges of time around instants, which ascend: from each so far, up to and without so far. Where
/// there would be too many, the nearest are joined.
fn ranges(times: &[i64], width: i64) -> Vec<(i64, i64)> {
    let gap = |one: i64, next: i64| next.saturating_sub(one);
    let mut gaps: Vec<i64> = times.windows(2).map(|two| gap(two[0], two[1])).collect();
    gaps.sort_unstable_by(|one, next| next.cmp(one));
    let least = gaps.get(RANGES_AROUND - 1).copied().unwrap_or(0);
    let least = least.max(width.saturating_mul(2));
    let groups = times.chunk_by(|one, next| gap(*one, *next) <= least);
    let range = |group: &[i64]| {
        let first = group[0].saturating_sub(width);
        let last = group[group.len() - 1].saturating_add(width);
        (first, last.saturating_add(1))
    };
    groups.map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_looked_at_together() {
        for (times, width, expected) in [
            (vec![], 5, vec![]),
            (vec![7], 0, vec![(7, 8)]),
            (vec![7], 5, vec![(2, 13)]),
            (vec![0, 10, 21], 5, vec![(-5, 16), (16, 27)]),
            (
                vec![i64::MIN, i64::MAX],
                1,
                vec![(i64::MIN, i64::MIN + 2), (i64::MAX - 1, i64::MAX)],
            ),
        ] {
            assert_eq!(ranges(&times, width), expected, "{times:?} {width}");
        }
        let squares: Vec<i64> = (0..1_000).map(|number| number * number).collect();
        let found = ranges(&squares, 0);
        assert_eq!(found.len(), RANGES_AROUND);
        let is_in = |time: &i64| found.iter().any(|(from, to)| from <= time && time < to);
        assert!(squares.iter().all(is_in));
    }
}
