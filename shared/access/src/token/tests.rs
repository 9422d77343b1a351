//! Tests of tokens: each way to forge one, keys that change, and issuers that hang.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::Scope;

/// The modulus of a key whose private part nobody has any more, and a token that it signed.
const RS256: &str = include_str!("rs256.txt");

enum Signer {
    Es(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn es() -> Self {
        let random = SystemRandom::new();
        let (kind, made) = (&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let key = EcdsaKeyPair::generate_pkcs8(kind, made).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random);
        Self::Es(key.expect("a key"))
    }

    fn ed() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Es(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Es(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": x, "y": y})
            }
            Self::Ed(key) => {
                let x = encode(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
            }
        }
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let body = format!("{}.{}", part(head), part(claims));
        let signature = match self {
            Self::Es(key) => {
                let signed = key.sign(&SystemRandom::new(), body.as_bytes());
                signed.expect("signed").as_ref().to_vec()
            }
            Self::Ed(key) => key.sign(body.as_bytes()).as_ref().to_vec(),
        };
        format!("{body}.{}", encode(&signature))
    }

    fn token(&self, id: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": self.algorithm(), "kid": id}), claims)
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(value: &Value) -> String {
    encode(value.to_string().as_bytes())
}

fn seconds(from_now: i64) -> i64 {
    crate::now().as_millis() / 1_000 + from_now
}

fn claims() -> Value {
    json!({
        "iss": "https://id.acme", "aud": ["other", "happypath"], "sub": "shop",
        "exp": seconds(600), "scope": "openid events:write keys:write",
    })
}

/// The claims with one changed; taken out where the value is null.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let fields = claims.as_object_mut().expect("an object");
    match value {
        Value::Null => drop(fields.remove(name)),
        value => drop(fields.insert(name.to_owned(), value)),
    }
    claims
}

fn issuers(keys: KeySetPlace) -> Issuers {
    let options = IssuerOptions {
        issuer: "https://id.acme".to_owned(),
        audiences: vec!["happypath".to_owned()],
        keys,
        tls: ClientTls::of_system(),
        algorithms: vec![Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256],
        scopes: Scopes::known(["events:write", "reports:read"]),
    };
    Issuers::new([options], Some("a"))
}

fn write(path: &Path, keys: &[Value]) {
    std::fs::write(path, json!({ "keys": keys }).to_string()).expect("written");
}

/// Issuers whose keys are in a file that was read.
async fn of_file(path: &Path, keys: &[Value]) -> Issuers {
    write(path, keys);
    let issuers = issuers(KeySetPlace::File(path.to_owned()));
    issuers.refresh().await;
    issuers
}

async fn verify(issuers: &Issuers, token: &str) -> Result<Caller, Refusal> {
    match issuers.verify(token, crate::now()) {
        Checked::Done(done) => done,
        Checked::Later(issuer) => issuer.verify_later(token, crate::now()).await,
    }
}

#[tokio::test]
async fn a_token_is_its_subject_with_the_scopes_that_its_issuer_may_give() {
    let folder = tempfile::tempdir().expect("a folder");
    let (es, ed) = (Signer::es(), Signer::ed());
    let keys = [es.jwk("1"), ed.jwk("2")];
    let issuers = of_file(&folder.path().join("keys"), &keys).await;
    for token in [es.token("1", &claims()), ed.token("2", &claims())] {
        // Once verified, and once remembered.
        for _ in 0..2 {
            let caller = verify(&issuers, &token).await.expect("known");
            assert_eq!(caller.to_string(), "token:https://id.acme#shop");
            assert_eq!(caller.scopes().names(), ["events:write"]);
            assert_eq!(caller.installation(), Some("a"));
        }
    }
    let listed = with("scope", Value::Null)
        .as_object()
        .cloned()
        .expect("an object");
    let mut listed = Value::from(listed);
    listed["scp"] = json!(["reports:read"]);
    let caller = verify(&issuers, &es.token("1", &listed))
        .await
        .expect("known");
    assert!(caller.may(Scope::ReportsRead) && !caller.may(Scope::EventsWrite));
}

#[tokio::test]
async fn a_token_of_rsa_is_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let (modulus, token) = RS256.trim().split_once('\n').expect("two lines");
    let key = json!({"kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig", "n": modulus, "e": "AQAB"});
    let issuers = of_file(&folder.path().join("keys"), &[key]).await;
    let caller = verify(&issuers, token).await.expect("known");
    assert_eq!(caller.id(), "https://id.acme#shop");
    let forged = format!("{}A", &token[..token.len() - 1]);
    if forged != token {
        let refused = verify(&issuers, &forged).await.expect_err("forged");
        assert!(matches!(refused, Refusal::Invalid(_)), "{refused}");
    }
}

#[tokio::test]
async fn each_way_to_forge_a_token_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (es, other) = (Signer::es(), Signer::es());
    let jwk = es.jwk("1");
    // A shared secret that an issuer published by mistake, and a key that is for something else.
    let secret = json!({"kty": "oct", "kid": "oct", "k": encode(b"secret")});
    let mut bound = es.jwk("bound");
    bound["alg"] = json!("ES384");
    let mut encrypting = es.jwk("enc");
    encrypting["use"] = json!("enc");
    let keys = [jwk.clone(), secret, bound, encrypting];
    let issuers = of_file(&folder.path().join("keys"), &keys).await;
    let head = |alg: &str| json!({"alg": alg, "kid": "1"});
    let unsigned = |alg: &str, end: &str| format!("{}.{}.{end}", part(&head(alg)), part(&claims()));
    let right = es.token("1", &claims());
    let payload = part(&with("sub", json!("admin")));
    let mut parts: Vec<&str> = right.split('.').collect();
    parts[1] = &payload;
    for (token, expected) in [
        (unsigned("none", ""), "alg: none"),
        (unsigned("NoNe", "AAAA"), "alg: none"),
        (unsigned("ES256", ""), "not signed"),
        (unsigned("ES256", "AAAA"), "signature"),
        // The public key taken for a secret.
        (unsigned("HS256", "AAAA"), "`HS256`, which is not accepted"),
        (unsigned("RS512", "AAAA"), "`RS512`, which is not accepted"),
        (
            es.sign(&json!({"alg": "EdDSA", "kid": "1"}), &claims()),
            "does not publish",
        ),
        (
            es.sign(&json!({"alg": "ES256", "kid": "oct"}), &claims()),
            "does not publish",
        ),
        (
            es.sign(&json!({"alg": "ES256", "kid": "bound"}), &claims()),
            "does not publish",
        ),
        (
            es.sign(&json!({"alg": "ES256", "kid": "enc"}), &claims()),
            "does not publish",
        ),
        (
            es.sign(
                &json!({"alg": "ES256", "kid": "1", "crit": ["x"]}),
                &claims(),
            ),
            "crit",
        ),
        (
            other.token("1", &claims()),
            "signature of the token is wrong",
        ),
        (parts.join("."), "signature of the token is wrong"),
        (es.token("9", &claims()), "does not publish"),
        (
            es.token("1", &with("aud", json!("another"))),
            "another audience",
        ),
        (es.token("1", &with("aud", Value::Null)), "no claim `aud`"),
        (es.token("1", &with("exp", Value::Null)), "token"),
        (es.token("1", &with("sub", Value::Null)), "token"),
        (
            es.token("1", &with("iss", json!("https://id.evil"))),
            "not accepted here",
        ),
        (
            es.token("1", &with("nbf", json!(seconds(600)))),
            "not valid yet",
        ),
        (
            es.token("1", &with("exp", json!(seconds(-600)))),
            "the token expired at",
        ),
        ("a.b".to_owned(), "neither a key"),
        ("a.b.c.d".to_owned(), "neither a key"),
        (
            format!("{}.b.c", "a".repeat(4_000)),
            "header of the token is too long",
        ),
    ] {
        let refused = verify(&issuers, &token).await.expect_err(expected);
        assert!(
            refused.to_string().contains(expected),
            "{refused} is not: {expected}"
        );
        assert!(
            !refused.to_string().contains(&encode(b"secret")),
            "{refused}"
        );
    }
    assert!(verify(&issuers, &right).await.is_ok());
}

