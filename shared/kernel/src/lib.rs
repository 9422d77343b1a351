//! The words that every part of Happypath shares: ids, instants, partitions, values, reasons.
//!
//! Pure: no async, clock, randomness, environment or IO, and nothing that belongs to one service only.

mod duration;
mod id;
pub mod limits;
mod nearest;
mod partition;
mod reason;
mod timestamp;
mod value;

pub use duration::{Duration, ParseDurationError};
pub use id::{ActivationId, CustomerId, FragmentId, ParseIdError, RunId};
pub use nearest::nearest;
pub use partition::{PartitionCount, PartitionCountError, PartitionId};
pub use reason::Reason;
pub use timestamp::Timestamp;
pub use value::{Properties, Value};
