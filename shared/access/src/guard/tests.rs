//! Tests of the guard: who is let in where, and what the others are told.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use kernel::{Duration, Timestamp};

use super::*;
use crate::{CallerKind, KnownKey, NewKey, Scope, Scopes};

const INGEST: &str = "/happypath.identity.v1.IdentityService/Ingest";
const CALLER: &str = "/happypath.access.v1.KeyService/GetCaller";
const CLOSED: &str = "/happypath.identity.v1.IdentityService/Forgotten";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

fn options(mode: Mode) -> GuardOptions {
    let rules = [
        (INGEST, Requirement::Scope(Scope::EventsWrite)),
        (CALLER, Requirement::AnyCaller),
        (CLOSED, Requirement::Closed),
    ];
    GuardOptions {
        mode,
        rules: rules
            .into_iter()
            .map(|(path, it)| (path.to_owned(), it))
            .collect(),
        file: None,
        installation: Some("a".to_owned()),
    }
}

fn guard(mode: Mode) -> Guard {
    Guard::open(options(mode)).expect("no file")
}

fn add(guard: &Guard, key: &NewKey, scopes: &[&str], end: Option<Timestamp>) {
    let scopes = Scopes::known(scopes.iter().copied());
    let caller = Caller::new(CallerKind::Key, key.id().as_str(), "shop", scopes);
    let known = KnownKey {
        caller,
        secrets: vec![(key.hash(), None)],
        expire_time: end,
    };
    guard.keyring().set_fixed([(key.id(), known)].into());
}

fn headers(credential: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(credential) = credential {
        let value = HeaderValue::try_from(format!("Bearer {credential}"));
        headers.insert(AUTHORIZATION, value.expect("a header"));
    }
    headers
}

/// Returns the caller's text, or the word of the refusal and its message.
async fn ask(
    guard: &Guard,
    path: &str,
    credential: Option<&str>,
    peer: Option<&Arc<PeerCertificate>>,
) -> Result<String, (&'static str, String)> {
    let admission = match guard.admit(path, &headers(credential), peer) {
        Admission::Done(done) => done,
        Admission::Later(later) => later.await,
    };
    match admission {
        Ok(caller) => Ok(caller.map_or_else(|| "nobody".to_owned(), |it| it.to_string())),
        Err(refused) => Err((refused.refusal.word(), refused.refusal.to_string())),
    }
}

#[tokio::test]
async fn each_method_lets_in_whom_it_demands() {
    let guard = guard(Mode::Required);
    let key = NewKey::make().expect("randomness");
    add(&guard, &key, &["events:write"], None);
    let other = NewKey::make().expect("randomness");
    let known = Ok(format!("key:{}", key.id()));
    for (path, credential, expected) in [
        (HEALTH, None, Ok("nobody".to_owned())),
        (HEALTH, Some("x"), Ok("nobody".to_owned())),
        (INGEST, Some(key.reveal()), known.clone()),
        (CALLER, Some(key.reveal()), known.clone()),
        // Only who is known learns that there is no such method.
        ("/x.Y/Z", Some(key.reveal()), known),
        ("/x.Y/Z", None, Err("missing")),
        (INGEST, None, Err("missing")),
        (INGEST, Some(other.reveal()), Err("invalid")),
        (INGEST, Some("a.b.c"), Err("invalid")),
        (CLOSED, Some(key.reveal()), Err("no_rule")),
    ] {
        let answer = ask(&guard, path, credential, None).await;
        assert_eq!(answer.map_err(|(word, _)| word), expected, "{path}");
    }
}

#[tokio::test]
async fn a_missing_scope_is_named_and_nothing_else() {
    let guard = guard(Mode::Required);
    let key = NewKey::make().expect("randomness");
    add(&guard, &key, &["reports:read"], None);
    let refused = ask(&guard, INGEST, Some(key.reveal()), None)
        .await
        .expect_err("refused");
    let message = "the credential lacks the scope `events:write`: it has reports:read";
    assert_eq!(refused, ("scope", message.to_owned()));
}

#[tokio::test]
async fn an_expired_key_is_told_to_who_has_it() {
    let guard = guard(Mode::Required);
    let key = NewKey::make().expect("randomness");
    add(&guard, &key, &["events:write"], Some(now()));
    let refused = ask(&guard, INGEST, Some(key.reveal()), None)
        .await
        .expect_err("refused");
    assert_eq!(refused.0, "expired");
    let other = NewKey::of(key.id()).expect("randomness");
    let refused = ask(&guard, INGEST, Some(other.reveal()), None)
        .await
        .expect_err("refused");
    assert_eq!(refused.0, "invalid");
}

