//! The mirror of what is known of the customer: traits and memberships, as facts tell them.

use kernel::{Properties, Reason};
use messages::convert::value;
use messages::stream::v1::{ChangeReason, Fact, Profile, SegmentChange};

use crate::limits;
use crate::state::Name;

use super::Pass;

impl Pass<'_> {
    /// Takes over what a fact tells.
    pub(super) fn mirror(&mut self, fact: &Fact) {
        self.mirror_traits(fact);
        for change in &fact.changes {
            self.mirror_segment(change);
        }
    }

    /// Takes over the whole of what is known after a merge or an unmerge. Returns the fact that it
    /// comes to: what differs from what was known of the two.
    pub(super) fn take_profile(&mut self, profile: &Profile, changes: &[SegmentChange]) -> Fact {
        let told = profile.traits.iter();
        let told = told.filter_map(|set| Some((set.name.as_str(), value(set.value.as_ref()?)?)));
        let traits = self.fitting_traits(told.collect());
        if *self.state.traits != traits {
            *self.state.traits = traits;
            self.changed = true;
        }
        let is_told = |name: &str| profile.segments.iter().any(|known| known.segment == name);
        let left = self
            .state
            .segments
            .iter()
            .filter(|name| !is_told(name))
            .map(|name| SegmentChange {
                segment: name.to_string(),
                reason: ChangeReason::Merge.into(),
                time_ms: self.since.as_millis(),
                ..SegmentChange::default()
            });
        let entered = profile
            .segments
            .iter()
            .filter(|known| self.state.segment_place(&known.segment).is_err())
            .map(|known| {
                let change = changes.iter().find(|it| it.segment == known.segment);
                change.unwrap_or(known).clone()
            });
        Fact {
            changes: left.chain(entered).collect(),
            ..Fact::default()
        }
    }

    /// Applies what segmentation decided. Times are not compared: of two facts the later one has
    /// the word, however old the event is that it tells of.
    fn mirror_traits(&mut self, fact: &Fact) {
        if fact.set_traits.is_empty() && fact.removed_traits.is_empty() {
            return;
        }
        let mut traits = Properties::clone(&self.state.traits);
        for removed in &fact.removed_traits {
            traits.remove(&removed.name);
        }
        for set in &fact.set_traits {
            if let Some(new) = set.value.as_ref().and_then(value) {
                traits.set(&set.name, new);
            }
        }
        if *self.state.traits != traits {
            *self.state.traits = self.fitting_traits(traits);
            self.changed = true;
        }
    }

    /// Leaves out the traits that there is no room for, and says so in the history.
    pub(super) fn fitting_traits(&mut self, mut traits: Properties) -> Properties {
        let reads = &self.definitions.reads;
        let left_out = traits.fit(limits::TRAITS, |name| reads.has_trait(name));
        if !left_out.is_empty() {
            let detail = left_out.join(", ").into();
            self.note_refusal(&Name::from(PROFILE), Reason::TraitLimit, detail);
        }
        traits
    }

    fn mirror_segment(&mut self, change: &SegmentChange) {
        match self.state.segment_place(&change.segment) {
            Err(place) if change.entered => {
                let name = change.segment.as_str().into();
                self.state.segments.insert(place, name);
                self.changed = true;
                self.fit_segments();
            }
            Ok(place) if !change.entered => {
                self.state.segments.remove(place);
                self.changed = true;
            }
            _ => {}
        }
    }

    /// Makes room for memberships: those that no definition reads are let go first, then the last
    /// by name.
    pub(super) fn fit_segments(&mut self) {
        let bytes = |segments: &[Name]| segments.iter().map(|name| name.len() + 2).sum::<usize>();
        if bytes(&self.state.segments) <= limits::SEGMENT_BYTES {
            return;
        }
        let reads = &self.definitions.reads;
        self.state.segments.retain(|name| reads.has_segment(name));
        while bytes(&self.state.segments) > limits::SEGMENT_BYTES {
            let Some(gone) = self.state.segments.pop() else {
                return;
            };
            self.note_refusal(&Name::from(PROFILE), Reason::SegmentLimit, gone);
        }
    }
}

/// The subject of entries of the history about traits and memberships.
const PROFILE: &str = "profile";
