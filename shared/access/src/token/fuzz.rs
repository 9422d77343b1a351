//! Reads tokens and sets of keys, whoever made them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use kernel::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::claims::{self, Claims, Head};
use super::key_set::KeySets;
use super::{Checked, IssuerOptions, Issuers, KeySetPlace};
use crate::Scopes;
use crate::tls::ClientTls;

/// The end of the good token, in seconds: the library has its own clock.
const END: i64 = 4_102_444_800;
/// A secret that is none: every run has the same.
const SEED: [u8; 32] = [7; 32];

/// The key that signs, and the issuer whose it is.
struct Made {
    key: Ed25519KeyPair,
    issuers: Issuers,
    token: String,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let key = Ed25519KeyPair::from_seed_unchecked(&SEED).expect("a seed of 32 bytes");
    let issuers = issuers();
    let public = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{public}"}}]}}"#);
    assert!(issuers.0[0].keys.keep_document(set.as_bytes()));
    let claims = format!(
        r#"{{"iss":"https://id.acme","aud":"happypath","sub":"shop","exp":{},"scope":"events:write"}}"#,
        END
    );
    let token = sign(&key, r#"{"alg":"EdDSA","kid":"k"}"#, &claims);
    Made {
        key,
        issuers,
        token,
    }
});

fn issuers() -> Issuers {
    let options = IssuerOptions {
        issuer: "https://id.acme".to_owned(),
        audiences: vec!["happypath".to_owned()],
        keys: KeySetPlace::File("/nowhere".into()),
        tls: ClientTls::of_system(),
        algorithms: vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256],
        scopes: Scopes::known(["events:write", "reports:read"]),
    };
    Issuers::new([options], Some("a"))
}

fn sign(key: &Ed25519KeyPair, head: &str, claims: &str) -> String {
    let body = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = URL_SAFE_NO_PAD.encode(key.sign(body.as_bytes()));
    format!("{body}.{signature}")
}

/// Returns a token that is good.
pub fn valid_token() -> &'static str {
    &MADE.token
}

/// Verifies a text as a token; and its payload, signed by the issuer, as the claims of one.
///
/// # Panics
/// Where a token is accepted that the issuer did not sign, or claims allow more than the issuer
/// may.
pub fn token(text: &str) {
    let made = &*MADE;
    let now = Timestamp::from_millis(0);
    if let Checked::Done(Ok(_)) = made.issuers.verify(text, now) {
        assert_eq!(text, made.token, "a forged token is accepted");
    }
    if let Ok(head) = Head::read(text) {
        assert!(head.shown_algorithm().len() <= 20);
    }
    // Whoever signs may still write anything.
    let payload = text.split('.').nth(1).unwrap_or_default();
    let Ok(payload) = URL_SAFE_NO_PAD.decode(payload) else {
        return;
    };
    if let Ok(claims) = serde_json::from_slice::<Claims>(&payload) {
        claims.end(crate::limits::CLOCK_LEEWAY);
        claims.scopes();
    }
    let Ok(payload) = String::from_utf8(payload) else {
        return;
    };
    let signed = sign(&made.key, r#"{"alg":"EdDSA","kid":"k"}"#, &payload);
    match made.issuers.verify(&signed, now) {
        Checked::Done(Ok(caller)) => {
            let most = Scopes::known(["events:write", "reports:read"]);
            assert_eq!(caller.scopes().and(most), caller.scopes());
            assert!(claims::issuer_of(&signed).is_ok_and(|issuer| issuer == "https://id.acme"));
        }
        Checked::Done(Err(refusal)) => assert!(!refusal.to_string().is_empty()),
        Checked::Later(_) => panic!("the key of the token is known"),
    }
}

/// Reads a set of keys.
///
/// # Panics
/// Where a set without keys counts as one.
pub fn key_set(document: &[u8]) {
    let place = KeySetPlace::File("/nowhere".into());
    let keys = KeySets::new(place, ClientTls::of_system(), "https://id.acme");
    assert_eq!(keys.keep_document(document), keys.has_any());
}