#[tokio::test]
async fn an_open_process_asks_for_nothing() {
    let guard = guard(Mode::Open);
    assert_eq!(
        ask(&guard, INGEST, None, None).await,
        Ok("local".to_owned())
    );
    assert_eq!(
        ask(&guard, INGEST, Some("x"), None).await,
        Ok("local".to_owned())
    );
    assert!(ask(&guard, CLOSED, None, None).await.is_err());
}

#[tokio::test]
async fn a_certificate_counts_until_its_end_also_on_a_connection_that_lasts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.yaml");
    let text = "certificates:\n- {name: shop, identity: 'uri:spiffe://acme/shop', scopes: [events:write]}\n";
    std::fs::write(&path, text).expect("written");
    let guard = Guard::open(GuardOptions {
        file: Some(path.clone()),
        ..options(Mode::Required)
    });
    let guard = guard.expect("a file");
    let peer = |identity: &str, end: Timestamp| {
        Some(Arc::new(PeerCertificate {
            identities: vec!["dns:x".to_owned(), identity.to_owned()],
            end,
        }))
    };
    let later = now() + Duration::from_days(1);
    let shop = peer("uri:spiffe://acme/shop", later);
    let known = ask(&guard, INGEST, None, shop.as_ref()).await;
    assert_eq!(known, Ok("certificate:uri:spiffe://acme/shop".to_owned()));
    for (peer, word) in [
        (peer("uri:spiffe://acme/other", later), "invalid"),
        (peer("uri:spiffe://acme/shop", now()), "expired"),
    ] {
        let refused = ask(&guard, INGEST, None, peer.as_ref())
            .await
            .expect_err(word);
        assert_eq!(refused.0, word);
    }
    // A faulty file changes nothing, and the next right one does.
    std::fs::write(&path, "certificates: 3\n").expect("written");
    guard.refresh().await;
    assert!(ask(&guard, INGEST, None, shop.as_ref()).await.is_ok());
    std::fs::write(&path, "keys: []\n").expect("written");
    guard.refresh().await;
    assert!(ask(&guard, INGEST, None, shop.as_ref()).await.is_err());
    assert!(!guard.names_anybody());
}

/// Stored keys that come with the first question for them.
#[derive(Debug)]
struct Source {
    keyring: Keyring,
    key: (crate::KeyId, KnownKey),
    is_stale: bool,
}

impl KeySource for Source {
    fn refresh(&self) -> Pending<()> {
        self.keyring.set_stored([self.key.clone()].into());
        Box::pin(std::future::ready(()))
    }

    fn is_stale(&self) -> bool {
        self.is_stale
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_and_a_mistyped_one_is_not() {
    for is_stale in [false, true] {
        let guard = guard(Mode::Required);
        let key = NewKey::make().expect("randomness");
        let caller = Caller::new(CallerKind::Key, "x", "shop", Scopes::all());
        let known = KnownKey {
            caller,
            secrets: vec![(key.hash(), None)],
            expire_time: None,
        };
        guard.set_source(Arc::new(Source {
            keyring: guard.keyring().clone(),
            key: (key.id(), known),
            is_stale,
        }));
        let last = if key.reveal().ends_with('0') {
            "1"
        } else {
            "0"
        };
        let mistyped = format!("{}{last}", &key.reveal()[..key.reveal().len() - 1]);
        let refused = ask(&guard, INGEST, Some(&mistyped), None)
            .await
            .expect_err("mistyped");
        assert!(refused.1.contains("not whole"), "{refused:?}");
        assert!(guard.keyring().is_empty());
        let answer = ask(&guard, INGEST, Some(key.reveal()), None).await;
        // Keys of the file need no database.
        let fixed = NewKey::make().expect("randomness");
        add(&guard, &fixed, &["events:write"], None);
        let answer_of_file = ask(&guard, INGEST, Some(fixed.reveal()), None).await;
        assert_eq!(answer_of_file, Ok(format!("key:{}", fixed.id())));
        match is_stale {
            false => assert_eq!(answer, Ok("key:x".to_owned())),
            true => assert_eq!(answer.expect_err("too old").0, "unavailable"),
        }
    }
}
