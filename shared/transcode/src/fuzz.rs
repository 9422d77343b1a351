//! Checks of what callers write, whatever it is: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

use bytes::Bytes;
use prost_reflect::DynamicMessage;

use crate::contract::{self, Body, Message, Verb};
use crate::incoming::inflate_whole;
use crate::limits::JSON_BYTES;
use crate::read::{self, Output};
use crate::route::{self, Routed, write_address};
use crate::write;

/// Returns the number of methods that [`document`] knows.
pub fn methods() -> usize {
    contract::methods().len()
}

/// Returns the place among the methods of a path; absent where the contracts have no such.
pub fn method(path: &str) -> Option<usize> {
    let mut methods = contract::methods().iter();
    methods.position(|method| method.path == path)
}

/// Reads a document as the request of a method, and what becomes of it as JSON once more.
///
/// # Panics
/// Where the message cannot be read, is another one when it was JSON in between, or is refused
/// without a word.
pub fn document(method: usize, json: &[u8]) {
    let methods = contract::methods();
    let message = contract::message(methods[method % methods.len()].input);
    let Some(first) = built(message, json) else {
        return;
    };
    let mut again = Vec::new();
    let bytes = Bytes::from(prost::Message::encode_to_vec(&first));
    // An instant of the year 10000 has no form.
    if write::write(message, bytes, &mut again).is_ok() {
        let again = built(message, &again).expect("what was written is read");
        // Not a number is not equal to itself.
        let has_nan = format!("{first:?}").contains("NaN");
        assert!(has_nan || again == first, "{again:?} is not {first:?}");
    }
}

fn built(message: &'static Message, json: &[u8]) -> Option<DynamicMessage> {
    let mut out = Output::with_capacity(json.len());
    match read::read(message, Body::Whole, json, &mut out) {
        Ok(()) => {
            assert!(!out.is_full());
            let built = DynamicMessage::decode(message.descriptor.clone(), out.message());
            Some(built.expect("a message was written"))
        }
        Err(fault) => {
            assert!(!fault.description.is_empty());
            None
        }
    }
}

/// Finds the method of an address, and reads its request.
///
/// # Panics
/// Where the request cannot be read, or is refused without a word.
pub fn address(verb: u8, target: &str) {
    let verb = Verb::ALL[usize::from(verb) % Verb::ALL.len()];
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Routed::Found(found) = route::find(Some(verb), path) else {
        return;
    };
    let mut out = Output::with_capacity(target.len());
    match write_address(&found, query, &mut out) {
        Ok(()) => {
            let descriptor = contract::message(found.method.input).descriptor.clone();
            let built = DynamicMessage::decode(descriptor, out.message());
            built.expect("a message was written");
        }
        Err(fault) => assert!(!fault.description.is_empty()),
    }
}

/// Decompresses a body.
///
/// # Panics
/// Where it becomes more than it may.
pub fn compressed(bytes: &[u8]) {
    if let Some(inflated) = inflate_whole(bytes, JSON_BYTES) {
        assert!(inflated.len() <= JSON_BYTES);
    }
}
