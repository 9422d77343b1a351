//! Activation's decisions: may it be sent, when, and did it arrive?
//!
//! Pure: no async, clock, randomness, environment, IO or logging. It renders and decides; the
//! `activation` service delivers.

mod admission;
pub mod backoff;
pub mod cap;
pub mod channel;
pub mod consent;
mod core;
mod counter;
mod definitions;
mod delivery;
mod inseparable;
pub mod limits;
mod merge;
pub mod policy;
mod receipt;
mod split;
pub mod state;
pub mod template;
mod wait;
mod wants;

pub use self::core::ActivationCore;
pub use counter::Counter;
pub use definitions::Definitions;
pub use inseparable::{Inseparable, inseparable};
pub use state::State;
