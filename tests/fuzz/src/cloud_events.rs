//! Posts of `CloudEvents`, in any of their modes.

use gateway_core::{
    CLOUD_EVENTS_PATH, Circumstances, CloudEvents, Format, Post, SourceRules, reread,
};
use kernel::Timestamp;
use kernel::limits::EVENT_BYTES;

use crate::{Target, split};

const FORMATS: [Format; 5] = [
    Format::Binary,
    Format::Json,
    Format::JsonBatch,
    Format::Protobuf,
    Format::ProtobufBatch,
];

/// When the posts came.
const RECEIVED: Timestamp = Timestamp::from_millis(1_796_000_000_000);

/// Posts of all forms: the first byte says which, the others are the body. In binary mode lines of
/// `name: value` up to an empty one are the headers.
pub(crate) const CLOUD_EVENTS: Target = Target {
    run: |bytes| {
        let (format, body) = split(bytes);
        let format = FORMATS[usize::from(format) % FORMATS.len()];
        let (head, body) = match format {
            Format::Binary => parts(body),
            _ => (&b""[..], body),
        };
        post(format, head, body);
    },
    seeds: || {
        let seeds: [(u8, &[u8]); 11] = [
            (0, include_bytes!("../seeds/cloud_events/python-binary")),
            (0, include_bytes!("../seeds/cloud_events/node-binary")),
            (0, include_bytes!("../seeds/cloud_events/rust-binary")),
            (1, include_bytes!("../seeds/cloud_events/python-structured")),
            (1, include_bytes!("../seeds/cloud_events/node-structured")),
            (1, include_bytes!("../seeds/cloud_events/rust-structured")),
            (2, include_bytes!("../seeds/cloud_events/python-batch")),
            (2, include_bytes!("../seeds/cloud_events/node-batch")),
            (2, include_bytes!("../seeds/cloud_events/rust-batch")),
            (3, include_bytes!("../seeds/cloud_events/protobuf")),
            (4, include_bytes!("../seeds/cloud_events/protobuf-batch")),
        ];
        let seeds = seeds.into_iter();
        seeds
            .map(|(format, body)| [&[format], body].concat())
            .collect()
    },
    words: &[
        "specversion",
        "\"1.0\"",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "data_base64",
        "data",
        "application/json",
        "userId",
        "anonymous_id",
        "email",
        "%E2%82%AC",
        "%C0%A0",
        "\\\"",
        "null",
        "[]",
        "{",
        "}",
        "\\u00",
        "AA==",
        "-1e9",
    ],
    rounds: 2_000,
};

/// Splits headers from the body.
fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    end.map_or((bytes, &b""[..]), |end| (&bytes[..end], &bytes[end + 2..]))
}

/// Every event of a post is taken or kept, and a letter that is read again is the same event.
fn post(format: Format, head: &[u8], body: &[u8]) {
    let lines = head.split(|byte| *byte == b'\n');
    let pairs = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = str::from_utf8(&line[..colon]).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    });
    let (types, attributes): (Vec<_>, Vec<_>) =
        pairs.partition(|(name, _)| *name == "content-type");
    let content_type = types.first().and_then(|it| str::from_utf8(it.1).ok());
    let post = Post {
        content_type,
        attributes: &attributes,
        body,
    };
    let Ok(call) = CloudEvents::read(format, post) else {
        return;
    };
    let rules = SourceRules::default();
    let about = Circumstances {
        path: CLOUD_EVENTS_PATH,
        rules: &rules,
        key: Some("hpk_secret"),
        receive_time: RECEIVED,
        request_time: None,
    };
    let reading = call.events(&about);
    let is_one = !matches!(format, Format::JsonBatch | Format::ProtobufBatch);
    assert!(!is_one || reading.events.len() + reading.letters.len() == 1);
    let again = |json: &str| reread(CLOUD_EVENTS_PATH, json, None, RECEIVED, &rules);
    for event in &reading.events {
        let (own, sent) = (&event.event, event.sent);
        let ids = own.identifiers.len() + own.other_identifiers.len();
        assert!((1..=20).contains(&ids), "{own:?}");
        assert!(!own.event_id.is_empty() && own.event_id.chars().count() <= 100);
        let read = again(sent).expect("an event is one the second time");
        assert_eq!(read.event_id, own.event_id);
    }
    for letter in &reading.letters {
        assert!(!letter.fault.description.is_empty());
        assert!(letter.payload.len() <= EVENT_BYTES);
        assert!(!letter.payload.contains("hpk_secret"));
        let _ = again(&letter.payload);
    }
}
