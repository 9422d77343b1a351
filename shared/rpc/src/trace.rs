//! The trace context of the call at hand, in W3C form, from the caller and on to what the call
//! causes.

use std::fmt;
use std::future::Future;

use http::HeaderMap;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

tokio::task_local! {
    static CURRENT: Option<TraceParent>;
}

/// A W3C `traceparent`, as headers and records carry it. Handlers find it as an extension of the
/// request too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

impl TraceParent {
    /// Reads a `traceparent`; none where it is empty or not one.
    ///
    /// <https://www.w3.org/TR/trace-context/#traceparent-header>
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may add parts; this one has four, and `ff` is none.
        if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        if trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
            return None;
        }
        let parent = Self {
            trace: TraceId::from_hex(trace).ok()?,
            span: SpanId::from_hex(span).ok()?,
            flags: TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        };
        (parent.trace != TraceId::INVALID && parent.span != SpanId::INVALID).then_some(parent)
    }

    /// The context of the call that this task carries out; none outside of calls, or where nothing
    /// traces.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|parent| *parent).ok().flatten()
    }

    /// The context of a span, where it is exported.
    pub fn of_span(span: &tracing::Span) -> Option<Self> {
        let context = span.context();
        let span = context.span().span_context().clone();
        span.is_valid().then(|| Self {
            trace: span.trace_id(),
            span: span.span_id(),
            flags: span.trace_flags(),
        })
    }

    /// Makes a span a child of this context.
    pub fn adopt(self, span: &tracing::Span) {
        let remote = SpanContext::new(
            self.trace,
            self.span,
            self.flags,
            true,
            TraceState::default(),
        );
        let context = opentelemetry::Context::new().with_remote_span_context(remote);
        // Without an exporter there is nothing to adopt into.
        let _ = span.set_parent(context);
    }

    /// Runs work under this context, or under none; calls made within carry it on.
    pub async fn scope<F: Future>(parent: Option<Self>, work: F) -> F::Output {
        CURRENT.scope(parent, work).await
    }

    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get("traceparent")?.to_str().ok()?)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{}-{}-{:02x}",
            self.trace,
            self.span,
            self.flags.to_u8()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_read_and_written() {
        let parent = TraceParent::parse(PARENT).expect("a context");
        assert_eq!(parent.to_string(), PARENT);
    }

    #[test]
    fn what_is_no_context_is_none() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-zbf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn work_finds_its_context() {
        let parent = TraceParent::parse(PARENT);
        assert_eq!(
            TraceParent::scope(parent, async { TraceParent::current() }).await,
            parent
        );
        assert_eq!(TraceParent::current(), None);
    }
}
