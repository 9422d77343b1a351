//! Positions in the log, as consumers keep them.

use std::fmt;
use std::str::FromStr;

/// A place in the log of an installation: behind a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The name of the log, which no other installation has.
    pub log: u64,
    /// The row.
    pub row: u64,
    /// The number of changes of that row that are before the position.
    pub index: u32,
}

/// A text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no position: give one as an answer gave it")]
pub struct ParsePositionError;

impl fmt::Display for Position {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(_: &str) -> Result<Self, ParsePositionError> {
        todo!()
    }
}
