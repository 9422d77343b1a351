//! `happypath import`: sends events from files.

mod args;
mod dry_run;
mod report;
mod sequence;

use std::collections::HashMap;
use std::time::Instant;

use serde_json::json;

pub(crate) use self::args::Args;
use self::report::{broken, left_out, overlap, stopped, told};
use self::sequence::in_order;
use crate::failure::Failure;
use crate::import::{
    ImportFile, Mapping, Naming, Ordered, Progress, Sender, Sent, Summary, read, source_of,
};
use crate::output::{print, print_json, remark};

/// Imports the files, one after the other, in the order of their first times.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let mapping = args.mapping()?;
    if args.dry_run {
        return dry_run::run(&args, &mapping).await;
    }
    let files = in_order(open(&args)?, &mapping).await;
    if files.len() > 1 {
        let names: Vec<String> = files
            .iter()
            .map(|it| it.path.display().to_string())
            .collect();
        remark(&format!(
            "in the order of their first times: {}",
            names.join(", ")
        ));
    }
    // Files of one source are like one file.
    let mut namings = HashMap::new();
    let mut summaries = Vec::new();
    let mut failure = None;
    for file in &files {
        let naming = namings
            .entry(file.source.clone())
            .or_insert_with(|| Naming::new(mapping.event_name.as_deref()));
        let sent = import(&args, file, &mapping, naming).await?;
        failure = match (sent.broken, sent.stopped) {
            (Some(status), _) => {
                remark(&broken(&sent.summary));
                Some(Failure::from(status))
            }
            (None, bad) => bad.map(|bad| stopped(&sent.summary, &bad)),
        };
        if !args.format.json && failure.is_none() {
            print(&told(&sent.summary))?;
        }
        summaries.push(sent.summary);
        if failure.is_some() {
            break;
        }
    }
    if args.format.json {
        print_json(&json!({ "files": summaries }))?;
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    if let Some(overlap) = overlap(&summaries) {
        remark(&overlap);
    }
    left_out(&summaries).map_or(Ok(()), Err)
}

/// Looks at the files, each with the name of its import.
fn open(args: &Args) -> Result<Vec<ImportFile>, Failure> {
    let files = args.files.iter().map(|path| {
        let source = match &args.source {
            Some(source) => source.clone(),
            None => source_of(path)?,
        };
        ImportFile::open(path, Some(&source), args.reading())
    });
    files.collect()
}

async fn import(
    args: &Args,
    file: &ImportFile,
    mapping: &Mapping,
    naming: &mut Naming,
) -> Result<Sent, Failure> {
    let started = Instant::now();
    let sender = Sender::new(
        args.connection.identity()?,
        args.lane.into(),
        args.on_error,
        Progress::new(file),
        Summary::new(file),
    );
    let batch_size = usize::from(args.batch);
    let pieces = read(file, mapping, batch_size);
    let pieces = Ordered::new(pieces, naming, batch_size);
    let mut sent = sender.send(pieces).await;
    sent.summary.end(started);
    Ok(sent)
}