#[tokio::test]
async fn a_token_that_was_remembered_ends_with_its_time_and_with_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    let (old, new) = (Signer::es(), Signer::es());
    let issuers = of_file(&path, &[old.jwk("old")]).await;
    let token = old.token("old", &claims());
    assert!(verify(&issuers, &token).await.is_ok());
    let later = crate::now() + kernel::Duration::from_millis(631_000);
    let Checked::Done(Err(Refusal::Expired { .. })) = issuers.verify(&token, later) else {
        panic!("a token that has ended is remembered");
    };
    // Both keys are published for a while, then the old one is taken back.
    write(&path, &[old.jwk("old"), new.jwk("new")]);
    issuers.refresh().await;
    for token in [&token, &new.token("new", &claims())] {
        assert!(verify(&issuers, token).await.is_ok());
    }
    write(&path, &[new.jwk("new")]);
    issuers.refresh().await;
    assert!(verify(&issuers, &token).await.is_err());
}

#[tokio::test]
async fn keys_come_from_a_url_and_a_bad_answer_changes_nothing() {
    let es = Signer::es();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let keys = json!({ "keys": [es.jwk("1")] }).to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut asked = [0; 1_024];
        let count = stream.read(&mut asked).await.expect("a request");
        assert!(asked[..count].starts_with(b"GET /keys HTTP/1.1\r\n"));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", keys.len());
        let answer = head + &keys;
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("an answer");
        // The second answer is too large, and there is no third.
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n")
            .await;
        let _ = stream.read(&mut asked).await;
    });
    let issuers = issuers(KeySetPlace::Url(url.parse().expect("a URL")));
    let token = es.token("1", &claims());
    assert!(
        verify(&issuers, &token).await.is_ok(),
        "the first token fetches the keys"
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11 * 60)).await;
    issuers.refresh().await;
    assert!(verify(&issuers, &token).await.is_ok());
    // After a day without an answer, keys that may have been taken back count no more, nor do
    // tokens that were verified with them.
    tokio::time::advance(Duration::from_secs(25 * 60 * 60)).await;
    for token in [token, es.token("1", &with("sub", json!("another")))] {
        let refused = verify(&issuers, &token).await.expect_err("refused");
        assert!(matches!(refused, Refusal::Unavailable(_)), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_hangs_holds_calls_up_for_seconds_and_is_not_asked_by_each() {
    let es = Signer::es();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let issuers = issuers(KeySetPlace::Url(url.parse().expect("a URL")));
    let begun = tokio::time::Instant::now();
    let calls = (0..50).map(|number| {
        let token = es.token("1", &with("sub", json!(number.to_string())));
        let issuers = &issuers;
        async move { verify(issuers, &token).await.expect_err("refused") }
    });
    for refused in futures::future::join_all(calls).await {
        assert!(matches!(refused, Refusal::Unavailable(_)), "{refused}");
    }
    // One waited for the issuer, and all others with it.
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(6), "{waited:?}");
    let begun = tokio::time::Instant::now();
    let refused = verify(&issuers, &es.token("1", &claims())).await;
    assert!(matches!(refused, Err(Refusal::Unavailable(_))));
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "asked again at once"
    );
}

#[tokio::test]
async fn without_issuers_no_token_is_accepted() {
    let token = Signer::es().token("1", &claims());
    let refused = verify(&Issuers::default(), &token)
        .await
        .expect_err("refused");
    assert!(refused.to_string().contains("no issuer is configured"));
}

proptest! {
    #[test]
    fn no_token_makes_the_reader_fail(token in "[a-zA-Z0-9_.-]{0,200}") {
        let issuers = issuers(KeySetPlace::File("none".into()));
        let Checked::Done(done) = issuers.verify(&token, crate::now()) else {
            return Ok(());
        };
        prop_assert!(done.is_err());
    }
}
