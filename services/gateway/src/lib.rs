//! The gateway: one listener for gRPC, gRPC-Web, JSON and the tracking APIs of SDKs, in front of the
//! other services.
//!
//! It decides nothing: it hands calls on to the service that does.

mod catalog;
mod dead_letters;
mod front;
mod intake;
mod start;
mod tracking;

pub use catalog::{SourceCatalog, Sources};
pub use start::start;
