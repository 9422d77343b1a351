//! The well-known types: what JSON writes otherwise than by fields.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::object::Keys;
use super::value::OneSeed;
use super::wire::{Output, Wire};
use super::{Reader, Step, shown};
use crate::contract::{Form, Message};

/// The largest number of seconds of a duration: some 10,000 years.
const DURATION_SECONDS: i64 = 315_576_000_000;

/// Numbers of the fields of `google.protobuf.Value`.
const NULL: u32 = 1;
const NUMBER: u32 = 2;
const TEXT: u32 = 3;
const BOOL: u32 = 4;
const STRUCT: u32 = 5;
const LIST: u32 = 6;

/// Reads a message of such a type, whose key is written already.
pub(super) fn read<'de, D: Deserializer<'de>>(
    reader: &mut Reader<'_>,
    message: &'static Message,
    deserializer: D,
) -> Result<(), D::Error> {
    match message.form {
        Form::Timestamp | Form::Duration | Form::FieldMask => {
            deserializer.deserialize_any(TextVisitor {
                reader,
                form: message.form,
            })
        }
        Form::Wrapper => {
            let field = &message.fields[0];
            OneSeed::new(reader, field.number, field.kind).deserialize(deserializer)
        }
        form @ (Form::Struct | Form::Value | Form::ListValue) => {
            deserializer.deserialize_any(AnyVisitor { reader, form })
        }
        Form::Fields | Form::Foreign => Err(D::Error::custom(format_args!(
            "messages of type {} cannot be sent in JSON: use gRPC",
            message.full_name()
        ))),
    }
}

/// Writes the fields of a message that JSON writes as a text; none where the text is not one.
pub(super) fn write(out: &mut Output, form: Form, text: &str) -> Option<()> {
    match form {
        Form::Timestamp | Form::Duration => {
            let (seconds, nanos) = match form {
                Form::Timestamp => timestamp(text)?,
                _ => duration(text)?,
            };
            for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
                if value != 0 {
                    out.key(number, Wire::Varint);
                    out.varint(value.cast_unsigned());
                }
            }
        }
        _ => {
            for path in text.split(',').filter(|path| !path.is_empty()) {
                out.key(1, Wire::Length);
                out.bytes(snake_case(path)?.as_bytes());
            }
        }
    }
    Some(())
}

struct TextVisitor<'r, 'o> {
    reader: &'r mut Reader<'o>,
    form: Form,
}

impl Visitor<'_> for TextVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.form {
            Form::Timestamp => "an instant as a text of RFC 3339, such as 2026-03-01T09:30:00Z",
            Form::Duration => "a text of seconds, such as 1.5s",
            _ => "a text of paths with commas between them",
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        write(self.reader.out, self.form, text)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(&shown(text)), &self))
    }
}

/// Reads the fields of a `Struct`, a `ListValue` or a `Value`, whose key is written already.
struct AnyVisitor<'r, 'o> {
    reader: &'r mut Reader<'o>,
    form: Form,
}

/// Reads a `Value`, whose key is written already.
struct ValueSeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(AnyVisitor {
            reader: self.0,
            form: Form::Value,
        })
    }
}

impl AnyVisitor<'_, '_> {
    /// Refuses what only a `Value` may be.
    fn value<E: Error>(&self, found: Unexpected<'_>) -> Result<(), E> {
        match self.form {
            Form::Value => Ok(()),
            _ => Err(E::invalid_type(found, self)),
        }
    }

    fn number<E: Error>(self, value: f64) -> Result<(), E> {
        self.reader.out.key(NUMBER, Wire::Fixed64);
        self.reader.out.fixed64(value.to_le_bytes());
        Ok(())
    }
}

