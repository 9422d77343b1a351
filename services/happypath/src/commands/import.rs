//! `happypath import`: sends events from files.

mod args;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

pub(crate) use self::args::Args;
use crate::failure::Failure;
use crate::import::{
    BadLine, ImportFile, Mapping, OnError, Progress, Reading, Sender, Summary, read,
};
use crate::output::{print, print_json};

/// Imports the files, one after the other.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    if args.source.is_some() && args.files.len() > 1 {
        return Err(Failure::mistake(
            "--source names one file: import the others by commands of their own",
        ));
    }
    let mapping = args.mapping()?;
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
    let sender = Sender::new(
        args.connection.identity()?,
        path,
        args.lane.into(),
        args.on_error,
        Progress::new(&file),
        Summary::new(&file),
    );
    let pieces = read(&file, mapping, usize::from(args.batch));
    let (mut summary, stopped) = sender.send(pieces).await?;
    summary.end(started);
    Ok((summary, stopped))
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
