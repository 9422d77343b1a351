//! Segments as they are published, compiled: in an order in which each follows those it reads, and
//! indexed by what can change them.

mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use expr::{Condition, Conditions, FeatureId, Mistake, Scope};
use kernel::{CounterKey, StableHash, Timestamp};

use crate::counter::Counter;
use crate::customer::Customer;
use crate::cycle;
use crate::state::State;

pub(crate) use table::{History, Table};

/// A segment as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSource {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its condition.
    pub expression: String,
}

/// A mistake in a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment `{segment}`: {mistake}")]
pub struct SegmentFault {
    /// The segment.
    pub segment: String,
    /// The mistake in its expression.
    pub mistake: Mistake,
}

/// Every segment that is published, compiled.
#[derive(Debug)]
pub struct Definitions {
    /// Names this set, for states to know by which one they were decided.
    pub(crate) fingerprint: u64,
    /// Each follows those that it reads.
    pub(crate) segments: Vec<Segment>,
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

/// A compiled segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: Arc<str>,
    pub(crate) version: u32,
    pub(crate) condition: Arc<Condition>,
    /// The histories of the condition's features.
    pub(crate) histories: Box<[FeatureId]>,
    /// The segments that read it.
    pub(crate) readers: Vec<u32>,
    /// The counter of its members.
    pub(crate) counter: CounterKey,
}

impl Definitions {
    /// No segments.
    pub fn empty() -> Self {
        Self::index(Vec::new(), &[], Conditions::default())
    }

    /// Compiles a whole set of segments. What those read that are gone since lately is kept and fed
    /// as if they were not: see [`UNREAD_KEPT`](crate::limits::UNREAD_KEPT).
    ///
    /// # Errors
    /// Every mistake of every segment, by the order of the segments; names are taken to be unique.
    pub fn compile(
        sources: &[SegmentSource],
        gone: &[SegmentSource],
    ) -> Result<Self, Vec<SegmentFault>> {
        Self::empty().compile_next(sources, gone)
    }

