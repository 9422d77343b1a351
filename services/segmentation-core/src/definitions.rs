//! Everything that was published for segmentation, compiled as a whole.

mod catalog;
mod compile;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use expr::{Condition, Conditions, FeatureId, Scope};
use kernel::{CounterKey, StableHash, Timestamp};

use crate::counter::Counter;
use crate::customer::Customer;
use crate::state::State;

pub(crate) use table::{History, Table};

/// What was published: compiled, immutable, replaced as a whole.
#[derive(Debug)]
pub struct Definitions {
    /// Names this set, for states to know by which one they were decided.
    pub(crate) fingerprint: u64,
    /// Each follows those that it reads.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The segments that read each of them.
    readers: Vec<Vec<u32>>,
    /// The conditions of the segments, for the next set to take over.
    conditions: Conditions,
    places: HashMap<Arc<str>, u32>,
    /// The histories that are kept for them.
    pub(crate) table: Table,
    by_event: HashMap<Box<str>, Vec<u32>>,
    by_trait: HashMap<Box<str>, Vec<u32>>,
    by_seen: Vec<u32>,
    /// Those that may hold for a customer of whom nothing is known, now or at another time.
    needing_nothing: Vec<u32>,
}

/// A compiled segment. It is the same in every set that has this version of it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: Arc<str>,
    pub(crate) version: u32,
    pub(crate) condition: Arc<Condition>,
    /// The histories of the condition's features.
    pub(crate) histories: Box<[FeatureId]>,
    /// The counter of its members.
    pub(crate) counter: CounterKey,
    /// True where it may hold for a customer of whom nothing is known.
    needs_nothing: bool,
    /// The hash of its name, version and text.
    hash: u64,
}

impl Definitions {
    /// Returns the names that expressions may refer to, with these segments.
    pub fn scope(&self) -> Scope {
        scope(self.segments.iter().map(|segment| segment.name.to_string()))
    }

    /// The segments by name: name, version, expression.
    pub fn segments(&self) -> BTreeMap<&str, (u32, &str)> {
        let segments = self.segments.iter();
        segments
            .map(|segment| {
                let source = segment.condition.source();
                (segment.name.as_ref(), (segment.version, source))
            })
            .collect()
    }
}

impl Segment {
    fn new(name: &str, version: u32, condition: Arc<Condition>) -> Self {
        let histories: Box<[FeatureId]> = condition.features().iter().map(|it| it.id()).collect();
        let hash = StableHash::new()
            .with(name.as_bytes())
            .with(&version.to_le_bytes())
            .with(condition.source().as_bytes());
        Self {
            name: name.into(),
            version,
            needs_nothing: may_need_nothing(&condition, &histories),
            histories,
            condition,
            counter: Counter::Members { segment: name }.key(),
            hash: hash.finish(),
        }
    }
}

/// Returns whether a condition may hold for a customer of whom nothing is known. Where it compares
/// no times that is the same at any instant, because there is no event whose age could change.
fn may_need_nothing(condition: &Condition, histories: &[FeatureId]) -> bool {
    let state = State::default();
    let nobody = Customer::new(&state, Timestamp::from_millis(0), histories);
    condition.compares_times() || condition.holds(&nobody)
}

fn scope(segments: impl Iterator<Item = String>) -> Scope {
    Scope {
        aggregates: true,
        event: false,
        segments: Some(Arc::new(segments.collect::<BTreeSet<_>>())),
    }
}
