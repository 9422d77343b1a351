//! Tells why a stream takes nothing more, for those who append from outside.
//!
//! A worker that finds no room in its quarantine stops reading, its input fills up, and with it the
//! input of every service before it. So the quarantine is asked for only where a stream is full:
//! what is taken in costs nothing more.

use hot::limits::QUARANTINE_BYTES;
use hot::{HotError, HotStore, Owner, Slot, StreamId};

/// The first service on the way from a stream whose quarantine in that partition is full; absent
/// where none is.
///
/// # Errors
/// As the hot store says.
pub async fn full_quarantine(
    hot: &dyn HotStore,
    stream: StreamId,
) -> Result<Option<Owner>, HotError> {
    // Services are listed in the order in which records pass them.
    let way = Owner::ALL.into_iter();
    for owner in way.filter(|owner| *owner >= stream.name.reader()) {
        let slot = Slot {
            owner,
            partition: stream.partition,
        };
        if hot.quarantine_size(slot).await?.bytes >= QUARANTINE_BYTES {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}