    /// Compiles the set that follows this one, as [`compile`](Self::compile) does.
    ///
    /// Conditions of this set are taken over, so that the cost follows what changed.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn compile_next(
        &self,
        sources: &[SegmentSource],
        gone: &[SegmentSource],
    ) -> Result<Self, Vec<SegmentFault>> {
        let mut conditions = Conditions::default();
        let scope = scope(sources.iter().map(|source| source.name.clone()));
        let mut sources: Vec<&SegmentSource> = sources.iter().collect();
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut compiled, mut faults) = (Vec::new(), Vec::new());
        for source in &sources {
            match conditions.compile(&source.expression, &scope, &self.conditions) {
                Ok(condition) => compiled.push((*source, condition)),
                Err(mistakes) => faults.extend(mistakes.into_iter().map(|mistake| SegmentFault {
                    segment: source.name.clone(),
                    mistake,
                })),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let places: BTreeMap<&str, usize> = compiled
            .iter()
            .enumerate()
            .map(|(place, (source, _))| (source.name.as_str(), place))
            .collect();
        let reads: Vec<Vec<usize>> = compiled
            .iter()
            .map(|(_, condition)| {
                let segments = condition.reads().segments.iter();
                segments
                    .filter_map(|name| places.get(name.as_ref()).copied())
                    .collect()
            })
            .collect();
        let order = cycle::order(&reads).map_err(|circle| circle_faults(&circle, &compiled))?;
        let mut compiled: Vec<Option<_>> = compiled.into_iter().map(Some).collect();
        let segments = order
            .into_iter()
            .filter_map(|place| compiled[place].take())
            .map(|(source, condition)| Segment::new(source, condition))
            .collect();
        let gone = self.conditions_of_gone(gone, &mut conditions);
        Ok(Self::index(segments, &gone, conditions))
    }

    /// Returns the conditions of segments that are gone.
    fn conditions_of_gone(
        &self,
        gone: &[SegmentSource],
        conditions: &mut Conditions,
    ) -> Vec<Arc<Condition>> {
        let anything = Scope {
            segments: None,
            ..scope(std::iter::empty())
        };
        // A text that was valid once may not be valid any more. Then nobody can make it again as it
        // was either.
        let compiled = gone.iter().filter_map(|source| {
            let text = &source.expression;
            conditions.compile(text, &anything, &self.conditions).ok()
        });
        compiled.collect()
    }

    fn index(mut segments: Vec<Segment>, gone: &[Arc<Condition>], conditions: Conditions) -> Self {
        let mut by_event: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        let mut by_trait: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        let (mut by_seen, mut needing_nothing) = (Vec::new(), Vec::new());
        let mut places: HashMap<Arc<str>, u32> = HashMap::new();
        let mut hash = StableHash::new();
        let mut readers: Vec<Vec<u32>> = vec![Vec::new(); segments.len()];
        for (number, segment) in (0_u32..).zip(&segments) {
            let reads = segment.condition.reads();
            hash = hash
                .with(segment.name.as_bytes())
                .with(&segment.version.to_le_bytes())
                .with(segment.condition.source().as_bytes());
            for name in &reads.events {
                by_event.entry(name.clone()).or_default().push(number);
            }
            for name in &reads.traits {
                by_trait.entry(name.clone()).or_default().push(number);
            }
            if reads.seen {
                by_seen.push(number);
            }
            if segment.may_need_nothing() {
                needing_nothing.push(number);
            }
            for read in &reads.segments {
                if let Some(read) = places.get(read.as_ref()) {
                    readers[*read as usize].push(number);
                }
            }
            places.insert(Arc::clone(&segment.name), number);
        }
        for (segment, readers) in segments.iter_mut().zip(readers) {
            segment.readers = readers;
        }
        let table = table_of(&segments, gone);
        Self {
            fingerprint: table.add_to(hash).finish(),
            segments,
            conditions,
            places,
            table,
            by_event,
            by_trait,
            by_seen,
            needing_nothing,
        }
    }

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

    /// The segments that an event of this name may change.
    pub(crate) fn by_event(&self, name: &str) -> &[u32] {
        self.by_event.get(name).map_or(&[], Vec::as_slice)
    }

    /// The segments that a trait of this name may change.
    pub(crate) fn by_trait(&self, name: &str) -> &[u32] {
        self.by_trait.get(name).map_or(&[], Vec::as_slice)
    }

    /// The segments that any event may change.
    pub(crate) fn by_seen(&self) -> &[u32] {
        &self.by_seen
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

impl Segment {
    fn new(source: &SegmentSource, condition: Arc<Condition>) -> Self {
        let members = Counter::Members {
            segment: &source.name,
        };
        Self {
            name: source.name.as_str().into(),
            version: source.version,
            histories: condition.features().iter().map(|it| it.id()).collect(),
            condition,
            readers: Vec::new(),
            counter: members.key(),
        }
    }

    /// Returns whether it may hold for a customer of whom nothing is known. Where it compares no
    /// times that is the same at any instant, because there is no event whose age could change.
    fn may_need_nothing(&self) -> bool {
        let state = State::default();
        let nobody = Customer::new(&state, Timestamp::from_millis(0), &self.histories);
        self.condition.compares_times() || self.condition.holds(&nobody)
    }
}

/// The histories that segments read, and those that others read until lately.
fn table_of(segments: &[Segment], gone: &[Arc<Condition>]) -> Table {
    let current = (0..).zip(segments).flat_map(|(number, segment)| {
        let features = segment.condition.features().iter();
        features.map(move |feature| (feature, Some(number)))
    });
    let gone = gone.iter().flat_map(|condition| condition.features());
    Table::of(current.chain(gone.map(|feature| (feature, None))))
}

fn scope(segments: impl Iterator<Item = String>) -> Scope {
    Scope {
        aggregates: true,
        event: false,
        segments: Some(Arc::new(segments.collect::<BTreeSet<_>>())),
    }
}

/// One fault for each segment of a circle, so that whoever wrote one of them sees it.
fn circle_faults(
    circle: &[usize],
    compiled: &[(&SegmentSource, Arc<Condition>)],
) -> Vec<SegmentFault> {
    let names: Vec<&str> = circle
        .iter()
        .chain(circle.first())
        .map(|place| compiled[*place].0.name.as_str())
        .collect();
    let message = format!(
        "segments cannot read each other in a circle: {}; drop one of these segments.has(…)",
        names.join(" → ")
    );
    circle
        .iter()
        .map(|place| SegmentFault {
            segment: compiled[*place].0.name.clone(),
            mistake: Mistake {
                line: 1,
                column: 1,
                message: message.clone(),
            },
        })
        .collect()
}
