//! What is known of the customer here: traits and memberships, as facts tell them.

use std::sync::Arc;

use kernel::limits::TRAITS_PER_PROFILE;
use messages::convert::{properties, value};
use messages::stream::v1::{ChangeReason, Event, Fact, Profile, SegmentChange};

use super::Pass;

impl Pass<'_> {
    /// Takes over what a fact tells.
    pub(super) fn mirror(&mut self, fact: &Fact) {
        if let Some(event) = &fact.event {
            self.mirror_traits(event);
        }
        for change in &fact.changes {
            self.mirror_segment(change);
        }
    }

    /// Takes over the whole of what is known after a merge. Returns the fact that it comes to: what differs from what was
    /// known of the two.
    pub(super) fn take_profile(&mut self, profile: &Profile, changes: &[SegmentChange]) -> Fact {
        let traits = properties(&profile.traits);
        if *self.state.traits != traits {
            self.state.traits = Arc::new(traits);
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
            event: None,
            changes: left.chain(entered).collect(),
            profile: None,
        }
    }

    /// A null removes a trait.
    fn mirror_traits(&mut self, event: &Event) {
        for named in &event.traits {
            let known = self.state.traits.value(&named.name);
            match named.value.as_ref().and_then(value) {
                None if known.is_some() => {
                    Arc::make_mut(&mut self.state.traits).remove(&named.name);
                    self.changed = true;
                }
                Some(new)
                    if known != Some(&new)
                        && (known.is_some() || self.state.traits.len() < TRAITS_PER_PROFILE) =>
                {
                    Arc::make_mut(&mut self.state.traits).set(&named.name, new);
                    self.changed = true;
                }
                _ => {}
            }
        }
    }

    fn mirror_segment(&mut self, change: &SegmentChange) {
        match self.state.segment_place(&change.segment) {
            Err(place) if change.entered => {
                let name = change.segment.as_str().into();
                self.state.segments.insert(place, name);
                self.changed = true;
            }
            Ok(place) if !change.entered => {
                self.state.segments.remove(place);
                self.changed = true;
            }
            _ => {}
        }
    }
}
