//! The part of a panic that may be told.

/// Returns the part of the text of a panic that says which rule was broken, without the values that
/// broke it: those may be data of a customer. `expect` and `unwrap` write values behind a colon,
/// assertions on lines of their own.
pub fn panic_text(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split_once(": ").map_or(line, |(rule, _)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out() {
        for (text, told) in [
            ("it was told to stay", "it was told to stay"),
            ("a UTF-8 text: \"ada@example.com\"", "a UTF-8 text"),
            (
                "called `Result::unwrap()` on an `Err` value: Error(\"ada\")",
                "called `Result::unwrap()` on an `Err` value",
            ),
            (
                "assertion `left == right` failed\n  left: \"ada\"\n right: \"bob\"",
                "assertion `left == right` failed",
            ),
            (
                "index out of bounds: the len is 3 but the index is 5",
                "index out of bounds",
            ),
            ("", ""),
        ] {
            assert_eq!(panic_text(text), told);
        }
    }
}
