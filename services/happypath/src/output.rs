//! Prints answers of commands: tables for people, JSON for programs.

use std::io::{ErrorKind, Write};

use comfy_table::{CellAlignment, Table, presets};
use prost_reflect::{DynamicMessage, ReflectMessage, SerializeOptions};
use serde_json::Value;

use crate::failure::Failure;

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Format {
    /// Prints JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints a line (or several) to stdout. A reader that went away, such as `head`, is no mistake.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write the answer: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a remark to stderr, where it does not disturb who reads the answer.
///
/// A remark may quote a name from a file, so nothing of it is an order to the terminal.
#[expect(
    clippy::print_stderr,
    reason = "remarks of a command line are for people"
)]
pub(crate) fn remark(text: &str) {
    eprintln!("{}", harmless(text));
}

fn harmless(text: &str) -> String {
    text.replace(
        |character: char| character.is_control() && character != '\n' && character != '\t',
        "\u{fffd}",
    )
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed(format!("cannot write the answer: {error}")))?;
    print(&escaped_json(&text))
}

/// Writes what strangers sent so that a terminal does not act upon it, and nobody reads it in
/// another order than it has: control characters and marks of direction as their numbers.
pub(crate) fn visible(text: &str) -> String {
    if !text.contains(is_hidden) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_hidden(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
    }
    shown
}

/// The same in JSON, where they can stand in texts only: as JSON writes them.
pub(crate) fn escaped_json(json: &str) -> String {
    let is_escaped = |letter: char| is_hidden(letter) && letter != '\n';
    if !json.contains(is_escaped) {
        return json.to_owned();
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        match is_escaped(letter) {
            // All of them are below 2^16.
            true => shown.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => shown.push(letter),
        }
    }
    shown
}

/// Returns whether a terminal acts upon a character, or shows what follows it in another order.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || ('\u{2028}'..='\u{202e}').contains(&letter)
        || ('\u{2066}'..='\u{2069}').contains(&letter)
}

/// A message as JSON: every field, under its name in the contract, numbers as numbers.
pub(crate) fn json_of<M: ReflectMessage>(message: &M) -> Result<Value, Failure> {
    json_with(&message.transcode_to_dynamic(), false)
}

/// A message as JSON without fields that are empty, as definitions are written.
pub(crate) fn short_json_of<M: ReflectMessage>(message: &M) -> Result<Value, Failure> {
    json_with(&message.transcode_to_dynamic(), true)
}

fn json_with(message: &DynamicMessage, skip_empty: bool) -> Result<Value, Failure> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(skip_empty);
    let mut json = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| Failure::failed(format!("the answer is not JSON: {error}")))?;
    shorten_numbers(&mut json);
    Ok(json)
}

/// Writes whole numbers as such: 4 and not 4.0. Answers nest no deeper than the contracts and
/// events allow.
fn shorten_numbers(json: &mut Value) {
    /// Beyond this, not every whole number is a double.
    const MOST: f64 = 9_007_199_254_740_992.0;
    match json {
        Value::Array(values) => values.iter_mut().for_each(shorten_numbers),
        Value::Object(fields) => fields.values_mut().for_each(shorten_numbers),
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64()
                && float.fract() == 0.0
                && float.abs() < MOST
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
                let whole = float as i64;
                *number = whole.into();
            }
        }
        _ => {}
    }
}

/// A table with its headings; columns whose headings begin with `#` are numbers.
pub(crate) struct Rows {
    table: Table,
}

impl Rows {
    /// An empty table.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(
            headings
                .iter()
                .map(|heading| heading.trim_start_matches('#')),
        );
        for (place, heading) in headings.iter().enumerate() {
            if let Some(column) = table.column_mut(place) {
                column.set_padding((0, 2));
                if heading.starts_with('#') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self { table }
    }

    /// Adds a row.
    pub(crate) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table
            .add_row(cells.into_iter().map(|cell| cell.to_string()));
    }

    /// Prints the table under a title; nothing of it where it is empty.
    pub(crate) fn print_titled(&self, title: &str) -> Result<(), Failure> {
        if self.table.is_empty() {
            return Ok(());
        }
        print(&format!("\n{title}"))?;
        print(&self.text("  "))
    }

    /// Prints the table, or a line where it is empty.
    pub(crate) fn print_or(&self, empty: &str) -> Result<(), Failure> {
        if self.table.is_empty() {
            return print(empty);
        }
        print(&self.text(""))
    }

    fn text(&self, indent: &str) -> String {
        let lines: Vec<String> = self
            .table
            .lines()
            .map(|line| format!("{indent}{}", line.trim_end()))
            .collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_written_out() {
        for (text, expected) in [
            ("Käse 12 €", "Käse 12 €"),
            ("a\u{1b}[2Jb\n", "a\\u{1b}[2Jb\\u{a}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ] {
            assert_eq!(visible(text), expected);
            let json = serde_json::json!([text, {"a": text}]);
            let written = escaped_json(&serde_json::to_string_pretty(&json).expect("JSON"));
            assert!(
                !written.contains(|it| is_hidden(it) && it != '\n'),
                "{written}"
            );
            let read: Value = serde_json::from_str(&written).expect("JSON");
            assert_eq!(read, json);
        }
    }

    #[test]
    fn whole_numbers_are_written_as_such() {
        let mut json = serde_json::json!({"a": [4.0, 2.5, -0.0, 1e300], "b": 7, "c": "4.0"});
        shorten_numbers(&mut json);
        assert_eq!(
            json,
            serde_json::json!({"a": [4, 2.5, 0, 1e300], "b": 7, "c": "4.0"})
        );
    }
}
