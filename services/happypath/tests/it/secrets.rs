//! Secrets of channels at rest: sealed in the database, rotated, and of no use without their keys.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use crate::{Dev, binary};

const SECRET: &str = "whsec_aGFwcHlwYXRoLWZpcnN0LWpvdXJuZXktc2VjcmV0";
const CHANNEL: &str = "\
channel:
  name: hook
  webhook:
    url: https://hooks.example.com/
    secret: whsec_aGFwcHlwYXRoLWZpcnN0LWpvdXJuZXktc2VjcmV0
";

/// Returns whether any file of the stores holds a text.
fn is_stored(folder: &std::path::Path, text: &str) -> bool {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

fn new_key(name: &str) -> String {
    let printed = binary().args(["secrets", "generate-key", name]).output();
    let printed = printed.expect("ran").stdout;
    String::from_utf8(printed).expect("text")
}

fn keys_of(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("stores").join("secret.keys")
}

#[test]
fn a_secret_is_sealed_where_it_is_stored_and_its_key_is_rotated() {
    let dev = Dev::start();
    dev.file("hook.yaml", CHANNEL);
    dev.ok("apply -f hook.yaml");
    assert!(dev.ok("get channel hook").contains("whsec_***"));
    assert_eq!(dev.ok("apply -f hook.yaml").matches("unchanged").count(), 1);
    assert_eq!(dev.json("secrets rotate")["unchanged_count"], 1);

    let keys = keys_of(&dev.folder);
    let first = fs::read_to_string(&keys).expect("keys");
    fs::write(&keys, format!("{first}{}", new_key("second"))).expect("written");
    let counted = dev.json("secrets rotate --validate-only");
    assert_eq!(
        (&counted["key_id"], &counted["rewrapped_count"]),
        (&"second".into(), &1.into())
    );
    let rotated = dev.json("secrets rotate");
    assert_eq!(rotated, counted);
    assert_eq!(dev.json("secrets rotate")["unchanged_count"], 1);
    let audited = dev.ok("audit list --action secrets.rotate");
    assert!(
        audited.contains("key second: 1 rewrapped, 0 sealed"),
        "{audited}"
    );

    // The first key may go, and the secret is still known.
    let folder = dev.stop();
    assert!(!is_stored(&folder.path().join("stores"), SECRET));
    let second = fs::read_to_string(&keys).expect("keys");
    let second = second.lines().last().expect("a key").to_owned();
    fs::write(&keys, second).expect("written");
    let dev = Dev::start_in(folder);
    assert_eq!(dev.ok("apply -f hook.yaml").matches("unchanged").count(), 1);
    dev.stop();
}

#[test]
fn without_the_key_the_process_does_not_start_and_says_which_it_lacks() {
    let dev = Dev::start();
    dev.file("hook.yaml", CHANNEL);
    dev.ok("apply -f hook.yaml");
    let folder = dev.stop();
    fs::write(keys_of(&folder), new_key("other")).expect("written");
    let refused = binary()
        .args(["dev", "--listen", "127.0.0.1:0", "--folder"])
        .arg(folder.path().join("stores"))
        .stdin(Stdio::null())
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(said.contains("`first`"), "{said}");
    assert!(!said.contains("whsec_"), "{said}");
}
