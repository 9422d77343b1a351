//! JSON to protobuf: reads a message by the rules of proto3 JSON and writes its bytes, without a
//! message between.
//!
//! <https://protobuf.dev/programming-guides/json/>. Stricter than that page in three ways: a key
//! that is there twice is refused, so is a field that the contract does not have, and so is a
//! second field of a oneof. It checks no rule of the contracts: whoever gets the message does.

mod known;
mod number;
mod object;
mod path;
mod scalar;
mod value;
mod wire;

use serde::de::DeserializeSeed as _;

use self::object::MessageSeed;
pub(crate) use self::object::unknown_field;
pub(crate) use self::path::{Fault, shown};
use self::path::{Path, Step};
pub(crate) use self::scalar::{base64, write_text};
pub(crate) use self::wire::Output;
use crate::contract::{Body, Field, Kind, Message};

/// A reader on its way through a document.
pub(crate) struct Reader<'o> {
    out: &'o mut Output,
    path: Path,
}

/// Reads one document that is a message, or the field of one, and appends it to `out`.
///
/// # Errors
/// [`Fault`], with the place in the document.
pub(crate) fn read(
    message: &'static Message,
    body: Body,
    json: &[u8],
    out: &mut Output,
) -> Result<(), Fault> {
    let mut reader = Reader {
        out,
        path: Path::default(),
    };
    let mut document = serde_json::Deserializer::from_slice(json);
    // The path bounds the depth, before serde's own bound of 128.
    let read = match body {
        Body::Field(place) => {
            let field: &'static Field = &message.fields[place];
            value::FieldSeed::new(&mut reader, field).deserialize(&mut document)
        }
        Body::Whole | Body::Absent => {
            MessageSeed::new(&mut reader, message).deserialize(&mut document)
        }
    };
    match read.and_then(|()| document.end()) {
        Ok(()) => Ok(()),
        Err(error) => Err(Fault::of_json(&reader.path, &error)),
    }
}

impl Reader<'_> {
    /// Goes one level deeper.
    fn enter<E: serde::de::Error>(&mut self, step: Step) -> Result<(), E> {
        if self.path.len() >= crate::limits::JSON_DEPTH {
            return Err(E::custom(format_args!(
                "objects and lists are more than {} levels deep",
                crate::limits::JSON_DEPTH
            )));
        }
        self.path.push(step);
        Ok(())
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    /// Ends a message that was begun, where it still has room.
    fn close<E: serde::de::Error>(&mut self, start: usize) -> Result<(), E> {
        self.out.close(start);
        self.check()
    }

    /// Refuses what has become longer than a message may be.
    fn check<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.out.is_full() {
            return Err(E::custom(format_args!(
                "the message is longer than {} bytes in protobuf: send smaller ones",
                crate::limits::MESSAGE_BYTES
            )));
        }
        Ok(())
    }
}

/// Writes the key of a message inside of another one.
pub(crate) fn wire_key(out: &mut Output, number: u32) {
    out.key(number, wire::Wire::Length);
}

/// Returns what a value of a kind looks like, for errors.
fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "a number",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of 32 bits",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            "a whole number of 64 bits, as a number or as a text"
        }
        Kind::Uint32 | Kind::Fixed32 => "a whole number from 0 to 4294967295",
        Kind::Uint64 | Kind::Fixed64 => {
            "a whole number of 64 bits that is not negative, as a number or as a text"
        }
        Kind::Bool => "true or false",
        Kind::Text => "a text",
        Kind::Bytes => "a text in base64",
        Kind::Enum(_) => "the name of a value",
        Kind::Message(place) => match crate::contract::message(place).form {
            crate::contract::Form::Timestamp => {
                "an instant as a text of RFC 3339, such as 2026-03-01T09:30:00Z"
            }
            crate::contract::Form::Duration => "a text of seconds, such as 1.5s",
            crate::contract::Form::FieldMask => "a text of paths with commas between them",
            crate::contract::Form::ListValue => "a list",
            _ => "an object",
        },
    }
}

#[cfg(test)]
mod tests;
