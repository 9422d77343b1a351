//! Values of events, as JSON text that is as exact as the file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::numeral::{self, Decimal};
use crate::when::{TimeRules, instant_text};

/// The type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValueType {
    /// As it is written.
    Text,
    /// With decimals or not.
    Number,
    /// Exact up to 38 digits.
    Integer,
    /// `true`, `yes`, `t`, `y`, `on`, `1`, and their opposites.
    Boolean,
    /// A time, kept as RFC 3339 in UTC.
    Instant,
    /// A list or an object, in JSON.
    Json,
}

/// The names of types, as flags and mappings have them.
const TYPES: [(&str, ValueType); 6] = [
    ("text", ValueType::Text),
    ("number", ValueType::Number),
    ("integer", ValueType::Integer),
    ("boolean", ValueType::Boolean),
    ("instant", ValueType::Instant),
    ("json", ValueType::Json),
];

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = TYPES.iter().find(|(_, it)| it == self);
        f.write_str(name.map_or("text", |(name, _)| name))
    }
}

impl FromStr for ValueType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = TYPES.iter().find(|(name, _)| *name == text);
        found.map(|(_, it)| *it).ok_or_else(|| {
            let names = TYPES.map(|(name, _)| name);
            let near = kernel::nearest(text, names);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("expected {}{near}", names.join(", "))
        })
    }
}

/// The way that a file writes its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writing<'m> {
    /// The sign before decimals, where it was decided.
    pub(super) decimal: Option<Decimal>,
    /// True where its cells are separated by semicolons, as where commas stand before decimals.
    pub(super) has_semicolons: bool,
    /// The way that times are written.
    pub(super) times: TimeRules<'m>,
}

/// Reads a text as what it looks like: a number, true or false, or text.
///
/// It is no text only where it comes back digit for digit; with decimals, where its value does.
pub(crate) fn scalar(text: &str) -> String {
    match text {
        "true" | "false" => text.to_owned(),
        text if numeral::is_plain(text) => text.to_owned(),
        text => Value::from(text).to_string(),
    }
}

/// Reads a cell without a type.
///
/// # Errors
/// Where a number may be two, with what decides.
pub(super) fn untyped(text: &str, writing: &Writing<'_>) -> Result<String, String> {
    let has_sign = text.contains(['.', ',']);
    let may_be_other = writing.decimal.is_some() || writing.has_semicolons;
    if !has_sign || !may_be_other || is_address(text) {
        return Ok(scalar(text));
    }
    let Some(numeral) = numeral::parse(text, writing.decimal) else {
        return Ok(scalar(text));
    };
    if numeral.is_ambiguous {
        return Err(ambiguous(
            text,
            "or that it is text with --type COLUMN=text",
        ));
    }
    let is_code =
        text.starts_with(['+', '.', ',']) || text.ends_with(['.', ',']) || leads_with_zero(text);
    let is_grouped_only = !numeral.json.contains('.') && writing.decimal.is_none();
    if is_code || is_grouped_only || text.contains(['e', 'E']) {
        return Ok(scalar(text));
    }
    Ok(numeral.json)
}

/// Reads a text as a value of a type.
///
/// # Errors
/// Where it is none, with what would be one.
pub(super) fn typed(
    text: &str,
    value_type: ValueType,
    writing: &Writing<'_>,
) -> Result<String, String> {
    match value_type {
        ValueType::Text => Ok(Value::from(text).to_string()),
        ValueType::Number => number(text, writing),
        ValueType::Integer => integer(text, writing),
        ValueType::Boolean => boolean(text).map(|value| value.to_string()),
        ValueType::Instant => {
            instant_text(text, &writing.times).map(|text| Value::from(text).to_string())
        }
        ValueType::Json => json(text),
    }
}

fn number(text: &str, writing: &Writing<'_>) -> Result<String, String> {
    let numeral = numeral_of(text, writing)?;
    let is_long = numeral.is_whole && numeral::whole(&numeral).is_none();
    if is_long && !numeral.json.contains('.') {
        return Err(too_long(text));
    }
    Ok(numeral.json)
}

/// Reads a whole number. Some programs write one with a decimal of zero: `12345.0`.
pub(super) fn integer(text: &str, writing: &Writing<'_>) -> Result<String, String> {
    let numeral = numeral_of(text, writing)?;
    if !numeral.is_whole {
        return Err(format!("`{}` is no whole number", shown(text)));
    }
    let whole = numeral::whole(&numeral).ok_or_else(|| too_long(text))?;
    Ok(whole.to_owned())
}

fn numeral_of(text: &str, writing: &Writing<'_>) -> Result<numeral::Numeral, String> {
    let numeral = numeral::parse(text, writing.decimal)
        // Programs write a point among the commas of people, where nothing else can be meant.
        .or_else(|| numeral::parse(text, None).filter(|numeral| !numeral.is_ambiguous))
        .ok_or_else(|| format!("`{}` is no number: expected one such as 12.5", shown(text)))?;
    // Only where commas stand before decimals may a point group digits.
    let is_plain = numeral.decimal == Some(Decimal::Point) && !writing.has_semicolons;
    if numeral.is_ambiguous && !is_plain {
        return Err(ambiguous(text, "which decides for the whole file"));
    }
    if numeral::is_shortened(text) {
        return Err(format!(
            "`{}` was shortened by a spreadsheet, and its digits are lost: format the column as a number before you save the file, or keep it with --type COLUMN=text",
            shown(text)
        ));
    }
    Ok(numeral)
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(format!("`{}` is neither true nor false", shown(text))),
    }
}

fn json(text: &str) -> Result<String, String> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => Ok(json.get().to_owned()),
        Err(error) => {
            let error = error
                .to_string()
                .replace(" at line 1 column", " at character");
            Err(format!("`{}` is no JSON: {error}", shown(text)))
        }
    }
}

/// Returns the kind of a value that is written in JSON.
pub(super) fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "text",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "nothing",
        Some(b'[') => "list",
        Some(b'{') => "object",
        _ => "number",
    }
}

/// Returns the object of values that are written in JSON; absent where there are none.
pub(crate) fn object(fields: &BTreeMap<String, String>) -> Option<String> {
    let fields = fields
        .iter()
        .map(|(name, json)| format!("{}:{json}", Value::from(name.as_str())));
    let fields: Vec<String> = fields.collect();
    (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(",")))
}

/// Returns the beginning of a value, for a sentence.
pub(super) fn shown(text: &str) -> String {
    /// Characters of a value that a sentence shows: enough to find it in the file.
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn ambiguous(text: &str, otherwise: &str) -> String {
    let text = shown(text);
    let digits: String = text
        .chars()
        .filter(|sign| !matches!(sign, '.' | ','))
        .collect();
    format!(
        "`{text}` may be {} or {digits}: say what stands before decimals with --decimal comma or --decimal point, {otherwise}",
        text.replace(',', ".")
    )
}

fn too_long(text: &str) -> String {
    format!(
        "`{}` has more than 38 digits, and would lose some: keep it with --type COLUMN=text",
        shown(text)
    )
}

fn leads_with_zero(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits
        .strip_prefix('0')
        .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// Returns whether a text is four small numbers, as the address of a machine is.
fn is_address(text: &str) -> bool {
    text.split('.')
        .filter(|part| part.parse::<u8>().is_ok())
        .count()
        == 4
        && count_points(text) == 3
}

fn count_points(text: &str) -> usize {
    text.matches('.').count()
}

#[cfg(test)]
mod tests;
