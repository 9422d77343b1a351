//! The audit log from the command line: heads that are kept, and entries about one customer or
//! account.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Dev;

/// The time in which entries come into the log, or never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Verifies the log against the heads of a file, which it replaces; returns what it found and said.
fn verify(dev: &Dev) -> (Value, String) {
    let output = dev.run("audit verify --heads heads --save-heads heads --json");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).expect("JSON"), said)
}

#[test]
fn heads_are_kept_from_the_first_verification_on() {
    let dev = Dev::start();
    dev.ok("track lesson_finished --id user_id=ada");
    dev.ok("customer user_id:ada");
    let heads = dev.folder.path().join("heads");

    let (found, said) = verify(&dev);
    assert_eq!(found["kept_heads"], 0);
    assert!(
        said.contains("no heads yet") && said.contains("who removed it"),
        "{said}"
    );
    let first = std::fs::read_to_string(&heads).expect("the heads");
    let (found, said) = verify(&dev);
    assert_eq!(found["kept_heads"], first.lines().count());
    assert!(found["kept_heads"].as_u64() > Some(0));
    assert!(!said.contains("who removed it"), "{said}");
    let left = std::fs::read_dir(dev.folder.path()).expect("a folder");
    let left = left.filter(|it| it.as_ref().is_ok_and(|it| it.path().is_file()));
    assert_eq!(left.count(), 1, "nothing but the heads is left behind");

    let (code, said) = dev.refused("audit verify --heads hedas --save-heads heads");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("hedas"), "{said}");
    std::fs::write(&heads, "").expect("is cut");
    let (code, said) = dev.refused("audit verify --heads heads --save-heads heads");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("has no heads"), "{said}");

    // Heads of another log, as of one that was made anew.
    let other = first.replacen("\"sequence\":", "\"sequence\":9", 1);
    assert_ne!(other, first);
    std::fs::write(&heads, &other).expect("is replaced");
    let (code, said) = dev.refused("audit verify --heads heads --save-heads heads");
    assert_eq!(code, 1, "{said}");
    let kept = std::fs::read_to_string(&heads).expect("the heads");
    assert_eq!(kept, other, "heads that do not fit are evidence");
    dev.stop();
}

#[test]
fn entries_are_found_by_an_account_as_by_a_customer() {
    let dev = Dev::start();
    dev.ok("accounts put account:acme domain:acme.com");
    let read = dev.json("accounts get account:acme");
    let id = read["account"]["account_id"].as_str().expect("an id");
    for account in ["account:acme", "domain:acme.com", id] {
        let begin = Instant::now();
        loop {
            // Entries of reads are written a moment later.
            let listed = dev.ok(&format!("audit list --customer {account}"));
            if listed.contains("identity.get_account") {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "{account}: {listed}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    for missing in ["user_id:none", "account:none"] {
        let (code, said) = dev.refused(&format!("audit list --customer {missing}"));
        assert_eq!(code, 3, "{said}");
    }
    let forgotten = dev.ok("audit forget account:acme");
    assert!(
        forgotten.starts_with("Nobody can tell any more"),
        "{forgotten}"
    );
}
