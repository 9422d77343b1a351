//! The gateway: one listener for gRPC, gRPC-Web, JSON and the tracking APIs of SDKs, in front of
//! the other services.
//!
//! It decides nothing: it hands calls on to the service that does.

mod catalog;
mod dead_letters;
mod entity;
mod forward;
mod front;
mod intake;
pub mod limits;
mod metrics;
mod migration;
mod start;
mod statistics;
mod tracking;
mod upkeep;

pub use catalog::{SourceCatalog, Sources};
pub use migration::MIGRATIONS;
pub use start::start;
