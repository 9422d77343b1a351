//! Judges what was found: each check with its grade, and what to do. Pure.

use std::fmt;

use hot::ServerFacts;
use kernel::{Duration, Timestamp};
use storage::DatabaseFacts;

use super::examine::Findings;
use crate::commands::status::verdict::{problems, whole_seconds};

/// The time before the end of a certificate from which on it is worth a look: they are renewed
/// weeks before.
const CERTIFICATE_SOON: Duration = Duration::from_millis(14 * 24 * 3_600_000);
/// The most by which a clock may be off before it is worth a look: from 5 seconds on, workers stop.
const CLOCK_OFF: Duration = Duration::from_millis(2_000);
/// Shares of a bound, in hundredths, from which on it is worth a look, and wrong.
const NEARLY_FULL: u64 = 80;
const FULL: u64 = 95;

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
    checks.extend(match &findings.hot_store {
        None => vec![not_named("hot store", "--hot-store")],
        Some(Err(cause)) => vec![away("hot store", cause)],
        Some(Ok(servers)) => servers.iter().flat_map(server).collect(),
    });
    checks.extend(match &findings.database {
        None => vec![not_named("database", "--database")],
        Some(Err(cause)) => vec![away("database", cause)],
        Some(Ok((facts, now))) => database(facts, *now),
    });
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

/// Says what `status` says: owners, lag, quarantine.
fn partitions(findings: &Findings) -> Vec<Check> {
    const AREA: &str = "partitions";
    let problems = problems(&findings.report);
    if problems.is_empty() {
        let services = findings.report.services.iter();
        let owned: usize = services.map(|it| it.partitions.len()).sum();
        let what = format!("all {owned} have owners and are read, and nothing is set aside");
        return vec![Check::good(AREA, what)];
    }
    let problems = problems.into_iter();
    problems
        .map(|problem| Check::fault(AREA, problem.what, &problem.remedy))
        .collect()
}

/// Judges one server of the hot store.
fn server(facts: &ServerFacts) -> Vec<Check> {
    const AREA: &str = "hot store";
    let place = match facts.node.as_str() {
        "" => String::new(),
        node => format!("{node}: "),
    };
    let mut checks = Vec::new();
    if facts.has_failed_to_persist {
        checks.push(Check::fault(
            AREA,
            format!("{place}its last write to the disk failed"),
            "look at its log and at the room on its disk: what it holds is lost with it otherwise",
        ));
    }
    if facts.eviction.starts_with("allkeys-") {
        checks.push(Check::fault(
            AREA,
            format!(
                "{place}it forgets customers when its memory is full (maxmemory-policy {})",
                facts.eviction
            ),
            "set it to noeviction",
        ));
    }
    if !facts.has_append_only_file {
        checks.push(Check::warning(
            AREA,
            format!("{place}it has no append-only file: a restart empties it"),
            "set appendonly to yes, unless the durability is journal and a recovery may take its time",
        ));
    }
    let used = format!(
        "{place}Redis {}, {} of memory, {} replicas",
        facts.version,
        mebibytes(facts.used_bytes),
        facts.replicas
    );
    let remedy =
        "give it more memory, or spread it as a cluster: once it is full, events are refused";
    checks.push(bounded(
        AREA,
        used,
        facts.used_bytes,
        facts.most_bytes,
        remedy,
    ));
    checks
}

/// Judges the database, whose answer came at this time of our clock.
fn database(facts: &DatabaseFacts, now: Timestamp) -> Vec<Check> {
    const AREA: &str = "database";
    let mut checks = Vec::new();
    if facts.is_read_only {
        checks.push(Check::fault(
            AREA,
            "it takes no writes: it is a copy, or set to read only".to_owned(),
            "name its primary",
        ));
    }
    let skew_ms = now.as_millis().saturating_sub(facts.now_ms);
    let skew = Duration::from_millis(skew_ms.saturating_abs());
    if skew >= CLOCK_OFF {
        checks.push(Check::warning(
            AREA,
            format!(
                "its clock is {} from that of this machine",
                whole_seconds(skew)
            ),
            "set both by NTP: workers follow the database's",
        ));
    }
    let size = format!("{}, {}", facts.version, mebibytes(facts.bytes));
    checks.push(match facts.connections {
        None => Check::good(AREA, size),
        Some((open, most)) => {
            let what = format!("{size}, {open} of {most} connections");
            let remedy = "raise max_connections, or run fewer processes: each opens up to sixteen";
            bounded(AREA, what, open, most, remedy)
        }
    });
    checks
}

/// Grades something by its share of a bound; 0 is no bound.
fn bounded(area: &'static str, what: String, used: u64, most: u64, remedy: &str) -> Check {
    let share = match most {
        0 => 0,
        most => used.saturating_mul(100) / most,
    };
    match share {
        FULL.. => Check::fault(area, format!("{what}: {share} of 100 are in use"), remedy),
        NEARLY_FULL.. => Check::warning(area, format!("{what}: {share} of 100 are in use"), remedy),
        _ => Check::good(area, what),
    }
}

fn not_named(area: &'static str, flag: &str) -> Check {
    Check::warning(
        area,
        "not looked at: no address was given".to_owned(),
        &format!("name it as the services do, with {flag}"),
    )
}

fn away(area: &'static str, cause: &str) -> Check {
    Check::fault(
        area,
        cause.to_owned(),
        "check that it runs, and can be reached from here",
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
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
