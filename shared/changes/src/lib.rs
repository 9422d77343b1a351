//! The log of changes: what changed for customers, in SQL, for consumers who come back.
//!
//! A worker keeps what a commit changed beside its states, in that commit; the [`Scribe`] of its
//! process brings it to the log once, in order, and the worker forgets it after that. It does not
//! decide what a change is, nor who may read one.

mod batch;
mod body;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod head;
pub mod limits;
mod log;
mod mark;
mod metrics;
mod migration;
mod position;
mod rows;
mod scribe;
mod sink;
mod sql;
mod stored;
mod wire;

pub use self::error::{Damaged, ReadError, WriteError};
pub use self::log::{ChangeLog, Extent, LogBatch};
pub use self::migration::{MIGRATIONS, TABLES};
pub use self::position::{ParsePositionError, Position};
pub use self::scribe::Scribe;
pub use self::sink::{ChangeSink, Pending, Place, SharedChangeSink};
