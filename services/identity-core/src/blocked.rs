//! Values that name nobody: what programs send when they do not know whom they mean.
//!
//! The union of what Segment, PostHog and Adobe block, and of what databases, spreadsheets and
//! languages write for nothing. It holds for every namespace and cannot be switched off.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::invisible::without_invisible;

/// Blocked in any case, trimmed, in quotes or brackets or not.
const BLOCKED: [&str; 37] = [
    "-1",
    "?",
    "anonymous",
    "blank",
    "distinct_id",
    "distinctid",
    "email",
    "empty",
    "false",
    "guest",
    "id",
    "invalid",
    "missing",
    "n.a.",
    "n/a",
    "na",
    "nan",
    "nil",
    "nobody",
    "none",
    "not available",
    "not set",
    "not_authenticated",
    "not_set",
    "null",
    "object object",
    "true",
    "undefined",
    "unknown",
    "void",
    "\\n",
    "#n/a",
    "#name?",
    "#null!",
    "#ref!",
    "#value!",
    "#div/0!",
];

/// The longest of [`BLOCKED`], so that ordinary ids are passed at a glance.
const LONGEST: usize = 17;
/// Quotes and brackets that are looked through, at the most.
const WRAPPINGS: usize = 9;

/// Returns what is blocked in every namespace, for people: the words, and the forms of templates,
/// each around `name`. Beside them zeros and dashes alone are.
pub fn built_in_blocked() -> impl Iterator<Item = String> {
    let words = BLOCKED.iter().map(|word| (*word).to_owned());
    let forms = TEMPLATES.iter();
    words.chain(forms.map(|(open, close)| format!("{open}name{close}")))
}

/// Returns whether a value names nobody. Zeros and dashes alone, such as the nil UUID, count too,
/// and so does nothing at all.
pub(crate) fn is_blocked(value: &str) -> bool {
    let bare = bare(value);
    is_blocked_word(&bare) || is_blocked_word(unbracket(&bare)) || is_template(&bare)
}

/// Returns whether a value is the name of its namespace, in any case, with whatever between its
/// words: `user_id`, `userId` and `User ID` alike. It is the heading of a column, or a variable.
pub(crate) fn is_name_of(namespace: &str, value: &str) -> bool {
    let bare = bare(value);
    let own = unbracket(&bare).trim_start_matches('$');
    letters(own).eq(letters(namespace))
}

/// The letters of a name in small ones, without what is between its words.
fn letters(name: &str) -> impl Iterator<Item = char> {
    let signs = name.chars().filter(|sign| !"_- ".contains(*sign));
    signs.map(|sign| sign.to_ascii_lowercase())
}

/// The value as it is compared with what is blocked: without characters that nobody sees, white
/// space and quotes around it, and full-width forms as the usual ones.
pub(crate) fn bare(value: &str) -> Cow<'_, str> {
    match value.is_ascii() {
        true => Cow::Borrowed(unquote(value)),
        false => {
            let plain: String = without_invisible(value).nfkc().collect();
            Cow::Owned(unquote(&plain).to_owned())
        }
    }
}

/// The signs that enclose the name of a variable in the templates of mail, pages and shells.
const TEMPLATES: [(&str, &str); 13] = [
    ("{{", "}}"),
    ("${", "}"),
    ("#{", "}"),
    ("@{", "}"),
    ("<%", "%>"),
    ("%%", "%%"),
    ("%", "%"),
    ("*|", "|*"),
    ("[[", "]]"),
    ("<", ">"),
    ("{", "}"),
    (":", ""),
    ("$", ""),
];

/// Returns whether a value is a template that was never filled in, such as `%user_id%` or `{{ id
/// }}`.
fn is_template(bare: &str) -> bool {
    let encloses = |(open, close): &(&str, &str)| {
        let inner = bare.strip_prefix(open)?.strip_suffix(close)?;
        // Around the name may be more of the same, or an output sign.
        let name = inner.trim_matches(|sign: char| sign.is_whitespace() || "{}=-%$".contains(sign));
        let is_loose = open.len() > 1 || *open == "<" || *open == "%";
        Some(if is_loose {
            is_expression(name)
        } else {
            is_variable(name)
        })
    };
    !bare.is_empty() && TEMPLATES.iter().any(|pair| encloses(pair) == Some(true))
}

