//! Binary mode: attributes in headers that begin with `ce-`, and data in the body as it is.

use std::borrow::Cow;

use super::media::push_data;
use super::{Post, Sent};
use crate::json::push_text;
use crate::{Fault, Reason};

/// The attribute that `Content-Type` is in this mode.
const CONTENT_TYPE: &str = "datacontenttype";

/// Reads a post as an event.
pub(super) fn read<'b>(post: Post<'_, '_>) -> Sent<'b> {
    let (mut json, mut fault) = (String::from("{"), None);
    let attributes = post.attributes.iter();
    // The header of that name may not be there, and says nothing beside `Content-Type`.
    for (name, value) in attributes.filter(|(name, _)| !name.is_empty() && *name != CONTENT_TYPE) {
        let text = decode(value).unwrap_or_else(|shown| {
            let text =
                "is no UTF-8 with percent-encoding: encode the text as UTF-8, and its bytes as %XX";
            fault.get_or_insert_with(|| Fault::new(Reason::BadText, name, text));
            shown
        });
        push_attribute(&mut json, name, &text);
    }
    if let Some(content_type) = post.content_type {
        push_attribute(&mut json, CONTENT_TYPE, content_type);
    }
    push_data(&mut json, post.content_type, post.body);
    json.push('}');
    Sent {
        json: json.into(),
        fault,
    }
}

/// Writes an attribute that is text, with a comma before it unless it is the first.
pub(super) fn push_attribute(json: &mut String, name: &str, text: &str) {
    if json.len() > 1 {
        json.push(',');
    }
    push_text(json, name);
    json.push(':');
    push_text(json, text);
}

/// Decodes the value of a header by the rules of the binding (section 3.1.3.2): the quotes of a
/// quoted string, then one round of percent-encoding. A percent sign without two digits behind it
/// is itself.
///
/// # Errors
/// Bytes that are no UTF-8: the text, with signs in the place of these.
fn decode(value: &[u8]) -> Result<String, String> {
    let plain = unquoted(value.trim_ascii());
    let mut bytes = Vec::with_capacity(plain.len());
    let mut rest: &[u8] = &plain;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        match digits.and_then(hexadecimal) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).map_err(|error| String::from_utf8_lossy(error.as_bytes()).into())
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    // `from_str_radix` takes a sign too.
    let are_digits = digits.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(digits).ok().filter(|_| are_digits)?;
    u8::from_str_radix(text, 16).ok()
}

/// Returns the text inside of a quoted string (RFC 9110, section 5.6.4); other values as they are.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return value.into();
    };
    if !inner.contains(&b'\\') {
        return inner.into();
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => *bytes.next().unwrap_or(byte),
            other => *other,
        });
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_decoded_by_the_rules_of_the_binding() {
        for (value, text) in [
            ("1234-1234", "1234-1234"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            ("%e2%82%ac", "\u{20ac}"),
            ("%41", "A"),
            // One round.
            ("%2541", "%41"),
            ("100%", "100%"),
            ("%zz%+1", "%zz%+1"),
            ("\"a b\"", "a b"),
            (r#""a \"b\" \\ %20""#, "a \"b\" \\  "),
            ("\"", "\""),
            // Older senders write UTF-8 as it is.
            ("ü", "ü"),
        ] {
            assert_eq!(decode(value.as_bytes()).as_deref(), Ok(text), "{value}");
        }
        // Too long a form of a space, half a character, and none.
        for bad in [&b"%C0%A0"[..], b"%E2%82", b"\xff"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_post_becomes_the_json_of_its_event() {
        let post = Post {
            content_type: Some("application/json"),
            attributes: &[
                ("specversion", b"1.0"),
                ("id", b"a%20b"),
                ("datacontenttype", b"text/plain"),
                ("", b"x"),
            ],
            body: b"{\"a\":1}",
        };
        let sent = read(post);
        assert_eq!(
            sent.json,
            r#"{"specversion":"1.0","id":"a b","datacontenttype":"application/json","data":{"a":1}}"#
        );
        assert_eq!(sent.fault, None);
        let bad = Post {
            attributes: &[("id", b"%ff")],
            body: b"",
            ..post
        };
        let fault = read(bad).fault.expect("a fault");
        assert_eq!(
            (fault.reason, fault.field.as_str()),
            (Reason::BadText, "id")
        );
    }
}
