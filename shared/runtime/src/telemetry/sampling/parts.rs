//! The parts of traces that are under way in this process, and the spans of them that are held
//! until it is known whether they are exported. Pure.

use std::collections::HashMap;

use opentelemetry::trace::TraceId;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use crate::limits::{HELD_BYTES, HELD_SPANS, OPEN_PARTS, PART_SPANS};

/// The parts of traces with open spans, by trace.
#[derive(Debug, Default)]
pub(super) struct Parts {
    open: HashMap<TraceId, Part>,
    /// Spans held, and about the bytes that they take.
    held: usize,
    bytes: usize,
}

/// The part of one trace.
#[derive(Debug, Default)]
struct Part {
    /// Spans that have begun and not ended.
    open: usize,
    /// True once a span of it failed or was slow: all others follow at once.
    is_telling: bool,
    held: Vec<SpanData>,
    bytes: usize,
    /// Spans for which there was no room.
    missed: usize,
}

/// The consequence of the end of a span.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The spans that are exported now.
    pub(super) spans: Vec<SpanData>,
    /// Spans that would be, and for which there was no room.
    pub(super) missed: usize,
}

impl Parts {
    /// A span begins. Beyond the limit of parts at once it is judged by itself when it ends.
    pub(super) fn begin(&mut self, trace: TraceId) {
        if let Some(part) = self.open.get_mut(&trace) {
            part.open += 1;
        } else if self.open.len() < OPEN_PARTS {
            let part = Part {
                open: 1,
                ..Part::default()
            };
            self.open.insert(trace, part);
        }
    }

    /// A span ended; `is_telling` says whether it failed or was slow.
    pub(super) fn end(&mut self, span: SpanData, is_telling: bool) -> Ended {
        let trace = span.span_context.trace_id();
        let Some(part) = self.open.get_mut(&trace) else {
            let spans = if is_telling { vec![span] } else { Vec::new() };
            return Ended { spans, missed: 0 };
        };
        part.open = part.open.saturating_sub(1);
        part.is_telling |= is_telling;
        let is_over = part.open == 0;
        let mut ended = Ended::default();
        if part.is_telling {
            ended.missed = std::mem::take(&mut part.missed);
            self.held -= part.held.len();
            self.bytes -= std::mem::take(&mut part.bytes);
            ended.spans = std::mem::take(&mut part.held);
            ended.spans.push(span);
        } else if !is_over {
            let bytes = bytes_of(&span);
            let has_room = part.held.len() < PART_SPANS
                && self.held < HELD_SPANS
                && self.bytes + bytes <= HELD_BYTES;
            if has_room {
                part.held.push(span);
                part.bytes += bytes;
                self.held += 1;
                self.bytes += bytes;
            } else {
                part.missed += 1;
            }
        }
        if is_over && let Some(part) = self.open.remove(&trace) {
            self.held -= part.held.len();
            self.bytes -= part.bytes;
        }
        ended
    }
}

/// About the bytes that a span takes: texts of attributes are what may be long.
fn bytes_of(span: &SpanData) -> usize {
    let own = span.attributes.iter();
    let of_events = span.events.iter().flat_map(|event| &event.attributes);
    let of_links = span.links.iter().flat_map(|link| &link.attributes);
    let attributes: usize = own.chain(of_events).chain(of_links).map(bytes_of_one).sum();
    let others = span.events.len() + span.links.len();
    size_of::<SpanData>() + span.name.len() + others * size_of::<SpanData>() + attributes
}

fn bytes_of_one(attribute: &KeyValue) -> usize {
    let text = match &attribute.value {
        Value::String(text) => text.as_str().len(),
        _ => 0,
    };
    size_of::<KeyValue>() + attribute.key.as_str().len() + text
}

#[cfg(test)]
impl Parts {
    /// Returns the number of open parts, of held spans, and of the bytes of these.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.open.len(), self.held, self.bytes)
    }
}
