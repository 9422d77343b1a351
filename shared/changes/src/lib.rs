//! The log of changes: what changed for customers, in SQL, for consumers who come back.
//!
//! A worker keeps what a commit changed beside its states, in that commit; the [`Scribe`] of its
//! process brings it to the log once, in order, and the worker forgets it after that. It does not
//! decide what a change is, nor who may read one.

mod log;
mod position;
mod scribe;
mod sink;

pub use self::log::{ChangeLog, Extent, LogBatch, ReadError};
pub use self::position::{ParsePositionError, Position};
pub use self::scribe::Scribe;
pub use self::sink::{ChangeSink, Pending, Place, SharedChangeSink};
