//! Media types of data, and data as the JSON format writes it.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::value::RawValue;

use crate::json::push_text;

/// Base64 with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns a media type without its parameters, in small letters.
pub(super) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Returns whether data of a media type is JSON.
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// Returns whether data of a media type is text.
fn is_text(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/xml" | "application/yaml" | "application/x-www-form-urlencoded"
        )
}

/// Returns the JSON of a text, where it is some.
pub(super) fn json(text: &str) -> Option<&str> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    Some(value.get())
}

/// Reads base64.
pub(super) fn bytes_of(base64: &str) -> Option<Vec<u8>> {
    BASE64.decode(base64).ok()
}

/// Writes data as an entry of the JSON format, with a comma before it: `data` where it is JSON or
/// text, and `data_base64` else. Data that is not as its type says is kept as bytes, and told when
/// the event is read. No bytes are no data.
pub(super) fn push_data(event: &mut String, content_type: Option<&str>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let text = str::from_utf8(data).ok();
    let json = text.and_then(json);
    let json = json.filter(|_| content_type.is_none_or(is_json));
    let text = text.filter(|_| content_type.is_none_or(is_text));
    match (json, text) {
        (Some(json), _) => {
            event.push_str(",\"data\":");
            event.push_str(json);
        }
        (None, Some(text)) => {
            event.push_str(",\"data\":");
            push_text(event, text);
        }
        (None, None) => push_bytes(event, data),
    }
}

/// Writes data as bytes, with a comma before it.
pub(super) fn push_bytes(event: &mut String, data: &[u8]) {
    event.push_str(",\"data_base64\":\"");
    STANDARD.encode_string(data, event);
    event.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: Option<&str>, data: &[u8], expected: &str) {
        let mut event = String::new();
        push_data(&mut event, content_type, data);
        assert_eq!(event, expected, "{content_type:?}");
    }

    #[test]
    fn data_is_json_text_or_bytes_by_its_type() {
        check(
            Some("application/json; charset=utf-8"),
            b" {\"a\": 1.0}\n",
            r#","data":{"a": 1.0}"#,
        );
        check(Some("application/vnd.x+JSON"), b"[1]", r#","data":[1]"#);
        check(Some("text/plain"), b"{\"a\"", r#","data":"{\"a\"""#);
        check(Some("application/xml"), b"<a/>", r#","data":"<a/>""#);
        check(None, b"{}", r#","data":{}"#);
        check(None, b"plain", r#","data":"plain""#);
        check(None, b"\xff", r#","data_base64":"/w==""#);
        check(Some("image/png"), b"PNG", r#","data_base64":"UE5H""#);
        check(Some("text/plain"), b"\xff", r#","data_base64":"/w==""#);
        // It is not as it says: the event is read with a fault.
        check(Some("application/json"), b"{", r#","data_base64":"ew==""#);
        check(Some("application/json"), b"", "");
    }
}
