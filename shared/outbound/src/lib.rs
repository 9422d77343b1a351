//! Posts webhooks to destinations: signed to the Standard Webhooks specification, to checked
//! addresses only, within bounds of time and size.
//!
//! It posts once and says how that went. Whoever has something posted decides what follows.

mod answer;
mod client;
mod connector;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod limits;

#[cfg(test)]
mod tests;

pub use answer::{Attempted, Verdict};
pub use client::{Client, ClientConfig, Clock, Post, Timeouts};
pub use connector::{Network, SystemNetwork, Wire};
