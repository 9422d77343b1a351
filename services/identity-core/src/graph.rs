//! The graph of one customer: fragments, and the evidence that holds them together.
//!
//! An unmerge takes evidence back and looks at what still hangs together; what does not comes
//! apart. Fragments that nothing held before stay where the oldest fragment is: they came with
//! their customer before evidence was kept, or by a bridge that went to somebody else.

mod components;
mod unmerge;

use kernel::FragmentId;

pub use self::components::components;
pub use self::unmerge::plan_unmerge;
use crate::customer::{Identifier, NewFragment};

/// Evidence that holds two fragments together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge<K> {
    /// Its name, as whoever keeps it knows it.
    pub key: K,
    /// One fragment.
    pub a: FragmentId,
    /// The other.
    pub b: FragmentId,
    /// The identifier by which they were joined; absent for a merge by ids.
    pub identifier: Option<Identifier>,
}

/// The graph of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph<K> {
    /// Its fragments.
    pub fragments: Vec<NewFragment>,
    /// The evidence that was not taken back. Ends that are none of the fragments are passed over.
    pub edges: Vec<Edge<K>>,
    /// Its identifiers, each with the fragment that has it.
    pub held: Vec<(Identifier, FragmentId)>,
}

/// The part that is to come apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnmergeBy<K> {
    /// Everything that these pieces of evidence hold together: of an operation, or of an event.
    Evidence(Vec<K>),
    /// A fragment from all others.
    Fragment(FragmentId),
    /// An identifier, with its fragment; where it shares that with others, alone, onto a new
    /// fragment.
    Identifier(Identifier),
}

/// The parts of a customer after an unmerge, and the evidence that it takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmergePlan<K> {
    /// The fragments of each customer after it, the one who keeps the id first, then oldest first;
    /// within one, oldest first. One only where no fragment comes apart.
    pub parts: Vec<Vec<FragmentId>>,
    /// The evidence that is taken back; empty where nothing comes apart.
    pub retracted: Vec<K>,
    /// An identifier that leaves alone, for a new fragment that is a customer of its own.
    pub moved: Option<Identifier>,
    /// The pairs that must never be joined again by events: the ends of what was taken back, and
    /// the fragment that was named with the oldest of each other part. The older one of a pair is
    /// first.
    pub cannot_links: Vec<(FragmentId, FragmentId)>,
    /// The evidence that still holds together what was to come apart; empty where it comes apart.
    pub remaining: Vec<K>,
}

impl<K> UnmergePlan<K> {
    /// Returns whether anything comes apart.
    pub const fn is_apart(&self) -> bool {
        self.parts.len() > 1 || self.moved.is_some()
    }
}
