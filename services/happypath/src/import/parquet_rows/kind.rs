//! The kinds of values of Parquet, each written as the JSON that says the same, digit for digit.
//!
//! A timestamp that is adjusted to UTC has its zone; one that is not has none, and whoever reads
//! times decides about it.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Signed,
    Unsigned,
    Decimal {
        scale: usize,
    },
    /// A floating point number of as many bits as the column has.
    Float,
    Half,
    Boolean,
    Text,
    /// Text where it is in UTF-8, and hexadecimal digits where it is not.
    Bytes,
    Json,
    Uuid,
    Date,
    Time {
        unit: Unit,
    },
    Instant {
        unit: Unit,
        is_utc: bool,
    },
}

/// Parts of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    fn of(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::MILLIS => Self::Millis,
            TimeUnit::MICROS => Self::Micros,
            TimeUnit::NANOS => Self::Nanos,
        }
    }

    /// Returns as much time as so many of them.
    fn duration(self, count: i64) -> SignedDuration {
        match self {
            Self::Millis => SignedDuration::from_millis(count),
            Self::Micros => SignedDuration::from_micros(count),
            Self::Nanos => SignedDuration::from_nanos(count),
        }
    }
}

impl Kind {
    /// Tells the kind of a column.
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        let by_logical = column.logical_type_ref().and_then(logical);
        let by_converted = || converted(column);
        by_logical
            .or_else(by_converted)
            .filter(|kind| kind.fits(column.physical_type()))
            .unwrap_or(match column.physical_type() {
                Type::BOOLEAN => Self::Boolean,
                Type::INT32 | Type::INT64 => Self::Signed,
                Type::FLOAT | Type::DOUBLE => Self::Float,
                Type::INT96 => Self::Instant {
                    unit: Unit::Nanos,
                    is_utc: true,
                },
                Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => Self::Bytes,
            })
            .scaled(column)
    }

    /// Returns whether a column of this type can hold the kind: what a file says of a column need
    /// not go together.
    fn fits(self, physical: Type) -> bool {
        let is_number = matches!(physical, Type::INT32 | Type::INT64);
        let is_bytes = matches!(physical, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY);
        match self {
            Self::Signed | Self::Unsigned | Self::Date | Self::Time { .. } => is_number,
            Self::Instant { .. } => is_number,
            Self::Decimal { .. } => is_number || is_bytes,
            Self::Text | Self::Bytes | Self::Json => is_bytes,
            Self::Uuid | Self::Half => physical == Type::FIXED_LEN_BYTE_ARRAY,
            Self::Float | Self::Boolean => false,
        }
    }

    fn scaled(self, column: &ColumnDescriptor) -> Self {
        match self {
            Self::Decimal { .. } => Self::Decimal {
                scale: usize::try_from(column.type_scale()).unwrap_or(0),
            },
            kind => kind,
        }
    }
}

fn logical(logical: &LogicalType) -> Option<Kind> {
    Some(match logical {
        LogicalType::String | LogicalType::Enum => Kind::Text,
        LogicalType::Json => Kind::Json,
        LogicalType::Uuid => Kind::Uuid,
        LogicalType::Float16 => Kind::Half,
        LogicalType::Date => Kind::Date,
        LogicalType::Decimal(_) => Kind::Decimal { scale: 0 },
        LogicalType::Integer(it) if !it.is_signed => Kind::Unsigned,
        LogicalType::Integer(_) => Kind::Signed,
        LogicalType::Time(it) => Kind::Time {
            unit: Unit::of(it.unit),
        },
        LogicalType::Timestamp(it) => Kind::Instant {
            unit: Unit::of(it.unit),
            is_utc: it.is_adjusted_to_u_t_c,
        },
        _ => return None,
    })
}

/// Tells the kind by the annotations of older writers.
fn converted(column: &ColumnDescriptor) -> Option<Kind> {
    let instant = |unit| Kind::Instant { unit, is_utc: true };
    Some(match column.converted_type() {
        ConvertedType::UTF8 | ConvertedType::ENUM => Kind::Text,
        ConvertedType::JSON => Kind::Json,
        ConvertedType::DATE => Kind::Date,
        ConvertedType::DECIMAL => Kind::Decimal { scale: 0 },
        ConvertedType::TIME_MILLIS => Kind::Time { unit: Unit::Millis },
        ConvertedType::TIME_MICROS => Kind::Time { unit: Unit::Micros },
        ConvertedType::TIMESTAMP_MILLIS => instant(Unit::Millis),
        ConvertedType::TIMESTAMP_MICROS => instant(Unit::Micros),
        ConvertedType::UINT_8
        | ConvertedType::UINT_16
        | ConvertedType::UINT_32
        | ConvertedType::UINT_64 => Kind::Unsigned,
        _ => return None,
    })
}

