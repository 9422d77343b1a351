//! Divides the events of a call into portions: those of a portion have nothing to do with each
//! other, so that none can tell whether they came together.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use kernel::{CustomerId, PartitionId, Timestamp};

use crate::append::{Group, Sequenced};

/// Events that are let in together.
#[derive(Debug)]
pub(super) struct Portion {
    /// The time of all of them.
    pub(super) time: Timestamp,
    /// True where it is one event that joins customers, with the news of that.
    is_merge: bool,
    customers: HashSet<Bytes>,
    records: BTreeMap<PartitionId, Vec<Sequenced>>,
}

/// The records of one event, each with its partition.
type OneEvent = Vec<(PartitionId, Sequenced)>;

impl Portion {
    fn of(event: OneEvent) -> Self {
        let times = event.iter().map(|(_, own)| own.record.time_ms);
        let mut portion = Self {
            time: Timestamp::from_millis(times.max().unwrap_or_default()),
            is_merge: event.iter().filter(|(_, own)| !is_of_account(own)).count() > 1,
            customers: HashSet::with_capacity(1),
            records: BTreeMap::new(),
        };
        portion.add(event);
        portion
    }

    /// Returns whether an event has nothing to do with those that are here: it is of the same
    /// instant and of another customer, and nobody is joined.
    fn may_take(&self, event: &OneEvent) -> bool {
        let mut own = event.iter().filter(|(_, own)| !is_of_account(own));
        let (first, others) = (own.next(), own.next());
        if self.is_merge || others.is_some() {
            return false;
        }
        let is_same_time =
            |(_, own): &(PartitionId, Sequenced)| own.record.time_ms == self.time.as_millis();
        event.iter().all(is_same_time)
            && first.is_none_or(|(_, own)| !self.customers.contains(&own.record.customer_id))
    }

    fn add(&mut self, event: OneEvent) {
        for (partition, own) in event {
            if !is_of_account(&own) {
                self.customers.insert(own.record.customer_id.clone());
            }
            self.records.entry(partition).or_default().push(own);
        }
    }

    /// Returns the partitions that it concerns.
    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        self.records.keys().copied().collect()
    }

    /// Returns its records by partition, in the order in which they came.
    pub(super) fn into_groups(self) -> Vec<Group> {
        let groups = self.records.into_iter();
        groups
            .map(|(partition, records)| Group { partition, records })
            .collect()
    }
}

/// Returns whether a record is an account's, of whom nothing follows: no journey, and no message.
fn is_of_account(own: &Sequenced) -> bool {
    CustomerId::try_from_bytes(&own.record.customer_id).is_ok_and(CustomerId::is_account)
}

/// Divides the events of some groups, in the order of their places in their source.
pub(super) fn portions(groups: Vec<Group>) -> Vec<Portion> {
    let records = groups.into_iter().flat_map(|group| {
        let records = group.records.into_iter();
        records.map(move |own| (group.partition, own))
    });
    let mut records: OneEvent = records.collect();
    // Stable: the records of one event keep their order.
    records.sort_by_key(|(_, own)| own.sequence);
    let mut records = records.into_iter().peekable();
    let mut portions: Vec<Portion> = Vec::new();
    while let Some(first) = records.next() {
        let sequence = first.1.sequence;
        let mut event = vec![first];
        while let Some(next) = records.next_if(|(_, next)| next.sequence == sequence) {
            event.push(next);
        }
        match portions.last_mut() {
            Some(last) if last.may_take(&event) => last.add(event),
            _ => portions.push(Portion::of(event)),
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use proto::stream::v1::Record;

    use super::*;

    /// The ids from this on are those of accounts.
    const FIRST_ACCOUNT: u8 = 200;

    /// Divides events, each given as its customers (the last one is whose it is) and its time.
    /// Returns the places of the events in each portion.
    fn divided(events: &[(&[u8], i64)]) -> Vec<Vec<u64>> {
        let mut groups: BTreeMap<PartitionId, Vec<Sequenced>> = BTreeMap::new();
        for ((customers, time_ms), sequence) in events.iter().zip(1..) {
            for customer in *customers {
                let partition = PartitionId::new(u16::from(customer % 4));
                let mut id = vec![*customer; 16];
                id[6] = if *customer < FIRST_ACCOUNT {
                    0x70
                } else {
                    0x80
                };
                let record = Record {
                    customer_id: Bytes::from(id),
                    time_ms: *time_ms,
                    ..Record::default()
                };
                let own = Sequenced {
                    sequence,
                    stretch: None,
                    record,
                };
                groups.entry(partition).or_default().push(own);
            }
        }
        let groups = groups
            .into_iter()
            .map(|(partition, records)| Group { partition, records });
        let divided = portions(groups.collect()).into_iter().map(|portion| {
            let groups = portion.into_groups().into_iter();
            let records = groups.flat_map(|group| group.records);
            let mut places: Vec<u64> = records.map(|own| own.sequence).collect();
            places.sort_unstable();
            places
        });
        divided.collect()
    }

    #[test]
    fn events_that_have_nothing_to_do_with_each_other_go_together() {
        for (events, expected) in [
            (&[][..], &[][..]),
            // Different customers at one instant, whichever their partitions.
            (
                &[(&[1][..], 10), (&[2], 10), (&[5], 10)],
                &[&[1, 2, 3][..]][..],
            ),
            // The same customer once more.
            (
                &[(&[1], 10), (&[2], 10), (&[1], 10), (&[2], 10)],
                &[&[1, 2], &[3, 4]],
            ),
            // Another instant, later or earlier.
            (
                &[(&[1], 10), (&[2], 11), (&[3], 10), (&[4], 10)],
                &[&[1], &[2], &[3, 4]],
            ),
            // Accounts have their own records of events, and hold nobody up.
            (
                &[
                    (&[1, 200][..], 10),
                    (&[200, 2], 10),
                    (&[200], 10),
                    (&[1], 10),
                ],
                &[&[1, 1, 2, 2, 3], &[4]],
            ),
            // Somebody is joined.
            (
                &[(&[1], 10), (&[2, 3], 10), (&[4], 10)],
                &[&[1], &[2, 2], &[3]],
            ),
        ] {
            assert_eq!(divided(events), expected, "{events:?}");
        }
    }
}
