//! The partition engine: one worker a partition around a pure core.
//!
//! A worker holds a lease, reads records and due timers, runs the core over them in order, and changes everything they
//! caused in one commit. It does not know what services decide, and does not talk to Redis or SQL but through their
//! interfaces.

mod core;
pub mod limits;

pub use self::core::{Core, Effects, Input, Outcome, Poison, StateOf};
