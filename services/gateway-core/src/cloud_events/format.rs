//! The forms in which `CloudEvents` come, as the headers of a post tell them.

use super::media;

/// A mode of the HTTP binding, with its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Attributes in headers, and data in the body.
    Binary,
    /// One event as JSON.
    Json,
    /// A list of events as JSON.
    JsonBatch,
    /// One event as protobuf.
    Protobuf,
    /// A batch of events as protobuf.
    ProtobufBatch,
}

impl Format {
    /// Returns the form of a post by its `Content-Type`, and by whether it has headers that are
    /// attributes; absent where it is no `CloudEvent`, or of a format that is not known here.
    pub fn of(content_type: Option<&str>, has_attributes: bool) -> Option<Self> {
        let essence = content_type.map(media::essence).unwrap_or_default();
        Some(match essence.as_str() {
            // Without a format it is JSON, the one that everybody has to know.
            "application/cloudevents+json" | "application/cloudevents" => Self::Json,
            "application/cloudevents-batch+json" | "application/cloudevents-batch" => {
                Self::JsonBatch
            }
            "application/cloudevents+protobuf" => Self::Protobuf,
            "application/cloudevents-batch+protobuf" => Self::ProtobufBatch,
            other if other.starts_with("application/cloudevents") => return None,
            _ if has_attributes => Self::Binary,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_tells_the_form_and_headers_tell_binary_mode() {
        for (content_type, has_attributes, format) in [
            (
                Some("application/cloudevents+json; charset=UTF-8"),
                false,
                Some(Format::Json),
            ),
            (
                Some("Application/CloudEvents-Batch+JSON"),
                false,
                Some(Format::JsonBatch),
            ),
            // Attributes may stand in headers besides.
            (
                Some("application/cloudevents+json"),
                true,
                Some(Format::Json),
            ),
            (
                Some("application/cloudevents+protobuf"),
                false,
                Some(Format::Protobuf),
            ),
            (
                Some("application/cloudevents-batch+protobuf"),
                false,
                Some(Format::ProtobufBatch),
            ),
            (Some("application/cloudevents+avro"), true, None),
            (Some("application/json"), true, Some(Format::Binary)),
            (None, true, Some(Format::Binary)),
            (Some("application/json"), false, None),
            (None, false, None),
        ] {
            let read = Format::of(content_type, has_attributes);
            assert_eq!(read, format, "{content_type:?} {has_attributes}");
        }
    }
}
