//! The changes of the events of a batch, in order.

use std::collections::{BTreeSet, HashMap, HashSet};

use kernel::FragmentId;

use crate::changes::{EvidenceKind, EvidenceRow, Merge, SharedListing, Split};
use crate::customer::{Identifier, NewFragment};
use crate::holding::Holding;

/// The changes of the events of a batch.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The number of the event that is decided.
    pub(super) event: usize,
    pub(super) fragments: Vec<NewFragment>,
    /// Each value that is held in another way, as it was held before the batch.
    pub(super) touched: HashMap<Identifier, Option<Holding>>,
    /// The values that came to their customers.
    pub(super) attached: HashSet<Identifier>,
    pub(super) shared: Vec<SharedListing>,
    pub(super) merges: Vec<Merge>,
    pub(super) splits: Vec<Split>,
    /// The fragments of customers that were split.
    pub(super) refitted: BTreeSet<FragmentId>,
    pub(super) evidence: Vec<EvidenceRow>,
}

impl Log {
    /// Notes that a value is about to be held in another way.
    pub(super) fn touch(&mut self, identifier: &Identifier, before: Option<&Holding>) {
        if !self.touched.contains_key(identifier) {
            self.touched.insert(identifier.clone(), before.cloned());
        }
    }

    /// Notes by which namespace the customer was named to whom the event attached identifiers.
    pub(super) fn name_by(&mut self, namespace: &str) {
        let own = self.evidence.iter_mut().rev();
        for row in own.take_while(|row| row.event_place == self.event) {
            if row.kind == EvidenceKind::Attached {
                row.by = Some(namespace.into());
            }
        }
    }

    /// Notes a piece of evidence: about a fragment, and another one.
    pub(super) fn note(
        &mut self,
        kind: EvidenceKind,
        (fragment, joined): (FragmentId, Option<FragmentId>),
        identifier: Option<&Identifier>,
        reason: &'static str,
    ) {
        self.evidence.push(EvidenceRow {
            fragment,
            identifier: identifier.cloned(),
            joined,
            kind,
            reason,
            by: None,
            event_place: self.event,
        });
    }
}
