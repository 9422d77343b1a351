//! The activation service: may it be sent, when, and did it arrive?
//!
//! It moves bytes around `activation_core`, which decides: the engine runs the core over the actions, the deliverer
//! makes the attempts, and the handlers answer questions. It knows nothing of journeys but their names.

mod catalog;
pub mod deliverer;
mod handlers;
pub mod limits;
mod metrics;
mod start;

pub use catalog::ActivationCatalog;
pub use handlers::Handlers;
pub use start::{NAME, start};
