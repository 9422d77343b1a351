//! Tests of the file of callers: what it names, and every fault of it.

use super::*;
use crate::{NewKey, Scope};

#[test]
fn a_file_names_callers() {
    let key = NewKey::make().expect("randomness");
    let text = format!(
        "keys:\n\
         - {{name: shop, id: {}, hash: {}, scopes: [events:write], expire_time: 2030-01-01T00:00:00Z}}\n\
         certificates:\n\
         - {{name: reports, identity: 'uri:spiffe://acme/reports', scopes: [reports:read]}}\n\
         issuers:\n\
         - {{issuer: 'https://id.acme', audiences: [happypath], keys: 'https://id.acme/jwks.json', \
            algorithms: [RS256, EdDSA], scopes: ['*']}}\n",
        key.id(),
        key.hash().to_hex()
    );
    let file = AccessFile::parse(&text, Some("a")).expect("right");
    let known = &file.keys[&key.id()];
    assert_eq!(known.caller.name(), "shop");
    assert_eq!(known.caller.installation(), Some("a"));
    assert!(known.caller.may(Scope::EventsWrite));
    assert_eq!(
        known.expire_time.map(|it| it.to_string()).as_deref(),
        Some("2030-01-01T00:00:00Z")
    );
    assert_eq!(file.certificates[0].0, "uri:spiffe://acme/reports");
    assert_eq!(file.issuers[0].algorithms.len(), 2);
    assert!(AccessFile::parse("", None).is_ok());
}

#[test]
fn every_fault_is_told_with_its_place() {
    let text = "\
        keys:\n\
        - {name: a, id: X, hash: 00, scopes: []}\n\
        - {name: b, id: 0123456789abcdef, hash: 00, scopes: [events:wirte], expire_time: tomorrow}\n\
        certificates:\n\
        - {name: c, identity: shop, scopes: ['*']}\n\
        issuers:\n\
        - {issuer: '', audiences: [], keys: 'http://id.acme/k', algorithms: [none, HS256, X], scopes: ['*']}\n";
    let faults = AccessFile::parse(text, None).expect_err("faults").0;
    let places: Vec<&str> = faults
        .iter()
        .filter_map(|fault| fault.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "keys[0].id",
            "keys[0].hash",
            "keys[0].scopes",
            "keys[1].hash",
            "keys[1].scopes",
            "keys[1].expire_time",
            "certificates[0].identity",
            "issuers[0].issuer",
            "issuers[0].audiences",
            "issuers[0].keys",
            "issuers[0].algorithms",
            "issuers[0].algorithms",
            "issuers[0].algorithms",
        ],
        "{faults:#?}"
    );
    assert!(faults[10].contains("never accepted"), "{faults:#?}");
}

#[test]
fn a_field_that_is_none_is_named() {
    let fault = AccessFile::parse("keyz: []\n", None)
        .expect_err("a fault")
        .to_string();
    assert!(fault.contains("keyz"), "{fault}");
}

#[test]
fn the_authority_of_an_issuer_is_read_with_the_file() {
    let read = |keys: &str, ca: &str| {
        let text = format!(
            "issuers: [{{issuer: a, audiences: [b], keys: '{keys}', ca: '{ca}', algorithms: [ES256], scopes: ['*']}}]"
        );
        AccessFile::parse(&text, None).map(drop)
    };
    for (keys, ca, expected) in [
        (
            "https://id.acme/k",
            "/no/such",
            "issuers[0].ca: /no/such cannot be read",
        ),
        (
            "https://id.acme/k",
            "Cargo.toml",
            "issuers[0].ca: Cargo.toml holds no certificate in PEM",
        ),
        (
            "http://localhost/k",
            "Cargo.toml",
            "issuers[0].ca: is for keys at https://",
        ),
        (
            "file:keys.json",
            "Cargo.toml",
            "issuers[0].ca: is for keys at https://",
        ),
    ] {
        let fault = read(keys, ca).expect_err(ca).to_string();
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn a_key_of_a_source_may_send_and_nothing_else() {
    let entry = |rest: &str| {
        let hash = "00".repeat(32);
        let text = format!("keys: [{{name: a, id: 0123456789abcdef, hash: '{hash}', {rest}}}]");
        AccessFile::parse(&text, Some("b")).map_err(|faults| faults.to_string())
    };
    for rest in [
        "source: web_shop",
        "source: web_shop, scopes: [events:write]",
    ] {
        let file = entry(rest).expect(rest);
        let known = file.keys.values().next().expect("one");
        assert_eq!(known.caller.source(), Some("web_shop"));
        assert_eq!(known.caller.scopes().names(), ["events:write"]);
        assert_eq!(known.caller.installation(), Some("b"));
    }
    for (rest, expected) in [
        ("source: Web", "keys[0].source: `Web` is not the name"),
        ("source: ''", "keys[0].source: `` is not the name"),
        (
            "source: a, scopes: ['*']",
            "keys[0].scopes: the key of a source may only have",
        ),
        (
            "source: a, scopes: [events:read]",
            "keys[0].scopes: the key of a source may only have",
        ),
        (
            "expire_time: 2030-01-01T00:00:00Z",
            "keys[0].scopes: is empty",
        ),
    ] {
        let fault = entry(rest).expect_err(rest);
        assert!(fault.starts_with(expected), "{fault}");
    }
}
