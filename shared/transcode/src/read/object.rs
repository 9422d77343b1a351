//! Objects: messages with their fields, and the keys that they may have once.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::value::FieldSeed;
use super::{Reader, Step, known, shown};
use crate::contract::{Field, Form, Message};

/// Reads a message, whose frame or key is written already.
pub(super) struct MessageSeed<'r, 'o> {
    reader: &'r mut Reader<'o>,
    message: &'static Message,
}

impl<'r, 'o> MessageSeed<'r, 'o> {
    pub(super) fn new(reader: &'r mut Reader<'o>, message: &'static Message) -> Self {
        Self { reader, message }
    }
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.message.form {
            Form::Fields => deserializer.deserialize_any(self),
            _ => known::read(self.reader, self.message, deserializer),
        }
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (message, reader) = (self.message, self.reader);
        let mut seen = Seen::default();
        // The fields that were chosen, each with the place of its oneof.
        let mut chosen: Vec<(usize, &'static Field)> = Vec::new();
        while let Some(place) = map.next_key_seed(FieldName(message))? {
            let field = &message.fields[place];
            reader.enter(Step::Field(&field.json))?;
            if !seen.mark(place) {
                return Err(A::Error::custom("the field is there twice"));
            }
            let before = reader.out.message().len();
            map.next_value_seed(FieldSeed::new(reader, field))?;
            if let Some(oneof) = field.oneof
                && reader.out.message().len() > before
            {
                if let Some((_, other)) = chosen.iter().find(|(place, _)| *place == oneof) {
                    return Err(A::Error::custom(format_args!(
                        "`{}` is there already, and only one of the two may be",
                        other.json
                    )));
                }
                chosen.push((oneof, field));
            }
            reader.leave();
        }
        reader.check()
    }
}

/// Reads the name of a field: its place.
struct FieldName(&'static Message);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.0
            .field(name)
            .ok_or_else(|| E::custom(unknown_field(self.0, name)))
    }
}

/// The fault of a name that the contract does not have.
pub(crate) fn unknown_field(message: &Message, name: &str) -> String {
    let hint = match kernel::nearest(name, message.json_names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = message.json_names().collect();
            match names.is_empty() {
                true => "there are none".to_owned(),
                false => format!("there are {}", names.join(", ")),
            }
        }
    };
    format!("there is no field `{}`: {hint}", shown(name))
}

/// The places that were there.
#[derive(Default)]
struct Seen {
    first: u64,
    others: Vec<usize>,
}

impl Seen {
    /// Returns whether a place is there for the first time.
    fn mark(&mut self, place: usize) -> bool {
        if let Some(bit) = u32::try_from(place)
            .ok()
            .and_then(|place| 1_u64.checked_shl(place))
        {
            let is_new = self.first & bit == 0;
            self.first |= bit;
            return is_new;
        }
        let is_new = !self.others.contains(&place);
        self.others.push(place);
        is_new
    }
}

/// Keys that senders choose, each of which may be there once.
///
/// It keeps hashes of them with a key of its own: two of a thousand names have the same one once in
/// 10^13 documents, and nobody can make it so.
#[derive(Default)]
pub(super) struct Keys {
    hasher: RandomState,
    few: Vec<u64>,
    many: HashSet<u64>,
}

/// Hashes that are compared one by one.
const FEW: usize = 16;

impl Keys {
    /// Returns whether a key is there for the first time.
    pub(super) fn mark(&mut self, key: &str) -> bool {
        let hash = self.hasher.hash_one(key);
        if self.many.is_empty() && self.few.len() < FEW {
            let is_new = !self.few.contains(&hash);
            self.few.push(hash);
            return is_new;
        }
        if self.many.is_empty() {
            self.many.extend(self.few.drain(..));
        }
        self.many.insert(hash)
    }
}
