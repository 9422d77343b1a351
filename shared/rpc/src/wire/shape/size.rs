//! The memory that messages take once they are built, estimated from their descriptors.
//!
//! A little more than they do take: a message that is counted too cheap costs others their memory.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Bytes of a list that is empty.
const LIST: usize = 24;
/// Bytes of a map that is empty.
const MAP: usize = 48;
/// Bytes of an object of JSON that is empty.
const OBJECT: usize = 24;
/// Bytes of a text that is empty.
const TEXT: usize = 24;
/// Bytes of a slice of the buffer that a message came in.
const SLICE: usize = 32;
/// Bytes of a number.
const NUMBER: usize = 8;
/// Bytes of the word that something is there, or which of several is.
const TAG: usize = 8;
/// Elements that a list makes room for with its first one.
const FIRST_ELEMENTS: usize = 4;
/// Entries that a map makes room for with its first one: a leaf of a B-tree.
const FIRST_ENTRIES: usize = 11;
/// The room that lists have for each element: they double when they grow.
const ROOM: usize = 2;

/// Bytes of memory of the first element of a field, and of each one after it. A single message is
/// a part of the one that holds it, unless that would hold itself.
pub(super) fn element_bytes(field: &FieldDescriptor) -> (usize, usize) {
    let mut holders = Vec::new();
    if field.is_map()
        && let Kind::Message(entry) = field.kind()
    {
        let entry = message_within(&entry, &mut holders);
        // Leaves of a B-tree are half full at the least, and two thirds on average.
        (FIRST_ENTRIES * entry, entry + entry / 2)
    } else if field.is_list() {
        let element = value_bytes(field, &mut holders);
        (FIRST_ELEMENTS * element, ROOM * element)
    } else {
        let boxed = match field.kind() {
            Kind::Message(inner) if holds_itself(field.parent_message(), &inner) => {
                message_bytes(&inner)
            }
            _ => 0,
        };
        (boxed, boxed)
    }
}

/// Bytes of a message whose fields are empty.
pub(super) fn message_bytes(message: &MessageDescriptor) -> usize {
    message_within(message, &mut Vec::new())
}

fn message_within(message: &MessageDescriptor, holders: &mut Vec<MessageDescriptor>) -> usize {
    holders.push(message.clone());
    let alone = message
        .fields()
        .filter(|field| field.containing_oneof().is_none());
    let alone: usize = alone.map(|field| field_bytes(&field, holders)).sum();
    let mut chosen = 0;
    for oneof in message.oneofs() {
        let fields = oneof.fields();
        let largest = fields.map(|field| value_bytes(&field, holders)).max();
        chosen += TAG + largest.unwrap_or(0);
    }
    holders.pop();
    (alone + chosen).max(NUMBER)
}

fn field_bytes(field: &FieldDescriptor, holders: &mut Vec<MessageDescriptor>) -> usize {
    if field.is_map() && field.parent_message().package_name() == "google.protobuf" {
        OBJECT
    } else if field.is_map() {
        MAP
    } else if field.is_list() {
        LIST
    } else {
        value_bytes(field, holders)
    }
}

fn value_bytes(field: &FieldDescriptor, holders: &mut Vec<MessageDescriptor>) -> usize {
    match field.kind() {
        Kind::String => TEXT,
        Kind::Bytes => SLICE,
        // A box.
        Kind::Message(inner) if holders.contains(&inner) => NUMBER,
        Kind::Message(inner) => TAG + message_within(&inner, holders),
        _ => NUMBER,
    }
}

/// Returns whether a message is inside the one that holds it, by single fields only.
fn holds_itself(holder: &MessageDescriptor, inner: &MessageDescriptor) -> bool {
    let mut seen: Vec<MessageDescriptor> = Vec::new();
    let mut next = vec![inner.clone()];
    while let Some(message) = next.pop() {
        if message == *holder {
            return true;
        }
        if seen.contains(&message) {
            continue;
        }
        let singles = message
            .fields()
            .filter(|field| !field.is_list() && !field.is_map());
        next.extend(singles.filter_map(|field| field.kind().as_message().cloned()));
        seen.push(message);
    }
    false
}
