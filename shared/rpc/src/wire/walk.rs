//! One walk over the bytes of a request.

use super::cursor::{Cursor, Wire};
use super::fault::Fault;
use super::shape::{COUNTED_FIELDS, Content, FieldShape, Form, Method, Shape, shape};
use super::{Reading, Unread};
use crate::limits::{COUNT_MARGIN, UNREAD_ELEMENTS, WIRE_DEPTH};

/// Bytes of memory that a text takes beside its letters.
const TEXT_BYTES: usize = 16;
/// Bytes that the interpreter of rules takes for a message: a leaf of its map of fields.
const INTERPRETED_BYTES: usize = 800;
/// Halves of a message that are there at once: a handler makes a copy of a call to try it again,
/// and turns the events of a batch, one by one, into what it hands on.
const HALVES_OF_CALL: usize = 4;
const HALVES_OF_BATCH: usize = 3;

/// The knowledge of a request so far.
pub(super) struct Walk<'a> {
    method: &'a Method,
    /// Bytes of the message that is built.
    built: usize,
    /// Bytes that are there once, whatever handlers do.
    beside: usize,
    most: usize,
    unread: Vec<Unread>,
}

impl<'a> Walk<'a> {
    /// Begins to read a message of so many bytes, which may cost so many bytes of memory.
    pub(super) fn new(method: &'a Method, length: usize, most: usize) -> Self {
        Self {
            method,
            built: length,
            beside: length,
            most,
            unread: Vec::new(),
        }
    }

    /// Reads the request.
    pub(super) fn request(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.message(self.method.shape(), bytes, WIRE_DEPTH)
    }

    /// Returns the cost, and what could not be read.
    pub(super) fn into_reading(self) -> Reading {
        Reading {
            cost: self.cost(),
            unread: self.unread,
        }
    }

    const fn cost(&self) -> usize {
        let halves = if self.method.is_stream {
            HALVES_OF_BATCH
        } else {
            HALVES_OF_CALL
        };
        halves * self.built / 2 + self.beside
    }

