//! The table of keys: rotation, revocation, giving, and processes that follow it.

use access::{ApiKey, CallerKind, KeySource as _, Keyring, NewKey, Scopes, Verdict};
use kernel::{Duration, Timestamp};
use keys::{Follower, KeyDraft, KeyStore};
use rpc::ErrorReason;
use storage::{Database, DatabaseUrl};
use tempfile::TempDir;

/// The instant at which tests begin.
const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

async fn database(folder: &TempDir) -> Database {
    let file = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    Database::connect(&file).await.expect("it opens")
}

async fn store(folder: &TempDir) -> KeyStore {
    KeyStore::open(database(folder).await)
        .await
        .expect("tables")
}

fn draft(key: &NewKey, scopes: &[&str]) -> KeyDraft {
    KeyDraft {
        id: key.id(),
        hash: key.hash(),
        name: "shop".to_owned(),
        scopes: scopes.iter().map(|it| (*it).to_owned()).collect(),
        expire_time: None,
        creator: "local".to_owned(),
        source: None,
    }
}

async fn verify(store: &KeyStore, key: &NewKey, now: Timestamp) -> Verdict {
    let keyring = Keyring::default();
    keyring.set_stored(store.load(None).await.expect("keys"));
    keyring.verify(&ApiKey::parse(key.reveal()).expect("a key"), now)
}

#[tokio::test]
async fn a_rotation_accepts_both_secrets_for_a_while_and_never_three() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let first = NewKey::make().expect("randomness");
    let [second, third] = [(); 2].map(|()| NewKey::of(first.id()).expect("randomness"));
    store
        .create(&draft(&first, &["events:write"]), NOW)
        .await
        .expect("created");
    let hour = Duration::from_millis(3_600_000);
    let rotate = async |key: &NewKey, now| {
        let rotated = store
            .rotate(&key.id(), &key.hash(), hour, Scopes::all(), now)
            .await;
        rotated.expect("rotated")
    };
    let shown = rotate(&second, NOW).await;
    assert_eq!(shown.overlap_end_time, Some(NOW + hour));
    let is_known = async |key: &NewKey, now| matches!(verify(&store, key, now).await, Verdict::Known(caller) if caller.kind() == CallerKind::Key);
    let before = NOW + Duration::from_millis(3_599_999);
    assert!(is_known(&first, before).await && is_known(&second, before).await);
    assert!(!is_known(&first, NOW + hour).await && is_known(&second, NOW + hour).await);
    // A third secret while two are accepted ends the oldest at once.
    rotate(&third, before).await;
    assert!(!is_known(&first, before).await);
    assert!(is_known(&second, before).await && is_known(&third, before).await);
    // The same again changes nothing; a secret from before does not come back.
    rotate(&third, before).await;
    assert!(is_known(&second, before).await);
    let again = store
        .rotate(&first.id(), &first.hash(), hour, Scopes::all(), before)
        .await;
    assert_eq!(again.expect_err("refused").reason(), ErrorReason::KeyExists);
}

#[tokio::test]
async fn a_key_that_was_revoked_is_unknown_and_stays_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let key = NewKey::make().expect("randomness");
    let created = store
        .create(&draft(&key, &["*"]), NOW)
        .await
        .expect("created");
    assert_eq!(
        store
            .create(&draft(&key, &["*"]), NOW)
            .await
            .expect("the same"),
        created
    );
    let other = draft(&NewKey::of(key.id()).expect("randomness"), &["*"]);
    let refused = store.create(&other, NOW).await.expect_err("another key");
    assert_eq!(refused.reason(), ErrorReason::KeyExists);
    let revoked = store.revoke(&key.id(), NOW).await.expect("revoked");
    assert_eq!(revoked.revoke_time, Some(NOW));
    let again = store
        .revoke(&key.id(), NOW + Duration::from_millis(5))
        .await;
    assert_eq!(again.expect("revoked").revoke_time, Some(NOW));
    assert_eq!(verify(&store, &key, NOW).await, Verdict::Unknown);
    let hash = other.hash;
    let rotated = store
        .rotate(&key.id(), &hash, Duration::default(), Scopes::all(), NOW)
        .await;
    assert_eq!(
        rotated.expect_err("refused").reason(),
        ErrorReason::KeyRevoked
    );
    assert_eq!(store.list("", 10, NOW).await.expect("keys").len(), 1);
}

#[tokio::test]
async fn a_key_of_a_source_keeps_it_through_rotations_and_until_it_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let first = NewKey::make().expect("randomness");
    let write_key = KeyDraft {
        source: Some("web_shop".to_owned()),
        ..draft(&first, &["events:write"])
    };
    let created = store.create(&write_key, NOW).await.expect("created");
    assert_eq!(created.source.as_deref(), Some("web_shop"));
    let again = store.create(&write_key, NOW).await.expect("the same");
    assert_eq!(again, created);
    let second = NewKey::of(first.id()).expect("randomness");
    let (id, none) = (first.id(), Duration::default());
    let hash = second.hash();
    let rotated = store.rotate(&id, &hash, none, Scopes::all(), NOW).await;
    assert_eq!(rotated.expect("rotated").source, created.source);
    let other = NewKey::make().expect("randomness");
    let other = store.create(&draft(&other, &["*"]), NOW).await;
    assert_eq!(other.expect("created").source, None);
    let mut listed = store.list("", 10, NOW).await.expect("keys");
    listed.retain(|key| key.id == created.id);
    assert_eq!(listed[0].source, created.source);
    match verify(&store, &second, NOW).await {
        Verdict::Known(caller) => {
            assert_eq!(caller.source(), Some("web_shop"));
            assert_eq!(caller.scopes().names(), ["events:write"]);
        }
        verdict => panic!("{verdict:?}"),
    }
    let revoked = store.revoke(&id, NOW).await.expect("revoked");
    assert_eq!(revoked.source, created.source);
    // A key that ended long ago goes with the next one that is made, and its source with it.
    let later = NOW + Duration::from_millis(keys::limits::KEPT_MS + 1);
    let next = NewKey::make().expect("randomness");
    store
        .create(&draft(&next, &["*"]), later)
        .await
        .expect("created");
    let back = draft(&first, &["events:write"]);
    let back = store.create(&back, later).await.expect("its id is free");
    assert_eq!(back.source, None);
}

#[tokio::test]
async fn nobody_gives_what_they_lack() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let key = NewKey::make().expect("randomness");
    store
        .create(&draft(&key, &["*"]), NOW)
        .await
        .expect("created");
    let next = NewKey::of(key.id()).expect("randomness");
    let giver = Scopes::known(["keys:write"]);
    let refused = store
        .rotate(&key.id(), &next.hash(), Duration::default(), giver, NOW)
        .await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.reason(), ErrorReason::ScopeNotHeld);
    assert!(
        !refused.message().contains("keys:write"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn a_process_learns_of_keys_that_another_one_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let elsewhere = KeyStore::open(database(&folder).await)
        .await
        .expect("tables");
    let keyring = Keyring::default();
    let follower = Follower::start(store, keyring.clone(), Some("a".to_owned())).await;
    let follower = follower.expect("started");
    assert!(keyring.is_empty() && !follower.is_stale());
    let key = NewKey::make().expect("randomness");
    let created = elsewhere
        .create(&draft(&key, &["keys:read"]), access::now())
        .await;
    created.expect("created");
    follower.refresh().await;
    let read = ApiKey::parse(key.reveal()).expect("a key");
    let verdict = keyring.verify(&read, access::now());
    assert!(matches!(verdict, Verdict::Known(caller) if caller.installation() == Some("a")));
}
