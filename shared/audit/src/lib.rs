//! The audit log: who did what to definitions, credentials, consents and identities, and who read
//! the data of which customer.
//!
//! Each process writes one chain of entries, each with the hash of the one before; the head of
//! every chain is beside the entries in SQL, so that a change, a removal or an insertion is found
//! by [`Verifier`]. A change of SQL rows is recorded by [`Operation::record`] in the transaction
//! that makes it. Reads are buffered and written within a second; a read that finds no room, or a
//! store that is away for long, is refused. Customers are named by keyed hashes, whose keys
//! [`AuditLog::forget`] destroys. Old entries are kept until somebody prunes them, which the log
//! says. Events are not audited.

mod act;
mod append;
mod chain;
mod class;
mod entity;
mod entry;
mod error;
mod export;
mod layer;
pub mod limits;
mod log;
mod metrics;
mod migration;
mod operation;
mod prune;
mod pruned;
mod query;
mod service;
mod subject;
mod verify;
mod writer;

pub use act::{Act, Origin, Outcome};
pub use chain::{ChainId, Hash, Head, NO_HASH};
pub use class::{Class, class_of};
pub use entry::Entry;
pub use error::AuditError;
pub use layer::{AuditLayer, AuditedService, OriginOf};
pub use log::AuditLog;
pub use migration::MIGRATIONS;
pub use operation::{Operation, about, subject, subjects};
pub use pruned::Pruned;
pub use query::Filter;
pub use service::AuditRpc;
pub use verify::{Fault, FaultKind, PrunedTotal, Verdict, Verifier};
