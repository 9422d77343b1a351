//! The records of a batch as the ledger keeps them until they are in their streams.
//!
//! They do not say which partitions they go to: the customers do, by as many partitions as there
//! are when they go.

use std::collections::HashSet;

use hot::limits::SOURCE_BYTES;
use kernel::limits::EVENTS_PER_BATCH;
use kernel::{CustomerId, PartitionCount};
use lz4_flex::block::{compress_prepend_size, decompress, uncompressed_size};
use prost::Message;
use proto::stream::v1::Batch;
use uuid::Uuid;

use crate::append::{Group, Sequenced};
use crate::limits::RECORDS_BYTES;

/// Places of a batch: more than it can have events.
const PLACES_PER_BATCH: u64 = 1_024;
const _: () = assert!(EVENTS_PER_BATCH < 1_024, "each event has a place");
/// The form of the bytes behind it.
const FORM: u8 = 1;

/// The reason that records cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the records of an imported batch cannot be read: {0}")]
pub(crate) struct Damaged(&'static str);

/// Returns the name by which streams know what a call takes.
pub(super) fn source_of(call: Uuid) -> String {
    let name = format!("import:{}", call.simple());
    debug_assert!(name.len() <= SOURCE_BYTES, "a store takes it");
    name
}

/// Gives the records of a batch their places among all that its call takes, by those in the batch.
pub(super) fn place_in_call(groups: &mut [Group], number: u64) {
    for sequenced in groups.iter_mut().flat_map(|group| &mut group.records) {
        sequenced.sequence += number.saturating_mul(PLACES_PER_BATCH);
    }
}

/// Packs the records of some groups, in their order.
pub(super) fn pack(groups: &mut [Group]) -> Vec<u8> {
    let records = || groups.iter().flat_map(|group| &group.records);
    let count = records().count();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    for sequenced in records() {
        // At most as many as a batch has events.
        let sequence = u32::try_from(sequenced.sequence).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&sequence.to_le_bytes());
    }
    // Lent to the batch, so that none is copied.
    let mut lent = Batch::default();
    for sequenced in groups.iter_mut().flat_map(|group| &mut group.records) {
        lent.records.push(std::mem::take(&mut sequenced.record));
    }
    lent.encode_raw(&mut bytes);
    let places = groups.iter_mut().flat_map(|group| &mut group.records);
    for (sequenced, record) in places.zip(lent.records) {
        sequenced.record = record;
    }
    let mut packed = vec![FORM];
    packed.extend(compress_prepend_size(&bytes));
    packed
}

/// Returns packed records without those of some customers; absent where there are none of theirs.
///
/// # Errors
/// [`Damaged`].
pub(crate) fn without(
    packed: &[u8],
    partitions: PartitionCount,
    customers: &HashSet<CustomerId>,
) -> Result<Option<Vec<u8>>, Damaged> {
    let mut groups = unpack(packed, partitions)?;
    let count = |groups: &[Group]| groups.iter().map(|own| own.records.len()).sum::<usize>();
    let before = count(&groups);
    for group in &mut groups {
        group.records.retain(|own| {
            let customer = CustomerId::try_from_bytes(&own.record.customer_id);
            !customer.is_ok_and(|it| customers.contains(&it))
        });
    }
    Ok((count(&groups) < before).then(|| pack(&mut groups)))
}

/// Reads packed records back, by partition.
///
/// # Errors
/// [`Damaged`].
pub(super) fn unpack(packed: &[u8], partitions: PartitionCount) -> Result<Vec<Group>, Damaged> {
    let (FORM, packed) = packed
        .split_first()
        .ok_or(Damaged("nothing is there"))
        .map(|(form, rest)| (*form, rest))?
    else {
        return Err(Damaged("they are in a form of another version"));
    };
    let (length, block) = uncompressed_size(packed).map_err(|_| Damaged("they are cut"))?;
    // A byte of a block adds 255 to a length at the most.
    if length > RECORDS_BYTES || length > block.len().saturating_add(1).saturating_mul(255) {
        return Err(Damaged("they claim to be larger than they may be"));
    }
    let bytes = decompress(block, length).map_err(|_| Damaged("they are cut"))?;
    let cut = || Damaged("they are cut");
    let (count, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| cut())?;
    let size = count.checked_mul(4).ok_or_else(cut)?;
    let (sequences, records) = rest.split_at_checked(size).ok_or_else(cut)?;
    let batch = Batch::decode(records).map_err(|_| Damaged("they are no records"))?;
    if batch.records.len() != count {
        return Err(cut());
    }
    let mut groups: Vec<Vec<Sequenced>> = vec![Vec::new(); usize::from(partitions.get())];
    let sequences = sequences.as_chunks::<4>().0.iter();
    for (sequence, record) in sequences.zip(batch.records) {
        let customer = CustomerId::try_from_bytes(&record.customer_id)
            .map_err(|_| Damaged("a record has no customer"))?;
        let partition = partitions.partition_of(customer.fragment());
        groups[usize::from(partition.number())].push(Sequenced {
            sequence: u32::from_le_bytes(*sequence).into(),
            stretch: None,
            record,
        });
    }
    let groups = partitions.iter().zip(groups);
    let groups = groups.filter(|(_, records)| !records.is_empty());
    Ok(groups
        .map(|(partition, records)| Group { partition, records })
        .collect())
}

