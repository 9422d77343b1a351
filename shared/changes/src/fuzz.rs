//! Checks of rows, whatever the log gives back: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::limits::UNPACKED_BYTES;
use crate::mark::Marks;
use crate::{batch, body};

/// The customer who is erased.
pub const CUSTOMER: [u8; 16] = [7; 16];

/// Reads bytes as the body of a row, as a batch of changes, and as marks.
///
/// # Panics
/// Where what was read is not what is written of it, or an erasure leaves anything.
pub fn row(bytes: &[u8]) {
    if let Ok(body) = body::unpack(bytes.to_vec()) {
        assert!(body.len() <= UNPACKED_BYTES.max(bytes.len()));
        changes(body);
    }
    changes(Bytes::copy_from_slice(bytes));
    if let Ok(marks) = Marks::unpack(bytes) {
        assert_eq!(Marks::unpack(&marks.pack()), Ok(marks));
    }
}

/// Packs the body of a row.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    body::pack(bytes)
}

fn changes(bytes: Bytes) {
    let customers = BTreeSet::from([CUSTOMER]);
    let Ok((left, erased)) = batch::without(&bytes, &customers) else {
        return;
    };
    assert_eq!(batch::mentions(&bytes, &customers), Ok(erased > 0));
    assert_eq!(batch::mentions(&left, &customers), Ok(false));
    let count = batch::count(&bytes).expect("it was read");
    assert_eq!(batch::count(&left), Ok(count));
    assert_eq!(body::unpack(body::pack(&left)).as_deref(), Ok(&left[..]));
    if batch::decode(bytes, count).is_ok() {
        batch::decode(left.into(), count).expect("what is left can be read");
    }
}
