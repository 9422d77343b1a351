//! Positions: in which stage of each map the customer is.

use kernel::Timestamp;

use super::Name;

/// A position in one map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The map.
    pub map: Name,
    /// The stage.
    pub stage: Name,
    /// Since when.
    pub enter_time: Timestamp,
    /// The fragment that brought the customer there; 0 is the customer's own.
    pub ordinal: u16,
}
