//! The names, on rows, of the event or the request that made them.
//!
//! An event that is sent again finds its own name on what its first try changed. Nothing is kept
//! beside these rows, so nothing has to be removed.

use std::collections::HashMap;

use identity_core::{Changes, EvidenceKind, Identifier, Resolution};
use kernel::{CustomerId, FragmentId, StableHash};

/// Names what was sent, however often it is sent: an event by its source and its place there, a
/// request by its id. A hash of 64 bits, which is compared on rows of the same customer only: a
/// merge of others that has it by chance is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SentAs(pub(super) i64);

impl SentAs {
    /// Names an event of a source.
    pub fn event(source: &str, sequence: u64) -> Self {
        Self::of(&[b"event", source.as_bytes(), &sequence.to_be_bytes()])
    }

    /// Names a request to join customers; absent where it has no id.
    pub fn merge(request_id: &str) -> Option<Self> {
        (!request_id.is_empty()).then(|| Self::of(&[b"merge", request_id.as_bytes()]))
    }

    fn of(words: &[&[u8]]) -> Self {
        let add = |hash: StableHash, word: &&[u8]| hash.with(word).with(&[0]);
        let hash = words.iter().fold(StableHash::new(), add);
        Self(hash.finish().cast_signed())
    }
}

/// Tells by what each change of a batch was made.
#[derive(Debug, Default)]
pub struct SentBy {
    identifiers: HashMap<Identifier, SentAs>,
    merges: HashMap<CustomerId, SentAs>,
    /// The numbers of the events that joined customers, by those that are gone.
    places: HashMap<CustomerId, usize>,
    /// The names of the events, by their numbers.
    events: HashMap<usize, SentAs>,
    /// The customer that is gone by the merge that each piece of evidence tells of, by its place.
    joins: HashMap<usize, CustomerId>,
    /// Customers that may be joined again, whatever an unmerge said.
    lifted: Vec<CustomerId>,
}

impl SentBy {
    /// Tells that one request made all merges, and that it lifts what unmerges said of customers.
    pub fn request(sent: Option<SentAs>, changes: &Changes, lifted: Vec<CustomerId>) -> Self {
        let merges = changes.merges.iter();
        Self {
            merges: merges.filter_map(|it| Some((it.from, sent?))).collect(),
            lifted,
            ..Self::default()
        }
    }

    /// Adds what the event of a number changed.
    pub fn add(&mut self, place: usize, sent: Option<SentAs>, resolution: &Resolution) {
        let merged = resolution.merged.iter();
        self.places.extend(merged.map(|from| (*from, place)));
        let Some(sent) = sent else { return };
        self.events.insert(place, sent);
        let attached = resolution.evidence.iter().filter(|it| it.is_attached);
        let attached = attached.map(|it| (it.identifier.clone(), sent));
        self.identifiers.extend(attached);
        let moved = resolution.moved.iter();
        self.identifiers.extend(moved.map(|it| (it.clone(), sent)));
        let merged = resolution.merged.iter().map(|from| (*from, sent));
        self.merges.extend(merged);
    }

    /// Tells which merge each piece of evidence that joins customers tells of. `customer_of`
    /// returns the customer that a fragment belonged to before the batch.
    pub(crate) fn name_joins(
        &mut self,
        changes: &Changes,
        customer_of: impl Fn(FragmentId) -> CustomerId,
    ) {
        let rows = changes.evidence.iter().enumerate();
        let rows =
            rows.filter(|(_, row)| matches!(row.kind, EvidenceKind::Joined | EvidenceKind::Forced));
        for (place, row) in rows {
            let ends = [Some(row.fragment), row.joined];
            let ends = ends.into_iter().flatten().flat_map(|it| {
                // As it was before the batch, and as one of its own since the batch split it off.
                [customer_of(it), CustomerId::from(it)]
            });
            let ends: Vec<CustomerId> = ends.collect();
            let of_event = |from: &CustomerId| {
                self.places
                    .get(from)
                    .is_none_or(|it| *it == row.event_place)
            };
            let mut own = changes.merges.iter().map(|it| it.from).filter(of_event);
            let named = own.clone().find(|from| ends.contains(from));
            if let Some(from) = named.or_else(|| own.next()) {
                self.joins.insert(place, from);
            }
        }
    }

    /// Returns what attached an identifier.
    pub(crate) fn identifier(&self, identifier: &Identifier) -> Option<SentAs> {
        self.identifiers.get(identifier).copied()
    }

    /// Returns what joined a customer into another.
    pub(super) fn merge(&self, from: CustomerId) -> Option<SentAs> {
        self.merges.get(&from).copied()
    }

    /// Returns the name of the event of a number.
    pub(super) fn event(&self, place: usize) -> Option<SentAs> {
        self.events.get(&place).copied()
    }

    /// Returns the customer that is gone by the merge that the evidence at a place tells of.
    pub(super) fn join(&self, place: usize) -> Option<CustomerId> {
        self.joins.get(&place).copied()
    }

    /// Returns the customers that may be joined again.
    pub(super) fn lifted(&self) -> &[CustomerId] {
        &self.lifted
    }
}
