//! The report as text for people, and as JSON for programs.

use kernel::Timestamp;
use proto::engine::v1::{Clock, Durability, GetInstallationResponse};
use serde_json::{Value, json};

use super::report::{NAMELESS, Process, Report, Service};
use super::verdict::{Problem, whole_seconds};
use crate::commands::subscriptions::state_word;
use crate::failure::Failure;
use crate::output::{Rows, json_of, print};
use crate::when::when;

/// Prints the verdict, then what it rests on.
pub(super) fn text(report: &Report, problems: &[Problem]) -> Result<(), Failure> {
    if problems.is_empty() {
        print("All is well.")?;
    } else {
        for problem in problems {
            print(&format!("! {}\n  → {}", problem.what, problem.remedy))?;
        }
    }
    let mut rows = Rows::new(&["process", "runs", "version", "clock", "survives"]);
    for process in &report.processes {
        rows.row(process_cells(process));
    }
    rows.print_titled(&match report.installations()[..] {
        [name] if name != NAMELESS => format!("Processes asked, of installation {name}"),
        _ => "Processes asked".to_owned(),
    })?;
    let mut rows = Rows::new(&[
        "service",
        "#partitions",
        "#owned",
        "#commits",
        "#waiting",
        "#of them bulk",
        "oldest",
        "time",
        "#quarantined",
    ]);
    for service in &report.services {
        rows.row(service_cells(service));
    }
    rows.print_titled("Partitions by service")?;
    let mut rows = Rows::new(&["service", "worker", "#partitions", "#newest epoch", "lease"]);
    for service in &report.services {
        for worker in service.workers() {
            rows.row([
                service.name.clone(),
                worker.name.to_owned(),
                worker.partition_count.to_string(),
                worker.newest_epoch.to_string(),
                worker.lease_expire_time.map_or_else(
                    || "-".to_owned(),
                    |time| format!("for another {}", whole_seconds(time.since(service.now))),
                ),
            ]);
        }
    }
    rows.print_titled("Workers")?;
    intake_text(report)?;
    subscriptions_text(report)
}

/// Prints how far receivers of changes are.
fn subscriptions_text(report: &Report) -> Result<(), Failure> {
    let mut rows = Rows::new(&["subscription", "state", "#lag", "last success"]);
    for one in &report.subscriptions {
        rows.row([
            one.name.clone(),
            state_word(one.state()).to_owned(),
            one.lag.to_string(),
            when(one.last_success_time.as_ref()),
        ]);
    }
    rows.print_titled("Subscriptions to changes")
}

/// Prints what sources sent today, and what of it is kept since it could not be taken.
fn intake_text(report: &Report) -> Result<(), Failure> {
    let Some(Ok(intake)) = &report.intake else {
        return Ok(());
    };
    let mut rows = Rows::new(&["source", "outcome", "#number", "last"]);
    for count in &intake.counts {
        rows.row([
            source_name(&count.source).to_owned(),
            count.reason.to_lowercase().replace('_', " "),
            count.count.to_string(),
            when(count.last_time.as_ref()),
        ]);
    }
    rows.print_titled("Intake of today, by UTC: events, or calls that could not be read")?;
    let mut rows = Rows::new(&["source", "#kept"]);
    let mut kept: Vec<(&String, &u64)> = intake.dead_letter_counts.iter().collect();
    kept.sort();
    for (source, number) in kept {
        rows.row([source_name(source), &number.to_string()]);
    }
    rows.print_titled("Dead letters by source")
}

/// The name of a source; those who are nobody's have none.
fn source_name(source: &str) -> &str {
    if source.is_empty() {
        "(nobody's)"
    } else {
        source
    }
}

fn process_cells(process: &Process) -> [String; 5] {
    let dash = || "-".to_owned();
    match &process.answer {
        Ok(installation) => [
            process.address.clone(),
            installation.services.join(", "),
            installation.version.clone(),
            clock(installation).to_owned(),
            durability(installation).to_owned(),
        ],
        Err(_) => [
            process.address.clone(),
            "does not answer".to_owned(),
            dash(),
            dash(),
            dash(),
        ],
    }
}

fn service_cells(service: &Service) -> [String; 9] {
    let oldest = match service.oldest_waiting_time() {
        Some(oldest) if !service.is_on_stream_time => {
            whole_seconds(service.now.since(oldest)).to_string()
        }
        _ => "-".to_owned(),
    };
    let time = service
        .watermark()
        .filter(|_| service.is_on_stream_time)
        .map_or_else(|| "-".to_owned(), |time| time.to_string());
    [
        service.name.clone(),
        service.partitions.len().to_string(),
        (service.partitions.len() - service.unowned().len()).to_string(),
        service.sum(|own| own.commit_seq).to_string(),
        service.sum(|own| own.lag).to_string(),
        service.sum(|own| own.bulk_lag).to_string(),
        oldest,
        time,
        service.sum(|own| own.quarantined_count).to_string(),
    ]
}

fn clock(installation: &GetInstallationResponse) -> &'static str {
    match installation.clock() {
        Clock::Wall => "wall",
        Clock::Stream => "stream",
        Clock::Unspecified => "-",
    }
}

/// Returns what an acknowledged event survives, by the name of the level.
fn durability(installation: &GetInstallationResponse) -> &'static str {
    match installation.durability() {
        Durability::Hot => "hot: what Redis survives",
        Durability::Journal => "journal: what SQL survives",
        Durability::Embedded => "embedded: the process",
        Durability::Unspecified => "-",
    }
}

/// The report as JSON.
pub(super) fn json(report: &Report, problems: &[Problem]) -> Result<Value, Failure> {
    let processes: Result<Vec<Value>, Failure> = report
        .processes
        .iter()
        .map(|process| {
            let mut value = json!({ "address": process.address, "services": process.services });
            match &process.answer {
                Ok(installation) => value["installation"] = json_of(installation)?,
                Err(cause) => value["error"] = json!(cause),
            }
            Ok(value)
        })
        .collect();
    let subscriptions: Result<Vec<Value>, Failure> =
        report.subscriptions.iter().map(json_of).collect();
    let problems: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "what": problem.what, "remedy": problem.remedy }))
        .collect();
    Ok(json!({
        "well": problems.is_empty(),
        "problems": problems,
        "processes": processes?,
        "services": report.services.iter().map(service_json).collect::<Vec<_>>(),
        "intake": match &report.intake {
            Some(Ok(intake)) => json_of(intake)?,
            _ => Value::Null,
        },
        "subscriptions": subscriptions?,
    }))
}

fn service_json(service: &Service) -> Value {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let workers: Vec<Value> = service
        .workers()
        .iter()
        .map(|worker| {
            json!({
                "worker": worker.name,
                "partition_count": worker.partition_count,
                "newest_epoch": worker.newest_epoch,
                "lease_expire_time": text(worker.lease_expire_time),
            })
        })
        .collect();
    json!({
        "service": service.name,
        "partition_count": service.partitions.len(),
        "unowned_partitions": service.unowned(),
        "commit_count": service.sum(|own| own.commit_seq),
        "lag": service.sum(|own| own.lag),
        "bulk_lag": service.sum(|own| own.bulk_lag),
        "oldest_waiting_time": text(service.oldest_waiting_time()),
        "watermark_time": text(service.watermark()),
        "quarantined_count": service.sum(|own| own.quarantined_count),
        "quarantined_bytes": service.sum(|own| own.quarantined_bytes),
        "workers": workers,
    })
}
