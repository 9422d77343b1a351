//! The words that every part of Happypath shares: ids, instants, partitions, values, reasons, the
//! names of services, streams and receipts, and the rule by which a repeated event is told.
//!
//! Pure: no async, clock, randomness, environment or IO, and nothing that belongs to one service
//! only.

mod counter;
mod duration;
mod hex;
mod id;
mod installation;
pub mod limits;
mod mix;
mod name;
mod nearest;
mod outbound;
mod owner;
mod panic_text;
mod partition;
mod reason;
mod receipt;
mod repetition;
mod schema;
mod stable_hash;
mod stream_name;
mod timestamp;
mod value;

pub use counter::CounterKey;
pub use duration::{Duration, ParseDurationError};
pub use hex::{from_hex, to_hex};
pub use id::{ActivationId, CustomerId, FragmentId, ParseIdError, RunId};
pub use installation::{InstallationName, ParseInstallationNameError};
pub use mix::split_mix;
pub use name::{NameFault, fold_case, path_keys, push_key, read_name, read_path};
pub use nearest::nearest;
pub use outbound::{OutboundAddresses, ParseOutboundError};
pub use owner::Owner;
pub use panic_text::panic_text;
pub use partition::{PartitionCount, PartitionCountError, PartitionId};
pub use reason::Reason;
pub use receipt::Receipt;
pub use repetition::{AcceptMinute, EventIdHash, Repetitions};
pub use schema::{SchemaMismatch, Schemas, StoredSchema};
pub use stable_hash::StableHash;
pub use stream_name::StreamName;
pub use timestamp::Timestamp;
pub use value::{Amount, Properties, Room, Value, names_around, outermost_name};
