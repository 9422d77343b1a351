//! The event log: what was put on `events` and `events.bulk`, by processes and by the commits of
//! workers, kept after it has taken effect, with an index by time and customer in each row.

mod headers;
mod index;
pub(crate) mod limits;
mod place;
mod scan;

use hot::StreamName;

pub(crate) use self::headers::Row;
pub(crate) use self::index::{EventIndex, event_of, has_any, hash_of};
pub use self::place::EventPlace;
pub(crate) use self::place::RowKey;
pub(crate) use self::scan::{Budget, Scan, Step};

/// Returns whether what is put on a stream is part of the event log: what happened to customers.
pub(crate) const fn is_event_log(name: StreamName) -> bool {
    matches!(name, StreamName::Events | StreamName::EventsBulk)
}
