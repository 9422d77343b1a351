//! Deployments that are well but for one thing, and what is said of it.

use proto::engine::v1::{GetInstallationResponse, Partition, Worker};

use super::*;
use crate::commands::status::report::{Process, Report, Service};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY_MS: i64 = 24 * 3_600_000;

/// A deployment that is well.
fn well() -> Findings {
    let answer = GetInstallationResponse {
        version: "0.1.0".to_owned(),
        services: vec!["journey".to_owned()],
        workers: vec![worker("one", -12), worker("two", 3)],
        ..GetInstallationResponse::default()
    };
    let partition = Partition {
        service: "journey".to_owned(),
        owner: "one".to_owned(),
        ..Partition::default()
    };
    Findings {
        now: NOW,
        report: Report {
            processes: vec![Process {
                address: "https://j:7403".to_owned(),
                services: vec!["journey"],
                answer: Ok(answer),
            }],
            services: vec![Service {
                name: "journey".to_owned(),
                is_on_stream_time: false,
                now: NOW,
                partitions: vec![partition; 8],
            }],
        },
        ready: vec![("https://j:7403".to_owned(), true)],
        certificates: vec![("https://j:7403".to_owned(), Ok(in_days(60)))],
        hot_store: Some(Ok(vec![redis()])),
        database: Some(Ok((postgres(), NOW))),
    }
}

fn worker(name: &str, skew_ms: i64) -> Worker {
    Worker {
        service: "journey".to_owned(),
        name: name.to_owned(),
        takes_part: true,
        clock_skew_ms: Some(skew_ms),
        is_clock_off: false,
    }
}

fn in_days(days: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + days * DAY_MS)
}

fn redis() -> ServerFacts {
    ServerFacts {
        version: "7.2.4".to_owned(),
        used_bytes: 50 << 20,
        most_bytes: 100 << 20,
        eviction: "noeviction".to_owned(),
        has_append_only_file: true,
        ..ServerFacts::default()
    }
}

fn postgres() -> DatabaseFacts {
    DatabaseFacts {
        version: "PostgreSQL 15.18".to_owned(),
        bytes: 3 << 20,
        now_ms: NOW.as_millis() + 40,
        connections: Some((20, 100)),
        is_read_only: false,
    }
}

/// The checks that are not good, as they are shown.
fn bad(change: impl FnOnce(&mut Findings)) -> Vec<String> {
    let mut findings = well();
    change(&mut findings);
    let checks = judge(&findings).into_iter();
    let bad = checks.filter(|it| it.grade != Grade::Good);
    bad.inspect(|it| assert!(!it.remedy.is_empty(), "{it:?}"))
        .map(|it| format!("{} {}: {}", it.grade.name(), it.area, it.what))
        .collect()
}

#[test]
fn every_area_of_a_deployment_that_is_well_is_good() {
    let checks = judge(&well());
    assert!(
        checks.iter().all(|it| it.grade == Grade::Good),
        "{checks:?}"
    );
    let areas: Vec<_> = checks.iter().map(|it| it.area).collect();
    let expected = [
        "processes",
        "clocks",
        "certificates",
        "partitions",
        "hot store",
        "database",
    ];
    assert_eq!(areas, expected);
}

#[test]
fn processes_that_take_no_calls_or_differ_are_told() {
    assert_eq!(
        bad(|it| it.ready[0].1 = false),
        ["fault processes: https://j:7403 answers and takes no calls"]
    );
    assert_eq!(
        bad(|it| {
            let mut other = it.report.processes[0].clone();
            other.answer.as_mut().expect("an answer").version = "0.2.0".to_owned();
            it.report.processes.push(other);
        }),
        ["warning processes: they are of several versions: 0.1.0, 0.2.0"]
    );
    let silent = bad(|it| it.report.processes[0].answer = Err("refused".to_owned()));
    assert_eq!(silent, ["fault partitions: journey: refused"]);
}

#[test]
fn the_worst_clock_is_told() {
    assert_eq!(
        bad(|it| {
            let answer = it.report.processes[0].answer.as_mut().expect("an answer");
            answer.workers[0].clock_skew_ms = Some(-2_500);
        }),
        ["warning clocks: that of one is 2s500ms from the database's"]
    );
}

#[test]
fn certificates_that_end_soon_or_are_refused_are_told() {
    assert_eq!(
        bad(|it| it.certificates[0].1 = Ok(in_days(13))),
        ["warning certificates: https://j:7403: good for another 13 days"]
    );
    assert_eq!(
        bad(|it| it.certificates[0].1 = Err("expired".to_owned())),
        ["fault certificates: https://j:7403: no agreement on TLS: expired"]
    );
}

#[test]
fn what_endangers_the_hot_store_is_told() {
    for (change, expected) in [
        (
            (|it: &mut ServerFacts| it.has_failed_to_persist = true) as fn(&mut ServerFacts),
            "fault hot store: its last write to the disk failed",
        ),
        (
            |it| it.eviction = "allkeys-lru".to_owned(),
            "fault hot store: it forgets customers when its memory is full (maxmemory-policy allkeys-lru)",
        ),
        (
            |it| it.has_append_only_file = false,
            "warning hot store: it has no append-only file: a restart empties it",
        ),
        (
            |it| it.used_bytes = 80 << 20,
            "warning hot store: Redis 7.2.4, 80 MiB of memory, 0 replicas: 80 of 100 are in use",
        ),
        (
            |it| it.used_bytes = 96 << 20,
            "fault hot store: Redis 7.2.4, 96 MiB of memory, 0 replicas: 96 of 100 are in use",
        ),
    ] {
        let mut server = redis();
        change(&mut server);
        assert_eq!(bad(|it| it.hot_store = Some(Ok(vec![server]))), [expected]);
    }
}

#[test]
fn a_server_without_a_bound_of_memory_is_never_full() {
    let mut server = redis();
    server.most_bytes = 0;
    assert!(bad(|it| it.hot_store = Some(Ok(vec![server]))).is_empty());
}

#[test]
fn what_endangers_the_database_is_told() {
    for (change, expected) in [
        (
            (|it: &mut DatabaseFacts| it.is_read_only = true) as fn(&mut DatabaseFacts),
            "fault database: it takes no writes: it is a copy, or set to read only",
        ),
        (
            |it| it.now_ms -= 61_000,
            "warning database: its clock is 1m from that of this machine",
        ),
        (
            |it| it.now_ms += 61_000,
            "warning database: its clock is 1m1s from that of this machine",
        ),
        (
            |it| it.connections = Some((96, 100)),
            "fault database: PostgreSQL 15.18, 3 MiB, 96 of 100 connections: 96 of 100 are in use",
        ),
    ] {
        let mut facts = postgres();
        change(&mut facts);
        assert_eq!(bad(|it| it.database = Some(Ok((facts, NOW)))), [expected]);
    }
}

#[test]
fn stores_that_are_not_named_or_do_not_answer_are_told() {
    assert_eq!(
        bad(|it| {
            it.hot_store = None;
            it.database = Some(Err("refused".to_owned()));
        }),
        [
            "warning hot store: not looked at: no address was given",
            "fault database: refused"
        ]
    );
}
