//! Checks of values, whatever a store gives back: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

use bytes::Bytes;

pub use crate::embedded::fuzz::values;
pub use crate::redis::fuzz::{elements, replies};
use crate::{Origin, QuarantineId, stored};

/// Reads a state with its timer.
///
/// # Panics
/// Where what was read is not what is written of it.
pub fn state(bytes: &[u8]) {
    let Ok(read) = stored::decode(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    assert!(read.value.len() < bytes.len());
    let mut written = Vec::new();
    stored::encode(&mut written, read.timer, &read.value);
    let again = stored::decode(written.into()).expect("it was written");
    assert_eq!((again.timer, again.value), (read.timer, read.value));
}

/// Reads the names of entries.
///
/// # Panics
/// Where what was read is not what is written of it.
pub fn names(text: &str) {
    if let Some(origin) = Origin::parse(text) {
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
    }
    if let Some(id) = QuarantineId::parse(text) {
        assert_eq!(QuarantineId::parse(&id.to_string()), Some(id));
    }
}
