//! Calls in JSON: documents, addresses and compressed bodies.

use std::fmt::Write as _;

use crate::{Target, split, texts, with_text};

const INGEST: &str = "/happypath.identity.v1.IdentityService/Ingest";
const REPLAY: &str = "/happypath.gateway.v1.IntakeService/ReplayDeadLetters";
const APPLY: &str = "/happypath.definition.v1.DefinitionService/ApplyDefinitions";

/// Requests of every method as JSON: the first byte says which, the others are the document.
pub(crate) const JSON: Target = Target {
    run: |bytes| {
        let (method, json) = split(bytes);
        transcode::fuzz::document(method.into(), json);
    },
    seeds: || {
        let of = |path: &str, json: &str| {
            let method = transcode::fuzz::method(path).expect("in the contracts");
            [&[u8::try_from(method).expect("few")], json.as_bytes()].concat()
        };
        let mut deep = String::from(r#"{"events":[{"properties":"#);
        // Writing to a text does not fail.
        let _ = (0..80).try_for_each(|_| write!(deep, r#"{{"a":["#));
        let mut seeds = vec![
            of(
                INGEST,
                r#"{"events":[{"name":"a","identifiers":{"user_id":"u"},"properties":{"a":[1,null,{"b":1e3}]},"time":"2026-03-01T09:30:00.5+01:00"}],"requestId":"r"}"#,
            ),
            of(
                REPLAY,
                r#"{"request_id":"r","ids":{"ids":["a"]},"payloads":{"a":"{}"}}"#,
            ),
            of(
                APPLY,
                r#"{"requestId":"r","definitions":[{"segment":{"name":"loyal","expression":"true"}}],"dryRun":true}"#,
            ),
            of(INGEST, &deep),
        ];
        let methods = 0..u8::try_from(transcode::fuzz::methods()).expect("few");
        seeds.extend(methods.map(|method| [&[method], &b"{}"[..]].concat()));
        seeds
    },
    words: &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "null",
        "true",
        "\\ud800",
        "\\u0000",
        "1e999",
        "-0",
        "NaN",
        "\"pageSize\"",
        "\"properties\"",
    ],
    rounds: 400,
};

/// Addresses of calls: the first byte says the verb.
pub(crate) const TARGET: Target = Target {
    run: |bytes| {
        let (verb, target) = split(bytes);
        with_text(target, |target| transcode::fuzz::address(verb, target));
    },
    seeds: || {
        texts(&[
            "\0/v1/customers/a%20b?after=x",
            "\0/v1/deadLetters?filter.source=shop&filter.startTime=2026-03-01T00:00:00Z&pageSize=3",
            "\0/v1/definitions/DEFINITION_KIND_SEGMENT/loyal",
            "\u{3}/v1/definitions/2/loyal?requestId=r",
            "\u{2}/v1/keys/ab:rotate",
        ])
    },
    words: &[
        "/v1/",
        "%2F",
        "%ff",
        "&",
        "=",
        "?",
        ".",
        ":",
        "filter.",
        "page_size",
    ],
    rounds: 400,
};

/// Bodies with gzip around them.
pub(crate) const COMPRESSED: Target = Target {
    run: transcode::fuzz::compressed,
    seeds: || {
        vec![
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec(),
            b"\x1f\x8b\x08\x08\0\0\0\0\0\x03a\0\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0".to_vec(),
        ]
    },
    words: &["\u{1f}", "\u{8}"],
    rounds: 400,
};
