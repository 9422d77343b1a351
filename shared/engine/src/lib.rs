//! The partition engine: one worker a partition around a pure core.
//!
//! A worker holds a lease, reads records and due timers, runs the core over them in order, and
//! changes everything they caused in one commit. It does not know what services decide, and does
//! not talk to Redis or SQL but through their interfaces.

mod backlog;
mod clock;
mod config;
pub mod counters;
mod dispatcher;
mod engine;
mod erasure;
mod find;
mod follow;
mod handle;
pub mod head;
mod hints;
mod idle;
mod intake;
mod key;
pub mod limits;
mod listing;
mod membership;
mod metrics;
mod moving;
mod order;
mod ownership;
mod partition;
mod placement;
mod preview;
mod quarantine;
mod read;
mod redirect;
mod refresh;
mod shared;
mod splitting;
mod status;
mod steps;
mod tenure;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;

pub use self::clock::{Clock, SystemClock, TimeSource, VirtualClock};
pub use self::config::EngineConfig;
pub use self::dispatcher::Dispatcher;
pub use self::engine::Engine;
pub use self::erasure::{ErasureProgress, erasure_progress};
pub use self::find::{FindError, Found, find_customer, find_customer_with};
pub use self::follow::{Follower, Written};
pub use self::handle::EngineHandle;
pub use self::head::Head;
pub use self::intake::full_quarantine;
pub use self::membership::Standing;
pub use self::moving::Fragment;
pub use self::order::{QuarantineOrder, QuarantineSelection, QuarantineTaken};
pub use self::preview::PlannedSplit;
pub use self::quarantine::{QuarantineEntry, QuarantineFilter, QuarantinePage, QuarantinePlace};
pub use self::refresh::{Freshness, Refresh};
pub use self::status::{EngineError, Status};
pub use self::tenure::is_clock_off;
