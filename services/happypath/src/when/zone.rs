//! Zones: of a file, and behind a time.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{Offset, TimeZone, db};
use serde::Deserialize;

use super::date::{digits, number};
use super::format::EXPECTED;

/// The zone of times that name none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Zone(Option<TimeZone>);

impl Zone {
    /// UTC.
    pub(crate) const UTC: Self = Self(None);

    /// Returns the zone; absent for UTC.
    pub(super) const fn rules(&self) -> Option<&TimeZone> {
        self.0.as_ref()
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "UTC" || text == "Z" {
            return Ok(Self::UTC);
        }
        find(text).map(|zone| Self(Some(zone))).ok_or_else(|| {
            let known: Vec<String> = db().available().map(|name| name.to_string()).collect();
            let near = kernel::nearest(text, known.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("is no time zone: expected one such as Europe/Berlin, UTC or +02:00{near}")
        })
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("UTC"),
            Some(zone) => match (zone.iana_name(), zone.to_fixed_offset()) {
                (Some(name), _) => f.write_str(name),
                (None, Ok(offset)) => write!(f, "{offset}"),
                (None, Err(_)) => f.write_str("UTC"),
            },
        }
    }
}

/// Everything that a time says of its zone.
#[derive(Debug, Default)]
pub(super) struct Suffix<'t> {
    /// The distance from UTC.
    pub(super) offset: Option<Offset>,
    /// True for `Z`, which is UTC whatever zone is named behind it (RFC 9557).
    pub(super) is_zulu: bool,
    /// A zone of the database.
    pub(super) zone: Option<TimeZone>,
    /// Letters such as `CEST`, which several zones use.
    pub(super) letters: Option<&'t str>,
}

/// Reads what stands behind a time.
pub(super) fn suffix(text: &str) -> Result<Suffix<'_>, String> {
    let text = text.trim();
    let mut suffix = Suffix::default();
    // Behind an offset, browsers explain it.
    let text = match text.split_once('(') {
        Some((before, comment)) if comment.ends_with(')') && !before.is_empty() => before.trim(),
        _ => text,
    };
    let rest = offset_part(text, &mut suffix)?.trim_start();
    if rest.is_empty() {
        return Ok(suffix);
    }
    let name = match rest.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or(EXPECTED)?,
        None => rest,
    };
    let name = name.strip_prefix('!').unwrap_or(name);
    let is_zone = rest.starts_with('[') || name.contains('/');
    match find(name) {
        Some(zone) if is_zone => suffix.zone = Some(zone),
        _ if is_zone => {
            return Err(format!("names `{name}`, which is no time zone"));
        }
        _ if name.bytes().all(|letter| letter.is_ascii_alphabetic()) && name.len() <= 5 => {
            suffix.letters = Some(name);
        }
        _ => return Err(EXPECTED.to_owned()),
    }
    Ok(suffix)
}

/// Reads an offset, or the name of UTC, and returns what follows it.
fn offset_part<'t>(text: &'t str, suffix: &mut Suffix<'_>) -> Result<&'t str, String> {
    let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
    if let Some(rest) = text.strip_prefix(['Z', 'z']).filter(|rest| is_end(rest)) {
        suffix.offset = Some(Offset::UTC);
        suffix.is_zulu = true;
        return Ok(rest);
    }
    let known = ["UTC", "GMT", "utc", "gmt"]
        .iter()
        .find_map(|name| text.strip_prefix(name));
    let text = match known.filter(|rest| is_end(rest) && !rest.starts_with('/')) {
        Some(rest) => {
            suffix.offset = Some(Offset::UTC);
            rest
        }
        None => text,
    };
    let (is_west, digits) = match text.chars().next() {
        Some('+') => (false, &text[1..]),
        Some('-') => (true, &text[1..]),
        _ => return Ok(text),
    };
    let is_named = suffix.offset.is_some();
    let (offset, rest) = offset(digits, is_west, is_named)?;
    suffix.offset = Some(offset);
    Ok(rest)
}

/// Reads hours, with minutes and seconds or without. Behind the name of UTC one digit is enough.
fn offset(text: &str, is_west: bool, is_named: bool) -> Result<(Offset, &str), String> {
    let (first, mut rest) = digits(text);
    let mut parts = [0_i32; 3];
    match first.len() {
        1 if !is_named => return Err(EXPECTED.to_owned()),
        1 | 2 => {
            parts[0] = number(first)?;
            for part in &mut parts[1..] {
                let Some(after) = rest.strip_prefix(':') else {
                    break;
                };
                let (found, after) = digits(after);
                if found.len() != 2 {
                    return Err(EXPECTED.to_owned());
                }
                *part = number(found)?;
                rest = after;
            }
        }
        4 | 6 => {
            for (place, part) in parts.iter_mut().enumerate().take(first.len() / 2) {
                *part = number(&first[2 * place..2 * place + 2])?;
            }
        }
        _ => return Err(EXPECTED.to_owned()),
    }
    let [hours, minutes, seconds] = parts;
    // No clock was ever further from UTC (java.time allows as much).
    if hours > 18 || minutes > 59 || seconds > 59 {
        return Err("has an offset from UTC that no clock has".to_owned());
    }
    let seconds = hours * 3_600 + minutes * 60 + seconds;
    let offset = Offset::from_seconds(if is_west { -seconds } else { seconds });
    Ok((offset.map_err(|_| EXPECTED)?, rest))
}

/// Returns a zone by its name, or by its distance from UTC.
fn find(name: &str) -> Option<TimeZone> {
    let mut fixed = Suffix::default();
    if let (Ok(""), Some(offset)) = (offset_part(name, &mut fixed), fixed.offset) {
        return Some(TimeZone::fixed(offset));
    }
    let is_name = name.bytes().all(|sign| sign.is_ascii_graphic());
    is_name.then(|| TimeZone::get(name).ok()).flatten()
}
