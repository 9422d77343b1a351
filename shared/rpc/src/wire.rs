//! Reads the bytes of a request before a message is built from them: what it would cost, and
//! whether it can be built at all.
//!
//! It follows the descriptors of the contracts, and holds nothing of what it passes. It refuses
//! only what makes a message costly or unreadable; all other rules are for
//! [`validate`](crate::validate) and the services, which report every fault at once.

mod cursor;
mod fault;
mod shape;
mod walk;

use std::ops::Range;

pub(crate) use self::shape::{Method, method};
use self::walk::Walk;
use crate::Violation;

/// The outcome of reading a message.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Bytes of memory that the message and what handlers make of it take, about.
    pub(crate) cost: usize,
    /// Elements of lists of the message that cannot be read, or hold or cost far too much, in
    /// order. The rest can.
    pub(crate) unread: Vec<Unread>,
}

/// An element of a list of the message, such as an event of a batch, that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// The name of the list and the place of the element in it, such as `events[3]`.
    pub(crate) element: String,
    /// Its place in its list, from 0.
    pub(crate) index: usize,
    /// The reason, by a path inside the element.
    pub(crate) violation: Violation,
    /// Its bytes in the message, its length included.
    pub(crate) bytes: Range<usize>,
}

/// The reason why a message is refused before it is built.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be read.
    Unreadable(Violation),
    /// It can, and holds or costs more than one may.
    Excessive(Violation),
}

/// Reads a message of a method; it may cost so many bytes of memory.
pub(crate) fn read(method: &Method, bytes: &[u8], most: usize) -> Result<Reading, Refusal> {
    let mut walk = Walk::new(method, bytes.len(), most);
    match walk.request(bytes) {
        Ok(()) => Ok(walk.into_reading()),
        Err(fault) => Err(fault.into_refusal()),
    }
}

/// Returns a message in which the elements that cannot be read are empty.
pub(crate) fn without(bytes: &[u8], unread: &[Unread]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for element in unread {
        rest.extend_from_slice(&bytes[at..element.bytes.start]);
        // A length of zero.
        rest.push(0);
        at = element.bytes.end;
    }
    rest.extend_from_slice(&bytes[at..]);
    rest
}

#[cfg(test)]
mod tests;
