//! Write keys in calls of the tracking API, wherever SDKs put them.

use access::NewKey;
use keys::{KeyDraft, KeyStore};
use serde_json::{Value, json};
use storage::{Database, DatabaseUrl};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::send;
use crate::Dev;

/// Makes a key, of a source or with scopes.
async fn make(store: &KeyStore, source: Option<&str>, scopes: &[&str]) -> String {
    let key = NewKey::make().expect("randomness");
    let draft = KeyDraft {
        id: key.id(),
        hash: key.hash(),
        name: "test".to_owned(),
        scopes: scopes.iter().map(|it| (*it).to_owned()).collect(),
        expire_time: None,
        creator: "test".to_owned(),
        source: source.map(ToOwned::to_owned),
    };
    store.create(&draft, access::now()).await.expect("created");
    key.reveal().to_owned()
}

/// Makes a folder of stores with keys: of a source each, or with scopes.
pub(crate) fn make_keys(wanted: &[(Option<&str>, &[&str])]) -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let stores = folder.path().join("stores");
    std::fs::create_dir_all(&stores).expect("a folder");
    let keys = Runtime::new().expect("a runtime").block_on(async {
        let url = DatabaseUrl::sqlite_file(&stores.join("happypath.db"));
        let database = Database::connect(&url).await.expect("it opens");
        let store = KeyStore::open(database).await.expect("tables");
        let mut keys = Vec::new();
        for (source, scopes) in wanted {
            keys.push(make(&store, *source, scopes).await);
        }
        keys
    });
    (folder, keys)
}

#[test]
fn a_key_says_who_sends_wherever_it_stands() {
    let (folder, keys) = make_keys(&[
        (Some("shop"), &["events:write"]),
        (Some("shop"), &["events:write"]),
        (Some("app"), &["events:write"]),
        (None, &["customers:read"]),
    ]);
    let [shop, shop_too, app, reader] = keys.try_into().expect("four keys");
    let dev = Dev::start_with(folder, &["--access", "required"]);
    let wrong = NewKey::make().expect("randomness").reveal().to_owned();
    let basic = |key: &str| {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
        format!("Basic {pair}")
    };
    for (header, inside, status) in [
        (None, None, 401),
        (Some(basic(&shop)), None, 200),
        (Some(format!("Bearer {shop}")), None, 200),
        (None, Some(&shop), 200),
        (Some(basic(&shop)), Some(&shop), 200),
        (Some(basic(&shop)), Some(&shop_too), 200),
        (Some(basic(&shop)), Some(&app), 401),
        (Some(basic(&app)), Some(&wrong), 401),
        (None, Some(&wrong), 401),
        (Some(basic("web_shop")), None, 401),
        (Some(basic(&reader)), None, 403),
    ] {
        let mut body = json!({"batch": [{"type": "page", "userId": "u1"}]});
        if let Some(key) = inside {
            body["writeKey"] = key.as_str().into();
        }
        let header = header.unwrap_or_default();
        let headers = [("Authorization", header.as_str())];
        let headers = if header.is_empty() { &[][..] } else { &headers };
        let answer = send(
            &dev,
            "POST",
            "/v1/batch",
            headers,
            body.to_string().as_bytes(),
        );
        assert_eq!(answer.status, status, "{answer:?}");
        let told: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(told["success"], status == 200, "{answer:?}");
    }
    dev.stop();
}
