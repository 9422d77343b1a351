//! Values that are neither objects nor lists.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::number::Number;
use super::wire::{Output, Wire};
use super::{expected, known, shown};
use crate::contract::{self, Form, Kind};

/// A value of a document, or of an address.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plain<'t> {
    Bool(bool),
    Number(Number),
    Text(&'t str),
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads base64 in either alphabet, with padding or without.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    engine.decode(text).ok()
}

/// Writes a value with its key.
///
/// # Errors
/// The value that would be right.
pub(super) fn write(
    out: &mut Output,
    number: u32,
    kind: Kind,
    value: Plain<'_>,
) -> Result<(), String> {
    match (kind, value) {
        (Kind::Bool, Plain::Bool(value)) => {
            out.key(number, Wire::Varint);
            out.varint(u64::from(value));
        }
        (Kind::Text, Plain::Text(text)) => {
            out.key(number, Wire::Length);
            out.bytes(text.as_bytes());
        }
        (Kind::Bytes, Plain::Text(text)) => {
            let bytes = base64(text).ok_or_else(|| wrong(kind, value))?;
            out.key(number, Wire::Length);
            out.bytes(&bytes);
        }
        (Kind::Enum(place), value) => write_enum(out, number, place, value)?,
        (Kind::Double | Kind::Float, value) => write_float(out, number, kind, value)?,
        (Kind::Message(_) | Kind::Bool | Kind::Text | Kind::Bytes, value) => {
            return Err(wrong(kind, value));
        }
        (_, value) => write_whole(out, number, kind, value)?,
    }
    Ok(())
}

/// Writes a value that is a text in any case, such as one of an address. What is a message in the
/// contract, is one that JSON writes as a text.
///
/// # Errors
/// The value that would be right.
pub(crate) fn write_text(
    out: &mut Output,
    number: u32,
    kind: Kind,
    text: &str,
) -> Result<(), String> {
    let value = match kind {
        Kind::Bool => match text {
            "true" => Plain::Bool(true),
            "false" => Plain::Bool(false),
            _ => return Err(wrong(kind, Plain::Text(text))),
        },
        // An enum by its number.
        Kind::Enum(_) => match text.parse::<i32>() {
            Ok(value) => Plain::Number(Number::Whole(i128::from(value))),
            Err(_) => Plain::Text(text),
        },
        Kind::Message(place) => {
            let message = contract::message(place);
            out.key(number, Wire::Length);
            let start = out.open();
            match message.form {
                Form::Timestamp | Form::Duration | Form::FieldMask => {
                    known::write(out, message.form, text)
                        .ok_or_else(|| wrong(kind, Plain::Text(text)))?;
                }
                Form::Wrapper => {
                    let field = &message.fields[0];
                    write_text(out, field.number, field.kind, text)?;
                }
                _ => {
                    return Err("cannot be given in an address: send it in the body".to_owned());
                }
            }
            out.close(start);
            return Ok(());
        }
        _ => Plain::Text(text),
    };
    write(out, number, kind, value)
}

/// Writes the key of a map, which is a text in JSON whatever its kind.
pub(super) fn write_key(
    out: &mut Output,
    number: u32,
    kind: Kind,
    text: &str,
) -> Result<(), String> {
    write_text(out, number, kind, text)
}

fn write_enum(out: &mut Output, number: u32, place: usize, value: Plain<'_>) -> Result<(), String> {
    let found = contract::enumeration(place);
    let chosen = match value {
        Plain::Text(name) => found.number(name),
        Plain::Number(value) => value.whole().and_then(|value| i32::try_from(value).ok()),
        Plain::Bool(_) => None,
    };
    let Some(chosen) = chosen else {
        let names = found.names();
        let hint = match value {
            Plain::Text(name) => kernel::nearest(name, names.iter().map(String::as_str)),
            Plain::Bool(_) | Plain::Number(_) => None,
        };
        let hint = hint.map_or(String::new(), |near| format!("did you mean {near}? "));
        return Err(format!(
            "{} is none of the values: {hint}expected one of {}",
            told(value),
            names.join(", ")
        ));
    };
    out.key(number, Wire::Varint);
    // Negative ones take ten bytes, as the format says.
    out.varint(i64::from(chosen).cast_unsigned());
    Ok(())
}

