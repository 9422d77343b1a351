//! What a row of the event log says of its events, so that a search need not unpack it: when they
//! happened, and to whom. Changes of memberships are listed by whose they are alone.
//!
//! Made while an event is waiting to be acknowledged, so it reads the fields that it needs
//! from the encoded records and skips the rest. It checks nothing else: whoever reads the records
//! does.

use kernel::{CustomerId, split_mix};
use uuid::Uuid;

/// What a row says of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventIndex {
    /// The time of the earliest event, in milliseconds since the epoch.
    pub(crate) first_time: i64,
    /// The time of the latest.
    pub(crate) last_time: i64,
    /// How many events.
    pub(crate) count: i32,
    /// A hash for each customer, sorted, as four bytes each, big-endian.
    pub(crate) customers: Vec<u8>,
}

/// The longest time from the first to the last event of a row of each class, in milliseconds: a
/// second, a minute, an hour, a day, a month. Rows of the last class, above these, can be as long
/// as they want.
///
/// A search looks for rows that begin up to so long before its own beginning; without classes, one
/// long row would make it look at all.
const SPANS: [i64; 5] = [1_000, 60_000, 3_600_000, 86_400_000, 30 * 86_400_000];

/// How many classes of rows there are.
pub(crate) const SPAN_COUNT: i16 = 6;

/// The longest time from the first to the last event of a row of a class; absent where there is
/// none.
pub(crate) fn longest(span: i16) -> Option<i64> {
    SPANS.get(usize::try_from(span).ok()?).copied()
}

impl EventIndex {
    /// Reads the events of a packed batch; absent where there is none.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mut times: Option<(i64, i64)> = None;
        let mut count = 0;
        let mut hashes: Vec<u32> = Vec::new();
        let mut batch = Fields(payload);
        while let Some((number, field)) = batch.next() {
            let (1, Field::Bytes(record)) = (number, field) else {
                continue;
            };
            let Some(found) = Found::read(record) else {
                continue;
            };
            // An erasure has to find it, and nobody searches for its time.
            if found.is_membership {
                hashes.push(hash(found.customer));
            }
            let Some((customer, time)) = found.event() else {
                continue;
            };
            let (first, last) = times.unwrap_or((time, time));
            times = Some((first.min(time), last.max(time)));
            count += 1;
            hashes.push(hash(customer));
        }
        let (first_time, last_time) = times?;
        hashes.sort_unstable();
        hashes.dedup();
        Some(Self {
            first_time,
            last_time,
            count,
            customers: hashes.into_iter().flat_map(u32::to_be_bytes).collect(),
        })
    }

    /// The class of the row, by the time from its first to its last event.
    pub(crate) fn span(&self) -> i16 {
        let length = self.last_time.saturating_sub(self.first_time);
        let class = SPANS
            .iter()
            .take_while(|longest| length > **longest)
            .count();
        i16::try_from(class).unwrap_or(SPAN_COUNT - 1)
    }
}

/// The hash of a customer.
pub(crate) fn hash_of(customer: CustomerId) -> u32 {
    hash(*customer.as_bytes())
}

/// Whether any of the hashes is among the customers of a row.
pub(crate) fn has_any(customers: &[u8], hashes: &[u32]) -> bool {
    let (sorted, _) = customers.as_chunks::<4>();
    hashes
        .iter()
        .any(|hash| sorted.binary_search(&hash.to_be_bytes()).is_ok())
}

/// The customer and the time of a record that is an event, and no copy of one.
pub(crate) fn event_of(record: &[u8]) -> Option<([u8; 16], i64)> {
    Found::read(record)?.event()
}

/// The fields of a record that an index reads.
struct Found {
    customer: [u8; 16],
    time: i64,
    is_event: bool,
    is_membership: bool,
    is_forwarded: bool,
}

