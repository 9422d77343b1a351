//! From a day, a time and a zone to an instant.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

use super::clock::Clock;
use super::zone::{Suffix, Zone};

/// The last day is beyond what instants reach.
const BEYOND: &str = "is beyond the years 1 to 9999";

/// Returns the instant of a day and time, with what was said of its zone.
///
/// # Errors
/// Where offset and zone contradict each other, and where the zone has no such time.
pub(super) fn resolve(
    day: Date,
    clock: Clock,
    suffix: &Suffix<'_>,
    zone: &Zone,
) -> Result<Timestamp, String> {
    let mut time = day.to_datetime(clock.time);
    if clock.is_end {
        time = time.checked_add(Span::new().days(1)).map_err(|_| BEYOND)?;
    }
    if let Some(offset) = suffix.offset {
        let instant = offset.to_timestamp(time).map_err(|_| BEYOND)?;
        if matches!(suffix.letters, Some("UTC" | "GMT")) && offset != jiff::tz::Offset::UTC {
            return Err("contradicts itself: it has an offset from UTC, and says UTC".to_owned());
        }
        let there = suffix.zone.as_ref().map(|zone| zone.to_offset(instant));
        return match there {
            Some(there) if there != offset && !suffix.is_zulu => Err(format!(
                "contradicts itself: the zone was at {there} then, and the time says {offset}"
            )),
            _ => Ok(instant),
        };
    }
    if let Some(letters) = suffix.letters {
        return by_letters(time, letters, zone);
    }
    match &suffix.zone {
        Some(named) => in_zone(time, clock.is_given, named),
        None => local(time, clock.is_given, zone),
    }
}

/// Returns the instant of a time in the zone of the file.
///
/// # Errors
/// As [`in_zone`].
pub(super) fn local(time: DateTime, is_given: bool, zone: &Zone) -> Result<Timestamp, String> {
    match zone.rules() {
        Some(zone) => in_zone(time, is_given, zone),
        None => jiff::tz::Offset::UTC
            .to_timestamp(time)
            .map_err(|_| BEYOND.to_owned()),
    }
}

/// Returns the instant of a time in a zone: the first of two where clocks were set back. A day
/// alone begins with its first instant.
///
/// # Errors
/// Where clocks were set forward over it, since it was written by another clock then.
fn in_zone(time: DateTime, is_given: bool, zone: &TimeZone) -> Result<Timestamp, String> {
    let found = zone.to_ambiguous_timestamp(time);
    if is_given && matches!(found.offset(), AmbiguousOffset::Gap { .. }) {
        let name = zone.iana_name().unwrap_or("its zone");
        return Err(format!(
            "is a time that {name} did not have, because clocks were set forward over it: is that its zone?"
        ));
    }
    found.compatible().map_err(|_| BEYOND.to_owned())
}

/// Returns the instant of a time whose zone has only letters, where the zone of the file has them
/// then.
fn by_letters(time: DateTime, letters: &str, zone: &Zone) -> Result<Timestamp, String> {
    let unknown = || {
        format!(
            "has a zone of letters, `{letters}`, which several zones use: name it with --time-zone, such as --time-zone Europe/Berlin"
        )
    };
    let rules = zone.rules().ok_or_else(unknown)?;
    let found = rules.to_ambiguous_timestamp(time);
    let candidates = [found.earlier(), found.later()];
    let candidates = candidates.into_iter().flatten();
    let mut candidates =
        candidates.filter(|instant| rules.to_offset_info(*instant).abbreviation() == letters);
    candidates.next().ok_or_else(|| {
        format!("has a zone of letters, `{letters}`, which {zone} did not have then")
    })
}
