//! Names as senders have them: those of events, properties and traits, and the paths of nested
//! values.
//!
//! A name is any text without control characters. Two spellings of one text that Unicode holds for
//! equal are one name: all names are kept in normalization form C (Unicode Standard Annex 15).

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::limits::NAME_BYTES;

/// A fault of a name. It says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// There is none.
    #[error("is empty: give it a name")]
    Empty,
    /// It has more than [`NAME_BYTES`].
    #[error("has a name of {0} bytes: at most {NAME_BYTES} are taken")]
    TooLong(usize),
    /// It holds a character that cannot be shown.
    #[error("has a control character in its name: remove it")]
    Control,
    /// A backslash stands before something else than a dot or a backslash.
    #[error("has a backslash in its path: write \\. for a dot in a key, and \\\\ for a backslash")]
    Escape,
}

/// Reads a name, and returns it in its normal form.
///
/// # Errors
/// [`NameFault`] where it is empty, too long or has a control character.
pub fn read_name(text: &str) -> Result<Cow<'_, str>, NameFault> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && (1..=NAME_BYTES).contains(&text.len()) {
        return Ok(Cow::Borrowed(text));
    }
    if text.is_empty() {
        return Err(NameFault::Empty);
    }
    if text.len() > NAME_BYTES {
        return Err(NameFault::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(NameFault::Control);
    }
    let name = normal_form(text);
    // A few characters are taken apart by their normal form.
    if name.len() > NAME_BYTES {
        return Err(NameFault::TooLong(name.len()));
    }
    Ok(name)
}

/// Reads the path of a value: the keys that lead to it, with dots between them. In a key, `\.` is a
/// dot and `\\` a backslash.
///
/// # Errors
/// [`NameFault`] where the path is too long, a key is empty, or something is no key.
pub fn read_path(text: &str) -> Result<Cow<'_, str>, NameFault> {
    let path = read_name(text)?;
    let mut is_empty = true;
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' if is_empty => return Err(NameFault::Empty),
            '\\' if !matches!(characters.next(), Some('.' | '\\')) => {
                return Err(NameFault::Escape);
            }
            _ => {}
        }
        is_empty = character == '.';
    }
    if is_empty {
        return Err(NameFault::Empty);
    }
    Ok(path)
}

/// Adds a key to a path.
pub fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    if key.contains(['.', '\\']) {
        for character in key.chars() {
            if matches!(character, '.' | '\\') {
                path.push('\\');
            }
            path.push(character);
        }
    } else {
        path.push_str(key);
    }
}

/// Returns the keys of a path, the outermost first.
pub fn path_keys(path: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = dots(text).next();
        let key = &text[..end.unwrap_or(text.len())];
        rest = end.map(|end| &text[end + 1..]);
        Some(without_escapes(key))
    })
}

/// Returns the places of the dots between the keys of a path.
pub(crate) fn dots(path: &str) -> impl Iterator<Item = usize> {
    let mut is_escaped = false;
    path.bytes().enumerate().filter_map(move |(place, byte)| {
        let is_between = byte == b'.' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_between.then_some(place)
    })
}

/// Returns the text by which names are told that differ in nothing but case.
pub fn fold_case(name: &str) -> String {
    normal_form(&name.to_lowercase()).into_owned()
}

fn without_escapes(key: &str) -> Cow<'_, str> {
    if !key.contains('\\') {
        return Cow::Borrowed(key);
    }
    let mut read = String::with_capacity(key.len());
    let mut characters = key.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => read.extend(characters.next()),
            _ => read.push(character),
        }
    }
    Cow::Owned(read)
}

fn normal_form(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_any_text_without_control_characters() {
        let long = "n".repeat(NAME_BYTES);
        for name in [
            "Order Completed",
            "$pageview",
            "größe",
            "a.b",
            "\\",
            "in",
            "🛒",
            &long,
        ] {
            assert_eq!(read_name(name).as_deref(), Ok(name));
        }
        assert_eq!(read_name("gro\u{308}ße").as_deref(), Ok("größe"));
        let (longer, wide) = ("n".repeat(NAME_BYTES + 1), "ü".repeat(101));
        // Each of these is three times as long in its normal form.
        let grows = "\u{958}".repeat(60);
        for (name, fault) in [
            ("", NameFault::Empty),
            (longer.as_str(), NameFault::TooLong(201)),
            (&wide, NameFault::TooLong(202)),
            (&grows, NameFault::TooLong(360)),
            ("a\nb", NameFault::Control),
            ("\u{85}", NameFault::Control),
            ("a\0", NameFault::Control),
        ] {
            assert_eq!(read_name(name), Err(fault), "{name:?}");
        }
    }

    #[test]
    fn a_path_leads_to_the_keys_that_it_was_made_of() {
        for (keys, path) in [
            (vec!["address", "city"], "address.city"),
            (vec!["address.city"], "address\\.city"),
            (vec!["a\\", ".b"], "a\\\\.\\.b"),
            (vec!["\\.", "."], "\\\\\\..\\."),
            (vec!["Order ID"], "Order ID"),
        ] {
            let mut written = String::new();
            for key in &keys {
                push_key(&mut written, key);
            }
            assert_eq!(written, path);
            assert_eq!(path_keys(path).collect::<Vec<_>>(), keys);
            assert_eq!(read_path(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(read_path(path), Err(NameFault::Empty), "{path}");
        }
        for path in ["\\", "a\\b", "a.\\"] {
            assert_eq!(read_path(path), Err(NameFault::Escape), "{path}");
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_fold_to_one() {
        assert_eq!(fold_case("Order ID"), fold_case("order id"));
        assert_eq!(fold_case("GRO\u{308}SSE"), fold_case("grösse"));
        assert_ne!(fold_case("order_id"), fold_case("order id"));
    }
}