impl Found {
    /// Reads a record; absent where it has no customer.
    fn read(record: &[u8]) -> Option<Self> {
        let (mut customer, mut time) = (None, 0);
        let (mut is_event, mut is_membership, mut is_forwarded) = (false, false, false);
        let mut fields = Fields(record);
        while let Some((number, field)) = fields.next() {
            match (number, field) {
                (1, Field::Bytes(id)) => customer = <[u8; 16]>::try_from(id).ok(),
                (2, Field::Varint(millis)) => time = millis.cast_signed(),
                (4, Field::Bytes(_)) => is_event = true,
                (14, Field::Bytes(from)) => is_forwarded = !from.is_empty(),
                (23, Field::Bytes(_)) => is_membership = true,
                _ => {}
            }
        }
        Some(Self {
            customer: customer?,
            time,
            is_event,
            is_membership,
            is_forwarded,
        })
    }

    /// The customer and the time of an event that is no copy.
    fn event(&self) -> Option<([u8; 16], i64)> {
        let is_own = self.is_event && !self.is_forwarded;
        is_own.then_some((self.customer, self.time))
    }
}

/// Returns the upper half of SplitMix64 over the folded id.
fn hash(customer: [u8; 16]) -> u32 {
    let (high, low) = Uuid::from_bytes(customer).as_u64_pair();
    let mixed = split_mix(high ^ low.rotate_left(32));
    u32::try_from(mixed >> 32).expect("the upper half of 64 bits")
}

/// The fields of an encoded message, one after another; ends at its end or at what is no field.
struct Fields<'a>(&'a [u8]);

enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.bytes(8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use messages::stream::v1::record::Body;
    use messages::stream::v1::{Batch, Event, MembershipChanged, Record, Tick};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn record(customer: u128, time_ms: i64, body: Body) -> Record {
        Record {
            customer_id: customer.to_be_bytes().to_vec().into(),
            time_ms,
            trace_parent: "00-1-2-01".into(),
            body: Some(body),
            ..Record::default()
        }
    }

    fn event(customer: u128, time_ms: i64) -> Record {
        let event = Event {
            event_id: "e".into(),
            name: "visit".into(),
            ..Event::default()
        };
        record(customer, time_ms, Body::Event(event))
    }

    #[test]
    fn a_hash_never_changes() {
        let customer: u128 = 0x0192_4f7e_1c5b_7a3e_9d2c_5f0b_8a6c_1d23;
        assert_eq!(hash(customer.to_be_bytes()), 0x6a0d_b246);
    }

    #[test]
    fn events_are_found_among_other_records() {
        let batch = Batch {
            records: vec![
                event(5, 2_000),
                record(9, 1, Body::Tick(Tick {})),
                event(4, -3),
                event(5, 700),
                Record {
                    forwarded_from_id: vec![7; 16].into(),
                    ..event(6, 5_000)
                },
                record(8, 9_000, Body::Membership(MembershipChanged::default())),
            ],
            ..Batch::default()
        };
        let index = EventIndex::read(&batch.encode_to_vec()).expect("there are events");
        assert_eq!((index.first_time, index.last_time), (-3, 2_000));
        assert_eq!((index.count, index.customers.len()), (3, 12));
        for (customer, is_in) in [(4, true), (5, true), (6, false), (8, true), (9, false)] {
            let hash = hash_of(CustomerId::new(Uuid::from_u128(customer)));
            assert_eq!(has_any(&index.customers, &[hash]), is_in, "{customer}");
        }
        let ticks = Batch {
            records: vec![record(9, 1, Body::Tick(Tick {}))],
            ..Batch::default()
        };
        assert_eq!(EventIndex::read(&ticks.encode_to_vec()), None);
    }

    #[test]
    fn rows_are_in_the_shortest_class_that_holds_them() {
        assert_eq!(SPANS.len() + 1, usize::from(SPAN_COUNT.unsigned_abs()));
        for (length, class) in [
            (0, 0),
            (1_000, 0),
            (1_001, 1),
            (86_400_000, 3),
            (i64::MAX, SPAN_COUNT - 1),
        ] {
            let index = EventIndex {
                first_time: 0,
                last_time: length,
                count: 1,
                customers: Vec::new(),
            };
            assert_eq!(index.span(), class, "{length}");
            assert!(longest(class).is_none_or(|longest| length <= longest));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _index = EventIndex::read(&bytes);
        }
    }
}