/// The outcome of writing a value: a reason where it cannot be.
pub(super) type Written = Result<(), String>;

/// Writes a whole number of so many bits as what it stands for.
pub(super) fn write_integer(kind: Kind, value: i64, is_short: bool, out: &mut String) -> Written {
    match kind {
        Kind::Unsigned if is_short => push(out, value & i64::from(u32::MAX)),
        Kind::Unsigned => push(out, value.cast_unsigned()),
        Kind::Decimal { scale } => write_decimal(i128::from(value), scale, out),
        Kind::Date => {
            let epoch = Date::constant(1970, 1, 1);
            let date = SignedDuration::from_hours(24)
                .checked_mul(i32::try_from(value).unwrap_or(i32::MAX))
                .and_then(|since| epoch.checked_add(since).ok());
            let date = date.ok_or_else(|| format!("day {value} is none of the calendar"))?;
            push(out, format_args!("\"{date}\""));
        }
        Kind::Time { unit } => {
            let day = Date::constant(1970, 1, 1).to_datetime(jiff::civil::Time::midnight());
            let time = day.checked_add(unit.duration(value));
            let time = time.map_err(|_| format!("{value} is no time of day"))?;
            push(out, format_args!("\"{}\"", time.time()));
        }
        Kind::Instant { unit, is_utc } => return write_instant(unit.duration(value), is_utc, out),
        _ => push(out, value),
    }
    Ok(())
}

/// Writes an instant by the time since 1970.
pub(super) fn write_instant(since: SignedDuration, is_utc: bool, out: &mut String) -> Written {
    let refused = |_| "is an instant beyond the years that are read".to_owned();
    let instant = Timestamp::from_duration(since).map_err(refused)?;
    if is_utc {
        push(out, format_args!("\"{instant}\""));
    } else {
        let time: DateTime = jiff::tz::Offset::UTC.to_datetime(instant);
        push(out, format_args!("\"{time}\""));
    }
    Ok(())
}

/// Writes a floating point number in as few digits as name it. What is no number says nothing.
pub(super) fn write_float(
    value: f64,
    digits: std::fmt::Arguments<'_>,
    out: &mut String,
) -> Written {
    if value.is_infinite() {
        return Err("is infinite, which no property can be: leave the value empty".to_owned());
    }
    if value.is_nan() {
        out.push_str("null");
    } else {
        push(out, digits);
    }
    Ok(())
}

/// Writes bytes as what they stand for.
pub(super) fn write_bytes(kind: Kind, bytes: &[u8], out: &mut String) -> Written {
    match (kind, bytes.len()) {
        (Kind::Decimal { scale }, _) => {
            write_decimal(unscaled(bytes)?, scale, out);
            Ok(())
        }
        (Kind::Half, 2) => {
            let value = half(u16::from_le_bytes([bytes[0], bytes[1]]));
            write_float(value, format_args!("{value:?}"), out)
        }
        (Kind::Uuid, 16) => {
            let uuid = uuid::Uuid::from_slice(bytes).unwrap_or_default();
            push(out, format_args!("\"{uuid}\""));
            Ok(())
        }
        (Kind::Json, _) => {
            let text = text(bytes)?;
            let json: &serde_json::value::RawValue =
                serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
            out.push_str(json.get());
            Ok(())
        }
        (Kind::Text, _) => {
            write_text(text(bytes)?, out);
            Ok(())
        }
        _ => {
            match std::str::from_utf8(bytes) {
                Ok(text) => write_text(text, out),
                Err(_) => push(out, format_args!("\"\\\\x{}\"", kernel::to_hex(bytes))),
            }
            Ok(())
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "is said to be text, and is not UTF-8".to_owned())
}

/// Writes a text in quotes.
pub(super) fn write_text(text: &str, out: &mut String) {
    push(out, serde_json::Value::from(text));
}

/// Returns the number that these bytes are, the highest first.
fn unscaled(bytes: &[u8]) -> Result<i128, String> {
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let fill = if is_negative { 0xff } else { 0 };
    let mut all = [fill; 16];
    let extra = bytes.len().saturating_sub(16);
    let (high, low) = bytes.split_at(extra);
    if high.iter().any(|byte| *byte != fill) {
        return Err("is a decimal of more than 38 digits".to_owned());
    }
    all[16 - low.len()..].copy_from_slice(low);
    let value = i128::from_be_bytes(all);
    match (value < 0) == is_negative {
        true => Ok(value),
        false => Err("is a decimal of more than 38 digits".to_owned()),
    }
}

/// Writes a number with its last digits after the point.
fn write_decimal(unscaled: i128, scale: usize, out: &mut String) {
    let digits = unscaled.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    push(out, format_args!("{sign}{whole}{point}{part}"));
}

/// Returns a number of IEEE 754 in 16 bits.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    };
    sign * value
}

