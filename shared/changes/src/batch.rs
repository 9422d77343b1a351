//! Encoded batches of changes: those of commits, and the bodies of rows.

use std::collections::BTreeSet;

use bytes::Bytes;
use messages::stream::v1::{ChangeBatch, ChangeRecord};
use prost::Message as _;

use crate::wire::Fields;

/// The number of the field of a batch that has the changes.
const CHANGES: u64 = 1;
/// The number of the field of a change that has the customer.
const CUSTOMER: u64 = 1;
/// The number of the field of a change that has the customer who was joined with.
const MERGED_INTO: u64 = 7;
/// The number of the field of a change that has the erasure of the customer.
const ERASED_BY: u64 = 9;
/// A change with nothing in it, as an erased one is.
const BLANK: [u8; 2] = [0x0a, 0];

/// The changes of an encoded batch: all bytes of each in the batch, and the bytes of the change
/// itself.
pub(crate) fn records(batch: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), String>> {
    Fields::of(batch).map(|field| {
        let field = field?;
        match field.value {
            Some(value) if field.number == CHANGES => Ok((field.whole, value)),
            _ => Err(format!("a batch has the unknown field {}", field.number)),
        }
    })
}

/// Counts the changes of an encoded batch.
pub(crate) fn count(batch: &[u8]) -> Result<u32, String> {
    records(batch).try_fold(0_u32, |count, record| record.map(|_| count + 1))
}

/// Decodes a body that has so many changes.
pub(crate) fn decode(body: Bytes, count: u32) -> Result<Vec<ChangeRecord>, String> {
    let batch = ChangeBatch::decode(body).map_err(|error| format!("it is no batch: {error}"))?;
    let changes = batch.changes;
    if u32::try_from(changes.len()) == Ok(count) {
        return Ok(changes);
    }
    Err(format!("it has {} changes, not {count}", changes.len()))
}

/// Returns whether a batch says anything of some customers.
pub(crate) fn mentions(batch: &[u8], customers: &BTreeSet<[u8; 16]>) -> Result<bool, String> {
    for record in records(batch) {
        if is_of(record?.1, customers)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a change is of one of some customers, or of one who was joined with one of them:
/// that is the same person. The word that they are erased is not: it has ids alone, and is for
/// those who have not heard of it.
fn is_of(record: &[u8], customers: &BTreeSet<[u8; 16]>) -> Result<bool, String> {
    let (mut is_named, mut is_word) = (false, false);
    for field in Fields::of(record) {
        let field = field?;
        is_word |= field.number == ERASED_BY;
        is_named |= [CUSTOMER, MERGED_INTO].contains(&field.number)
            && field.value.is_some_and(|id| customers.contains(id));
    }
    Ok(is_named && !is_word)
}

/// Returns a batch in which the changes of some customers are blank, and how many became so.
pub(crate) fn without(
    batch: &[u8],
    customers: &BTreeSet<[u8; 16]>,
) -> Result<(Vec<u8>, u32), String> {
    let (mut left, mut erased) = (Vec::with_capacity(batch.len()), 0);
    for record in records(batch) {
        let (whole, value) = record?;
        if is_of(value, customers)? {
            left.extend(BLANK);
            erased += 1;
        } else {
            left.extend(whole);
        }
    }
    Ok((left, erased))
}

/// Returns a batch of blank changes.
pub(crate) fn blank(count: u32) -> Vec<u8> {
    BLANK.repeat(usize::try_from(count).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use messages::stream::v1::change_record::Kind;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn change(customer: u8, into: Option<u8>) -> ChangeRecord {
        ChangeRecord {
            customer_id: vec![customer; 16].into(),
            time_ms: -5,
            kind: into.map(|into| Kind::MergedIntoId(vec![into; 16].into())),
        }
    }

    #[test]
    fn a_change_of_a_customer_is_blanked_and_so_is_one_of_who_became_that_one() {
        let changes = vec![
            change(1, None),
            change(2, None),
            change(3, Some(1)),
            change(2, Some(4)),
            ChangeRecord {
                kind: Some(Kind::ErasedById(vec![9; 16].into())),
                ..change(1, None)
            },
        ];
        let batch = ChangeBatch {
            changes: changes.clone(),
        };
        let batch = batch.encode_to_vec();
        let customers = BTreeSet::from([[1; 16]]);
        assert_eq!(mentions(&batch, &customers), Ok(true));
        let (left, erased) = without(&batch, &customers).expect("readable");
        assert_eq!(erased, 2);
        assert_eq!(mentions(&left, &customers), Ok(false));
        let read = decode(left.into(), 5).expect("readable");
        let nothing = ChangeRecord::default();
        let expected = [
            nothing.clone(),
            changes[1].clone(),
            nothing,
            changes[3].clone(),
            changes[4].clone(),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn blank_changes_are_read_as_defaults() {
        let read = decode(blank(3).into(), 3).expect("readable");
        assert_eq!(read, vec![ChangeRecord::default(); 3]);
        let error = decode(blank(3).into(), 4).expect_err("another number");
        assert_eq!(error, "it has 3 changes, not 4");
    }

    proptest! {
        #[test]
        fn whatever_is_read_as_a_batch_gives_changes_or_an_error(bytes: Vec<u8>) {
            let customers = BTreeSet::from([[1; 16]]);
            if let Ok((left, erased)) = without(&bytes, &customers) {
                prop_assert!(erased <= count(&bytes).expect("it was read"));
                prop_assert_eq!(mentions(&left, &customers), Ok(false));
            }
            let _read_or_refused = decode(bytes.into(), 1);
        }

        #[test]
        fn batches_behind_each_other_are_one(sizes in proptest::collection::vec(0_u8..5, 0..5), customer in any::<u8>()) {
            let mut all = Vec::new();
            let mut bytes = Vec::new();
            for size in sizes {
                let changes: Vec<_> = (0..size).map(|it| change(customer, Some(it))).collect();
                bytes.extend(ChangeBatch { changes: changes.clone() }.encode_to_vec());
                all.extend(changes);
            }
            let number = count(&bytes).expect("readable");
            prop_assert_eq!(decode(bytes.into(), number).expect("readable"), all);
        }
    }
}
