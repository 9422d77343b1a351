//! The journey service: keeps definitions of maps, happy paths and journeys, runs the journey core
//! in the partition engine, and answers where customers are and how they flow.
//!
//! It does not decide what happens to a customer, which `journey-core` does, nor whether something
//! may be sent, which activation does.

mod catalog;
mod rpc;
mod start;

pub use catalog::JourneyCatalog;
pub use rpc::JourneyRpc;
pub use start::start;
