//! Dates with the names of months, as mail, Java, C, browsers and people write them.

use jiff::civil::{Date, Weekday};

use super::clock::{self, Clock};
use super::date::number;
use super::format::EXPECTED;
use super::resolve::resolve;
use super::zone::{Zone, suffix};

/// The names of months, by their first three letters.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// The names of days, from Monday on.
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// Words of the longest text that is looked at.
const WORDS: usize = 16;

/// The parts of a text, as they are found.
#[derive(Default)]
struct Parts<'t> {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    weekday: Option<Weekday>,
    clock: Option<Clock>,
    /// The place where the zone begins.
    zone: Option<&'t str>,
}

/// Reads an instant with the name of a month in it.
///
/// # Errors
/// Where it has none, or its parts are no day.
pub(super) fn read(text: &str, zone: &Zone) -> Result<jiff::Timestamp, String> {
    let mut parts = Parts::default();
    let mut rest = text;
    for _ in 0..WORDS {
        rest = rest.trim_start_matches([' ', ',']);
        if rest.is_empty() {
            break;
        }
        rest = parts.take(rest)?;
    }
    let (Some(year), Some(month), Some(day)) = (parts.year, parts.month, parts.day) else {
        return Err(EXPECTED.to_owned());
    };
    let date = Date::new(year, month, day).map_err(|_| "is no day of the calendar")?;
    if parts
        .weekday
        .is_some_and(|weekday| weekday != date.weekday())
    {
        return Err("names another weekday than that day has".to_owned());
    }
    let clock = parts.clock.unwrap_or(clock::NONE);
    resolve(date, clock, &suffix(parts.zone.unwrap_or_default())?, zone)
}

impl<'t> Parts<'t> {
    /// Takes the next part, and returns what follows it.
    fn take(&mut self, text: &'t str) -> Result<&'t str, String> {
        let end = text.find([' ', ',']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if word.contains(':') && word.starts_with(|first: char| first.is_ascii_digit()) {
            let (found, rest) = clock::time(text, false)?;
            set(&mut self.clock, found)?;
            return Ok(self.zone_before_year(rest));
        }
        if let Some(month) = month(word) {
            set(&mut self.month, month)?;
        } else if let Some(weekday) = weekday(word) {
            set(&mut self.weekday, weekday)?;
        } else if let Some((day, month, year)) = hyphenated(word)? {
            set(&mut self.day, day)?;
            set(&mut self.month, month)?;
            set(&mut self.year, year)?;
        } else if self.clock.is_some() && !is_year(word) {
            return Ok(self.zone_before_year(text));
        } else if is_year(word) {
            set(&mut self.year, number(word)?)?;
        } else {
            set(&mut self.day, day(word)?)?;
        }
        Ok(rest)
    }

    /// Takes the rest for the zone; C and Java put the year behind it.
    fn zone_before_year(&mut self, rest: &'t str) -> &'t str {
        let rest = rest.trim();
        if rest.is_empty() || is_year(rest) {
            return rest;
        }
        if self.year.is_some() {
            self.zone = Some(rest);
            return "";
        }
        match rest.rsplit_once(' ') {
            Some((zone, year)) if is_year(year) => {
                self.zone = Some(zone);
                year
            }
            // The year may come first, and the zone last.
            _ => match rest.split_once(' ') {
                Some((year, zone)) if is_year(year) => {
                    self.zone = Some(zone);
                    year
                }
                _ => {
                    self.zone = Some(rest);
                    ""
                }
            },
        }
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(EXPECTED.to_owned()),
    }
}

fn is_year(word: &str) -> bool {
    word.len() == 4 && word.bytes().all(|digit| digit.is_ascii_digit())
}

/// Reads a day of a month, such as `1` or `1st`.
fn day(word: &str) -> Result<i8, String> {
    let ends = ["st", "nd", "rd", "th"];
    let digits = ends
        .iter()
        .find_map(|end| word.strip_suffix(end))
        .unwrap_or(word);
    match digits.len() {
        1 | 2 => number(digits),
        _ => Err(EXPECTED.to_owned()),
    }
}

/// Reads `01-MAY-2024`, as Oracle and SAS write it.
fn hyphenated(word: &str) -> Result<Option<(i8, i8, i16)>, String> {
    let mut parts = word.split('-');
    let (Some(first), Some(second), Some(third), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Ok(None);
    };
    let Some(found) = month(second) else {
        return Ok(None);
    };
    if is_year(third) {
        return Ok(Some((day(first)?, found, number(third)?)));
    }
    Err(
        "has a year of two digits: say how it is written, such as --time-format %d-%b-%y"
            .to_owned(),
    )
}

fn month(word: &str) -> Option<i8> {
    let place = place(word, &MONTHS)?;
    i8::try_from(place + 1).ok()
}

fn weekday(word: &str) -> Option<Weekday> {
    let place = i8::try_from(place(word, &DAYS)?).ok()?;
    Weekday::from_monday_zero_offset(place).ok()
}

/// Returns the place of a name that a word is, or is the first three or four letters of.
fn place(word: &str, names: &[&str]) -> Option<usize> {
    let word = word.trim_end_matches('.').to_ascii_lowercase();
    names.iter().position(|name| {
        *name == word || (matches!(word.len(), 3 | 4) && name.starts_with(word.as_str()))
    })
}
