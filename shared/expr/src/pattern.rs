//! Compiles the patterns of `matches`: once, and small, so that matching is linear in the text.

use regex_lite::{Regex, RegexBuilder};

use crate::limits;

/// Compiles a pattern.
///
/// # Errors
/// Says why it cannot be used.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > limits::PATTERN_BYTES {
        let limit = limits::PATTERN_BYTES;
        return Err(format!("a pattern has at most {limit} bytes"));
    }
    let built = RegexBuilder::new(pattern)
        .size_limit(limits::PATTERN_PROGRAM_BYTES)
        .nest_limit(limits::PATTERN_DEPTH)
        .build();
    built.map_err(|error| {
        let error: String = error.to_string().chars().take(160).collect();
        format!("this pattern cannot be used: {error}")
    })
}
