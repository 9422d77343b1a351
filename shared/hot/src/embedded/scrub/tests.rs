//! Files of the embedded store, looked at from within.

use std::path::Path;

use kernel::PartitionCount;

use super::*;
use crate::EmbeddedOptions;

const SECRET: &[u8] = b"kq8Zt1VwPfHs7Xc2";
/// Looks of a run that is held.
const FEW: usize = 3;

fn open(folder: &Path) -> Disk {
    let count = PartitionCount::DEFAULT;
    Disk::open(folder, count, EmbeddedOptions::default()).expect("a new one")
}

/// True where some file of tables or journals has the secret.
fn is_somewhere(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_somewhere(&path);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(SECRET.len()).any(|it| it == SECRET)
    })
}

/// Writes the secret to a table, and removes it.
fn fill(disk: &Disk) {
    let mut batch = disk.batch();
    batch.insert(&disk.states, *b"somebody", SECRET);
    batch.insert(&disk.states, *b"other", *b"of another");
    disk.write(batch).expect("writes");
    flush(&disk.states).expect("flushes");
}

fn remove(disk: &Disk) {
    let mut batch = disk.batch();
    batch.remove(&disk.states, *b"somebody");
    disk.write(batch).expect("writes");
}

fn is_clean(disk: &Disk, folder: &Path) {
    assert_eq!(disk.scrub(LOOKS).expect("scrubs"), Run::Done);
    assert!(!is_somewhere(folder));
    let other = disk.states.get("other").expect("reads");
    assert_eq!(other.as_deref(), Some(&b"of another"[..]));
}

#[test]
fn somebody_who_reads_from_before_holds_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    fill(&disk);
    let reader = disk.states.prefix("some");
    remove(&disk);
    let held = disk.scrub(FEW).expect("scrubs");
    assert_eq!(held, Run::Held("somebody reads what was there before"));
    assert!(is_somewhere(folder.path()));
    drop(reader);
    is_clean(&disk, folder.path());
}

#[test]
fn somebody_who_reads_an_old_table_holds_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    fill(&disk);
    remove(&disk);
    // After the removal, so that tables may be written again without it.
    let reader = disk.states.iter();
    let held = disk.scrub(FEW).expect("scrubs");
    let expected = "the database has not let go of tables from before";
    assert_eq!(held, Run::Held(expected));
    assert!(is_somewhere(folder.path()));
    drop(reader);
    is_clean(&disk, folder.path());
}

#[test]
fn a_run_that_is_held_is_begun_again_and_says_why() {
    let scrubs = Scrubs::default();
    assert_eq!(scrubs.claim("m-", None), (1, true));
    assert_eq!(scrubs.claim("m-", None), (2, false));
    scrubs.end(Ok(Run::Held("a cause")));
    assert_eq!(scrubs.runs().held, Some("a cause"));
    assert_eq!(scrubs.claim("m-", Some("m-1")), (1, true));
    scrubs.end(Ok(Run::Done));
    assert_eq!(scrubs.runs().held, None);
    assert_eq!(scrubs.claim("m-", Some("m-1")), (1, false));
    assert_eq!(scrubs.runs().done, 2);
}
