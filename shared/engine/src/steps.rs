//! One span for each record of a trace: the step that it caused, from its run to its commit.
//!
//! What the step causes carries the span's context, so that one trace runs from ingest over every
//! record to the delivery and its receipt. A record without a trace, or with one that is not kept,
//! costs a look at its text and nothing else. Batches have spans of their own; those of steps link
//! to them.

use hot::{Owner, Slot};
use kernel::CustomerId;
use messages::stream::v1::Record;
use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};

/// The spans of the batch at hand.
pub(crate) struct Steps {
    /// Absent where nobody reads traces.
    tracer: Option<BoxedTracer>,
    slot: Slot,
    spans: Vec<BoxedSpan>,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steps")
            .field("slot", &self.slot)
            .field("spans", &self.spans.len())
            .finish_non_exhaustive()
    }
}

impl Steps {
    /// Those of a worker; `is_traced` says whether anybody reads traces.
    pub(crate) fn new(slot: Slot, is_traced: bool) -> Self {
        Self {
            tracer: is_traced.then(|| global::tracer("engine")),
            slot,
            spans: Vec::new(),
        }
    }

    /// Begins the step of a record, and returns the record as the step sees it: with the step as
    /// its cause. None where the record is in no trace that is kept.
    pub(crate) fn begin(&mut self, record: &Record) -> Option<Record> {
        let tracer = self.tracer.as_ref()?;
        let parent = sampled(&record.trace_parent)?;
        let mut attributes = vec![KeyValue::new(
            "partition",
            i64::from(self.slot.partition.number()),
        )];
        if let Ok(customer) = CustomerId::try_from_bytes(&record.customer_id) {
            attributes.push(KeyValue::new("customer_id", customer.to_string()));
        }
        let builder = tracer
            .span_builder(name(self.slot.owner))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes);
        let parent = Context::new().with_remote_span_context(parent);
        let span = tracer.build_with_context(builder, &parent);
        let context = span.span_context();
        let mut record = record.clone();
        record.trace_parent = format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags().to_u8()
        );
        self.spans.push(span);
        Some(record)
    }

    /// The steps took effect. Within the span of the batch, which they then link to.
    pub(crate) fn committed(&mut self) {
        if self.spans.is_empty() {
            return;
        }
        let batch = Context::current().span().span_context().clone();
        for mut span in self.spans.drain(..) {
            if batch.is_valid() {
                span.add_link(batch.clone(), Vec::new());
            }
            span.end();
        }
    }

    /// The batch is not going to be committed as it is: its records are run again.
    pub(crate) fn discard(&mut self) {
        for mut span in self.spans.drain(..) {
            span.set_status(Status::error(
                "the batch was not committed; its records are run again",
            ));
            span.end();
        }
    }
}

/// Names of spans are constants, so each service has its own.
const fn name(owner: Owner) -> &'static str {
    match owner {
        Owner::Identity => "identity.step",
        Owner::Segmentation => "segmentation.step",
        Owner::Journey => "journey.step",
        Owner::Activation => "activation.step",
    }
}

/// Reads a `traceparent` that says that its trace is kept;
/// <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn sampled(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    if version == "ff" || !flags.is_sampled() {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use kernel::PartitionId;

    use super::*;

    const KEPT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn begin(is_traced: bool, trace_parent: &str) -> Option<Record> {
        let slot = Slot {
            owner: Owner::Journey,
            partition: PartitionId::new(3),
        };
        let record = Record {
            trace_parent: trace_parent.to_owned(),
            ..Record::default()
        };
        Steps::new(slot, is_traced).begin(&record)
    }

    #[test]
    fn only_records_of_kept_traces_have_steps() {
        for (text, has_step) in [
            (KEPT, true),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
                false,
            ),
            (
                "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                false,
            ),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                false,
            ),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736", false),
            ("", false),
        ] {
            assert_eq!(begin(true, text).is_some(), has_step, "{text}");
        }
    }

    #[test]
    fn where_nobody_reads_traces_no_record_is_copied() {
        assert_eq!(begin(false, KEPT), None);
    }
}
