//! Decides what is known about a customer and which segments they are in, and what is known about
//! an account, which is in none. Pure.
//!
//! It keeps traits, bounded histories and memberships, and changes memberships by events, by time
//! alone, by merges, by unmerges and by new definitions, each with its reason and the exact
//! instant. It does not store, read clocks, or talk to anybody.

mod account;
mod adopt;
mod change;
mod codec;
mod core;
mod counter;
mod customer;
mod cycle;
mod definitions;
mod evaluate;
mod explain;
mod feature;
mod inseparable;
mod learn;
pub mod limits;
mod merge;
mod profile;
mod reading;
mod state;
mod tell;
mod unmerge;
mod wants;

pub use self::core::SegmentationCore;
pub use counter::Counter;
pub use definitions::Definitions;
pub use explain::{ExplainError, Explanation, explain_expression, explain_segments};
pub use inseparable::{Inseparable, inseparable};
pub use reading::{FeatureReading, Known};
pub use state::{EventTotal, MemberCount, Membership, MissingParts, PartKind, RecentEvent, State};
