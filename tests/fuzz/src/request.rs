//! Calls: frames, messages, headers, page tokens and positions, events and their values.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use engine::Written;
use hot::MemoryStore;
use hot::memory::MemoryOptions;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use identity::{ClockReading, check_event, prepare};
use identity_core::Rules;
use identity_core::limits::IDENTIFIERS_PER_EVENT;
use kernel::limits::{EVENT_BYTES, PROPERTIES_PER_EVENT};
use kernel::{PartitionCount, Timestamp};
use prost::Message as _;
use proto::identity::v1 as api;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::stream::v1::NamedValue;
use rpc::properties::{Flat, compact_object, flatten_json};
use rpc::{PageRequest, ServerLayer};
use runtime::{PositionScope, position_of, read_after};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer as _, Service as _, service_fn};

use crate::{Target, split, texts, with_text};

const INGEST: &str = "/happypath.identity.v1.IdentityService/IngestStream";
const APPLY: &str = "/happypath.definition.v1.DefinitionService/ApplyDefinitions";
const ENTRIES: &str = "/happypath.audit.v1.AuditService/ListEntries";

/// The object of an event with a value of every kind.
const OBJECT: &str = r#"{"value":19.5,"id":9007199254740993,"items":["a",1,{"sku":"b"}],"address":{"city":"Köln","a.b":null},"vip":true,"e":1e3}"#;

fn event() -> api::Event {
    api::Event {
        event_id: "e1".to_owned(),
        name: "purchase".to_owned(),
        identifiers: [("user_id".to_owned(), "u1".to_owned())].into(),
        properties_form: Some(PropertiesForm::PropertiesJson(OBJECT.to_owned())),
        traits_form: Some(TraitsForm::TraitsJson(
            r#"{"plan":"pro","old":null}"#.to_owned(),
        )),
        groups: [("company".to_owned(), "acme".to_owned())].into(),
        ..api::Event::default()
    }
}

fn batch() -> Vec<u8> {
    let number = |value| prost_types::Value {
        kind: Some(prost_types::value::Kind::NumberValue(value)),
    };
    let fields = [("value".to_owned(), number(2.5))].into();
    let other = api::Event {
        properties_form: Some(PropertiesForm::Properties(prost_types::Struct { fields })),
        ..event()
    };
    let batch = api::IngestStreamRequest {
        events: vec![event(), other],
        source: "shop".to_owned(),
        ..api::IngestStreamRequest::default()
    };
    batch.encode_to_vec()
}

/// Requests of every method: the first byte says which, the others are the message.
pub(crate) const REQUEST: Target = Target {
    run: |bytes| {
        let (method, message) = split(bytes);
        rpc::fuzz::request(method.into(), message);
    },
    seeds: || {
        let definitions = crate::language::definitions();
        let apply = proto::definition::v1::ApplyDefinitionsRequest {
            request_id: "00000000-0000-0000-0000-000000000001".to_owned(),
            definitions,
            ..Default::default()
        };
        let page = proto::audit::v1::ListEntriesRequest {
            page_size: 7,
            page_token: "x".to_owned(),
            ..Default::default()
        };
        let mut seeds = vec![
            of_method(INGEST, &batch()),
            of_method(APPLY, &apply.encode_to_vec()),
            of_method(ENTRIES, &page.encode_to_vec()),
        ];
        let methods = 0..u8::try_from(rpc::fuzz::methods()).expect("few");
        seeds.extend(methods.map(|method| vec![method, 0x0a, 1, b'x']));
        seeds
    },
    words: &[
        "\n\u{0}",
        "\u{12}\u{0}",
        "\u{ff}\u{ff}\u{ff}\u{ff}\u{f}",
        "\u{b}",
        "\u{c}",
    ],
    rounds: 400,
};

fn of_method(path: &str, message: &[u8]) -> Vec<u8> {
    let method = rpc::fuzz::method(path).expect("in the contracts");
    let method = u8::try_from(method).expect("few");
    [&[method], message].concat()
}

