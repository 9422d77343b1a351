//! Everything that a pure core is made of: the trait that a service decides through, its inputs, effects and outcomes.
//!
//! It does not run cores (`engine` does), and does not know stores, sockets or clocks: it reaches no async runtime.

mod core;
mod effects;
mod input;
mod outcome;

pub use kernel::{Owner, StreamName};

pub use self::core::{Core, StateOf, step_once};
pub use self::effects::{Effects, Forward};
pub use self::input::{Input, Step};
pub use self::outcome::{Outcome, Poison};
