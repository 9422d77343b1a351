//! Identity, decided: which customer an event belongs to, and what that changes.
//!
//! Pure: no async, clock, randomness, IO or logging. It does not know where customers are kept; the service loads what
//! a batch touches, lets an [`Overlay`] decide event by event, and writes the [`Changes`].

mod blocked;
mod compile;
mod customer;
mod invisible;
pub mod limits;
mod namespace;
mod overlay;
mod plan;
mod screen;
mod tally;

pub use customer::{CustomerView, Identifier};
pub use namespace::{MalformedValue, Namespace, Namespaces, Normalizer};
pub use overlay::{
    Changes, CustomerChange, Evidence, Merge, NewFragment, Overlay, Resolution, UnknownView,
};
pub use plan::{Claim, Limits, Plan, Target, TooLarge, plan, plan_merge};
pub use screen::{DropReason, Dropped, Screened, screen};
pub use tally::Tally;

#[cfg(test)]
mod tests;
