//! The hot store: states, timers, streams and counters of partitions, changed by one atomic commit.
//!
//! Two interfaces: what every store does, and what one does besides that a journal can restore. Two
//! implementations, Redis, which can be restored, and an embedded one on disk, which is its own
//! journal. One contract suite for both. Nothing else talks to Redis. It does not decide who owns a
//! partition (the engine does, by leases) and does not know what the bytes it keeps mean.

mod answer;
mod append;
mod check;
mod clock;
mod commit;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
mod erasure;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod hints;
pub mod limits;
pub mod marks;
#[cfg(feature = "contract")]
pub mod memory;
mod origin;
mod place;
mod quarantine;
pub mod redis;
mod restorable;
mod restore;
mod state_keys;
mod store;
mod stored;
mod timer;

pub use self::answer::{Due, Entry, Frontier, Head, Outgoing, Stored, Unread, Wake};
pub use kernel::{CounterKey, Owner, StreamName};

pub use self::append::{Append, AppendAnswer, Appended, SourceRange};
pub use self::check::append as check_append;
pub use self::clock::StoreClock;
pub use self::commit::{CheckedCommit, Commit, Committed, OutboxMessage, StateKey, StateWrite};
pub use self::embedded::{EMBEDDED_SCHEMAS, EmbeddedOptions, EmbeddedStore};
pub use self::erasure::{Forgotten, Scrubbed};
pub use self::error::HotError;
#[cfg(feature = "contract")]
pub use self::memory::MemoryStore;
pub use self::origin::{Origin, Writer};
pub use self::place::{Cursor, Slot, Standing, StreamId};
pub use self::quarantine::{PageBounds, QuarantineId, QuarantineSize, Quarantined};
pub use self::redis::{
    REDIS_SCHEMAS, RedisOptions, RedisStore, ServerFacts, check_schema, find_leftovers, inspect,
};
pub use self::restorable::{RestorableStore, SharedRestorableStore};
pub use self::restore::{
    Gate, GateAnswer, GateClaim, Gates, RestoredHead, StateRestore, StreamRestore,
};
pub use self::state_keys::{PENDING_CHANGES, QUARANTINE_NOTES};
pub use self::store::{HotStore, SharedHotStore, WakeReceiver};
pub use self::timer::Timer;
