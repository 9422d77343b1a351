//! `happypath import`: sends events from files.

use std::path::PathBuf;
use std::time::Instant;

use proto::identity::v1::Lane;
use serde_json::json;

use crate::client::Connection;
use crate::failure::Failure;
use crate::import::{
    BadLine, ImportFile, Mapping, OnError, Progress, Reading, Sender, Summary, read,
};
use crate::output::{Format, print, print_json};

/// Arguments of `import`.
///
/// CSV and TSV need a header; a JSON line is an object with the same names, or with `identifiers`,
/// `properties` and `traits` as objects of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files: .csv, .tsv, .jsonl or .ndjson, also gzipped
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A YAML file that says which column means what: time, event, event_name, event_id,
    /// identifiers, traits, properties
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The column of the time [default: timestamp, time, date, …]
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// The column of the event's name [default: event]
    #[arg(long, value_name = "COLUMN")]
    event_column: Option<String>,
    /// The name of every event, where no column holds it
    #[arg(long, value_name = "NAME", conflicts_with = "event_column")]
    event_name: Option<String>,
    /// A column that names the customer, such as user_id=household [default: customer_id as
    /// user_id, email, …]
    #[arg(long, value_name = "[NAMESPACE=]COLUMN")]
    customer_column: Vec<String>,
    /// A column that becomes a trait of the customer, such as plan=current_plan
    #[arg(long, value_name = "[TRAIT=]COLUMN")]
    trait_column: Vec<String>,
    /// The lane: bulk never delays live events
    #[arg(long, default_value = "bulk")]
    lane: LaneName,
    /// The treatment of a bad line
    #[arg(long, default_value = "stop")]
    on_error: OnError,
    /// Names the file as an ordered source [default: a digest of its content]; a line that was
    /// taken from a source once is not taken again
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Events in one message
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LaneName {
    Bulk,
    Live,
}

/// Imports the files, one after the other.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    if args.source.is_some() && args.files.len() > 1 {
        return Err(Failure::mistake(
            "--source names one file: import the others by commands of their own",
        ));
    }
    let mapping = mapping(&args)?;
    let mut summaries = Vec::new();
    for path in &args.files {
        let (summary, stopped) = import(&args, path.clone(), &mapping).await?;
        if let Some(bad) = stopped {
            return Err(Failure::mistake(stop_advice(&args, &summary, &bad)));
        }
        if !args.format.json {
            print(&sentence(&summary))?;
        }
        summaries.push(summary);
    }
    if args.format.json {
        return print_json(&json!({ "files": summaries }));
    }
    Ok(())
}

async fn import(
    args: &Args,
    path: PathBuf,
    mapping: &Mapping,
) -> Result<(Summary, Option<BadLine>), Failure> {
    let file = ImportFile::open(&path, args.source.as_deref(), Reading::default())?;
    let started = Instant::now();
    let lane = match args.lane {
        LaneName::Bulk => Lane::Bulk,
        LaneName::Live => Lane::Live,
    };
    let sender = Sender::new(
        args.connection.identity()?,
        path,
        lane,
        args.on_error,
        Progress::new(&file),
        Summary::new(&file),
    );
    let pieces = read(&file, mapping, usize::from(args.batch));
    let (mut summary, stopped) = sender.send(pieces).await?;
    summary.end(started);
    Ok((summary, stopped))
}

/// The mapping file, with what flags say over it.
fn mapping(args: &Args) -> Result<Mapping, Failure> {
    let mut mapping = match &args.mapping {
        Some(path) => Mapping::read(path)?,
        None => Mapping::default(),
    };
    if let Some(column) = &args.time_column {
        mapping.time = Some(column.clone());
    }
    if let Some(column) = &args.event_column {
        mapping.event = Some(column.clone());
    }
    if let Some(name) = &args.event_name {
        mapping.event_name = Some(name.clone());
    }
    for text in &args.customer_column {
        let (namespace, column) = text.split_once('=').unwrap_or(("user_id", text));
        mapping
            .identifiers
            .insert(namespace.to_owned(), column.to_owned());
    }
    for text in &args.trait_column {
        let (name, column) = text.split_once('=').unwrap_or((text, text));
        mapping.traits.insert(name.to_owned(), column.to_owned());
    }
    Ok(mapping)
}

fn sentence(summary: &Summary) -> String {
    let mut text = format!(
        "{}: {} events accepted in {:.1} s ({:.0} a second), {} new customers",
        summary.file, summary.accepted, summary.seconds, summary.events_per_second, summary.created
    );
    if summary.replayed > 0 {
        text.push_str(&format!("; {} of them were there before", summary.replayed));
    }
    if summary.corrected > 0 {
        let (times, were) = match summary.corrected {
            1 => ("time", "was"),
            _ => ("times", "were"),
        };
        text.push_str(&format!(
            "; {} {times} ahead of the clock {were} taken for now",
            summary.corrected
        ));
    }
    if summary.dropped_identifiers > 0 {
        let (count, are) = match summary.dropped_identifiers {
            1 => (1, "identifier that names nobody was"),
            count => (count, "identifiers that name nobody were"),
        };
        text.push_str(&format!("; {count} {are} left out"));
    }
    if summary.bad > 0 {
        let (lines, were) = match summary.bad {
            1 => ("line", "was"),
            _ => ("lines", "were"),
        };
        text.push_str(&format!("; {} bad {lines} {were} left out", summary.bad));
    }
    text
}

/// Returns what to do about the line that stopped the import; the line itself was shown when it was
/// found.
fn stop_advice(args: &Args, summary: &Summary, bad: &BadLine) -> String {
    let (file, line) = (&summary.file, bad.line);
    if summary.accepted == 0 {
        return format!(
            "{file}: nothing was imported, because of line {line}: correct the file or say what its columns mean, or \
             leave bad lines out with `--on-error continue`"
        );
    }
    if bad.is_passed {
        return format!(
            "{file}: {} events were accepted, and the import stopped at line {line}, which its source has passed. Import \
             that line, corrected, from a file of its own, and go on with this file, as it is, by repeating the command \
             with `--on-error continue`.",
            summary.accepted
        );
    }
    let source = args.source.as_ref().unwrap_or(&summary.source);
    format!(
        "{file}: {} events were accepted, and the import stopped at line {line}. Correct it, leave the lines before it \
         as they are, and repeat the command with `--source {source}`; or leave bad lines out with \
         `--on-error continue`.",
        summary.accepted
    )
}
