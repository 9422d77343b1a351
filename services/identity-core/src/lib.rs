//! Identity, decided: which customer an event belongs to, and what that changes.
//!
//! Pure: no async, clock, randomness, IO or logging. It does not know where customers are kept; the
//! service loads what a batch touches, lets an [`Overlay`] decide event by event, and writes the
//! [`Changes`].

mod accounts;
mod blocked;
mod built_in;
mod changes;
mod compile;
mod customer;
mod domain;
mod freemail;
mod graph;
mod holding;
mod invisible;
pub mod limits;
mod namespace;
mod normalizer;
mod overlay;
mod plan;
mod reading;
mod rules;
mod screen;
mod simulation;
mod tally;

pub use accounts::{AccountRules, DomainRule};
pub use blocked::built_in_blocked;
pub use changes::{
    Changes, CustomerChange, Evidence, EvidenceKind, EvidenceRow, FragmentMove, Merge, Need,
    Resolution, SharedListing, Split, Step,
};
pub use compile::subject_fault;
pub use customer::{CustomerView, Detail, Held, Identifier, NewFragment};
pub use domain::{NoDomain, domain_of, registrable};
pub use freemail::is_freemail;
pub use graph::{Edge, Graph, UnmergeBy, UnmergePlan, components, plan_unmerge};
pub use holding::{FanOut, HolderState, Holding, HoldingChange};
pub use namespace::{Namespace, Namespaces, Subject, Uniqueness, WhenFull};
pub use normalizer::{MalformedValue, Normalizer};
pub use overlay::Overlay;
pub use plan::{MergeFault, OtherKind, TooLarge, plan_merge};
pub use reading::Reading;
pub use rules::{ConflictRule, Policy, Rules};
pub use screen::{DropReason, Dropped, Screened, screen};
pub use simulation::{CustomerOutcome, EventOutcome, Simulation};
pub use tally::Tally;

#[cfg(test)]
mod tests;