/// Bodies of calls: the first byte says where they are cut, the second which method it is.
pub(crate) const FRAMES: Target = Target {
    run: frames,
    seeds: || {
        let framed = |message: &[u8]| {
            let length = u32::try_from(message.len()).expect("short");
            [&[0], &length.to_be_bytes()[..], message].concat()
        };
        let (one, empty) = (framed(&batch()), framed(&[]));
        vec![
            [&[7, 0], &one[..]].concat(),
            [&[1, 0], &one[..], &empty, &one].concat(),
            [&[3, 1], &one[..], &empty].concat(),
            vec![5, 0, 1, 0, 0, 0, 1, 0],
            vec![5, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ]
    },
    words: &["\u{0}\u{0}\u{0}\u{0}\u{0}", "\u{0}\u{0}\u{0}\u{0}\u{1}"],
    rounds: 400,
};

/// Whatever a network makes of a body, a service is given the same.
fn frames(bytes: &[u8]) {
    let Some((&[cut, method], body)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let path = if method.is_multiple_of(2) {
        INGEST
    } else {
        "/happypath.identity.v1.IdentityService/Ingest"
    };
    let whole = arrived(path, vec![body.to_vec()]);
    let length = 1 + usize::from(cut);
    let pieces = body.chunks(length).map(<[u8]>::to_vec);
    let cut = arrived(path, pieces.collect());
    assert_eq!(whole, cut, "as one piece, and in pieces of {length} bytes");
    assert!(whole.0.len() <= body.len());
}

/// Returns the bytes that a service is given, and how the call fails.
fn arrived(path: &str, pieces: Vec<Vec<u8>>) -> (Vec<u8>, Option<String>) {
    let given = Arc::new(Mutex::new((Vec::new(), None)));
    let frames = pieces.into_iter();
    let frames = frames.map(|piece| Ok::<_, Status>(Frame::data(Bytes::from(piece))));
    let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
    let request = Request::builder().uri(path).body(body).expect("a request");
    let taken = Arc::clone(&given);
    let service = service_fn(move |request: Request<Body>| {
        let taken = Arc::clone(&taken);
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let mut taken = taken.lock().expect("nobody panics with it");
                match frame {
                    Ok(frame) => taken.0.extend(frame.into_data().unwrap_or_default()),
                    Err(status) => taken.1 = Some(status.to_string()),
                }
            }
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    });
    let answer = crate::block_on(ServerLayer::default().layer(service).call(request));
    let status = answer
        .ok()
        .and_then(|it| Status::from_header_map(it.headers()));
    assert!(status.is_none(), "{status:?}");
    let given = given.lock().expect("nobody panics with it");
    given.clone()
}

/// Headers of calls.
pub(crate) const HEADERS: Target = Target {
    run: |bytes| with_text(bytes, rpc::fuzz::headers),
    seeds: || {
        texts(&[
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "250m",
            "99999999H",
        ])
    },
    words: &["-", "ff", "H", "M", "S", "n", "u"],
    rounds: 8_000,
};

/// Page tokens and positions: as they come, and as what one is made of.
pub(crate) const PAGE: Target = Target {
    run: |bytes| {
        page(bytes);
        position(bytes);
        journal::fuzz::place(bytes);
    },
    seeds: || {
        let first = PageRequest::read(&["List"], 2, "", 100).expect("a first page");
        let mut seeds = texts(&[&first.token(b"key"), "AQAAAQ", ""]);
        let written = Written {
            stream: kernel::StreamName::Events,
            time: Timestamp::from_millis(1_700_000_000_123),
        };
        seeds.push(position_of(*SCOPE, written).into_bytes());
        seeds.push(vec![0; 30]);
        seeds
    },
    words: &["AQ", "_", "=="],
    rounds: 4_000,
};

fn page(bytes: &[u8]) {
    let first = PageRequest::read(&["List"], 2, "", 100).expect("a first page");
    let token = first.token(bytes);
    match PageRequest::read(&["List"], 2, &token, 100) {
        Ok(next) => assert_eq!(next.after(), Some(bytes)),
        Err(_) => assert!(bytes.len() > 300, "a short key has a token"),
    }
    let other = PageRequest::read(&["Other"], 2, &token, 100);
    assert!(other.is_err(), "a token is one of its request");
    with_text(bytes, |text| {
        if let Ok(page) = PageRequest::read(&["List"], 2, text, 100)
            && let Some(key) = page.after()
        {
            assert_eq!(page.token(key), text);
        }
    });
}

/// The scope of an installation of 16 partitions.
static SCOPE: LazyLock<PositionScope> = LazyLock::new(|| {
    let count = PartitionCount::try_new(16).expect("a count");
    PositionScope::of(&MemoryStore::new(count, MemoryOptions::default()))
});

fn position(bytes: &[u8]) {
    with_text(bytes, |text| match read_after(*SCOPE, text) {
        Ok(Some(written)) => assert_eq!(position_of(*SCOPE, written), text),
        Ok(None) => assert!(text.is_empty()),
        Err(failure) => assert!(!failure.violations().is_empty()),
    });
    if let Some((millis, _)) = bytes.split_first_chunk() {
        let time = Timestamp::from_millis(i64::from_be_bytes(*millis));
        let stream = kernel::StreamName::Facts;
        let position = position_of(*SCOPE, Written { stream, time });
        let read = read_after(*SCOPE, &position).expect("it was written");
        assert_eq!(
            read.map(|it| it.time),
            (time != Timestamp::MIN).then_some(time)
        );
    }
}

/// Objects in JSON, as events carry them.
pub(crate) const PROPERTIES: Target = Target {
    run: |bytes| with_text(bytes, properties),
    seeds: || {
        texts(&[
            OBJECT,
            r#" { "a" : [ [ 1 , 2 ] , { } ] , "b\u0041" : "\ud83d\ude00\n" } "#,
            r#"{"a":{"b":{"c":{"d":{"e":1}}}},"a.b":2,"A":-0.0}"#,
            r#"{"big":170141183460469231731687303715884105727,"tiny":5e-324}"#,
        ])
    },
    words: &[
        "{", "}", "[", "]", ":", ",", "null", "true", "\\u", "\"\"", "1e", "-0", ".5",
    ],
    rounds: 3_000,
};

fn properties(text: &str) {
    let compact = compact_object(text);
    let read = flatten_json(text);
    if let Ok(compact) = &compact {
        assert!(compact.len() <= text.len());
        assert_eq!(compact_object(compact).as_ref(), Ok(compact), "{text:?}");
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
        assert_eq!(value(compact), value(text), "{text:?}");
        // Places in messages of the reader are those of its text.
        assert_eq!(flatten_json(compact).ok(), read.clone().ok(), "{text:?}");
    }
    match read {
        Ok(flat) => {
            assert!(flat.properties.len() + flat.nulls.len() <= PROPERTIES_PER_EVENT);
            written_back(&flat);
        }
        Err(violations) => {
            assert!((1..=rpc::limits::VIOLATIONS).contains(&violations.len()));
            assert!(violations.iter().all(|it| !it.description.is_empty()));
        }
    }
}

/// Values are the object that they were read from.
fn written_back(flat: &Flat) {
    let mut values = proto::convert::named_values(&flat.properties);
    values.extend(flat.nulls.iter().map(|name| NamedValue {
        name: name.clone(),
        value: Some(proto::stream::v1::Value { kind: None }),
    }));
    values.sort_by(|one, other| one.name.cmp(&other.name));
    let text = match proto::json::object_text(&values) {
        text if text.is_empty() => "{}".to_owned(),
        text => text,
    };
    let mut again = flatten_json(&text).expect("it was written");
    again.nulls.sort();
    let mut nulls = flat.nulls.clone();
    nulls.sort();
    assert_eq!(
        (again.properties, again.nulls),
        (flat.properties.clone(), nulls),
        "{text}"
    );
}

/// Events as messages.
pub(crate) const EVENT: Target = Target {
    run: prepared,
    seeds: || {
        let bare = api::Event {
            properties_form: None,
            time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 5_000_000,
            }),
            other_identifiers: vec![api::Identifier {
                namespace: "email".to_owned(),
                value: " A@b.c".to_owned(),
            }],
            ..event()
        };
        let of_account = api::Event {
            name: "group".to_owned(),
            groups: [("account".to_owned(), "a1".to_owned())].into(),
            group_traits: [("account".to_owned(), api::GroupTraits::default())].into(),
            ..api::Event::default()
        };
        [event(), bare, of_account]
            .map(|it| it.encode_to_vec())
            .to_vec()
    },
    words: &[
        "user_id",
        "account",
        "email",
        "anonymous_id",
        "{\"a\":1}",
        "null",
        "unknown",
    ],
    rounds: 1_500,
};

