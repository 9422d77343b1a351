//! The state of one customer: what earlier facts left behind, in sections.
//!
//! A step works on what the sections lend it, a [`Customer`]; the sections that come back as other
//! values are written. Names are shared texts. How sections are stored is in `codec`.

mod assignment;
mod customer;
mod endings;
mod history;
mod page;
mod part_kind;
mod position;
mod progress;
mod remembered;
mod run;
mod trail;

use std::sync::Arc;

use bytes::Bytes;
use decision::{
    AnySection, Group, PartKey, PartLoad, PartWrites, Poison, Section, UnknownParts, make_room,
};

use crate::limits;

pub use crate::codec::{
    Assignments, EarlyEvents, EndedRuns, EndingSections, HappyPaths, History, Positions, Runs,
    Segments, Trails, Traits,
};
pub use assignment::Assignment;
pub use customer::Customer;
pub(crate) use customer::after_deadline;
pub(crate) use endings::NEW_END_BYTES;
pub use endings::{End, Ended, EndingList, Endings, JourneyEndings};
pub use history::HistoryEntry;
pub use page::{Paged, Pages};
pub use part_kind::PartKind;
pub use position::Position;
pub use progress::{Deviation, Measure, Passage, Progress};
pub use remembered::{EarlyEvent, Remembered};
pub use run::{EndedRun, Run};
pub use trail::Trail;
pub(crate) use trail::TrailList;

/// A shared name.
pub type Name = Arc<str>;

/// The state of one customer. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// True once anything of the customer was processed.
    pub(crate) known: bool,
    pub(crate) run_count: u64,
    pub(crate) traits: Section<Traits>,
    pub(crate) segments: Section<Segments>,
    pub(crate) positions: Group<Positions>,
    pub(crate) progress: Group<HappyPaths>,
    pub(crate) runs: Group<Runs>,
    pub(crate) ended: Group<EndedRuns>,
    pub(crate) endings: Group<EndingSections>,
    pub(crate) history: Group<History>,
    pub(crate) assignments: Group<Assignments>,
    pub(crate) remembered: Section<EarlyEvents>,
    pub(crate) trails: Group<Trails>,
    /// Parts of kinds that a newer version wrote.
    pub(crate) others: UnknownParts,
    /// Fields that a newer version wrote, as they are stored.
    pub(crate) unknown_fields: Bytes,
}

impl State {
    /// Returns whether anything of the customer was ever processed.
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Lends every section, loaded or not.
    pub fn open(&self) -> Customer {
        Customer {
            traits: self.traits.lend(),
            segments: self.segments.lend(),
            positions: self.positions.lend(),
            progress: self.progress.lend(),
            runs: self.runs.lend(),
            ended: self.ended.lend(),
            endings: self.endings.lend(),
            history: self.history.lend(),
            assignments: self.assignments.lend(),
            remembered: self.remembered.lend(),
            trails: self.trails.lend(),
            run_count: self.run_count,
        }
    }

    /// Takes back what was lent, after a step that missed nothing.
    pub(crate) fn take_back(&mut self, customer: Customer) {
        self.known = true;
        self.run_count = customer.run_count;
        self.traits.take_back(customer.traits);
        self.segments.take_back(customer.segments);
        self.positions.take_back(customer.positions);
        self.progress.take_back(customer.progress);
        self.runs.take_back(customer.runs);
        self.ended.take_back(customer.ended);
        self.endings.take_back(customer.endings);
        self.history.take_back(customer.history);
        self.assignments.take_back(customer.assignments);
        self.remembered.take_back(customer.remembered);
        self.trails.take_back(customer.trails);
        self.keep_head_small();
    }

    /// Takes in what nobody here knows of a customer who was joined into this one. Fields come
    /// before the survivor's, which so stand where there is one of a kind.
    pub(crate) fn take_in_unknown(&mut self, other: &Self, first_ordinal: u16) {
        self.others.take_in(&other.others, first_ordinal);
        let fields = [other.unknown_fields.as_ref(), &self.unknown_fields].concat();
        if fields.len() <= limits::UNKNOWN_BYTES {
            self.unknown_fields = fields.into();
        }
    }

