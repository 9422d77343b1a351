//! Tests of the verdict: each fault, with its remedy.

use kernel::Timestamp;
use proto::convert::timestamp;
use proto::engine::v1::{GetInstallationResponse, Partition};
use proto::gateway::v1::{GetIntakeStatisticsResponse, SubscriptionState, SubscriptionStatus};

use super::super::report::Process;
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

/// A report of one process and service whose partitions are as `change` makes them.
fn report(change: impl Fn(&mut Partition), is_on_stream_time: bool) -> Report {
    let partitions = (0..8).map(|number| {
        let mut partition = Partition {
            service: "journey".to_owned(),
            number,
            owner: "a".to_owned(),
            ..Partition::default()
        };
        change(&mut partition);
        partition
    });
    Report {
        processes: vec![Process {
            address: "http://j:7403".to_owned(),
            services: vec!["journey"],
            answer: Ok(GetInstallationResponse {
                services: vec!["journey".to_owned()],
                ..GetInstallationResponse::default()
            }),
        }],
        services: vec![Service {
            name: "journey".to_owned(),
            is_on_stream_time,
            now: NOW,
            partitions: partitions.collect(),
        }],
        intake: None,
        subscriptions: Vec::new(),
    }
}

fn whats(report: &Report) -> Vec<String> {
    problems(report)
        .into_iter()
        .map(|problem| problem.what)
        .collect()
}

#[test]
fn nothing_is_wrong_where_all_partitions_are_owned_and_read() {
    assert_eq!(problems(&report(|_| {}, false)), []);
}

#[test]
fn processes_of_different_installations_are_told() {
    let mut report = report(|_| {}, false);
    let mut answers = |name: &str| {
        let mut other = report.processes[0].clone();
        if let Ok(answer) = &mut other.answer {
            answer.installation = name.to_owned();
        }
        report.processes.push(other);
        whats(&report)
    };
    assert_eq!(answers(""), Vec::<String>::new());
    assert_eq!(
        answers("a-b"),
        ["these processes are of different installations: one without a name, a-b"]
    );
    assert_eq!(
        answers("a"),
        ["these processes are of different installations: one without a name, a, a-b"]
    );
}

#[test]
fn partitions_that_nobody_owns_are_told() {
    let report = report(
        |own| {
            if own.number != 3 {
                own.owner.clear();
            }
        },
        false,
    );
    assert_eq!(
        whats(&report),
        ["journey: nobody works on 7 of 8 partitions (0, 1, 2, 4, 5, …)"]
    );
}

#[test]
fn records_that_wait_too_long_are_told_on_the_wall_clock() {
    let late = |wait_ms: i64| {
        move |own: &mut Partition| {
            if own.number == 2 {
                own.lag = 12;
                own.bulk_lag = 2;
                own.oldest_waiting_time =
                    Some(timestamp(Timestamp::from_millis(NOW.as_millis() - wait_ms)));
            }
        }
    };
    assert_eq!(whats(&report(late(9_999), false)), Vec::<String>::new());
    assert_eq!(
        whats(&report(late(75_500), false)),
        ["journey: 10 entries wait, the oldest for 1m15s"]
    );
    assert_eq!(whats(&report(late(75_500), true)), Vec::<String>::new());
}

#[test]
fn a_worker_whose_clock_is_off_is_told_once_with_the_remedy() {
    let mut report = report(|_| {}, false);
    let worker = |name: &str, skew_ms: i64, is_clock_off: bool| Worker {
        service: "journey".to_owned(),
        name: name.to_owned(),
        takes_part: !is_clock_off,
        clock_skew_ms: Some(skew_ms),
        is_clock_off,
    };
    let installation = report.processes[0].answer.as_mut().expect("an answer");
    installation.workers = vec![
        worker("right", 12, false),
        worker("ahead", 3_600_400, true),
        worker("behind", -61_000, true),
    ];
    report.processes.push(report.processes[0].clone());
    assert_eq!(
        whats(&report),
        [
            "journey: the clock of ahead is 1h ahead of the database's, so it works on no partition",
            "journey: the clock of behind is 1m1s behind the database's, so it works on no partition",
        ]
    );
    assert!(problems(&report)[0].remedy.contains("NTP"));
}

#[test]
fn quarantined_records_are_told_with_the_command_that_shows_them() {
    let problems = problems(&report(|own| own.quarantined_count = 1, false));
    assert_eq!(
        problems[0].what,
        "journey: 8 records could not be processed and were set aside"
    );
    assert!(
        problems[0]
            .remedy
            .contains("happypath quarantine journey list")
    );
}

#[test]
fn dead_letters_are_told_with_the_command_that_shows_them() {
    let mut report = report(|_| {}, false);
    let mut told = |intake| {
        report.intake = Some(intake);
        whats(&report)
    };
    assert_eq!(told(Ok(GetIntakeStatisticsResponse::default())), [""; 0]);
    let counts = [("shop".to_owned(), 3), ("app".to_owned(), 2)];
    let intake = GetIntakeStatisticsResponse {
        dead_letter_counts: counts.into_iter().collect(),
        ..GetIntakeStatisticsResponse::default()
    };
    assert_eq!(
        told(Ok(intake)),
        [
            "gateway: 5 events of sources could not be taken, and are kept as dead letters (app, shop)"
        ]
    );
    assert_eq!(
        told(Err("a store does not answer".to_owned())),
        ["gateway: what sources sent is not known: a store does not answer"]
    );
}

#[test]
fn a_full_quarantine_is_told_with_what_makes_room() {
    let problems = problems(&report(
        |own| own.is_quarantine_full = own.number > 5,
        false,
    ));
    assert!(
        problems[0]
            .what
            .starts_with("journey: the quarantine of 2 of 8 partitions is full (6, 7):"),
        "{problems:?}"
    );
    assert!(problems[0].remedy.contains("discard"), "{problems:?}");
}

#[test]
fn a_process_that_does_not_answer_or_runs_something_else_is_told() {
    let mut silent = report(|_| {}, false);
    silent.processes[0].answer = Err("cannot reach http://j:7403: refused".to_owned());
    assert_eq!(
        whats(&silent),
        ["journey: cannot reach http://j:7403: refused"]
    );
    let mut other = report(|_| {}, false);
    other.processes[0].services.push("activation");
    assert_eq!(
        whats(&other),
        ["activation at http://j:7403: not run there"]
    );
}

#[test]
fn receivers_that_take_nothing_are_told_with_their_errors() {
    let mut report = report(|_| {}, false);
    let mut told = |state: SubscriptionState| {
        report.subscriptions = vec![SubscriptionStatus {
            name: "warehouse".to_owned(),
            state: state.into(),
            last_error: "410 Gone".to_owned(),
            ..SubscriptionStatus::default()
        }];
        whats(&report)
    };
    assert_eq!(told(SubscriptionState::Active), [""; 0]);
    assert_eq!(told(SubscriptionState::Paused), [""; 0]);
    for (state, expected) in [
        (
            SubscriptionState::Retrying,
            "gateway: the subscription warehouse takes nothing: 410 Gone",
        ),
        (
            SubscriptionState::Stopped,
            "gateway: the subscription warehouse is stopped: 410 Gone",
        ),
        (
            SubscriptionState::OutOfRange,
            "gateway: the subscription warehouse is out of range: 410 Gone",
        ),
    ] {
        assert_eq!(told(state), [expected]);
    }
}