fn prepared(bytes: &[u8]) {
    let Ok(event) = api::Event::decode(bytes) else {
        return;
    };
    let violations = check_event(&event);
    let names = event.identifiers.len() + event.other_identifiers.len();
    let least = usize::from(event.groups.is_empty());
    if (least..=IDENTIFIERS_PER_EVENT).contains(&names) {
        // The rules are written twice, and say the same.
        let is_right = rpc::validate(&event).is_ok();
        assert_eq!(violations.is_empty(), is_right, "{event:?}");
    } else {
        assert!(violations.iter().any(|it| it.field == "identifiers"));
    }
    let clock = ClockReading {
        now: Timestamp::from_millis(1_800_000_000_000),
        is_virtual: false,
        latest: Timestamp::from_millis(1_800_086_400_000),
    };
    match prepare(event, 3, &Rules::default(), &clock) {
        Ok(prepared) => {
            assert!(violations.is_empty());
            assert!(prepared.time <= clock.latest);
            let groups = prepared.groups.iter();
            let mut claims = groups.map(|group| &group.screened.kept);
            let names_account = claims.any(|kept| !kept.is_empty());
            assert!(!prepared.screened.kept.is_empty() || prepared.is_of_accounts && names_account);
            let event = &prepared.event;
            // A control character is one byte in a message, and six in JSON.
            assert!(event.encoded_len() <= 8 * EVENT_BYTES);
            for values in [&event.properties, &event.traits] {
                assert!(values.is_sorted_by(|one, next| one.name < next.name));
            }
        }
        Err(found) => assert!(found.iter().all(|it| !it.description.is_empty())),
    }
}