    /// The parts to load for a reader who is shown everything but traits, memberships and ends.
    pub fn parts_to_show(&self) -> Vec<PartKey> {
        let paths = self
            .positions
            .not_loaded()
            .chain(self.progress.not_loaded());
        let runs = self.runs.not_loaded().chain(self.ended.not_loaded());
        let told = self
            .history
            .not_loaded()
            .chain(self.assignments.not_loaded());
        paths.chain(runs).chain(told).collect()
    }

    /// The parts to load for a reader who is told what would stay joined if fragments left.
    pub(crate) fn parts_to_part(&self) -> Vec<PartKey> {
        let ends = self.ended.not_loaded().chain(self.endings.not_loaded());
        ends.chain(self.trails.not_loaded()).collect()
    }

    /// The parts without which no step is taken, as far as they are not loaded: whatever comes, what
    /// is not defined any more is let go, and what is due is looked for.
    pub(crate) fn parts_to_step(&self) -> impl Iterator<Item = PartKey> {
        let places = self
            .positions
            .not_loaded()
            .chain(self.progress.not_loaded());
        places.chain(self.runs.not_loaded())
    }

    /// The parts of what is known of the customer that are not loaded: of the traits, of the
    /// memberships, or both.
    pub(crate) fn parts_to_mirror(
        &self,
        traits: bool,
        segments: bool,
    ) -> impl Iterator<Item = PartKey> {
        let traits = traits && self.traits.is_not_loaded();
        let segments = segments && self.segments.is_not_loaded();
        let traits = traits.then(|| PartKind::Traits.key());
        traits
            .into_iter()
            .chain(segments.then(|| PartKind::Segments.key()))
    }

    /// Returns whether no part is missing.
    pub(crate) fn is_loaded(&self) -> bool {
        let own = self.parts_to_mirror(true, true).chain(self.parts_to_step());
        let own = own.chain(self.ended.not_loaded());
        let own = own.chain(self.endings.not_loaded());
        let own = own.chain(self.history.not_loaded());
        let own = own.chain(self.assignments.not_loaded());
        let own = own.chain(self.trails.not_loaded());
        let remembered = self.remembered.is_not_loaded();
        let own = own.chain(remembered.then(|| PartKind::Remembered.key()));
        own.chain(self.others.not_loaded()).next().is_none()
    }

    /// All parts that the store keeps apart and that are not loaded.
    pub fn not_loaded(&self) -> Vec<PartKey> {
        let sections = self.sections().into_iter();
        let sections = sections.filter(|(_, section)| section.is_not_loaded());
        let sections = sections.map(|(key, _)| key);
        sections.chain(self.others.not_loaded()).collect()
    }

    /// Each section with its key. Runs are in the order in which they started.
    pub(crate) fn sections(&self) -> Vec<(PartKey, &dyn AnySection)> {
        fn any<S: AnySection>((key, section): (PartKey, &S)) -> (PartKey, &dyn AnySection) {
            (key, section)
        }
        let mut all = vec![
            any((PartKind::Traits.key(), &self.traits)),
            any((PartKind::Segments.key(), &self.segments)),
            any((PartKind::Remembered.key(), &self.remembered)),
        ];
        all.extend(self.positions.iter().map(any));
        all.extend(self.progress.iter().map(any));
        all.extend(self.runs.iter().map(any));
        all.extend(self.ended.iter().map(any));
        all.extend(self.endings.iter().map(any));
        all.extend(self.history.iter().map(any));
        all.extend(self.assignments.iter().map(any));
        all.extend(self.trails.iter().map(any));
        all
    }

    fn sections_mut(&mut self) -> Vec<(PartKey, &mut dyn AnySection)> {
        fn any<S: AnySection>((key, section): (PartKey, &mut S)) -> (PartKey, &mut dyn AnySection) {
            (key, section)
        }
        let mut all = vec![
            any((PartKind::Traits.key(), &mut self.traits)),
            any((PartKind::Segments.key(), &mut self.segments)),
            any((PartKind::Remembered.key(), &mut self.remembered)),
        ];
        all.extend(self.positions.iter_mut().map(any));
        all.extend(self.progress.iter_mut().map(any));
        all.extend(self.runs.iter_mut().map(any));
        all.extend(self.ended.iter_mut().map(any));
        all.extend(self.endings.iter_mut().map(any));
        all.extend(self.history.iter_mut().map(any));
        all.extend(self.assignments.iter_mut().map(any));
        all.extend(self.trails.iter_mut().map(any));
        all
    }

