//! SQL storage that every service shares: the connection, migrations, leases, members and
//! idempotent requests.
//!
//! One code path for SQLite and Postgres. What a service itself keeps in SQL is its own: it brings
//! its migrations and uses [`Database::orm`]. Nothing here knows what a partition holds.

mod database;
mod entity;
mod error;
mod inspect;
mod installation;
mod lease;
mod leases;
pub mod limits;
mod member;
#[cfg(feature = "memory")]
mod memory;
mod migration;
mod recount;
mod request;
#[cfg(feature = "schema")]
pub mod schema;
mod scrub;
mod url;

pub use self::database::Database;
pub use self::error::StorageError;
pub use self::inspect::{DatabaseFacts, LogFacts, inspect};
pub use self::installation::Installation;
pub use self::lease::{Acquire, Lease, LeaseOwner, LeaseStore, LeaseTally};
pub use self::leases::{Leases, SharedLeases, timely};
pub use self::member::{Heard, Heartbeat, Member, MemberId, Namesake};
#[cfg(feature = "memory")]
pub use self::memory::MemoryLeases;
pub use self::migration::{MIGRATIONS, Migration};
pub use self::recount::{Living, Recount, RecountError};
pub use self::request::{Begun, RequestKey, Requests, Turn};
pub use self::scrub::Scrub;
pub use self::url::{DatabaseUrl, ParseDatabaseUrlError};
