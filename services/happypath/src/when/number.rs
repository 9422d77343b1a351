//! Numbers that are instants: counts from 1970 on, and days of spreadsheets.
//!
//! A number alone is taken for what its length tells: counts of ages that files are about have 9 or
//! 10 digits in seconds, and three more for each finer unit. Whatever may be something else is
//! refused.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::clock;
use super::resolve::{local, resolve};
use super::zone::{Suffix, Zone};

/// A unit of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// The day from which a spreadsheet counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// Day 1 is 1900-01-01, and day 60 is 29 February 1900, which never was.
    Of1900,
    /// Day 0 is 1904-01-01.
    Of1904,
}

/// Digits of the longest number that is looked at.
const DIGITS: usize = 30;
/// Digits below which a number with an exponent of `E+` was shortened for reading.
const SHORTENED_DIGITS: usize = 12;
/// The unit of a count that cannot be told.
const WHICH: &str = "may be a count since 1970, a date without its signs, or the number of a day: say which with --time-format seconds, millis, micros, nanos, excel, or a pattern such as %Y%m%d";

impl Unit {
    /// Nanoseconds of one.
    const fn nanos(self) -> i128 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

/// A decimal number: digits, of which so many are decimals.
struct Decimal<'t> {
    is_negative: bool,
    whole: &'t str,
    fraction: &'t str,
    /// The power of ten behind an `E`, and whether it has a sign.
    exponent: Option<(i32, bool)>,
}

impl<'t> Decimal<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, power)) => {
                let power = (power.len() <= 4).then(|| power.parse().ok());
                let is_signed = digits.contains(['+', '-']);
                (mantissa, Some((power??, is_signed)))
            }
            None => (digits, None),
        };
        let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
        let are_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        let is_number = !whole.is_empty() && are_digits(whole) && are_digits(fraction);
        is_number.then_some(Self {
            is_negative: digits.len() < text.len(),
            whole,
            fraction,
            exponent,
        })
    }

    /// Returns the number times another one, cut to a whole one; absent where it is too long.
    fn times(&self, factor: i128) -> Option<i128> {
        let power = self.exponent.map_or(0, |(power, _)| power);
        let mut fraction = self.fraction;
        if self.whole.len() + fraction.len() > DIGITS {
            fraction = fraction.get(..DIGITS.checked_sub(self.whole.len())?)?;
        }
        let digits: i128 = format!("{}{fraction}", self.whole).parse().ok()?;
        let decimals = i32::try_from(fraction.len()).ok()? - power;
        let power = 10_i128.checked_pow(decimals.unsigned_abs())?;
        let product = match decimals {
            0.. => digits.checked_mul(factor)?.checked_div(power)?,
            _ => digits.checked_mul(power)?.checked_mul(factor)?,
        };
        Some(if self.is_negative { -product } else { product })
    }
}

/// Returns whether a text is a number and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    Decimal::read(text).is_some()
}

/// Reads a number whose unit nobody named.
pub(super) fn bare(text: &str, zone: &Zone) -> Result<Timestamp, String> {
    let number = Decimal::read(text).ok_or(WHICH)?;
    if let Some((power, is_signed)) = number.exponent {
        return printed_double(text, &number, power, is_signed);
    }
    let is_plain = !number.is_negative && number.fraction.is_empty();
    let unit = match number.whole.len() {
        _ if number.whole.starts_with('0') => return Err(WHICH.to_owned()),
        8 if is_plain => {
            let day = compact_day(number.whole).ok_or(WHICH)?;
            return local(day.to_datetime(jiff::civil::Time::midnight()), false, zone);
        }
        14 if !number.is_negative => {
            let (day, rest) = text.split_at(8);
            let day = compact_day(day).ok_or(WHICH)?;
            let (time, _) = clock::scan(&format!("T{rest}")).map_err(|_| WHICH)?;
            return resolve(day, time, &Suffix::default(), zone);
        }
        12 if is_plain && compact_day(&number.whole[..8]).is_some() => {
            return Err(WHICH.to_owned());
        }
        9 | 10 => Unit::Seconds,
        12 | 13 => Unit::Millis,
        // The smallest number of all is what some programs write for no time.
        15 | 16 if !number.is_negative => Unit::Micros,
        18 | 19 if !number.is_negative => Unit::Nanos,
        4 if is_plain => return Err("is a year: expected a day, such as 2017-01-01".to_owned()),
        _ => return Err(WHICH.to_owned()),
    };
    count(text, unit)
}

/// Reads a double as Java and `BigQuery` print it, such as `1.7145576E9`, unless digits are lost.
fn printed_double(
    text: &str,
    number: &Decimal<'_>,
    power: i32,
    is_signed: bool,
) -> Result<Timestamp, String> {
    let digits = number.whole.len() + number.fraction.len();
    if is_signed && digits < SHORTENED_DIGITS {
        return Err(
            "was shortened by a spreadsheet, and its digits are lost: format the column as a number before you save the file"
                .to_owned(),
        );
    }
    match power {
        8 | 9 => count(text, Unit::Seconds),
        11 | 12 => count(text, Unit::Millis),
        14 | 15 => count(text, Unit::Micros),
        17 | 18 => count(text, Unit::Nanos),
        _ => Err(WHICH.to_owned()),
    }
}

/// Reads a count of a unit since 1970.
pub(super) fn count(text: &str, unit: Unit) -> Result<Timestamp, String> {
    let number = Decimal::read(text)
        .ok_or("is no number: --time-format says that times are counts since 1970")?;
    let nanos = number.times(unit.nanos());
    let instant = nanos.and_then(|nanos| Timestamp::from_nanosecond(nanos).ok());
    instant.ok_or_else(|| "is a count beyond the years 1 to 9999".to_owned())
}

/// Reads the number of a day, to the nearest millisecond: a double tells no more.
pub(super) fn day(text: &str, epoch: Epoch, zone: &Zone) -> Result<Timestamp, String> {
    /// Milliseconds of a day.
    const DAY: i128 = 86_400_000;
    /// A tenth of a millisecond, so that the nearest one can be told.
    const TENTHS: i128 = 10;
    let beyond = || "is no number of a day: expected one such as 45413.5".to_owned();
    let number = Decimal::read(text).filter(|number| !number.is_negative);
    let tenths = number
        .and_then(|number| number.times(DAY * TENTHS))
        .ok_or_else(beyond)?;
    let millis = (tenths + TENTHS / 2) / TENTHS;
    let days = millis / DAY;
    let first = match (epoch, days) {
        (Epoch::Of1904, _) => Date::constant(1904, 1, 1),
        (Epoch::Of1900, 0 | 60) => return Err("is a day that never was".to_owned()),
        (Epoch::Of1900, ..60) => Date::constant(1899, 12, 31),
        (Epoch::Of1900, _) => Date::constant(1899, 12, 30),
    };
    let since = i64::try_from(millis).map_err(|_| beyond())?;
    let start = first.to_datetime(jiff::civil::Time::midnight());
    let time = start
        .checked_add(SignedDuration::from_millis(since))
        .map_err(|_| beyond())?;
    local(time, millis % DAY != 0, zone)
}

/// Reads a day of eight digits, in years that files are about.
fn compact_day(digits: &str) -> Option<Date> {
    let part = |from: usize, to: usize| digits.get(from..to)?.parse().ok();
    let year: i16 = part(0, 4)?;
    let month = i8::try_from(part(4, 6)?).ok()?;
    let day = i8::try_from(part(6, 8)?).ok()?;
    let date = Date::new(year, month, day).ok()?;
    (1900..2200).contains(&year).then_some(date)
}
