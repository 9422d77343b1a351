//! Dates in digits, with their signs.

use jiff::civil::{Date, ISOWeekDate, Weekday};

use super::format::EXPECTED;

/// The order of the parts of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// `31/12/2024`.
    DayMonthYear,
    /// `12/31/2024`.
    MonthDayYear,
    /// `24/12/31`.
    YearMonthDay,
}

/// Reads the date that a text begins with, and returns what follows it; none where the text begins
/// with none in digits.
///
/// # Errors
/// Where it is no day, or may be two.
pub(super) fn scan(text: &str, order: Option<Order>) -> Result<Option<(Date, &str)>, String> {
    let (first, rest) = digits(text);
    let sign = rest.chars().next();
    match (first.len(), sign) {
        (4, Some('-')) => iso(first, &rest[1..]).map(Some),
        (4, Some('W' | 'w')) => week(first, &rest[1..], false).map(Some),
        (4, Some(sign @ ('/' | '.'))) => {
            let (month, day, rest) = two_more(rest, sign)?;
            Ok(Some((date(first, month, day)?, rest)))
        }
        (8, _) => {
            let (year, rest_of) = first.split_at(4);
            let (month, day) = rest_of.split_at(2);
            Ok(Some((date(year, month, day)?, rest)))
        }
        (1 | 2, Some(sign @ ('/' | '.' | '-'))) => {
            let Ok((second, third, rest)) = two_more(rest, sign) else {
                // A month may stand there in letters.
                return Ok(None);
            };
            ordered([first, second, third], sign, order).map(|day| Some((day, rest)))
        }
        _ => Ok(None),
    }
}

/// Reads what follows a year and a hyphen.
fn iso<'t>(year: &str, rest: &'t str) -> Result<(Date, &'t str), String> {
    if let Some(rest) = rest.strip_prefix(['W', 'w']) {
        return week(year, rest, true);
    }
    let (second, rest) = digits(rest);
    if second.len() == 3 {
        let first = Date::new(number(year)?, 1, 1).map_err(|_| EXPECTED)?;
        let day = number::<i16>(second)?;
        let date = first.with().day_of_year(day).build();
        return Ok((date.map_err(|_| "is no day of that year")?, rest));
    }
    let Some(rest) = rest.strip_prefix('-') else {
        return Err(match second.len() {
            1 | 2 if rest.is_empty() => "is a month: expected a day, such as 2017-01-01".to_owned(),
            _ => EXPECTED.to_owned(),
        });
    };
    let (day, rest) = digits(rest);
    Ok((date(year, second, day)?, rest))
}

/// Reads what follows the `W` of a week (ISO 8601).
fn week<'t>(year: &str, rest: &'t str, has_hyphens: bool) -> Result<(Date, &'t str), String> {
    let part = |from, to| rest.get(from..to).ok_or(EXPECTED);
    let (week, sign, day) = match has_hyphens {
        true => (part(0, 2)?, part(2, 3)?, part(3, 4)?),
        false => (part(0, 2)?, "-", part(2, 3)?),
    };
    if sign != "-" {
        return Err(EXPECTED.to_owned());
    }
    let weekday = Weekday::from_monday_one_offset(number(day)?).map_err(|_| "names no weekday")?;
    let date = ISOWeekDate::new(number(year)?, number(week)?, weekday);
    let rest = &rest[if has_hyphens { 4 } else { 3 }..];
    Ok((date.map_err(|_| "is no week of that year")?.date(), rest))
}

/// Reads three numbers whose order has to be found.
fn ordered(parts: [&str; 3], sign: char, order: Option<Order>) -> Result<Date, String> {
    let [first, second, third] = parts;
    let is_short = third.len() != 4;
    let order = match order {
        Some(order) => order,
        None if is_short => {
            return Err(
                "has a year of two digits: say the order with --time-format dmy, mdy or ymd"
                    .to_owned(),
            );
        }
        // Only days come first with points, wherever they are used.
        None if sign == '.' => Order::DayMonthYear,
        None => match (number::<u8>(first)?, number::<u8>(second)?) {
            (day, 1..=12) if day > 12 => Order::DayMonthYear,
            (1..=12, day) if day > 12 => Order::MonthDayYear,
            (day, month) if day == month => Order::DayMonthYear,
            _ => {
                return Err(
                    "may be two days: say with --time-format dmy or mdy whether the day or the month comes first"
                        .to_owned(),
                );
            }
        },
    };
    match order {
        Order::DayMonthYear => date(&year(third)?, second, first),
        Order::MonthDayYear => date(&year(third)?, first, second),
        Order::YearMonthDay => date(&year(first)?, second, third),
    }
}

/// Returns a year of four digits; of two, 69 to 99 belong to the last century (POSIX).
fn year(text: &str) -> Result<String, String> {
    match text.len() {
        4 => Ok(text.to_owned()),
        2 if number::<u8>(text)? >= 69 => Ok(format!("19{text}")),
        2 => Ok(format!("20{text}")),
        _ => Err(EXPECTED.to_owned()),
    }
}

/// Returns the two numbers that follow, each after a sign, and the rest.
fn two_more(rest: &str, sign: char) -> Result<(&str, &str, &str), String> {
    let (second, rest) = digits(rest.strip_prefix(sign).ok_or(EXPECTED)?);
    let (third, rest) = digits(rest.strip_prefix(sign).ok_or(EXPECTED)?);
    if second.is_empty() || third.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    Ok((second, third, rest))
}

fn date(year: &str, month: &str, day: &str) -> Result<Date, String> {
    if month.is_empty() || month.len() > 2 || day.is_empty() || day.len() > 2 {
        return Err(EXPECTED.to_owned());
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    Date::new(year, month, day).map_err(|_| match (year, month, day) {
        (0, 0, 0) => "is the zero date of MySQL, and no day: leave the line out, or give it a time"
            .to_owned(),
        _ => "is no day of the calendar".to_owned(),
    })
}

/// Returns the digits that a text begins with, and the rest.
pub(super) fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Reads digits.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| EXPECTED.to_owned())
}
