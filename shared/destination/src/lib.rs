//! Destinations of webhooks: their URLs, the addresses that they may have, the secrets that sign
//! what is posted to them, and the signatures, to the Standard Webhooks specification.
//!
//! Pure: it resolves no names and opens no connections.

mod address;
mod endpoint;
mod signature;

pub use address::is_public;
pub use endpoint::{Destination, Fault, Field, host_of};
pub use signature::sign;
