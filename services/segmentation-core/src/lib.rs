//! Decides what is known about a customer and which segments they are in. Pure.
//!
//! It keeps traits, bounded histories and memberships, and changes memberships by events, by time alone, by merges and
//! by new definitions, each with its reason and the exact instant. It does not store, read clocks, or talk to anybody.

mod codec;
mod core;
mod customer;
mod cycle;
mod definitions;
mod evaluate;
mod explain;
mod hash;
pub mod limits;
mod measure;
mod merge;
mod past;
mod profile;
mod state;

pub use self::core::SegmentationCore;
pub use definitions::{Definitions, SegmentFault, SegmentSource};
pub use explain::{Explanation, explain_expression, explain_segments};
pub use past::Past;
pub use state::{Membership, RecentEvent, State};
