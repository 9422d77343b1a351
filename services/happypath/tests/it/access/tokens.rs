//! Tokens of issuers over the wire: a process reads their keys from a file, or from a URL that an
//! authority of its own has signed for.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use access::tls::{ClientCertificates, ServerFiles, ServerTls};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Certificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use super::Guarded;
use super::call::{Protocol, call};
use crate::Dev;

/// A method that every known caller may call.
const OWN_NAME: &str = "/happypath.access.v1.KeyService/GetCaller";
/// A method that needs the scope `keys:read`.
const KEYS: &str = "/happypath.access.v1.KeyService/ListKeys";
/// The time in which callers are answered whatever an issuer does: far below what is waited for an
/// issuer, and far above what a call takes on a busy machine.
const PROMPT: Duration = Duration::from_secs(3);

/// Somebody who issues tokens.
struct Issuer {
    name: &'static str,
    key: Ed25519KeyPair,
}

impl Issuer {
    fn new(name: &'static str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key");
        Self { name, key }
    }

    /// Its public key, as it publishes it.
    fn key_set(&self) -> String {
        let x = encode(self.key.public_key().as_ref());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x});
        json!({ "keys": [key] }).to_string()
    }

    /// Returns its entry for the file of callers.
    fn entry(&self, keys: &str, ca: Option<PathBuf>) -> String {
        let ca = ca.map_or_else(String::new, |ca| format!("ca: '{}', ", ca.display()));
        format!(
            "- {{issuer: {}, audiences: [happypath], keys: '{keys}', {ca}algorithms: [EdDSA], scopes: [reports:read]}}\n",
            self.name
        )
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.name, "aud": "happypath", "sub": "shop", "exp": seconds(600),
            "scope": "reports:read keys:read",
        })
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let body = format!("{}.{}", part(head), part(claims));
        let signature = self.key.sign(body.as_bytes());
        format!("{body}.{}", encode(signature.as_ref()))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "EdDSA", "kid": "one"}), claims)
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(value: &Value) -> String {
    encode(value.to_string().as_bytes())
}

fn seconds(from_now: i64) -> i64 {
    access::now().as_millis() / 1_000 + from_now
}

/// Starts a process whose file of callers names these issuers.
fn start(folder: TempDir, issuers: &[String]) -> Guarded {
    let file = folder.path().join("access.yaml");
    std::fs::write(&file, format!("issuers:\n{}", issuers.concat())).expect("written");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let keys = runtime.block_on(super::Keys::make(&folder));
    let file = file.display().to_string();
    Guarded {
        dev: Dev::start_with(folder, &["--access-file", &file]),
        runtime,
        keys,
    }
}

/// Asks with each way to forge a token, and with good ones.
fn check(server: &Guarded, issuer: &Issuer) {
    let with = |name: &str, value: Value| {
        let mut claims = issuer.claims();
        claims[name] = value;
        claims
    };
    let stranger = Issuer::new(issuer.name);
    let unsigned = issuer.sign(&json!({"alg": "none", "kid": "one"}), &issuer.claims());
    let bare = format!("{}.", unsigned.rsplit_once('.').expect("three parts").0);
    let other_key = json!({"alg": "EdDSA", "kid": "two"});
    let shared_secret = json!({"alg": "HS256", "kid": "one"});
    for (token, expected) in [
        (unsigned, "`alg: none` is never accepted"),
        (bare, "`alg: none` is never accepted"),
        (
            issuer.sign(&shared_secret, &issuer.claims()),
            "the algorithm `HS256`, which is not accepted",
        ),
        (
            stranger.token(&issuer.claims()),
            "the signature of the token is wrong",
        ),
        (
            issuer.sign(&other_key, &issuer.claims()),
            "a key that its issuer does not publish",
        ),
        (
            issuer.token(&with("aud", "others".into())),
            "for another audience",
        ),
        (
            issuer.token(&with("iss", "others".into())),
            "whose tokens are not accepted here",
        ),
        (
            issuer.token(&with("exp", seconds(-60).into())),
            "the token expired at",
        ),
        (
            issuer.token(&with("name", "x".repeat(9_000).into())),
            "at most 8192 are read",
        ),
    ] {
        for protocol in [Protocol::Grpc, Protocol::Web] {
            let answer = server.call(protocol, OWN_NAME, Some(&token));
            super::check(&answer, Code::Unauthenticated, expected, OWN_NAME);
        }
    }
    let token = issuer.token(&issuer.claims());
    let answer = server.call(Protocol::Empty, OWN_NAME, Some(&token));
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
    // It claims the scope, and its issuer may not give it.
    let answer = server.call(Protocol::Empty, KEYS, Some(&token));
    super::check(
        &answer,
        Code::PermissionDenied,
        "lacks the scope `keys:read`",
        KEYS,
    );
}

