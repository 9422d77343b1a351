//! API keys as they are stored: the table, the RPC service over it, and what keeps the keys of a
//! process up to date.
//!
//! No call waits for the table unless its key is unknown: keys are verified in memory, by
//! [`access::Keyring`].

mod entity;
mod follower;
pub mod limits;
mod migration;
mod service;
mod service_key;
mod store;

pub use follower::Follower;
pub use migration::{MIGRATIONS, SOURCE_MIGRATIONS};
pub use service::KeyRpc;
pub use service_key::ServiceKey;
pub use store::{KeyDraft, KeyStore, StoredKey};
