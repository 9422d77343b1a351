//! Judges what was found: each check with its grade, and what to do. Pure.

mod stores;

use std::fmt;

use kernel::{Duration, Timestamp};

use super::examine::Findings;
use crate::commands::status::verdict::{problems, whole_seconds};

/// The time before the end of a certificate from which on it is worth a look: they are renewed
/// weeks before.
const CERTIFICATE_SOON: Duration = Duration::from_millis(14 * 24 * 3_600_000);
/// The most by which a clock may be off before it is worth a look: from 5 seconds on, workers stop.
const CLOCK_OFF: Duration = Duration::from_millis(2_000);

/// The weight of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// All is well.
    Good,
    /// It works, and is worth a look.
    Warning,
    /// It is wrong.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// The part of the deployment.
    pub(super) area: &'static str,
    /// Its weight.
    pub(super) grade: Grade,
    /// The state of things.
    pub(super) what: String,
    /// Says what to do; empty where nothing is.
    pub(super) remedy: String,
}

/// Judges everything that was found, by area.
pub(super) fn judge(findings: &Findings) -> Vec<Check> {
    let mut checks = processes(findings);
    checks.extend(clocks(findings));
    checks.extend(certificates(findings));
    checks.extend(partitions(findings));
    checks.extend(stores::hot_store(findings.hot_store.as_ref()));
    checks.extend(stores::database(findings.database.as_ref()));
    checks
}

/// Says whether processes answer, take calls, and are of one version.
fn processes(findings: &Findings) -> Vec<Check> {
    const AREA: &str = "processes";
    let asked = &findings.report.processes;
    let answers: Vec<_> = asked.iter().flat_map(|it| &it.answer).collect();
    let mut checks = Vec::new();
    for (address, _) in findings.ready.iter().filter(|(_, is_ready)| !is_ready) {
        checks.push(Check::fault(
            AREA,
            format!("{address} answers and takes no calls"),
            "look at its log: it is starting, or ending, or its stores were never reached",
        ));
    }
    let mut versions: Vec<&str> = answers.iter().map(|it| it.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.len() > 1 {
        checks.push(Check::warning(
            AREA,
            format!("they are of several versions: {}", versions.join(", ")),
            "that is right while they are upgraded; bring all to one version then",
        ));
    }
    if answers.len() == asked.len() && checks.is_empty() {
        let versions = versions.join(", ");
        let what = format!(
            "{} of {} answer, version {versions}",
            answers.len(),
            asked.len()
        );
        checks.push(Check::good(AREA, what));
    }
    checks
}

/// Says how far the clocks of workers are from that of the database.
fn clocks(findings: &Findings) -> Vec<Check> {
    const AREA: &str = "clocks";
    let answers = findings.report.processes.iter().flat_map(|it| &it.answer);
    let workers = answers.flat_map(|answer| &answer.workers);
    let skews = workers.filter_map(|it| Some((it.clock_skew_ms?, it)));
    let Some((skew_ms, worker)) = skews.max_by_key(|(skew, _)| skew.unsigned_abs()) else {
        return Vec::new();
    };
    let skew = Duration::from_millis(skew_ms.saturating_abs());
    vec![if skew < CLOCK_OFF {
        Check::good(
            AREA,
            format!("those of all workers are within {skew} of the database's"),
        )
    } else {
        Check::warning(
            AREA,
            format!("that of {} is {skew} from the database's", worker.name),
            "set the clock of its machine, by NTP: from 5s on it takes part in nothing",
        )
    }]
}

fn certificates(findings: &Findings) -> Vec<Check> {
    const AREA: &str = "certificates";
    let one = |(address, end): &(String, Result<Timestamp, String>)| match end {
        Err(cause) => Check::fault(
            AREA,
            format!("{address}: no agreement on TLS: {cause}"),
            "renew its certificate, or name the authority that signed it, with --tls-ca",
        ),
        Ok(end) => {
            let left = end.since(findings.now);
            let what = format!("{address}: good for another {}", whole_days(left));
            if left < CERTIFICATE_SOON {
                Check::warning(
                    AREA,
                    what,
                    "renew it: a file that is replaced counts within seconds",
                )
            } else {
                Check::good(AREA, what)
            }
        }
    };
    findings.certificates.iter().map(one).collect()
}

/// Says what `status` says: owners and their leases, lag, quarantine.
fn partitions(findings: &Findings) -> Vec<Check> {
    const AREA: &str = "partitions";
    let problems = problems(&findings.report);
    if problems.is_empty() {
        let services = &findings.report.services;
        let owned: usize = services.iter().map(|it| it.partitions.len()).sum();
        let waiting: u64 = services.iter().map(|it| it.sum(|own| own.lag)).sum();
        let what = format!("all {owned} have owners, {waiting} entries wait, none is set aside");
        return vec![Check::good(AREA, what)];
    }
    let problems = problems.into_iter();
    problems
        .map(|problem| Check::fault(AREA, problem.what, &problem.remedy))
        .collect()
}

fn whole_days(left: Duration) -> String {
    match left.as_millis() / (24 * 3_600_000) {
        1.. => format!("{} days", left.as_millis() / (24 * 3_600_000)),
        _ => whole_seconds(left).to_string(),
    }
}

impl Grade {
    /// Its name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

impl Check {
    fn good(area: &'static str, what: String) -> Self {
        Self {
            area,
            grade: Grade::Good,
            what,
            remedy: String::new(),
        }
    }

    fn warning(area: &'static str, what: String, remedy: &str) -> Self {
        Self {
            grade: Grade::Warning,
            remedy: remedy.to_owned(),
            ..Self::good(area, what)
        }
    }

    fn fault(area: &'static str, what: String, remedy: &str) -> Self {
        Self {
            grade: Grade::Fault,
            ..Self::warning(area, what, remedy)
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.grade {
            Grade::Good => ' ',
            Grade::Warning => '?',
            Grade::Fault => '!',
        };
        write!(f, "{mark} {:<12} {}", self.area, self.what)?;
        if self.remedy.is_empty() {
            return Ok(());
        }
        write!(f, "\n  {:<12} → {}", "", self.remedy)
    }
}

#[cfg(test)]
mod tests;
