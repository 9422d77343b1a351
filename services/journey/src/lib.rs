//! The journey service: keeps definitions of maps, happy paths and journeys, runs the journey core in the partition
//! engine, and answers where customers are and how they flow.
//!
//! What happens to a customer is decided in `journey-core`; whether something may be sent, in activation.

mod catalog;
mod rpc;
mod start;

pub use catalog::JourneyCatalog;
pub use rpc::JourneyRpc;
pub use start::start;
