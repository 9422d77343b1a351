//! Chooses the traces that are exported: a share of them when they begin, and when they end those
//! that failed or were slow.
//!
//! A span that the share leaves out is recorded all the same. The spans of its trace in this
//! process are held until none of them is open; then all are exported where one of them failed or
//! was slow, and forgotten otherwise. The context that goes on to others says that the trace is not
//! kept, so that each process judges its own part; a whole trace is judged by a collector only.

mod allowance;
mod parts;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::{Link, SpanContext, SpanKind, Status, TraceId};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor,
};

use self::allowance::Allowance;
use self::parts::Parts;
use crate::metrics::{self, DroppedSpans};

/// Chooses a share of the traces that begin here, and follows the sender of those that come with
/// one. Everything else is recorded, for [`Ends`] to judge.
#[derive(Debug, Clone)]
pub(super) struct Beginnings(Sampler);

impl Beginnings {
    /// Chooses this share of traces, from 0 to 1.
    pub(super) fn of_share(share: f64) -> Self {
        let of_ids = Sampler::TraceIdRatioBased(share);
        Self(Sampler::ParentBased(Box::new(of_ids)))
    }
}

impl ShouldSample for Beginnings {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let chosen = self
            .0
            .should_sample(parent, trace, name, kind, attributes, links);
        SamplingResult {
            decision: match chosen.decision {
                SamplingDecision::Drop => SamplingDecision::RecordOnly,
                decision => decision,
            },
            ..chosen
        }
    }
}

/// Passes on the spans of chosen traces, and those of other traces that failed or were slow.
#[derive(Debug)]
pub(super) struct Ends<P> {
    next: P,
    /// The time from which on a span is slow; absent where none is.
    slow: Option<Duration>,
    open: Mutex<Open>,
}

/// The traces that were not chosen and have open spans here, and how many more may be exported.
#[derive(Debug)]
struct Open {
    parts: Parts,
    allowance: Allowance,
}

impl<P: SpanProcessor> Ends<P> {
    pub(super) fn new(next: P, slow: Option<Duration>) -> Self {
        let open = Open {
            parts: Parts::default(),
            allowance: Allowance::new(Instant::now()),
        };
        Self {
            next,
            slow,
            open: Mutex::new(open),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a span that ended is worth an export by itself.
    fn is_telling(&self, span: &SpanData) -> bool {
        if matches!(span.status, Status::Error { .. }) {
            return true;
        }
        let Some(slow) = self.slow else { return false };
        // A clock that was set back makes nothing slow.
        let took = span.end_time.duration_since(span.start_time);
        took.is_ok_and(|took| took >= slow) && !is_stream(span)
    }
}

impl<P: SpanProcessor> SpanProcessor for Ends<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        let own = opentelemetry::trace::Span::span_context(span);
        if !own.is_sampled() {
            self.open().parts.begin(own.trace_id());
        }
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            return self.next.on_end(span);
        }
        let is_telling = self.is_telling(&span);
        let mut open = self.open();
        let ended = open.parts.end(span, is_telling);
        let spans = ended.spans.len();
        let is_allowed = spans == 0 || open.allowance.take(spans, Instant::now());
        drop(open);
        metrics::dropped_spans(DroppedSpans::Room, ended.missed);
        if !is_allowed {
            return metrics::dropped_spans(DroppedSpans::Rate, spans);
        }
        for span in ended.spans {
            self.next.on_end(chosen(span));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Returns whether a span is that of a stream, which lasts as long as its caller likes.
fn is_stream(span: &SpanData) -> bool {
    let mut attributes = span.attributes.iter();
    attributes.any(|it| it.key.as_str() == rpc::STREAM && it.value == Value::Bool(true))
}

/// Says of a span that it is exported, without which the next processor leaves it out.
fn chosen(span: SpanData) -> SpanData {
    let own = &span.span_context;
    SpanData {
        span_context: SpanContext::new(
            own.trace_id(),
            own.span_id(),
            own.trace_flags().with_sampled(true),
            own.is_remote(),
            own.trace_state().clone(),
        ),
        ..span
    }
}

#[cfg(test)]
mod tests;
