//! Secrets that are sealed, opened, moved, changed, and wrapped anew.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::{KeyFile, generate_line};

const PLACE: &str = "channel hook";

struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new(ids: &[&str]) -> Self {
        let keys = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        ids.iter().for_each(|id| keys.add(id));
        keys
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn add(&self, id: &str) {
        let text = std::fs::read_to_string(self.path()).unwrap_or_default();
        let line = generate_line(&id.parse().expect("a name")).expect("a key");
        write(&self.path(), &format!("{text}{line}\n"));
    }

    fn remove(&self, id: &str) {
        let text = std::fs::read_to_string(self.path()).expect("keys");
        let rest = text.lines().filter(|line| !line.starts_with(id));
        let rest: Vec<&str> = rest.collect();
        write(&self.path(), &(rest.join("\n") + "\n"));
    }

    fn vault(&self) -> Vault {
        Vault::new(Arc::new(KeyFile::open(&self.path()).expect("keys")))
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}

#[tokio::test]
async fn a_sealed_secret_is_opened_at_its_place_only() {
    let vault = Keys::new(&["one"]).vault();
    let sealed = vault.seal("whsec_abc", PLACE).await.expect("sealed");
    assert!(is_sealed(&sealed) && !sealed.contains("abc"));
    assert_eq!(vault.open(&sealed, PLACE).await.expect("open"), "whsec_abc");
    let moved = vault.open(&sealed, "channel other").await;
    assert!(matches!(moved, Err(VaultError::Damaged)));
    let again = vault.seal("whsec_abc", PLACE).await.expect("sealed");
    assert_ne!(sealed, again, "each has a key of its own");
}

#[tokio::test]
async fn a_key_of_the_same_name_that_is_another_opens_nothing() {
    let sealed = Keys::new(&["one"]).vault().seal("s", PLACE).await;
    let other = Keys::new(&["one"]).vault();
    let opened = other.open(&sealed.expect("sealed"), PLACE).await;
    assert!(matches!(opened, Err(VaultError::Damaged)));
}

#[tokio::test]
async fn keys_are_rotated_without_a_start_and_the_old_one_may_go() {
    let keys = Keys::new(&["one"]);
    let vault = keys.vault();
    let first = vault.seal("s", PLACE).await.expect("sealed");
    assert_eq!(vault.rewrap(&first).await.expect("same"), Rewrapped::Same);
    keys.add("two");
    let Rewrapped::Changed(second) = vault.rewrap(&first).await.expect("wrapped") else {
        panic!("the newest key does not wrap it");
    };
    assert!(second.starts_with("sealed.1.two."));
    // The sealed bytes are the same; only their key was wrapped anew.
    let secret = |sealed: &str| sealed.rsplit('.').next().map(str::to_owned);
    assert_eq!(secret(&first), secret(&second));
    keys.remove("one");
    let fresh = keys.vault();
    assert_eq!(fresh.open(&second, PLACE).await.expect("open"), "s");
    let gone = fresh.open(&first, PLACE).await;
    assert!(matches!(gone, Err(VaultError::UnknownKey(id)) if id.as_str() == "one"));
}

#[tokio::test]
async fn a_key_that_comes_later_is_found() {
    let (old, new) = (Keys::new(&["one"]), Keys::new(&["one"]));
    write(
        &new.path(),
        &std::fs::read_to_string(old.path()).expect("keys"),
    );
    let vault = old.vault();
    new.add("two");
    let sealed = new.vault().seal("s", PLACE).await.expect("sealed");
    assert!(vault.open(&sealed, PLACE).await.is_err());
    write(
        &old.path(),
        &std::fs::read_to_string(new.path()).expect("keys"),
    );
    assert_eq!(vault.open(&sealed, PLACE).await.expect("open"), "s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_changed_is_noticed_or_means_the_same(secret in "[ -~]{0,100}", place in 0_usize..400, byte in any::<u8>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let vault = Keys::new(&["one"]).vault();
            let sealed = vault.seal(&secret, PLACE).await.expect("sealed");
            assert_eq!(vault.open(&sealed, PLACE).await.expect("open"), secret.as_str());
            let mut bytes = sealed.clone().into_bytes();
            let place = place % bytes.len();
            bytes[place] = byte;
            if let Ok(changed) = String::from_utf8(bytes)
                && changed != sealed
            {
                assert!(vault.open(&changed, PLACE).await.is_err(), "{changed}");
            }
        });
    }
}