/// Returns whether a text is a name that a program has for a variable, of two letters at the least,
/// all of them small or all of them capitals.
fn is_variable(name: &str) -> bool {
    let is_of = |is_letter: fn(&u8) -> bool| {
        let mut signs = name.bytes();
        signs.all(|sign| is_letter(&sign) || sign == b'_')
    };
    name.len() > 1 && (is_of(u8::is_ascii_lowercase) || is_of(u8::is_ascii_uppercase))
}

/// Returns whether a text is a variable, a path to one, or a call with it.
fn is_expression(name: &str) -> bool {
    let mut signs = name.chars();
    signs
        .next()
        .is_some_and(|sign| sign.is_alphabetic() || sign == '_')
        && signs.all(|sign| sign.is_alphanumeric() || "_-.| :'\"()[],".contains(sign))
}

fn is_blocked_word(bare: &str) -> bool {
    let is_nothing = |sign: char| matches!(sign, '0' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    bare.chars().all(is_nothing)
        || (bare.len() <= LONGEST && BLOCKED.iter().any(|word| bare.eq_ignore_ascii_case(word)))
}

/// The value without white space and quotation marks around it, however many times it was quoted.
pub(crate) fn unquote(value: &str) -> &str {
    let mut bare = value.trim();
    for quote in ['"', '\'', '`'].into_iter().cycle().take(WRAPPINGS) {
        bare = unwrap(bare, quote, quote).unwrap_or(bare);
    }
    bare
}

/// The value without brackets around it, such as `(null)` and `<nil>`.
fn unbracket(value: &str) -> &str {
    let brackets = [('(', ')'), ('<', '>'), ('[', ']'), ('{', '}')];
    let inner = brackets
        .into_iter()
        .find_map(|(open, close)| unwrap(value, open, close));
    inner.map_or(value, unquote)
}

fn unwrap(value: &str, open: char, close: char) -> Option<&str> {
    let inner = value.strip_prefix(open)?.strip_suffix(close)?;
    Some(inner.trim())
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
            "\\N",
            "(null)",
            "<null>",
            "[NULL]",
            "<nil>",
            "(not set)",
            "N/A",
            "#N/A",
            "n.a.",
            "NA",
            "Unknown",
            "(unknown)",
            "\u{2014}",
            "?",
            "null\u{200b}",
            "\u{feff}null",
            "\u{200b}",
            "nu\u{ad}ll",
            "\u{a0}null\u{a0}",
            "void",
            "%user_id%",
            "{{ id }}",
            "{{{user.id}}}",
            "{{ user_id | default: 'x' }}",
            "${id}",
            "<user_id>",
            "<%= id %>",
            ":user_id",
            "{user_id}",
            "*|EMAIL|*",
            "$user_id",
            "$USER_ID",
            "'$USER_ID'",
            "{USER_ID}",
            "\u{ff4e}\u{ff55}\u{ff4c}\u{ff4c}",
            "\u{ff10}",
            "\u{ff05}user_id\u{ff05}",
            "{}",
            "()",
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
            "unknown@example.com",
            "na-1",
            "nana",
            "(ada)",
            "n",
            "\\n1",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "{abc123}",
            "50%",
            "%",
            ":1",
            "a:b",
            "<ada@example.com>",
            "$5",
            "$a1b2",
            "$device:a0eebc99",
            "\u{ff21}da",
        ] {
            assert!(!is_blocked(value), "{value:?}");
        }
    }

    #[test]
    fn the_name_of_its_namespace_names_nobody() {
        for value in [
            "user_id",
            "USER_ID",
            "userId",
            " 'User ID' ",
            "[user-id]",
            "$userId",
            "\u{ff55}ser_id",
        ] {
            assert!(is_name_of("user_id", value), "{value:?}");
        }
        for value in ["user_id1", "user", "my_user_id", "crm_id"] {
            assert!(!is_name_of("user_id", value), "{value:?}");
        }
    }

    #[test]
    fn all_that_is_told_to_be_blocked_is() {
        for value in built_in_blocked() {
            assert!(is_blocked(&value), "{value}");
        }
    }

    #[test]
    fn no_word_is_longer_than_the_glance() {
        assert_eq!(BLOCKED.iter().map(|word| word.len()).max(), Some(LONGEST));
    }
}
