//! Judges an installation: faults, each with its remedy. Pure.

use kernel::Duration;

use proto::engine::v1::Worker;

use super::report::{Report, Service};

/// The longest wait of a record before somebody should know: a worker that is well needs
/// milliseconds.
const BEHIND: Duration = Duration::from_millis(10_000);
/// Numbers of partitions that are named.
const NAMED: usize = 5;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Problem {
    /// Says what is wrong.
    pub(in crate::commands) what: String,
    /// Says what to do about it.
    pub(in crate::commands) remedy: String,
}

/// Everything that is wrong, the worst first; nothing where all is well.
pub(in crate::commands) fn problems(report: &Report) -> Vec<Problem> {
    let mut problems = Vec::new();
    for process in &report.processes {
        let services = process.services.join(", ");
        match &process.answer {
            Err(cause) => problems.push(Problem {
                what: format!("{services}: {cause}"),
                remedy:
                    "start it there (`happypath dev` starts everything), or correct its address"
                        .to_owned(),
            }),
            Ok(installation) => {
                let runs = |name: &&&str| !installation.services.iter().any(|own| own == **name);
                let missing: Vec<&str> = process.services.iter().filter(runs).copied().collect();
                if let Some(first) = missing.first() {
                    problems.push(Problem {
                        what: format!(
                            "{} at {}: not run there",
                            missing.join(", "),
                            process.address
                        ),
                        remedy: format!("say where it is, with --{first}-address"),
                    });
                }
            }
        }
    }
    problems.extend(apart(report));
    problems.extend(clocks_off(report));
    problems.extend(report.services.iter().filter_map(unowned));
    problems.extend(report.services.iter().filter_map(behind));
    problems.extend(report.services.iter().filter_map(full));
    problems.extend(report.services.iter().filter_map(quarantined));
    problems.extend(dead_letters(report));
    problems
}

/// Processes of different installations: what one of them answers is not about the others.
fn apart(report: &Report) -> Option<Problem> {
    let installations = report.installations();
    (installations.len() > 1).then(|| Problem {
        what: format!(
            "these processes are of different installations: {}",
            installations.join(", ")
        ),
        remedy: "correct the addresses, or give all processes of one installation the same --installation"
            .to_owned(),
    })
}

/// Workers whose clocks are off, each once, whoever told of it.
fn clocks_off(report: &Report) -> Vec<Problem> {
    let answers = report.processes.iter().flat_map(|it| it.answer.as_ref());
    let mut off: Vec<&Worker> = answers
        .flat_map(|answer| &answer.workers)
        .filter(|worker| worker.is_clock_off && !worker.takes_part)
        .collect();
    off.sort_by_key(|worker| (&worker.service, &worker.name));
    off.dedup_by_key(|worker| (&worker.service, &worker.name));
    let problem = |worker: &Worker| {
        let skew_ms = worker.clock_skew_ms();
        let skew = Duration::from_millis(skew_ms.saturating_abs());
        let direction = if skew_ms < 0 { "behind" } else { "ahead of" };
        Problem {
            what: format!(
                "{}: the clock of {} is {} {direction} the database's, so it works on no partition",
                worker.service,
                worker.name,
                whole_seconds(skew)
            ),
            remedy: "set the clock of its machine (by NTP, say), or that of the database where all are off; it takes part \
                     again by itself within seconds"
                .to_owned(),
        }
    };
    off.into_iter().map(problem).collect()
}

/// The numbers of partitions, as far as they are named.
fn named(numbers: &[u32]) -> String {
    let mut named: Vec<String> = numbers.iter().take(NAMED).map(u32::to_string).collect();
    if numbers.len() > NAMED {
        named.push("…".to_owned());
    }
    named.join(", ")
}

fn unowned(service: &Service) -> Option<Problem> {
    let unowned = service.unowned();
    if unowned.is_empty() {
        return None;
    }
    let name = &service.name;
    Some(Problem {
        what: format!(
            "{name}: nobody works on {} of {} partitions ({})",
            unowned.len(),
            service.partitions.len(),
            named(&unowned)
        ),
        remedy: format!(
            "start a {name} process; after one has died, others take over when its leases lapse, which takes --lease-ttl"
        ),
    })
}

fn behind(service: &Service) -> Option<Problem> {
    let oldest = service.oldest_waiting_time()?;
    let waits = service.now.since(oldest);
    if service.is_on_stream_time || waits < BEHIND {
        return None;
    }
    let live = service.sum(|own| own.lag.saturating_sub(own.bulk_lag));
    let name = &service.name;
    Some(Problem {
        what: format!(
            "{name}: {live} entries wait, the oldest for {}",
            whole_seconds(waits)
        ),
        remedy: format!(
            "if that grows, start another {name} process (replicas divide the partitions); if it does not move at all, \
             look at the log of the worker, whose stores may not answer"
        ),
    })
}

fn full(service: &Service) -> Option<Problem> {
    let partitions = service.partitions.iter();
    let full = partitions.filter(|own| own.is_quarantine_full);
    let full: Vec<u32> = full.map(|own| own.number).collect();
    let name = &service.name;
    (!full.is_empty()).then(|| Problem {
        what: format!(
            "{name}: the quarantine of {} of {} partitions is full ({}): there, the next record that cannot be processed \
             waits, everything behind it too, and in the end intake is refused",
            full.len(),
            service.partitions.len(),
            named(&full)
        ),
        remedy: format!(
            "`happypath quarantine {name} list` shows what is in it; `happypath quarantine {name} retry` and `discard` make room"
        ),
    })
}

fn quarantined(service: &Service) -> Option<Problem> {
    let count = service.sum(|own| own.quarantined_count);
    let name = &service.name;
    (count > 0).then(|| Problem {
        what: format!("{name}: {count} records could not be processed and were set aside"),
        remedy: format!(
            "`happypath quarantine {name} list` shows them, each with its reason; `retry` has them processed once the \
             cause is gone, and `discard` removes them"
        ),
    })
}

/// Events of sources that could not be taken.
fn dead_letters(report: &Report) -> Option<Problem> {
    let intake = match report.intake.as_ref()? {
        Ok(intake) => intake,
        Err(cause) => {
            return Some(Problem {
                what: format!("gateway: what sources sent is not known: {cause}"),
                remedy: "look at the log of the gateway; its database may not answer".to_owned(),
            });
        }
    };
    let mut counts: Vec<(&String, &u64)> = intake.dead_letter_counts.iter().collect();
    counts.sort();
    let sum: u64 = counts.iter().map(|(_, number)| **number).sum();
    let names: Vec<&str> = counts.iter().map(|(name, _)| name.as_str()).collect();
    let more = if names.len() > NAMED { ", …" } else { "" };
    let names = names[..names.len().min(NAMED)].join(", ");
    (sum > 0).then(|| Problem {
        what: format!(
            "gateway: {sum} events of sources could not be taken, and are kept as dead letters ({names}{more})"
        ),
        remedy: "`happypath dead-letters list` shows them, each with its reason; `replay` takes them once the source or the \
                 event is mended, and `discard` removes them"
            .to_owned(),
    })
}

/// A length for people.
pub(in crate::commands) fn whole_seconds(length: Duration) -> Duration {
    let millis = length.as_millis().max(0);
    Duration::from_millis(millis - millis.rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use proto::convert::timestamp;
    use proto::engine::v1::{GetInstallationResponse, Partition};
    use proto::gateway::v1::GetIntakeStatisticsResponse;

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
}
