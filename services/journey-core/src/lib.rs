//! Journeys, decided: what happens next for one customer, given everything that happened so far.
//!
//! Pure: no async, clock, randomness, environment or IO. It does not keep events or evaluate
//! aggregates (segmentation does) and does not decide whether something may be sent (activation
//! does).

mod codec;
mod core;
pub mod counter;
mod definition;
mod inseparable;
pub mod limits;
mod measure;
mod pass;
mod run_id;
pub mod state;
mod wait;
mod wants;

pub use self::core::JourneyCore;
pub use definition::{Definitions, StepOutline};
pub use inseparable::{Inseparable, inseparable};