#[test]
fn tokens_whose_keys_are_in_a_file_are_accepted_and_forged_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let issuer = Issuer::new("https://id.acme");
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, issuer.key_set()).expect("written");
    let entry = issuer.entry(&format!("file:{}", keys.display()), None);
    let server = start(folder, &[entry]);
    check(&server, &issuer);
    server.dev.stop();
}

/// Serves a text over TLS to whoever asks, until the test ends.
async fn publish(text: String, certificates: &Certificates) -> SocketAddr {
    let (certificate, key) = certificates.server();
    let tls = ServerTls::open(ServerFiles {
        certificate,
        key,
        client_ca: None,
        clients: ClientCertificates::Optional,
    });
    let tls = tls.expect("right files");
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut agreed) = tls.accept(stream).await else {
                continue;
            };
            let mut asked = [0; 1024];
            let _ = agreed.stream.read(&mut asked).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            // Whoever asked may have gone.
            let _ = agreed.stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[test]
fn keys_at_a_url_are_fetched_from_a_place_that_an_own_authority_has_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificates = Certificates::create().expect("certificates");
    let (issuer, stranger) = (Issuer::new("https://id.acme"), Issuer::new("https://id.x"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let place = runtime.block_on(publish(issuer.key_set(), &certificates));
    let keys = format!("https://localhost:{}/keys", place.port());
    let server = start(
        folder,
        &[
            issuer.entry(&keys, Some(certificates.authority())),
            // The authorities of this machine have not signed for it.
            stranger.entry(&keys, None),
        ],
    );
    check(&server, &issuer);
    let token = stranger.token(&stranger.claims());
    let answer = server.call(Protocol::Grpc, OWN_NAME, Some(&token));
    super::check(
        &answer,
        Code::Unavailable,
        "cannot be fetched now",
        OWN_NAME,
    );
    server.dev.stop();
}

#[test]
fn an_issuer_that_hangs_holds_up_nobody_but_its_own_callers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hanging, well) = (Issuer::new("https://id.x"), Issuer::new("https://id.acme"));
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, well.key_set()).expect("written");
    // The system takes the connections, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = silent.local_addr().expect("an address");
    let server = start(
        folder,
        &[
            hanging.entry(&format!("http://{place}/keys"), None),
            well.entry(&format!("file:{}", keys.display()), None),
        ],
    );
    let (sender, waiting) = mpsc::channel();
    let address = server.dev.address.clone();
    let token = hanging.token(&hanging.claims());
    server.runtime.spawn(async move {
        let answer = call(&address, Protocol::Grpc, OWN_NAME, Some(&token)).await;
        // The test may have failed meanwhile.
        let _ = sender.send(answer);
    });
    let token = well.token(&well.claims());
    for credential in [&token, &server.keys.none] {
        let asked = Instant::now();
        let answer = server.call(Protocol::Empty, OWN_NAME, Some(credential));
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
        assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
    }
    let answer = waiting.recv().expect("an answer");
    super::check(
        &answer,
        Code::Unavailable,
        "cannot be fetched now",
        OWN_NAME,
    );
    server.dev.stop();
}
