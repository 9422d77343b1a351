//! What is known of the customer here: traits and memberships, as facts tell them.

use std::sync::Arc;

use kernel::limits::TRAITS_PER_PROFILE;
use proto::convert::value;
use proto::stream::v1::{Event, Fact, SegmentChange};

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
