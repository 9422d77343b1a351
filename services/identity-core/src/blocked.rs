//! Values that name nobody: what programs send when they do not know whom they mean.
//!
//! The union of what Segment, PostHog and Adobe block. It holds for every namespace and cannot be switched off.

/// Blocked in any case, trimmed, quoted or not.
const BLOCKED: [&str; 17] = [
    "-1",
    "anonymous",
    "distinct_id",
    "distinctid",
    "email",
    "false",
    "guest",
    "id",
    "invalid",
    "nan",
    "nil",
    "none",
    "not_authenticated",
    "null",
    "true",
    "undefined",
    "[object object]",
];

/// The longest of [`BLOCKED`], so that ordinary ids are passed at a glance.
const LONGEST: usize = 17;

/// Whether a value names nobody. Zeros and dashes alone, such as the nil UUID, count too, and so does nothing at all.
pub(crate) fn is_blocked(value: &str) -> bool {
    let bare = unquote(value);
    bare.bytes().all(|byte| matches!(byte, b'0' | b'-'))
        || (bare.len() <= LONGEST && BLOCKED.iter().any(|word| bare.eq_ignore_ascii_case(word)))
}

/// The value without white space and quotation marks around it, however many times it was quoted.
pub(crate) fn unquote(value: &str) -> &str {
    let mut bare = value.trim();
    for quote in ['"', '\'', '`'].into_iter().cycle().take(9) {
        if let Some(inner) = bare
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            bare = inner.trim();
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_blocked_in_any_case_trimmed_quoted_or_not() {
        for value in [
            "null",
            "NULL",
            " null ",
            "\"null\"",
            "'None'",
            "\"'undefined'\"",
            "[object Object]",
            "NaN",
            "-1",
            "0",
            "0000-0000",
            "00000000-0000-0000-0000-000000000000",
            "anonymous",
            "Guest",
            "",
            "  ",
            "\"\"",
            "---",
            "not_authenticated",
            "invalid",
        ] {
            assert!(is_blocked(value), "{value:?}");
        }
    }

    #[test]
    fn what_may_name_somebody_passes() {
        for value in [
            "nullable",
            "a",
            "10",
            "0x0",
            "idris",
            "u-0",
            "null@example.com",
            "\"",
            "guest-7",
            "falsetto",
        ] {
            assert!(!is_blocked(value), "{value:?}");
        }
    }

    #[test]
    fn no_word_is_longer_than_the_glance() {
        assert_eq!(BLOCKED.iter().map(|word| word.len()).max(), Some(LONGEST));
    }
}