impl<'de> Visitor<'de> for AnyVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.form {
            Form::Struct => "an object",
            Form::ListValue => "a list",
            _ => "any value",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.value(Unexpected::Other("null"))?;
        self.reader.out.key(NULL, Wire::Varint);
        self.reader.out.varint(0);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.value(Unexpected::Bool(value))?;
        self.reader.out.key(BOOL, Wire::Varint);
        self.reader.out.varint(u64::from(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.value(Unexpected::Signed(value))?;
        self.number(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.value(Unexpected::Unsigned(value))?;
        self.number(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.value(Unexpected::Float(value))?;
        self.number(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.value(Unexpected::Str(&shown(text)))?;
        self.reader.out.key(TEXT, Wire::Length);
        self.reader.out.bytes(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if self.form == Form::Struct {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let reader = self.reader;
        let list = (self.form == Form::Value).then(|| {
            reader.out.key(LIST, Wire::Length);
            reader.out.open()
        });
        let mut index = 0;
        loop {
            reader.enter(Step::Index(index))?;
            let element = elements.next_element_seed(ElementSeed(reader))?;
            reader.leave();
            if element.is_none() {
                break;
            }
            index += 1;
        }
        match list {
            Some(list) => reader.close(list),
            None => Ok(()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.form == Form::ListValue {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        }
        let reader = self.reader;
        let inner = (self.form == Form::Value).then(|| {
            reader.out.key(STRUCT, Wire::Length);
            reader.out.open()
        });
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            reader.enter(Step::Key(key.as_ref().into()))?;
            if !keys.mark(&key) {
                return Err(A::Error::custom("the key is there twice"));
            }
            reader.out.key(1, Wire::Length);
            let entry = reader.out.open();
            reader.out.key(1, Wire::Length);
            reader.out.bytes(key.as_bytes());
            reader.out.key(2, Wire::Length);
            let value = reader.out.open();
            map.next_value_seed(ValueSeed(reader))?;
            reader.close(value)?;
            reader.close(entry)?;
            reader.leave();
        }
        match inner {
            Some(inner) => reader.close(inner),
            None => Ok(()),
        }
    }
}

/// Reads an element of a list of values, with its key.
struct ElementSeed<'r, 'o>(&'r mut Reader<'o>);

impl<'de> DeserializeSeed<'de> for ElementSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let reader = self.0;
        reader.out.key(1, Wire::Length);
        let start = reader.out.open();
        ValueSeed(reader).deserialize(deserializer)?;
        reader.close(start)
    }
}

/// Reads an instant of RFC 3339: seconds since 1970, and nanoseconds.
///
/// From the year 1 to 9999, as the format of the contracts says. A leap second is refused, since
/// there is no second that it would be.
pub(crate) fn timestamp(text: &str) -> Option<(i64, i32)> {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| -> Option<i64> {
        let part = bytes.get(from..from + count)?;
        let is_number = part.iter().all(u8::is_ascii_digit);
        is_number.then(|| {
            part.iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
        })
    };
    let sign = |at: usize, allowed: &[u8]| bytes.get(at).filter(|byte| allowed.contains(byte));
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    sign(4, b"-")
        .and(sign(7, b"-"))
        .and(sign(10, b"Tt"))
        .and(sign(13, b":"))
        .and(sign(16, b":"))?;
    let (nanos, end) = fraction(bytes, 19)?;
    let zone = bytes.get(end..)?;
    let offset = match zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits(end + 1, 2)?, digits(end + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3_600 + minutes * 60;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    let is_date =
        year >= 1 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = seconds - offset;
    (-62_135_596_800..=253_402_300_799)
        .contains(&seconds)
        .then_some((seconds, nanos))
}

/// Reads a duration such as `1.5s`: seconds and nanoseconds, both of one sign.
pub(crate) fn duration(text: &str) -> Option<(i64, i32)> {
    let number = text.strip_suffix('s')?;
    let (number, is_negative) = match number.strip_prefix('-') {
        Some(number) => (number, true),
        None => (number, false),
    };
    let whole = number.split('.').next()?;
    let is_number = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = is_number.then(|| whole.parse().ok()).flatten()?;
    let (nanos, end) = fraction(number.as_bytes(), whole.len())?;
    if end != number.len() || seconds > DURATION_SECONDS {
        return None;
    }
    Some(match is_negative {
        true => (-seconds, -nanos),
        false => (seconds, nanos),
    })
}

/// Reads a point and at most nine digits, where there is a point: nanoseconds, and where they end.
fn fraction(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    if bytes.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    let digits = bytes.get(at + 1..)?;
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 || count > 9 {
        return None;
    }
    let nanos = digits[..count]
        .iter()
        .chain([&b'0'; 9])
        .take(9)
        .fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    Some((nanos, at + 1 + count))
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the Gregorian calendar, by Hinnant's `days_from_civil`.
///
/// <https://howardhinnant.github.io/date_algorithms.html>
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The name in a contract of a path in JSON; none where it has underscores, which could not be told
/// from those that take the place of capitals.
fn snake_case(path: &str) -> Option<String> {
    let mut name = String::with_capacity(path.len() + 4);
    for letter in path.chars() {
        match letter {
            '_' => return None,
            'A'..='Z' => {
                name.push('_');
                name.push(letter.to_ascii_lowercase());
            }
            _ => name.push(letter),
        }
    }
    Some(name)
}