fn push(out: &mut String, what: impl std::fmt::Display) {
    write!(out, "{what}").expect("a text takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_what_they_stand_for() {
        let instant = |unit, is_utc| Kind::Instant { unit, is_utc };
        for (kind, value, is_short, json) in [
            (Kind::Signed, -5, true, "-5"),
            (Kind::Signed, i64::MIN, false, "-9223372036854775808"),
            (Kind::Unsigned, -1, true, "4294967295"),
            (Kind::Unsigned, -1, false, "18446744073709551615"),
            (Kind::Decimal { scale: 2 }, 1990, false, "19.90"),
            (Kind::Decimal { scale: 2 }, -5, true, "-0.05"),
            (Kind::Decimal { scale: 0 }, 7, true, "7"),
            (Kind::Date, 19844, true, "\"2024-05-01\""),
            (Kind::Date, -1, true, "\"1969-12-31\""),
            (
                Kind::Time { unit: Unit::Millis },
                36_000_500,
                true,
                "\"10:00:00.5\"",
            ),
            (
                instant(Unit::Millis, true),
                1_714_557_600_000,
                false,
                "\"2024-05-01T10:00:00Z\"",
            ),
            (
                instant(Unit::Micros, false),
                1_714_557_600_123_456,
                false,
                "\"2024-05-01T10:00:00.123456\"",
            ),
            (
                instant(Unit::Nanos, true),
                -1,
                false,
                "\"1969-12-31T23:59:59.999999999Z\"",
            ),
        ] {
            let mut out = String::new();
            write_integer(kind, value, is_short, &mut out).expect("written");
            assert_eq!(out, json, "{kind:?}");
        }
        for (kind, value) in [
            (Kind::Date, i64::from(i32::MAX)),
            (instant(Unit::Millis, true), i64::MAX),
        ] {
            assert!(write_integer(kind, value, false, &mut String::new()).is_err());
        }
    }

    #[test]
    fn bytes_are_what_they_stand_for() {
        let uuid: Vec<u8> = (0..16).collect();
        let decimal = |scale| Kind::Decimal { scale };
        let long = [[0xff; 17].to_vec(), vec![0x85]].concat();
        for (kind, bytes, json) in [
            (Kind::Text, "a\"é\n".as_bytes(), "\"a\\\"é\\n\""),
            (Kind::Bytes, b"abc", "\"abc\""),
            (Kind::Bytes, b"\xe9\x00", "\"\\\\xe900\""),
            (Kind::Json, b" {\"a\": 1.10} ", "{\"a\": 1.10}"),
            (
                Kind::Uuid,
                &uuid,
                "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"",
            ),
            (decimal(3), &[0x04, 0xd2], "1.234"),
            (decimal(1), &long, "-12.3"),
            (decimal(0), &[], "0"),
            (Kind::Half, &[0x00, 0x3e], "1.5"),
            (Kind::Half, &[0x01, 0x80], "-5.960464477539063e-8"),
            (Kind::Half, &[0x00, 0x7e], "null"),
        ] {
            let mut out = String::new();
            write_bytes(kind, bytes, &mut out).expect("written");
            assert_eq!(out, json, "{kind:?}");
        }
        for (kind, bytes) in [
            (Kind::Text, &b"\xe9"[..]),
            (Kind::Json, b"{"),
            (decimal(0), &[1; 17]),
            (Kind::Half, &[0x00, 0x7c]),
        ] {
            assert!(write_bytes(kind, bytes, &mut String::new()).is_err());
        }
    }
}
