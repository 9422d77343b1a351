//! The value of a field: one, a list or a map.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::object::{Keys, MessageSeed};
use super::scalar::{self, Plain};
use super::wire::Wire;
use super::{Reader, Step, expected, known, number};
use crate::contract::{self, Field, Form, Kind, Repeat};

/// Reads the value of a field with its key; null stands for none.
pub(super) struct FieldSeed<'r, 'o> {
    reader: &'r mut Reader<'o>,
    field: &'static Field,
}

/// Reads one value of a kind, behind the key of this field. Null is none of them, but where any
/// value may be.
pub(super) struct OneSeed<'r, 'o> {
    reader: &'r mut Reader<'o>,
    number: u32,
    kind: Kind,
    may_be_null: bool,
}

impl<'r, 'o> FieldSeed<'r, 'o> {
    pub(super) fn new(reader: &'r mut Reader<'o>, field: &'static Field) -> Self {
        Self { reader, field }
    }
}

impl<'r, 'o> OneSeed<'r, 'o> {
    pub(super) fn new(reader: &'r mut Reader<'o>, number: u32, kind: Kind) -> Self {
        Self {
            reader,
            number,
            kind,
            may_be_null: false,
        }
    }
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { reader, field } = self;
        if field.repeat != Repeat::One {
            return deserializer.deserialize_any(Self { reader, field });
        }
        OneSeed {
            reader,
            number: field.number,
            kind: field.kind,
            may_be_null: true,
        }
        .deserialize(deserializer)
    }
}

/// Lists and maps.
impl<'de> Visitor<'de> for FieldSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.field.repeat {
            Repeat::Map(_) => "an object",
            Repeat::One | Repeat::List => "a list",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { reader, field } = self;
        if field.repeat != Repeat::List {
            return Err(A::Error::invalid_type(Unexpected::Seq, &"an object"));
        }
        let mut index = 0;
        loop {
            reader.enter(Step::Index(index))?;
            let seed = OneSeed::new(reader, field.number, field.kind);
            let element = elements.next_element_seed(seed)?;
            reader.leave();
            if element.is_none() {
                return Ok(());
            }
            reader.check()?;
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, field } = self;
        let Repeat::Map(key_kind) = field.repeat else {
            return Err(A::Error::invalid_type(Unexpected::Map, &"a list"));
        };
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            reader.enter(Step::Key(key.as_ref().into()))?;
            if !keys.mark(&key) {
                return Err(A::Error::custom("the key is there twice"));
            }
            reader.out.key(field.number, Wire::Length);
            let entry = reader.out.open();
            // Numbers of the fields of every entry of a map.
            scalar::write_key(reader.out, 1, key_kind, &key).map_err(A::Error::custom)?;
            map.next_value_seed(OneSeed::new(reader, 2, field.kind))?;
            reader.close(entry)?;
            reader.leave();
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for OneSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Kind::Message(place) = self.kind else {
            return deserializer.deserialize_any(self);
        };
        let message = contract::message(place);
        match message.form {
            // These say themselves what null is.
            Form::Value => {
                self.reader.out.key(self.number, Wire::Length);
                let start = self.reader.out.open();
                known::read(self.reader, message, deserializer)?;
                self.reader.close(start)
            }
            _ => deserializer.deserialize_option(self),
        }
    }
}

impl<'de> Visitor<'de> for OneSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(expected(self.kind))
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.may_be_null {
            true => Ok(()),
            false => Err(E::invalid_type(
                Unexpected::Other("null"),
                &expected(self.kind),
            )),
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Kind::Message(place) = self.kind else {
            return deserializer.deserialize_any(self);
        };
        let Self { reader, number, .. } = self;
        reader.out.key(number, Wire::Length);
        let start = reader.out.open();
        MessageSeed::new(reader, contract::message(place)).deserialize(deserializer)?;
        reader.close(start)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.plain(Plain::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.plain(Plain::Number(number::Number::Whole(i128::from(value))))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.plain(Plain::Number(number::Number::Whole(i128::from(value))))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.plain(Plain::Number(number::Number::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.plain(Plain::Text(value))
    }
}

impl OneSeed<'_, '_> {
    fn plain<E: Error>(self, value: Plain<'_>) -> Result<(), E> {
        scalar::write(self.reader.out, self.number, self.kind, value).map_err(E::custom)
    }
}