#[cfg(test)]
mod tests {
    use kernel::PartitionId;
    use proptest::prelude::*;
    use proto::stream::v1::Record;

    use super::*;

    fn partitions(count: u64) -> PartitionCount {
        PartitionCount::try_new(count).expect("a count")
    }

    /// A record of a customer, with a place.
    fn record(customer: u128, sequence: u64) -> Sequenced {
        Sequenced {
            sequence,
            stretch: None,
            record: Record {
                customer_id: bytes::Bytes::copy_from_slice(Uuid::from_u128(customer).as_bytes()),
                time_ms: 5,
                ..Record::default()
            },
        }
    }

    /// Returns the places of the records by partition.
    fn places(groups: &[Group]) -> Vec<(PartitionId, Vec<u64>)> {
        let groups = groups.iter().map(|group| {
            let records = group.records.iter().map(|own| own.sequence);
            (group.partition, records.collect())
        });
        groups.collect()
    }

    #[test]
    fn records_go_to_the_partitions_that_there_are_when_they_go() {
        let records: Vec<_> = (1..=100_u16)
            .map(|number| record(number.into(), number.into()))
            .collect();
        let mut sent = vec![Group {
            partition: PartitionId::new(0),
            records,
        }];
        let packed = pack(&mut sent);
        assert_eq!(sent[0].records[6].record.time_ms, 5, "it was only lent");
        for count in [1, 4, 64] {
            let mut groups = unpack(&packed, partitions(count)).expect("whole");
            let all: usize = groups.iter().map(|group| group.records.len()).sum();
            assert_eq!(all, 100);
            assert!(places(&groups).iter().all(|(_, places)| places.is_sorted()));
            place_in_call(&mut groups, 3);
            let places = places(&groups);
            let mut places: Vec<u64> = places.into_iter().flat_map(|(_, places)| places).collect();
            places.sort_unstable();
            assert!(places.iter().copied().eq(3 * 1_024 + 1..=3 * 1_024 + 100));
        }
    }

    #[test]
    fn records_of_some_customers_are_taken_out_and_others_keep_their_places() {
        let records: Vec<_> = (1..=10_u16)
            .map(|number| record(u128::from(number % 2), number.into()))
            .collect();
        let mut sent = vec![Group {
            partition: PartitionId::new(0),
            records,
        }];
        let packed = pack(&mut sent);
        let some = |own: u128| HashSet::from([CustomerId::new(Uuid::from_u128(own))]);
        assert_eq!(without(&packed, partitions(4), &some(7)), Ok(None));
        let left = without(&packed, partitions(4), &some(1)).expect("whole");
        let left = unpack(&left.expect("some were"), partitions(1)).expect("whole");
        assert_eq!(places(&left), [(PartitionId::new(0), vec![2, 4, 6, 8, 10])]);
    }

    #[test]
    fn what_is_damaged_is_refused_with_its_reason() {
        let mut sent = vec![Group {
            partition: PartitionId::new(0),
            records: vec![record(1, 1)],
        }];
        let packed = pack(&mut sent);
        let claims_much = [&[FORM], &u32::MAX.to_le_bytes()[..], &[0; 20]].concat();
        for damaged in [
            &[][..],
            &[9],
            &[FORM],
            &packed[..packed.len() - 1],
            &claims_much,
        ] {
            assert!(unpack(damaged, partitions(4)).is_err(), "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes, partitions(4));
            bytes.insert(0, FORM);
            let _ = unpack(&bytes, partitions(4));
        }
    }
}
