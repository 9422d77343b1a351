//! Collects compiled segments and what each event, trait and membership means to them.

use std::collections::HashMap;
use std::sync::Arc;

use expr::Conditions;
use kernel::{Receipt, StableHash, names_around};

use super::{Definitions, Segment, Table};

impl Definitions {
    /// Nothing published.
    pub fn empty() -> Self {
        Self {
            fingerprint: StableHash::new().finish(),
            segments: Vec::new(),
            readers: Vec::new(),
            conditions: Conditions::default(),
            places: HashMap::new(),
            table: Table::default(),
            by_event: HashMap::new(),
            by_trait: HashMap::new(),
            by_seen: Vec::new(),
            needing_nothing: Vec::new(),
        }
    }

    /// Nothing published, with room for so many segments and for as much else as a set has.
    pub(super) fn with_room(segments: usize, last: &Self) -> Self {
        Self {
            segments: Vec::with_capacity(segments),
            readers: Vec::with_capacity(segments),
            places: HashMap::with_capacity(segments),
            by_event: HashMap::with_capacity(last.by_event.len()),
            by_trait: HashMap::with_capacity(last.by_trait.len()),
            ..Self::empty()
        }
    }

    /// Adds a segment, after those that it reads.
    pub(super) fn add(&mut self, segment: Arc<Segment>) {
        let number = u32::try_from(self.segments.len()).expect("far fewer segments");
        let reads = segment.condition.reads();
        for name in &reads.events {
            self.by_event.entry(name.clone()).or_default().push(number);
        }
        for name in &reads.traits {
            self.by_trait.entry(name.clone()).or_default().push(number);
        }
        if reads.seen {
            self.by_seen.push(number);
        }
        if segment.needs_nothing {
            self.needing_nothing.push(number);
        }
        for read in &reads.segments {
            if let Some(read) = self.place(read) {
                self.readers[read as usize].push(number);
            }
        }
        self.readers.push(Vec::new());
        self.places.insert(Arc::clone(&segment.name), number);
        self.segments.push(segment);
    }

    /// Returns whether a receipt may change any segment. Each one moves when a customer was last
    /// seen.
    pub fn hears_receipts(&self) -> bool {
        let mut receipts = Receipt::ALL.into_iter();
        !self.by_seen.is_empty() || receipts.any(|it| self.by_event.contains_key(it.name()))
    }

    /// The segments that an event of this name may change.
    pub(crate) fn by_event(&self, name: &str) -> &[u32] {
        self.by_event.get(name).map_or(&[], Vec::as_slice)
    }

    /// The segments that a value of this path may change: those that read it, and those that
    /// ask for an object around it.
    pub(crate) fn by_trait(&self, name: &str) -> impl Iterator<Item = u32> {
        let names = names_around(name).chain([name]);
        let readers = names.filter_map(|name| self.by_trait.get(name));
        readers.flatten().copied()
    }

    /// The segments that any event may change.
    pub(crate) fn by_seen(&self) -> &[u32] {
        &self.by_seen
    }

    /// The segments that read the one at a place.
    pub(crate) fn readers(&self, place: u32) -> &[u32] {
        &self.readers[place as usize]
    }

    /// The segments that may hold for a customer of whom nothing is known.
    pub(crate) fn needing_nothing(&self) -> &[u32] {
        &self.needing_nothing
    }

    /// The place of a segment.
    pub(crate) fn place(&self, name: &str) -> Option<u32> {
        self.places.get(name).copied()
    }
}
