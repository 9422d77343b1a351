//! The identity service: the way in for every event, and the keeper of who is who.
//!
//! It moves bytes: validates, loads, lets `identity_core` decide, writes SQL, appends to the
//! streams. It knows nothing of profiles, segments or journeys.

mod account_rpc;
mod announce;
mod append;
mod cache;
mod catalog;
mod chance;
mod clock;
mod customers;
pub mod erasure;
mod erasure_rpc;
mod event;
mod events;
mod evidence;
mod follow;
mod fragments;
mod groups;
mod ingest;
mod kind;
mod ledger;
pub mod limits;
mod membership;
mod merge;
mod metrics;
mod named;
mod pace;
mod page_key;
mod pairs;
mod rejected;
mod resolution;
mod resolve;
mod rpc;
mod sender;
mod sender_clock;
mod service;
mod sources;
pub mod store;
mod stream;
mod stretch;
mod unmerge;

pub use account_rpc::AccountRpc;
pub use announce::{Announcer, announce_overdue};
pub use append::{AppendError, Appender, Group, Sequenced};
pub use catalog::NamespaceCatalog;
pub use chance::{AccountChance, Chance, MachineChance};
pub use clock::{ClockReading, IngestClock};
pub use erasure_rpc::ErasureRpc;
pub use event::{check_event, prepare};
pub use identity_core::{CustomerOutcome, Dropped, EventOutcome, Identifier, Tally};
pub use ingest::{Accepted, AcceptedEvent, AcceptedGroup, Intake, Outbound};
pub use ledger::{Import, ImportError, Keeper, import_digest, keep_ledgers};
pub use rejected::Rejected;
pub use resolution::{ResolutionRpc, Rules, Simulation, compile_rules};
pub use resolve::{ResolveError, Resolved, Resolver, Subject};
pub use rpc::IdentityRpc;
pub use service::{Identity, start};
pub use sources::{Replays, Source};
pub use unmerge::{Unmerge, UnmergeBy, UnmergeError, Unmerged};