    /// Reads a message in which others may nest so deep. Recursion ends at [`WIRE_DEPTH`].
    fn message(&mut self, shape: &Shape, bytes: &[u8], depth: u32) -> Result<(), Fault> {
        if self.method.is_interpreted {
            self.beside += INTERPRETED_BYTES;
        }
        let mut counts = [0_u64; COUNTED_FIELDS];
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_at_end() {
            let (number, wire) = cursor.key()?;
            match shape.field(number) {
                None => cursor.skip(number, wire, depth)?,
                Some(field) => {
                    let index = count(field, &mut counts)
                        .map_err(|fault| fault.under(field.name.clone()))?;
                    self.grow(field, index)
                        .map_err(|fault| fault.under(step(shape, field, index, &[])))?;
                    self.field(shape, field, wire, &mut cursor, index, depth)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the memory of one more element.
    fn grow(&mut self, field: &FieldShape, index: u64) -> Result<(), Fault> {
        let (first, next) = field.bytes;
        self.built += if index == 0 { first } else { next };
        if self.cost() > self.most {
            return Err(Fault::costly(self.most));
        }
        Ok(())
    }

    fn field(
        &mut self,
        holder: &Shape,
        field: &FieldShape,
        wire: Wire,
        cursor: &mut Cursor<'_>,
        index: u64,
        depth: u32,
    ) -> Result<(), Fault> {
        let Content::Message(inner) = field.content else {
            return self
                .value(field, wire, cursor)
                .map_err(|fault| fault.under(step(holder, field, index, &[])));
        };
        if wire != Wire::Length {
            return Err(unexpected().under(step(holder, field, index, &[])));
        }
        let (start, built, beside) = (cursor.place(), self.built, self.beside);
        let before = self.cost();
        let bytes = cursor.delimited()?;
        let read = match depth {
            0 => Err(Fault::deep()),
            depth => self.message(shape(inner), bytes, depth - 1),
        };
        let Err(fault) = read else { return Ok(()) };
        let step = step(holder, field, index, bytes);
        let is_element = depth == WIRE_DEPTH && matches!(field.form, Form::List(..));
        // Others may have made the message costly, and one element alone has to be at fault.
        let is_its_fault = !fault.is_cost() || self.cost() - before > self.most / 2;
        if is_element && is_its_fault && self.unread.len() < UNREAD_ELEMENTS {
            // It is not built.
            (self.built, self.beside) = (built, beside);
            self.unread.push(Unread {
                element: step,
                index: usize::try_from(index).unwrap_or(usize::MAX),
                violation: fault.into_violation(),
                bytes: start..cursor.place(),
            });
            return Ok(());
        }
        Err(fault.under(step))
    }

    /// Reads a value that is no message.
    fn value(
        &mut self,
        field: &FieldShape,
        wire: Wire,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Fault> {
        match (field.content, wire) {
            (Content::Varint, Wire::Varint) => cursor.varint().map(drop),
            (Content::Fixed64, Wire::Fixed64) => cursor.take(8).map(drop),
            (Content::Fixed32, Wire::Fixed32) => cursor.take(4).map(drop),
            (Content::Bytes, Wire::Length) => cursor.delimited().map(drop),
            (Content::Text, Wire::Length) => {
                let text = cursor.delimited()?;
                if std::str::from_utf8(text).is_err() {
                    return Err(Fault::not_text());
                }
                self.built += text.len() + TEXT_BYTES;
                Ok(())
            }
            (content, Wire::Length) if matches!(field.form, Form::List(..)) => {
                self.packed(field, content, Cursor::new(cursor.delimited()?))
            }
            _ => Err(unexpected()),
        }
    }

    /// Reads numbers that stand side by side.
    fn packed(
        &mut self,
        field: &FieldShape,
        content: Content,
        mut numbers: Cursor<'_>,
    ) -> Result<(), Fault> {
        while !numbers.is_at_end() {
            match content {
                Content::Varint => numbers.varint().map(drop),
                Content::Fixed64 => numbers.take(8).map(drop),
                Content::Fixed32 => numbers.take(4).map(drop),
                Content::Text | Content::Bytes | Content::Message(_) => Err(unexpected()),
            }?;
            self.grow(field, 1)?;
        }
        Ok(())
    }
}

/// Counts one more element of a field, and returns how many were before it.
fn count(field: &FieldShape, counts: &mut [u64; COUNTED_FIELDS]) -> Result<u64, Fault> {
    let (place, most, noun) = match field.form {
        Form::Single => return Ok(0),
        Form::List(place, most) => (place, most, "items"),
        Form::Map(place, most) => (place, most, "entries"),
    };
    let before = counts[place];
    counts[place] += 1;
    if before >= most.saturating_add(COUNT_MARGIN) {
        return Err(Fault::too_many(noun, most));
    }
    Ok(before)
}

#[cold]
fn unexpected() -> Fault {
    Fault::malformed("a field has another type than in the contract")
}

/// The step of a path from a message to an element of one of its fields.
fn step(holder: &Shape, field: &FieldShape, index: u64, element: &[u8]) -> String {
    match field.form {
        _ if holder.is_entry => String::new(),
        Form::Map(..) => match (key(element), holder.is_json) {
            (Some(key), true) => key,
            (Some(key), false) => format!("{}[{key:?}]", field.name),
            (None, _) => field.name.clone(),
        },
        Form::List(..) if holder.is_json => format!("[{index}]"),
        Form::List(..) => format!("{}[{index}]", field.name),
        Form::Single if holder.is_json => String::new(),
        Form::Single => field.name.clone(),
    }
}

/// The key of an entry of a map, where it is a text that comes first, as encoders write it.
fn key(entry: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(entry);
    let (1, Wire::Length) = cursor.key().ok()? else {
        return None;
    };
    let text = std::str::from_utf8(cursor.delimited().ok()?).ok()?;
    Some(
        text.chars()
            .take(crate::limits::SHOWN_VALUE_CHARS)
            .collect(),
    )
}
