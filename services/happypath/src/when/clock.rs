//! Times of the day.

use jiff::civil::Time;

use super::date::{digits, number};
use super::format::EXPECTED;

/// A time of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// The time.
    pub(super) time: Time,
    /// True for `24:00`, the end of the day (ISO 8601).
    pub(super) is_end: bool,
    /// False where a date stands alone.
    pub(super) is_given: bool,
}

/// A day without a time of it: its beginning.
pub(super) const NONE: Clock = Clock {
    time: Time::constant(0, 0, 0, 0),
    is_end: false,
    is_given: false,
};

/// Reads the time that follows a date, and returns what follows it.
pub(super) fn scan(rest: &str) -> Result<(Clock, &str), String> {
    let has_letter = rest.starts_with(['T', 't']);
    let text = if has_letter { &rest[1..] } else { rest };
    // Browsers put a comma behind the date.
    let text = text.strip_prefix(", ").unwrap_or(text).trim_start();
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        if has_letter {
            return Err(EXPECTED.to_owned());
        }
        return Ok((NONE, text));
    }
    if !has_letter && text.len() == rest.len() {
        // Digits that follow a date at once belong to it.
        return Err(EXPECTED.to_owned());
    }
    time(text, has_letter)
}

/// Reads a time, and returns what follows it. The hour may stand alone where that is a time for
/// sure.
pub(super) fn time(text: &str, may_be_hour: bool) -> Result<(Clock, &str), String> {
    let (first, rest) = digits(text);
    let (hour, minute, second, rest) = match (first.len(), rest.strip_prefix(':')) {
        (1 | 2, Some(rest)) => {
            let (minute, rest) = exactly_two(rest)?;
            match rest.strip_prefix(':') {
                Some(rest) => {
                    let (second, rest) = exactly_two(rest)?;
                    (first, minute, Some(second), rest)
                }
                None => (first, minute, None, rest),
            }
        }
        (1 | 2, None) if may_be_hour || half(rest).0.is_some() => (first, "00", None, rest),
        (4, None) => (&first[..2], &first[2..], None, rest),
        (6, None) => (&first[..2], &first[2..4], Some(&first[4..]), rest),
        _ => return Err(EXPECTED.to_owned()),
    };
    let (nanos, rest) = match (second, rest.strip_prefix(['.', ','])) {
        (Some(_), Some(rest)) => fraction(rest)?,
        _ => (0, rest),
    };
    let (half, rest) = half(rest);
    let hour = hour_of(number(hour)?, half)?;
    let minute: i8 = number(minute)?;
    // A leap second counts as the one before it, as in the clocks of most machines.
    let second = number::<i8>(second.unwrap_or("0"))?;
    let second = if second == 60 { 59 } else { second };
    let is_end = hour == 24 && minute == 0 && second == 0 && nanos == 0;
    let hour = if is_end { 0 } else { hour };
    let time = Time::new(hour, minute, second, nanos);
    let time = time.map_err(|_| "has a time that no day has")?;
    let clock = Clock {
        time,
        is_end,
        is_given: true,
    };
    Ok((clock, rest))
}

fn exactly_two(text: &str) -> Result<(&str, &str), String> {
    let (found, rest) = digits(text);
    match found.len() {
        2 => Ok((found, rest)),
        _ => Err(EXPECTED.to_owned()),
    }
}

/// Reads decimals of a second. Finer ones than nanoseconds are cut.
fn fraction(text: &str) -> Result<(i32, &str), String> {
    let (found, rest) = digits(text);
    if found.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    let nanos = format!("{found:0<9}");
    Ok((number(&nanos[..9])?, rest))
}

/// Reads the half of a day, such as `PM`.
fn half(text: &str) -> (Option<bool>, &str) {
    let trimmed = text.trim_start();
    for (sign, is_afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        let Some((found, rest)) = trimmed.split_at_checked(sign.len()) else {
            continue;
        };
        let ends = !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
        if found.eq_ignore_ascii_case(sign) && ends {
            return (Some(is_afternoon), rest);
        }
    }
    (None, text)
}

/// Returns the hour of a day that has 24.
fn hour_of(hour: i8, half: Option<bool>) -> Result<i8, String> {
    match (hour, half) {
        (_, None) => Ok(hour),
        (12, Some(false)) => Ok(0),
        (12, Some(true)) => Ok(12),
        (1..12, Some(is_afternoon)) => Ok(if is_afternoon { hour + 12 } else { hour }),
        _ => Err("has an hour that a clock of twelve does not show".to_owned()),
    }
}
