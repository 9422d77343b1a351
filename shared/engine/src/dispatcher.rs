//! What takes the records that a core dispatches.

use std::fmt;

use kernel::PartitionId;
use messages::stream::v1::Record;

/// Takes records after the commit that dispatched them, to do what cannot be in a commit: deliver.
///
/// # Contract
/// `dispatch` returns at once: it queues. A record that is lost with the process is asked for again
/// by a timer of its state. What came of a record is appended to a stream *before* `in_flight`
/// stops counting it.
pub trait Dispatcher: Send + Sync + fmt::Debug + 'static {
    /// Takes one record of a partition.
    fn dispatch(&self, partition: PartitionId, record: Record);

    /// How many records were taken and are not done.
    fn in_flight(&self) -> u64;
}
