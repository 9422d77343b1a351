//! Deployments that are well but for one thing, and what is said of it.

use proto::engine::v1::{GetInstallationResponse, Partition, Worker};

use super::stores::tests::{database, redis};
use super::*;
use crate::commands::doctor::examine::HotStore;
use crate::commands::status::report::{Process, Report, Service};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
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
            intake: None,
            subscriptions: Vec::new(),
        },
        ready: vec![("https://j:7403".to_owned(), true)],
        certificates: vec![("https://j:7403".to_owned(), Ok(in_days(60)))],
        hot_store: Some(Ok(HotStore::Redis(vec![redis()]))),
        database: Some(Ok(database())),
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
