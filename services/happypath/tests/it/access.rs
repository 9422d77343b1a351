//! Every RPC of the contracts, by gRPC, gRPC-Web, REST and Connect, with each kind of credential
//! that is no good for it: found by enumeration, so that a new RPC is asked too.
//!
//! The messages that are sent cannot be read. A caller who is refused never learns that, since they
//! are refused before anything is read.

mod call;
mod commands;
mod tls;
mod tokens;
mod write_keys;

use std::collections::BTreeMap;

use access::{NewKey, Requirement, Rules, Scope, Scopes};
use kernel::{Duration, Timestamp};
use keys::{KeyDraft, KeyStore};
use storage::{Database, DatabaseUrl};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::Code;

use self::call::{Answer, Protocol, call};
use crate::Dev;

/// A running `happypath dev` that asks for credentials, and keys of many kinds.
struct Guarded {
    dev: Dev,
    runtime: Runtime,
    keys: Keys,
}

/// Keys, each whole.
struct Keys {
    /// May do everything.
    all: String,
    /// May do nothing.
    none: String,
    /// May do everything but one thing.
    without: BTreeMap<&'static str, String>,
    expired: String,
    revoked: String,
    /// Of another installation.
    foreign: String,
    /// Of nobody.
    unknown: String,
}

async fn open(folder: &TempDir, name: &str) -> KeyStore {
    let folder = folder.path().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.join("happypath.db"));
    let database = Database::connect(&url).await.expect("it opens");
    KeyStore::open(database).await.expect("tables")
}

async fn make(store: &KeyStore, scopes: &[&str], end: Option<Timestamp>) -> NewKey {
    let key = NewKey::make().expect("randomness");
    let draft = KeyDraft {
        id: key.id(),
        hash: key.hash(),
        name: "test".to_owned(),
        scopes: scopes.iter().map(|it| (*it).to_owned()).collect(),
        expire_time: end,
        creator: "test".to_owned(),
        source: None,
    };
    store.create(&draft, access::now()).await.expect("created");
    key
}

impl Keys {
    async fn make(folder: &TempDir) -> Self {
        let (own, other) = (open(folder, "stores").await, open(folder, "other").await);
        let text = |key: NewKey| key.reveal().to_owned();
        let mut without = BTreeMap::new();
        for scope in Scope::ALL {
            let rest = Scopes::all().without([*scope].into_iter().collect());
            let key = make(&own, &rest.names(), None).await;
            without.insert(scope.name(), text(key));
        }
        let before = access::now() - Duration::from_days(1);
        let revoked = make(&own, &["*"], None).await;
        own.revoke(&revoked.id(), access::now())
            .await
            .expect("revoked");
        Self {
            all: text(make(&own, &["*"], None).await),
            none: text(make(&own, &[], None).await),
            without,
            expired: text(make(&own, &["*"], Some(before)).await),
            revoked: text(revoked),
            foreign: text(make(&other, &["*"], None).await),
            unknown: text(NewKey::make().expect("randomness")),
        }
    }
}

impl Guarded {
    fn start(settings: &[&str]) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let keys = runtime.block_on(Keys::make(&folder));
        let settings = [&["--access", "required"], settings].concat();
        Self {
            dev: Dev::start_with(folder, &settings),
            runtime,
            keys,
        }
    }

    fn call(&self, protocol: Protocol, path: &str, credential: Option<&str>) -> Answer {
        let call = call(&self.dev.address, protocol, path, credential);
        self.runtime.block_on(call)
    }
}

/// The RPCs of our contracts with their demands.
fn rules() -> Vec<(String, Requirement)> {
    let rules = Rules::read(&proto::DESCRIPTORS).expect("every scope is one");
    let mut all: Vec<_> = rules
        .iter()
        .map(|(path, it)| (path.to_owned(), it))
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(all.len() > 30, "{}", all.len());
    all
}

#[test]
fn every_rpc_names_a_scope() {
    let closed = rules()
        .into_iter()
        .filter(|(_, it)| *it == Requirement::Closed);
    let closed: Vec<_> = closed.map(|(path, _)| path).collect();
    assert!(
        closed.is_empty(),
        "no happypath.access.v1.access: {closed:?}"
    );
}

#[test]
fn every_rpc_refuses_whoever_may_not_call_it() {
    let server = Guarded::start(&[]);
    let keys = &server.keys;
    for (path, requirement) in rules() {
        for protocol in [
            Protocol::Grpc,
            Protocol::Web,
            Protocol::Rest,
            Protocol::Connect,
        ] {
            let ask = |credential: Option<&str>| server.call(protocol, &path, credential);
            check(
                &ask(None),
                Code::Unauthenticated,
                "has no credential",
                &path,
            );
            // Whoever tries keys is answered slowly: in two ways of four is enough.
            let is_json = [Protocol::Rest, Protocol::Connect].contains(&protocol);
            for (credential, expected) in [
                (
                    &keys.unknown,
                    "not one of this installation, or was revoked",
                ),
                // As an unknown one, so that nobody learns that it exists elsewhere or did here.
                (
                    &keys.foreign,
                    "not one of this installation, or was revoked",
                ),
                (
                    &keys.revoked,
                    "not one of this installation, or was revoked",
                ),
                (&keys.expired, "the key expired at"),
                (&"hpk_x".to_owned(), "the key is not whole"),
                (&"a.b.c".to_owned(), "tokens are not accepted here"),
                (&"x".repeat(9_000), "at most 8192 are read"),
            ]
            .into_iter()
            .skip(if is_json { 3 } else { 0 })
            {
                check(
                    &ask(Some(credential)),
                    Code::Unauthenticated,
                    expected,
                    &path,
                );
            }
            let allowed = match requirement {
                Requirement::Scope(scope) => {
                    let answer = ask(Some(&keys.without[scope.name()]));
                    let lacks = format!("lacks the scope `{}`", scope.name());
                    check(&answer, Code::PermissionDenied, &lacks, &path);
                    &keys.all
                }
                _ => &keys.none,
            };
            let answer = ask(Some(allowed));
            let is_refused = [Code::Unauthenticated, Code::PermissionDenied].contains(&answer.code);
            assert!(!is_refused, "{path} {protocol:?}: {answer:?}");
        }
    }
    server.dev.stop();
}

#[test]
fn health_is_open_and_reflection_unless_it_is_off() {
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    for (settings, code) in [
        (&[][..], Code::Ok),
        (&["--reflection", "off"], Code::Unimplemented),
    ] {
        let server = Guarded::start(settings);
        let answer = server.call(Protocol::Empty, "/grpc.health.v1.Health/Check", None);
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
        let answer = server.call(Protocol::Empty, reflection, None);
        let is_served = answer.code != Code::Unimplemented;
        assert_eq!(is_served, code == Code::Ok, "{answer:?}");
        // A stranger does not learn which other methods there are.
        let answer = server.call(Protocol::Empty, "/x.Y/Z", None);
        assert_eq!(answer.code, Code::Unauthenticated, "{answer:?}");
        let answer = server.call(Protocol::Empty, "/x.Y/Z", Some(&server.keys.none));
        assert_eq!(answer.code, Code::Unimplemented, "{answer:?}");
        server.dev.stop();
    }
}

#[track_caller]
fn check(answer: &Answer, code: Code, message: &str, path: &str) {
    let is_right = answer.code == code && answer.message.contains(message);
    assert!(is_right, "{path}: {answer:?} is not {code:?} {message}");
    assert!(!answer.message.contains("hpk_x"), "{path}: {answer:?}");
}
