//! The filters, tests and functions of the language: those whose cost and result are bounded by what they take.
//!
//! Filters that multiply (`join`, `replace`, `tojson`) are our own, with a bound; those that only a programmer misses
//! are left out.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value, filters, tests};

use super::output::Bounded;
use crate::limits;

/// The names of all filters.
pub(super) const FILTERS: [&str; 23] = [
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "e",
    "escape",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "round",
    "string",
    "times",
    "title",
    "tojson",
    "trim",
    "upper",
];
/// The names of all tests.
pub(super) const TESTS: [&str; 12] = [
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "undefined",
];
/// The names of all functions.
pub(super) const FUNCTIONS: [&str; 1] = ["range"];

/// Adds all of them.
pub(super) fn add(environment: &mut Environment<'_>) {
    add_builtin(environment);
    environment.add_filter("join", join);
    environment.add_filter("replace", replace);
    environment.add_filter("tojson", to_json);
    environment.add_filter("times", times);
    environment.add_function("range", range);
}

fn add_builtin(environment: &mut Environment<'_>) {
    environment.add_filter("default", filters::default);
    environment.add_filter("d", filters::default);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("title", filters::title);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("length", filters::length);
    environment.add_filter("count", filters::length);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("round", filters::round);
    environment.add_filter("abs", filters::abs);
    environment.add_filter("int", filters::int);
    environment.add_filter("float", filters::float);
    environment.add_filter("string", filters::string);
    environment.add_filter("escape", filters::escape);
    environment.add_filter("e", filters::escape);
    environment.add_filter("items", filters::items);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("string", tests::is_string);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("even", tests::is_even);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("endingwith", tests::is_endingwith);
}

fn join(values: &Value, separator: Option<&str>) -> Result<String, Error> {
    let mut joined = String::new();
    if values.is_undefined() || values.is_none() {
        return Ok(joined);
    }
    for (place, value) in values.try_iter()?.enumerate() {
        if place > 0 {
            joined.push_str(separator.unwrap_or_default());
        }
        joined.push_str(&value.to_string());
        if joined.len() > limits::CONTEXT_BYTES {
            return Err(too_large("join"));
        }
    }
    Ok(joined)
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    // Counted first, so that the large text is never made.
    let places = text.matches(from).count();
    let size = text.len().saturating_add(places.saturating_mul(to.len()));
    if size > limits::CONTEXT_BYTES {
        return Err(too_large("replace"));
    }
    Ok(text.replace(from, to))
}

/// Writes a value as JSON, so that it can stand in a JSON body. A value that is not defined is null.
fn to_json(value: &Value) -> Result<String, Error> {
    let mut json = Bounded::new(limits::CONTEXT_BYTES);
    serde_json::to_writer(&mut json, value).map_err(|error| {
        if error.is_io() {
            too_large("tojson")
        } else {
            Error::new(
                ErrorKind::InvalidOperation,
                "this value cannot be written as JSON",
            )
        }
    })?;
    Ok(json.into_text())
}

fn times(left: &Value, right: &Value) -> Result<Value, Error> {
    if left.kind() != ValueKind::Number || right.kind() != ValueKind::Number {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "`times` multiplies two numbers",
        ));
    }
    let (left, right) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
    Ok(super::values::plain_number(left * right))
}

fn range(first: i64, end: Option<i64>) -> Result<Value, Error> {
    let (start, end) = end.map_or((0, first), |end| (first, end));
    if end.saturating_sub(start) > limits::RANGE {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a range has at most {} elements", limits::RANGE),
        ));
    }
    Ok((start..end).map(Value::from).collect::<Vec<_>>().into())
}

fn too_large(filter: &str) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!(
            "`{filter}` would make more than {} bytes",
            limits::CONTEXT_BYTES
        ),
    )
}
