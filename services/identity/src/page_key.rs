//! The places at which pages begin that are in the order of time.

use kernel::Timestamp;
use uuid::Uuid;

/// Writes a time and an id.
pub(crate) fn write(time: Timestamp, id: Uuid) -> Vec<u8> {
    let mut key = time.as_millis().to_be_bytes().to_vec();
    key.extend_from_slice(id.as_bytes());
    key
}

/// Reads what [`write`] wrote; absent where it is something else.
pub(crate) fn read(key: &[u8]) -> Option<(Timestamp, Uuid)> {
    let (time, id) = key.split_first_chunk::<8>()?;
    let time = Timestamp::from_millis(i64::from_be_bytes(*time));
    Some((time, Uuid::from_slice(id).ok()?))
}

/// Reads the key of a page of customers or accounts.
pub(crate) fn read_subject(key: &[u8]) -> Option<(Timestamp, kernel::CustomerId)> {
    read(key).map(|(time, id)| (time, kernel::CustomerId::new(id)))
}
