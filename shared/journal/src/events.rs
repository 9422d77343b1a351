//! The event log: the entries of `events` and `events.bulk`, kept after they have taken effect, with an index by time and
//! customer in each row.

mod headers;
mod index;
pub(crate) mod limits;
mod place;
mod scan;

pub(crate) use self::index::{EventIndex, hash_of};
pub use self::place::EventPlace;
pub(crate) use self::place::RowKey;
pub(crate) use self::scan::{Budget, Scan, Step};
