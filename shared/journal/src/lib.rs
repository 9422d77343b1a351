//! The journal: what makes a deployment survive the loss of its hot store.
//!
//! Every commit and every append from outside goes to SQL first, and to the hot store then. What the hot store has lost is
//! found by comparing the two, and written again; nothing is ever decided a second time. It does not know what states and
//! records mean.

#[cfg(feature = "memory")]
pub mod contract;
mod cut;
mod error;
mod event_log;
mod events;
mod fold;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod limits;
mod log;
#[cfg(feature = "memory")]
mod memory;
mod metrics;
mod options;
mod packed;
mod readers;
mod recover;
mod repartition;
mod sql;
mod store;

pub use self::event_log::{
    ErasePlace, EventLog, EventPage, EventPlace, EventQuery, EventsBy, EventsErased, LoggedEvent,
};
pub use self::fold::{FoldError, FoldOptions, Folded, fold};
pub use self::log::{
    CommitRow, Cut, EntryRow, Journaled, Log, LogError, LogHead, Placed, SharedLog, SnapshotHead,
};
#[cfg(feature = "memory")]
pub use self::memory::{Call, Fault, MemoryLog};
pub use self::options::JournalOptions;
pub use self::recover::Recovered;
pub use self::repartition::{Left, MovedStates, Repartition, RepartitionError, Repartitioned};
pub use self::sql::{MIGRATIONS, SqlLog};
pub use self::store::{DEFAULT_RETENTION, JournaledStore};
