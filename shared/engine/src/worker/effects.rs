//! Hands the effects of a step to its batch.

use decision::Core;
use hot::StreamId;
use messages::stream::v1::{Record, record::Body};

use super::Worker;
use super::batch::Batch;
use super::cause::Cause;
use super::fault::Failed;
use super::packer::pack_message;
use crate::head::{Head, id_bytes};

impl<C: Core> Worker<C> {
    pub(super) fn apply_effects(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let output = self.output_for(work, cause.bulk);
        let accept_time = (!self.is_on_stream_time()).then(|| self.accept_time_of(cause));
        let batch = &mut self.batch;
        let inherit = |record: &mut Record| {
            if record.trace_parent.is_empty() && !cause.trace_parent.is_empty() {
                cause.trace_parent.clone_into(&mut record.trace_parent);
            }
        };
        if !batch.effects.records.is_empty() {
            let Some(output) = output else {
                return Err(cause.failed("the service emits records and has no output stream"));
            };
            for mut record in batch.effects.records.drain(..) {
                inherit(&mut record);
                batch.packer.push(output, &record, accept_time);
            }
        }
        for (stream, mut record) in batch.effects.to_streams.drain(..) {
            inherit(&mut record);
            batch.packer.push(stream, &record, None);
        }
        for (partition, name, mut record) in batch.effects.forwards.drain(..) {
            inherit(&mut record);
            let to = StreamId { name, partition };
            let payload = pack_message(&record, self.position.next_message());
            batch.other_bytes += payload.len();
            batch.forwards.push((to, payload));
        }
        if self.changes.is_none() {
            batch.effects.changes.clear();
        }
        for change in batch.effects.changes.drain(..) {
            batch.changes.push(&change);
        }
        for (counter, change) in batch.effects.counts.drain(..) {
            // A counter that the batch has counted in before is within its bound.
            let bounded = C::BOUNDED_COUNTERS.filter(|_| !batch.counts.contains_key(&counter));
            let counter = self.counted.within_bound(bounded, counter);
            let sum = batch.counts.entry(counter).or_default();
            *sum = sum.saturating_add(change);
        }
        for group in std::mem::take(&mut batch.effects.dropped_groups) {
            batch.drop_group(group);
        }
        for mut record in batch.effects.dispatches.drain(..) {
            inherit(&mut record);
            batch.dispatches.push(record);
        }
        Ok(())
    }
}

impl<C: Core> Batch<C> {
    /// Writes upon what a step emitted of which fragment it is, once that is known by its id.
    pub(super) fn name_fragments(&mut self, work: usize) {
        let effects = &mut self.effects;
        effects.of_fragment(0);
        // Everybody's who was never merged.
        if effects.record_fragments.is_empty() && effects.stream_fragments.is_empty() {
            return;
        }
        let head = &self.works[work].cached.head;
        for (place, ordinal) in effects.record_fragments.drain(..) {
            if let Some(record) = effects.records.get_mut(place) {
                name_fragment(head, ordinal, record);
            }
        }
        for (place, ordinal) in effects.stream_fragments.drain(..) {
            if let Some((_, record)) = effects.to_streams.get_mut(place) {
                name_fragment(head, ordinal, record);
            }
        }
    }
}

/// Names the fragment of an ordinal in a record that names none.
fn name_fragment(head: &Head, ordinal: u16, record: &mut Record) {
    let owner = head.owner_of(ordinal).map(id_bytes);
    match &mut record.body {
        Some(Body::Event(event)) if event.fragment_id.is_empty() => {
            // An event that names nobody is nobody's: it is of the customer, where nobody is known.
            event.fragment_id = owner.unwrap_or_else(|| record.customer_id.clone());
        }
        Some(Body::Event(_)) => {}
        _ if record.fragment_id.is_empty() => record.fragment_id = owner.unwrap_or_default(),
        _ => {}
    }
}
