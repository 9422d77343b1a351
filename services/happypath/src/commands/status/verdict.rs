//! Judges an installation: faults, each with its remedy. Pure.

use kernel::Duration;

use proto::engine::v1::Worker;
use proto::gateway::v1::{SubscriptionState, SubscriptionStatus};

use super::report::{Report, Service};
use crate::output::visible;

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
    problems.extend(report.subscriptions.iter().filter_map(held_up));
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

/// A receiver of changes that takes nothing.
fn held_up(subscription: &SubscriptionStatus) -> Option<Problem> {
    let SubscriptionStatus {
        name, last_error, ..
    } = subscription;
    let error = visible(last_error);
    let (what, remedy) = match subscription.state() {
        SubscriptionState::Retrying => (
            format!("takes nothing: {error}"),
            "nothing is lost while the log has it; see to its receiver".to_owned(),
        ),
        SubscriptionState::Stopped => (
            format!("is stopped: {error}"),
            format!("see to its receiver, and then `happypath subscriptions resume {name}`"),
        ),
        SubscriptionState::OutOfRange => (
            format!("is out of range: {error}"),
            format!(
                "`happypath subscriptions resume {name} --from start`, or `--from now`; what its receiver keeps lacks changes"
            ),
        ),
        SubscriptionState::Unspecified | SubscriptionState::Active | SubscriptionState::Paused => {
            return None;
        }
    };
    Some(Problem {
        what: format!("gateway: the subscription {name} {what}"),
        remedy,
    })
}

/// A length for people.
pub(in crate::commands) fn whole_seconds(length: Duration) -> Duration {
    let millis = length.as_millis().max(0);
    Duration::from_millis(millis - millis.rem_euclid(1_000))
}

#[cfg(test)]
mod tests;
