//! Checks of requests, whatever a caller sends: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::limits::{MESSAGE_MEMORY, VIOLATIONS};
use crate::wire::{self, Reading, Refusal};
use crate::{Deadline, TraceParent, Violation, validate};

/// The path of every method of the contracts, with what it takes.
static METHODS: LazyLock<Vec<(String, MessageDescriptor)>> = LazyLock::new(|| {
    let services = proto::DESCRIPTORS.services();
    let methods = services.flat_map(|service| {
        let name = service.full_name().to_owned();
        let methods: Vec<_> = service.methods().collect();
        let methods = methods.into_iter();
        methods.map(move |method| (format!("/{name}/{}", method.name()), method.input()))
    });
    methods.collect()
});

/// Returns the number of methods that [`request`] knows.
pub fn methods() -> usize {
    METHODS.len()
}

/// Returns the place among the methods of a path; absent where the contracts have no such.
pub fn method(path: &str) -> Option<usize> {
    METHODS.iter().position(|(own, _)| own == path)
}

/// Reads the bytes of a request as a server does: before it is built, built, and checked against
/// the rules of its contract.
///
/// # Panics
/// Where what was read cannot be built, is built into something that costs more than was said, or
/// is refused without a word.
pub fn request(method: usize, bytes: &[u8]) {
    let (path, descriptor) = &METHODS[method % METHODS.len()];
    let shape = wire::method(path).expect("every method has a form");
    match wire::read(shape, bytes, MESSAGE_MEMORY) {
        Ok(reading) => read(descriptor, bytes, &reading),
        Err(Refusal::Unreadable(violation)) => {
            told(&violation);
            let built = DynamicMessage::decode(descriptor.clone(), bytes);
            assert!(built.is_err(), "{path}: {violation}, and it can be built");
        }
        Err(Refusal::Excessive(violation)) => told(&violation),
    }
}

fn read(descriptor: &MessageDescriptor, bytes: &[u8], reading: &Reading) {
    assert!(reading.cost <= MESSAGE_MEMORY, "{}", reading.cost);
    let rest = wire::without(bytes, &reading.unread);
    assert!(rest.len() <= bytes.len());
    assert!(!reading.unread.is_empty() || rest == bytes);
    reading.unread.iter().for_each(|one| told(&one.violation));
    let message = DynamicMessage::decode(descriptor.clone(), rest.as_slice())
        .expect("what was read can be built");
    if let Err(violations) = validate(&message) {
        assert!((1..=VIOLATIONS).contains(&violations.iter().count()));
        violations.iter().for_each(told);
    }
}

/// Fails unless a violation says something, and not too much.
fn told(violation: &Violation) {
    let Violation { field, description } = violation;
    assert!((1..2_000).contains(&description.len()), "{violation}");
    assert!(field.len() < 10_000, "{violation}");
}

/// Reads the headers of a call that carry its trace and its deadline.
///
/// # Panics
/// Where a trace context is not what is written of it, or a deadline is further away than any.
pub fn headers(text: &str) {
    let Ok(value) = HeaderValue::from_str(text) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", value.clone());
    headers.insert("grpc-timeout", value);
    if let Some(parent) = TraceParent::of_headers(&headers) {
        let again = TraceParent::parse(&parent.to_string());
        assert_eq!(again, Some(parent));
    }
    if let Some(deadline) = Deadline::of_headers(&headers) {
        assert!(deadline.remaining().as_secs() <= 365 * 86_400);
        assert!(deadline.last_wait() <= deadline.instant());
    }
}