    /// Sends the largest sections apart where the head has no room for all.
    fn keep_head_small(&mut self) {
        let unknown = self
            .others
            .iter()
            .filter(|(_, part)| part.stored_bytes().is_none());
        let unknown = unknown.filter_map(|(_, part)| part.get().ok().flatten());
        let unknown = unknown.map(Bytes::len).sum::<usize>() + self.unknown_fields.len();
        let room = limits::INLINE_BYTES.saturating_sub(unknown);
        let sections = self.sections().into_iter();
        let taken = sections.map(|(_, section)| section.most_head_bytes());
        if taken.sum::<usize>() > room {
            let sections = self.sections_mut().into_iter();
            make_room(sections.map(|(_, section)| section).collect(), room);
        }
    }

    /// Takes a part as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it is not listed, or cannot be read.
    pub(crate) fn load(&mut self, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        if let Some(part) = self.others.part_mut(key) {
            part.load(bytes);
            return Ok(());
        }
        let mut sections = self.sections_mut().into_iter();
        match sections.find(|(own, _)| *own == key) {
            Some((_, section)) => section.load(&bytes),
            None => Err(Poison::new("the state does not list it")),
        }
    }

    /// Hands out the parts that changed, and marks them clean.
    pub(crate) fn drain(&mut self, writes: &mut PartWrites) {
        self.traits.drain(PartKind::Traits.key(), writes);
        self.segments.drain(PartKind::Segments.key(), writes);
        self.positions.drain(writes);
        self.progress.drain(writes);
        self.runs.drain(writes);
        self.ended.drain(writes);
        self.endings.drain(writes);
        self.history.drain(writes);
        self.assignments.drain(writes);
        self.trails.drain(writes);
        self.remembered.drain(PartKind::Remembered.key(), writes);
        self.others.drain(writes);
    }

    /// Returns whether the store keeps any part apart.
    pub(crate) fn has_apart(&self) -> bool {
        self.traits.stored_bytes().is_some()
            || self.segments.stored_bytes().is_some()
            || self.positions.keys_apart().next().is_some()
            || self.progress.keys_apart().next().is_some()
            || self.runs.keys_apart().next().is_some()
            || self.ended.keys_apart().next().is_some()
            || self.endings.keys_apart().next().is_some()
            || self.history.keys_apart().next().is_some()
            || self.assignments.keys_apart().next().is_some()
            || self.remembered.stored_bytes().is_some()
            || self.trails.keys_apart().next().is_some()
            || self.others.keys_apart().next().is_some()
    }

    /// All parts that the store keeps apart, those included that are gone with the next commit.
    pub(crate) fn keys_apart(&self) -> Vec<PartKey> {
        let singles = [
            (PartKind::Traits.key(), self.traits.stored_bytes()),
            (PartKind::Segments.key(), self.segments.stored_bytes()),
            (PartKind::Remembered.key(), self.remembered.stored_bytes()),
        ];
        let singles = singles.into_iter().filter(|(_, stored)| stored.is_some());
        let mut keys: Vec<PartKey> = singles.map(|(key, _)| key).collect();
        keys.extend(self.positions.keys_apart());
        keys.extend(self.progress.keys_apart());
        keys.extend(self.runs.keys_apart());
        keys.extend(self.ended.keys_apart());
        keys.extend(self.endings.keys_apart());
        keys.extend(self.history.keys_apart());
        keys.extend(self.assignments.keys_apart());
        keys.extend(self.trails.keys_apart());
        keys.extend(self.others.keys_apart());
        keys
    }

    /// Measures the parts.
    pub(crate) fn measure(&self) -> PartLoad {
        let mut load = PartLoad::default();
        self.traits.measure(&mut load);
        self.segments.measure(&mut load);
        self.positions.measure(&mut load);
        self.progress.measure(&mut load);
        self.runs.measure(&mut load);
        self.ended.measure(&mut load);
        self.endings.measure(&mut load);
        self.history.measure(&mut load);
        self.assignments.measure(&mut load);
        self.trails.measure(&mut load);
        self.remembered.measure(&mut load);
        self.others.measure(&mut load);
        load
    }
}
