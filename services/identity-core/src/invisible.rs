//! Characters that nobody sees: they come along when values are copied from pages and documents,
//! and make two of one value.

use std::borrow::Cow;

/// Returns a text without characters that nobody sees, without a copy where there are none.
///
/// Joiners inside a word stay, because scripts and emoji mean something by them.
pub(crate) fn without_invisible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let outer = text
        .trim_matches(|sign: char| is_invisible(sign) || is_joiner(sign) || sign.is_whitespace());
    if outer.chars().any(is_invisible) {
        return Cow::Owned(outer.chars().filter(|sign| !is_invisible(*sign)).collect());
    }
    Cow::Borrowed(outer)
}

/// Returns a text without joiners too, which no address has.
pub(crate) fn without_joiners(text: &str) -> Cow<'_, str> {
    match text.chars().any(is_joiner) {
        true => Cow::Owned(text.chars().filter(|sign| !is_joiner(*sign)).collect()),
        false => Cow::Borrowed(text),
    }
}

/// Returns whether a character has no width and no meaning in a name (Unicode: default ignorable).
fn is_invisible(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn is_joiner(sign: char) -> bool {
    matches!(sign, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_removed() {
        for (text, expected) in [
            ("ada", "ada"),
            ("\u{feff}ada", "ada"),
            ("a\u{200b}d\u{ad}a\u{2060}", "ada"),
            ("\u{200e}ada\u{a0}", "ada"),
            ("نامه\u{200c}ای", "نامه\u{200c}ای"),
            ("\u{200d}ada\u{200d}", "ada"),
            ("zoë", "zoë"),
            ("\u{200b}", ""),
        ] {
            assert_eq!(without_invisible(text), expected);
        }
        assert_eq!(without_joiners("a\u{200d}da"), "ada");
    }
}
