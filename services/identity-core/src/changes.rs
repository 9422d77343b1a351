//! The changes of a batch of events: to be written at once or not at all.

use kernel::{CustomerId, FragmentId};

use crate::customer::{CustomerView, Identifier, NewFragment};
use crate::holding::HoldingChange;
use crate::screen::Dropped;

/// The customer whom an event happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The customer; without meaning where the event is refused.
    pub customer: CustomerId,
    /// The fragment that the first of the identifiers was seen under.
    pub fragment: FragmentId,
    /// True where it was seen for the first time.
    pub is_new: bool,
    /// The customers that the event joined into it.
    pub merged: Vec<CustomerId>,
    /// The evidence: the identifiers that named it, by priority.
    pub evidence: Vec<Evidence>,
    /// The identifiers that were left out.
    pub dropped: Vec<Dropped>,
    /// The identifiers that went to this customer from another one.
    pub moved: Vec<Identifier>,
    /// True where nothing is left that names anybody: the event is refused, and `dropped` says why.
    pub is_refused: bool,
}

/// An identifier that named a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The identifier.
    pub identifier: Identifier,
    /// The fragment that holds it.
    pub fragment: FragmentId,
    /// True where it holds it since this event; false where that is how the event found it.
    pub is_attached: bool,
}

/// Knowledge that must be loaded before an event can be decided. It has changed nothing; the batch
/// is to be taken again with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Need {
    /// A customer is judged of whom only the id is known: what the overlay was told is stale.
    #[error("customer {0} is not loaded")]
    View(CustomerId),
    /// Customers are judged by more than their counts.
    #[error("the details of {} customers are not loaded", .0.len())]
    Detail(Vec<CustomerId>),
}

/// A customer joined into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The one that is gone.
    pub from: CustomerId,
    /// The one that survives, as known at that event; later merges of the batch may join it into
    /// yet another.
    pub into: CustomerId,
    /// The number of the event, as of [`EvidenceRow`].
    pub event_place: usize,
}

/// Fragments that left a customer and are one of their own again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The customer that they left, which keeps its id.
    pub from: CustomerId,
    /// The customer that they are, of the id of the oldest of them.
    pub into: CustomerId,
    /// All of them, oldest first.
    pub fragments: Vec<FragmentId>,
    /// True where these stay behind: the root, which keeps its id, is what went to somebody else.
    pub is_remainder: bool,
    /// The number of merges of the batch that came before it.
    pub merges_before: usize,
    /// The number of the event, as of [`EvidenceRow`].
    pub event_place: usize,
}

/// A merge or a split of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A customer was joined into another.
    Merge(&'a Merge),
    /// Fragments left a customer.
    Split(&'a Split),
}

impl Step<'_> {
    /// The number of the event, as of [`EvidenceRow`].
    pub const fn event_place(self) -> usize {
        match self {
            Self::Merge(merge) => merge.event_place,
            Self::Split(split) => split.event_place,
        }
    }
}

/// A fragment that belongs to another customer than before, by a split and what followed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FragmentMove {
    /// The fragment.
    pub fragment: FragmentId,
    /// Its customer after the batch.
    pub to: CustomerId,
}

/// A customer whose row changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerChange {
    /// The customer after the batch.
    pub view: CustomerView,
    /// The epoch that the plan was made for; absent for a new customer.
    pub epoch: Option<u64>,
}

/// A shared value that is listed for a fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedListing {
    /// The value.
    pub identifier: Identifier,
    /// The fragment.
    pub fragment: FragmentId,
    /// True where that is the anonymous customer of events that carry nothing else.
    pub is_alone: bool,
}

/// Kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EvidenceKind {
    /// An event attached an identifier to a fragment.
    Attached,
    /// An event named identifiers of two fragments, and so joined them.
    Joined,
    /// Somebody who knows joined them.
    Forced,
    /// An identifier was left out of an event.
    Demoted,
    /// An identifier came to this fragment from another one.
    Moved,
    /// An identifier was released.
    Released,
}

/// A piece of evidence, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    /// The fragment that it concerns.
    pub fragment: FragmentId,
    /// The identifier; absent for a merge by customer ids.
    pub identifier: Option<Identifier>,
    /// The other fragment: which is joined with the first one, or had the identifier before.
    pub joined: Option<FragmentId>,
    /// The kind.
    pub kind: EvidenceKind,
    /// The reason code; empty where the kind says it.
    pub reason: &'static str,
    /// Of [`EvidenceKind::Attached`]: the namespace of the identifier that named the customer;
    /// absent where the customer was new.
    pub by: Option<Box<str>>,
    /// The number of the event, from 0: of the calls of [`crate::Overlay::resolve`] and
    /// [`crate::Overlay::pass`] before it.
    pub event_place: usize,
}

/// All that a batch changes, to be written at once or not at all.
///
/// Written in this order, it holds after each step: fragments, merges (`redirects`), `refits`, and
/// last identifiers and customers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The fragments made.
    pub fragments: Vec<NewFragment>,
    /// The identifiers attached of whom nothing was known, each to the fragment that has it after
    /// the batch: rows that are inserted, and must not be there.
    pub identifiers: Vec<(Identifier, FragmentId)>,
    /// Every other value that is held in another way: rows that are inserted where there is no
    /// `before`, deleted where there is no `after`, and else changed; `before` must be there as it
    /// says.
    pub holdings: Vec<HoldingChange>,
    /// The shared values listed, which may be there already.
    pub shared: Vec<SharedListing>,
    /// The merges, in order.
    pub merges: Vec<Merge>,
    /// The splits, in order.
    pub splits: Vec<Split>,
    /// The customers that are there after the batch and were not so before, by id.
    pub customers: Vec<CustomerChange>,
    /// The customers that were there before and are joined into another, with the epoch planned
    /// for, by id.
    pub removed: Vec<(CustomerId, u64)>,
    /// The root of each merged customer, or fragment of the batch, after it.
    pub redirects: Vec<(CustomerId, CustomerId)>,
    /// The customers of the fragments of every customer that was split: these hold over
    /// `redirects`.
    pub refits: Vec<FragmentMove>,
    /// The evidence, in order.
    pub evidence: Vec<EvidenceRow>,
}

impl Changes {
    /// Returns the merges and the splits in the order in which they happened.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let mut splits = self.splits.iter().peekable();
        let mut merges = self.merges.iter().enumerate().peekable();
        std::iter::from_fn(move || {
            let place = merges.peek().map_or(usize::MAX, |(place, _)| *place);
            if let Some(split) = splits.next_if(|split| split.merges_before <= place) {
                return Some(Step::Split(split));
            }
            merges.next().map(|(_, merge)| Step::Merge(merge))
        })
    }

    /// Returns whether nothing changes. Evidence alone is no change: it tells of identifiers that
    /// were left out, and is kept where that costs nothing.
    pub const fn is_empty(&self) -> bool {
        self.fragments.is_empty()
            && self.identifiers.is_empty()
            && self.holdings.is_empty()
            && self.shared.is_empty()
            && self.merges.is_empty()
            && self.splits.is_empty()
    }
}
