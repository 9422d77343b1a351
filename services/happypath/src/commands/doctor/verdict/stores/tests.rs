//! Stores that are well but for one thing, and what is said of it.

use super::*;
use crate::commands::doctor::verdict::Grade;
use crate::commands::doctor::verdict::tests::NOW;

/// A Redis that is well.
pub(in crate::commands::doctor::verdict) fn redis() -> ServerFacts {
    ServerFacts {
        version: "7.2.4".to_owned(),
        used_bytes: 50 << 20,
        most_bytes: 100 << 20,
        eviction: "noeviction".to_owned(),
        has_append_only_file: true,
        ..ServerFacts::default()
    }
}

/// A PostgreSQL that is well.
pub(in crate::commands::doctor::verdict) fn database() -> Database {
    let facts = DatabaseFacts {
        version: "PostgreSQL 15.18".to_owned(),
        bytes: 3 << 20,
        now_ms: NOW.as_millis() + 40,
        connections: Some((20, 100)),
        is_read_only: false,
        largest: vec![("journal_commit".to_owned(), 2 << 20)],
        log: Some(LogFacts::default()),
    };
    Database {
        facts,
        answered: NOW,
        disk: None,
    }
}

/// The checks that are not good.
fn bad(checks: Vec<Check>) -> Vec<String> {
    let bad = checks.into_iter().filter(|it| it.grade != Grade::Good);
    bad.inspect(|it| assert!(!it.remedy.is_empty(), "{it:?}"))
        .map(|it| format!("{}: {}", it.grade.name(), it.what))
        .collect()
}

fn bad_redis(change: impl FnOnce(&mut ServerFacts)) -> Vec<String> {
    let mut facts = redis();
    change(&mut facts);
    bad(hot_store(Some(&Ok(HotStore::Redis(vec![facts])))))
}

fn bad_database(change: impl FnOnce(&mut Database)) -> Vec<String> {
    let mut found = database();
    change(&mut found);
    bad(super::database(Some(&Ok(found))))
}

#[test]
fn what_endangers_the_hot_store_is_told() {
    for (change, expected) in [
        (
            (|it: &mut ServerFacts| it.has_failed_to_persist = true) as fn(&mut ServerFacts),
            "fault: its last write to the disk failed",
        ),
        (
            |it| it.eviction = "allkeys-lru".to_owned(),
            "fault: it forgets customers when its memory is full (maxmemory-policy allkeys-lru)",
        ),
        (
            |it| it.has_append_only_file = false,
            "warning: it has no append-only file: a restart empties it",
        ),
        (
            |it| it.used_bytes = 80 << 20,
            "warning: Redis 7.2.4, 80 MiB of memory, 0 replicas: 80 of 100 are in use",
        ),
        (
            |it| it.used_bytes = 96 << 20,
            "fault: Redis 7.2.4, 96 MiB of memory, 0 replicas: 96 of 100 are in use",
        ),
        (
            |it| (it.most_bytes, it.machine_bytes) = (0, 60 << 20),
            "warning: Redis 7.2.4, 50 MiB of memory, 0 replicas: 83 of 100 are in use",
        ),
    ] {
        assert_eq!(bad_redis(change), [expected]);
    }
}

#[test]
fn a_server_of_which_no_bound_of_memory_is_known_is_never_full() {
    assert!(bad_redis(|it| it.most_bytes = 0).is_empty());
}

#[test]
fn what_endangers_the_database_is_told() {
    for (change, expected) in [
        (
            (|it: &mut Database| it.facts.is_read_only = true) as fn(&mut Database),
            "fault: it takes no writes: it is a copy, or set to read only",
        ),
        (
            |it| it.facts.now_ms -= 61_000,
            "warning: its clock is 1m from that of this machine",
        ),
        (
            |it| it.facts.now_ms += 61_000,
            "warning: its clock is 1m1s from that of this machine",
        ),
        (
            |it| it.facts.connections = Some((96, 100)),
            "fault: PostgreSQL 15.18, 3 MiB (largest: journal_commit 2 MiB), 96 of 100 connections: 96 of 100 are in use",
        ),
        (
            |it| it.disk = Some(nearly_full()),
            "warning: the disk of its file has 10 MiB of 100 MiB free: 90 of 100 are in use",
        ),
    ] {
        assert_eq!(bad_database(change), [expected]);
    }
}

fn nearly_full() -> Disk {
    Disk {
        free_bytes: 10 << 20,
        all_bytes: 100 << 20,
    }
}

#[test]
fn a_write_ahead_log_that_nobody_takes_away_is_told() {
    let log = |it: &mut Database, change: fn(&mut LogFacts)| {
        change(it.facts.log.as_mut().expect("of Postgres"));
    };
    assert_eq!(
        bad_database(|it| log(it, |own| own.has_failed_to_archive = true)),
        ["fault: its write-ahead log cannot be archived, and stays on its disk"]
    );
    let slots = |own: &mut LogFacts| {
        own.idle_slots = vec![("a".to_owned(), LOG_HELD - 1), ("b".to_owned(), LOG_HELD)];
    };
    assert_eq!(
        bad_database(|it| log(it, slots)),
        [
            "warning: nobody reads the replication slot b, which keeps 1024 MiB of its write-ahead log"
        ]
    );
}

#[test]
fn the_disk_of_an_embedded_store_is_looked_at() {
    let found = Ok(HotStore::Embedded(nearly_full()));
    assert_eq!(
        bad(hot_store(Some(&found))),
        ["warning: the disk of its folder has 10 MiB of 100 MiB free: 90 of 100 are in use"]
    );
}

#[test]
fn stores_that_are_not_named_or_do_not_answer_are_told() {
    assert_eq!(
        bad(hot_store(None)),
        ["warning: not looked at: no address was given"]
    );
    let away = Err("refused".to_owned());
    assert_eq!(bad(super::database(Some(&away))), ["fault: refused"]);
}