fn write_float(out: &mut Output, number: u32, kind: Kind, value: Plain<'_>) -> Result<(), String> {
    let (double, single) = match value {
        Plain::Text("NaN") => (f64::NAN, Some(f32::NAN)),
        Plain::Text("Infinity") => (f64::INFINITY, Some(f32::INFINITY)),
        Plain::Text("-Infinity") => (f64::NEG_INFINITY, Some(f32::NEG_INFINITY)),
        Plain::Text(text) => {
            let read = Number::of_text(text).ok_or_else(|| wrong(kind, value))?;
            (read.float(), read.single())
        }
        Plain::Number(read) => (read.float(), read.single()),
        Plain::Bool(_) => return Err(wrong(kind, value)),
    };
    if kind == Kind::Double {
        out.key(number, Wire::Fixed64);
        out.fixed64(double.to_le_bytes());
        return Ok(());
    }
    let single = single.ok_or_else(|| format!("{} is too large", told(value)))?;
    out.key(number, Wire::Fixed32);
    out.fixed32(single.to_le_bytes());
    Ok(())
}

fn write_whole(out: &mut Output, number: u32, kind: Kind, value: Plain<'_>) -> Result<(), String> {
    let read = match value {
        Plain::Number(read) => Some(read),
        Plain::Text(text) => Number::of_text(text),
        Plain::Bool(_) => None,
    };
    let whole = read.and_then(Number::whole);
    let whole = whole.ok_or_else(|| wrong(kind, value))?;
    let out_of_range = || wrong(kind, value);
    let signed32 = || i32::try_from(whole).map_err(|_| out_of_range());
    let signed64 = || i64::try_from(whole).map_err(|_| out_of_range());
    let unsigned32 = || u32::try_from(whole).map_err(|_| out_of_range());
    let unsigned64 = || u64::try_from(whole).map_err(|_| out_of_range());
    let varint = match kind {
        Kind::Int32 => i64::from(signed32()?).cast_unsigned(),
        Kind::Int64 => signed64()?.cast_unsigned(),
        Kind::Uint32 => u64::from(unsigned32()?),
        Kind::Uint64 => unsigned64()?,
        Kind::Sint32 => {
            let value = signed32()?;
            u64::from(((value << 1) ^ (value >> 31)).cast_unsigned())
        }
        Kind::Sint64 => {
            let value = signed64()?;
            ((value << 1) ^ (value >> 63)).cast_unsigned()
        }
        Kind::Fixed32 | Kind::Sfixed32 => {
            let bytes = match kind {
                Kind::Fixed32 => unsigned32()?.to_le_bytes(),
                _ => signed32()?.to_le_bytes(),
            };
            out.key(number, Wire::Fixed32);
            out.fixed32(bytes);
            return Ok(());
        }
        _ => {
            let bytes = match kind {
                Kind::Fixed64 => unsigned64()?.to_le_bytes(),
                _ => signed64()?.to_le_bytes(),
            };
            out.key(number, Wire::Fixed64);
            out.fixed64(bytes);
            return Ok(());
        }
    };
    out.key(number, Wire::Varint);
    out.varint(varint);
    Ok(())
}

fn wrong(kind: Kind, value: Plain<'_>) -> String {
    format!("{} is not {}", told(value), expected(kind))
}

fn told(value: Plain<'_>) -> String {
    match value {
        Plain::Bool(value) => format!("`{value}`"),
        Plain::Number(Number::Whole(value)) => format!("`{value}`"),
        Plain::Number(Number::Float(value)) => format!("`{value}`"),
        Plain::Text(text) => format!("`{}`", shown(text)),
    }
}
