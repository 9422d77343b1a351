//! The event log: the entries of `events` and `events.bulk`, kept after they have taken effect, with an index by time and
//! customer in each row.

mod index;

pub(crate) use self::index::EventIndex;
