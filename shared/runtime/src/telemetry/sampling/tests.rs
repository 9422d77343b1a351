//! Traces that are chosen, that fail and that are slow; and bounds on what is held and exported.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{
    SpanId, TraceContextExt as _, TraceFlags, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::*;
use crate::limits::{HELD_SPANS, OPEN_PARTS, PART_SPANS, TELLING_SPANS, TELLING_SPANS_A_SECOND};

const SLOW: Duration = Duration::from_secs(1);
const FAST: Duration = Duration::from_millis(999);

/// Keeps what would be exported.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<SpanData>>);

/// Shares a processor with the provider that owns it.
#[derive(Debug, Clone)]
struct Shared(Arc<Ends<Kept>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        assert!(span.span_context.is_sampled(), "exporters leave others out");
        self.0.lock().expect("nobody panicked").push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl SpanProcessor for Shared {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}

/// A process that traces.
struct World {
    ends: Arc<Ends<Kept>>,
    tracer: SdkTracer,
    begun: SystemTime,
}

/// The end of a span.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    Failing,
    Slowly,
}

impl World {
    fn of_share(share: f64) -> Self {
        let ends = Arc::new(Ends::new(Kept::default(), Some(SLOW)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Shared(Arc::clone(&ends)))
            .with_sampler(Beginnings::of_share(share))
            .build();
        Self {
            ends,
            tracer: provider.tracer("tests"),
            begun: SystemTime::now(),
        }
    }

    /// Begins a span below a context, and returns the context within it.
    fn begin(&self, name: &'static str, parent: &Context) -> Context {
        let builder = self.tracer.span_builder(name).with_start_time(self.begun);
        parent.with_span(self.tracer.build_with_context(builder, parent))
    }

    fn end(&self, span: &Context, how: How) {
        let took = match how {
            How::Slowly => SLOW,
            _ => FAST,
        };
        if how == How::Failing {
            span.span().set_status(Status::error("it failed"));
        }
        span.span().end_with_timestamp(self.begun + took);
    }

    /// Begins and ends a span.
    fn run(&self, name: &'static str, parent: &Context, how: How) {
        let span = self.begin(name, parent);
        self.end(&span, how);
    }

    /// The names of the spans that were exported so far, in order.
    fn names(&self) -> Vec<String> {
        let kept = self.ends.next.0.lock().expect("nobody panicked");
        kept.iter().map(|span| span.name.to_string()).collect()
    }

    /// Open parts, held spans, and their bytes.
    fn sizes(&self) -> (usize, usize, usize) {
        self.ends.open().parts.sizes()
    }
}

/// A context that came from elsewhere.
fn remote(is_kept: bool) -> Context {
    let context = SpanContext::new(
        TraceId::from(7),
        SpanId::from(7),
        TraceFlags::default().with_sampled(is_kept),
        true,
        TraceState::default(),
    );
    Context::new().with_remote_span_context(context)
}

#[test]
fn at_share_zero_only_what_failed_or_was_slow_is_exported() {
    let world = World::of_share(0.0);
    for (name, how) in [
        ("well", How::Well),
        ("failed", How::Failing),
        ("slow", How::Slowly),
        ("well too", How::Well),
    ] {
        world.run(name, &Context::new(), how);
    }
    assert_eq!(world.names(), ["failed", "slow"]);
    assert_eq!(world.sizes(), (0, 0, 0));
}

#[test]
fn a_sender_who_keeps_its_trace_is_followed_and_one_who_does_not_learns_of_failures_alone() {
    let world = World::of_share(0.0);
    world.run("kept", &remote(true), How::Well);
    assert_eq!(world.names(), ["kept"]);
    let world = World::of_share(1.0);
    world.run("own", &Context::new(), How::Well);
    world.run("not kept", &remote(false), How::Well);
    world.run("failed", &remote(false), How::Failing);
    assert_eq!(world.names(), ["own", "failed"]);
}

#[test]
fn the_context_that_goes_on_says_that_the_trace_is_not_kept() {
    let world = World::of_share(0.0);
    let span = world.begin("call", &Context::new());
    assert!(span.span().span_context().is_valid());
    assert!(!span.span().span_context().is_sampled());
}

#[test]
fn a_part_of_a_trace_is_exported_as_a_whole() {
    let world = World::of_share(0.0);
    let root = world.begin("root", &Context::new());
    world.run("before", &root, How::Well);
    assert_eq!(world.sizes().1, 1);
    world.run("failed", &root, How::Failing);
    assert_eq!(world.names(), ["before", "failed"]);
    assert_eq!(world.sizes(), (1, 0, 0));
    let left = world.begin("after its root", &root);
    world.run("after", &root, How::Well);
    world.end(&root, How::Well);
    world.end(&left, How::Well);
    assert_eq!(
        world.names(),
        ["before", "failed", "after", "root", "after its root"]
    );
    assert_eq!(world.sizes(), (0, 0, 0));
}

#[test]
fn a_part_in_which_all_goes_well_is_forgotten_with_its_last_span() {
    let world = World::of_share(0.0);
    let root = world.begin("root", &Context::new());
    let last = world.begin("last", &root);
    world.run("first", &root, How::Well);
    world.end(&root, How::Well);
    assert_eq!(world.sizes().1, 2);
    world.end(&last, How::Well);
    assert_eq!(world.names(), Vec::<String>::new());
    assert_eq!(world.sizes(), (0, 0, 0));
}

#[test]
fn a_stream_is_as_long_as_its_caller_likes() {
    let world = World::of_share(0.0);
    let stream = world.begin("stream", &Context::new());
    stream
        .span()
        .set_attribute(KeyValue::new(rpc::STREAM, true));
    world.end(&stream, How::Slowly);
    assert_eq!(world.names(), Vec::<String>::new());
}

#[test]
fn without_a_limit_of_time_nothing_is_slow() {
    let ends = Ends::new(Kept::default(), None);
    let world = World::of_share(0.0);
    world.run("slow", &Context::new(), How::Slowly);
    let mut kept = world.ends.next.0.lock().expect("nobody panicked");
    let span = kept.pop().expect("it was slow");
    assert!(world.ends.is_telling(&span));
    assert!(!ends.is_telling(&span));
}

#[test]
fn one_part_and_all_parts_hold_no_more_than_they_may() {
    let world = World::of_share(0.0);
    let parts: Vec<Context> = (0..HELD_SPANS / PART_SPANS + 2)
        .map(|_| {
            let root = world.begin("root", &Context::new());
            for _ in 0..PART_SPANS + 10 {
                world.run("child", &root, How::Well);
            }
            root
        })
        .collect();
    assert_eq!(world.sizes().1, HELD_SPANS);
    world.end(&parts[0], How::Failing);
    assert_eq!(world.names().len(), PART_SPANS + 1);
    for part in &parts[1..] {
        world.end(part, How::Well);
    }
    assert_eq!(world.sizes(), (0, 0, 0));
    assert_eq!(world.names().len(), PART_SPANS + 1);
}

#[test]
fn parts_beyond_the_limit_are_judged_span_by_span() {
    let world = World::of_share(0.0);
    let open = (0..OPEN_PARTS).map(|_| world.begin("open", &Context::new()));
    let open: Vec<Context> = open.collect();
    let root = world.begin("root", &Context::new());
    world.run("well", &root, How::Well);
    world.run("failed", &root, How::Failing);
    world.end(&root, How::Slowly);
    assert_eq!(world.names(), ["failed", "root"]);
    for span in &open {
        world.end(span, How::Well);
    }
    assert_eq!(world.sizes(), (0, 0, 0));
    assert_eq!(world.names(), ["failed", "root"]);
}

#[test]
fn in_an_outage_so_many_a_second_are_exported_and_nothing_stays() {
    let begun = Instant::now();
    let world = World::of_share(0.0);
    for _ in 0..20 * TELLING_SPANS {
        world.run("failed", &Context::new(), How::Failing);
    }
    let seconds = u32::try_from(begun.elapsed().as_secs()).expect("few") + 1;
    let most = usize::try_from(TELLING_SPANS + seconds * TELLING_SPANS_A_SECOND).expect("few");
    let exported = world.names().len();
    let burst = usize::try_from(TELLING_SPANS).expect("few");
    assert!((burst..=most).contains(&exported), "{exported} of {most}");
    assert_eq!(world.sizes(), (0, 0, 0));
}
