//! `happypath audit verify`: whether anybody has changed the log since it was written.
//!
//! It trusts no service with that: it reads the whole log and computes every hash here.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use audit::{Entry, Head, Verdict, Verifier};
use kernel::to_hex;
use proto::audit::v1 as api;
use proto::audit::v1::EntryFilter;
use serde_json::json;

use super::item::{Item, read_lines};
use super::{Place, export};
use crate::failure::Failure;
use crate::output::{Format, print, print_json, remark};

/// Arguments of `audit verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Verifies a file that `export` wrote without a filter, instead of the log of a service
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Heads that `--save-heads` wrote before: a log that was made anew does not fit them. The file
    /// may be missing where `--save-heads` names the same one, for the first time
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    /// Writes the heads of all chains for the next time, where the log is as it was written; keep
    /// the file where nobody who can write to the database can
    #[arg(long, value_name = "FILE")]
    save_heads: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    format: Format,
}

/// The log as far as it is read.
struct Reading {
    verifier: Verifier,
    /// Heads of chains whose process did not end in order.
    unclosed: u64,
    heads: Vec<String>,
}

impl Reading {
    fn take(&mut self, item: Item) -> Result<(), Failure> {
        match item {
            Item::Head(head) => {
                self.unclosed += u64::from(head.close_time.is_none());
                let pruned = head.pruned.as_ref().map(Into::into);
                let own = Head::try_from(&head).map_err(Failure::failed)?;
                self.verifier.head(own, pruned);
                self.heads.push(Item::Head(head).line()?);
            }
            Item::Entry(entry) => {
                let entry = Entry::try_from(entry).map_err(Failure::failed)?;
                self.verifier.entry(&entry);
            }
        }
        Ok(())
    }
}

/// Verifies the log.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let kept = args.kept_heads()?;
    let mut reading = Reading {
        verifier: Verifier::new(&kept),
        unclosed: 0,
        heads: Vec::new(),
    };
    match &args.file {
        Some(file) => read_lines(file, |item| reading.take(item))?,
        None => {
            let everything = EntryFilter::default();
            export::read(&args.place, everything, |item| reading.take(item)).await?;
        }
    }
    let verdict = reading.verifier.finish();
    tell(&verdict, reading.unclosed, kept.len(), args.format)?;
    if !verdict.is_clean() {
        let count = verdict.faults.len() as u64 + verdict.more_faults;
        let message = format!("the audit log was changed after it was written: {count} faults");
        return Err(Failure::failed(message));
    }
    match &args.save_heads {
        // A file without heads would be no use the next time.
        Some(_) if reading.heads.is_empty() => remark("the log has no chains yet, and so no heads"),
        Some(path) => {
            save(path, &reading.heads)?;
            remark(&format!("the heads are in {}", path.display()));
        }
        None => {}
    }
    Ok(())
}

impl Args {
    /// Reads the heads to hold the log against; none the first time.
    fn kept_heads(&self) -> Result<Vec<Head>, Failure> {
        let mut heads = Vec::new();
        let Some(path) = &self.heads else {
            return Ok(heads);
        };
        if self.save_heads.as_ref() == Some(path) && is_missing(path) {
            remark(&format!(
                "there is no {} yet: the log is held against no heads this time, and begins the file. If there was one, \
                 find out who removed it",
                path.display()
            ));
            return Ok(heads);
        }
        read_lines(path, |item| match item {
            Item::Head(head) => {
                heads.push(Head::try_from(&head).map_err(Failure::failed)?);
                Ok(())
            }
            Item::Entry(api::Entry { .. }) => Err(Failure::mistake(format!(
                "{} has entries: expected heads, as --save-heads writes them",
                path.display()
            ))),
        })?;
        if heads.is_empty() {
            return Err(Failure::mistake(format!(
                "{} has no heads, and would find nothing: bring back the file that --save-heads wrote, or remove this one \
                 to begin anew",
                path.display()
            )));
        }
        Ok(heads)
    }
}

fn is_missing(path: &Path) -> bool {
    let found = std::fs::metadata(path);
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Replaces the file of heads as a whole: a disk that is full leaves those of before.
fn save(path: &Path, heads: &[String]) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside).map_err(failed)?;
    let text = heads.join("\n") + "\n";
    let written = file.write_all(text.as_bytes());
    written.and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn tell(verdict: &Verdict, unclosed: u64, kept: usize, format: Format) -> Result<(), Failure> {
    if format.json {
        let faults = verdict.faults.iter().map(|fault| {
            json!({
                "chain_id": fault.chain.to_string(),
                "sequence": fault.sequence,
                "fault": fault.to_string(),
            })
        });
        let heads = verdict.heads.iter().map(|head| {
            json!({
                "chain_id": head.chain.to_string(),
                "sequence": head.sequence,
                "hash": to_hex(&head.hash),
            })
        });
        return print_json(&json!({
            "chains": verdict.chains,
            "unclosed_chains": unclosed,
            "entries": verdict.entries,
            "kept_heads": kept,
            "faults": faults.collect::<Vec<_>>(),
            "more_faults": verdict.more_faults,
            "heads": heads.collect::<Vec<_>>(),
            "pruned": verdict.pruned.as_ref().map(|pruned| json!({
                "chains": pruned.chains,
                "entries": pruned.entries,
                "first_time": pruned.first_time.to_string(),
                "last_time": pruned.last_time.to_string(),
                "caller": pruned.caller,
                "time": pruned.time.to_string(),
            })),
        }));
    }
    for fault in &verdict.faults {
        print(&fault.to_string())?;
    }
    if verdict.more_faults > 0 {
        print(&format!("and {} more", verdict.more_faults))?;
    }
    if let Some(pruned) = &verdict.pruned {
        print(&format!(
            "{} older entries of {} chains, from {} to {}, are not there any more: pruned, last by \
             {} at {}.",
            pruned.entries,
            pruned.chains,
            pruned.first_time,
            pruned.last_time,
            pruned.caller,
            pruned.time
        ))?;
    }
    if verdict.is_clean() {
        let Verdict {
            chains, entries, ..
        } = verdict;
        print(&format!(
            "{entries} entries in {chains} chains are as they were written."
        ))?;
        print(&format!(
            "{unclosed} chains are of processes that run, or were killed: of those that were \
             killed, reads of their last second may be missing."
        ))?;
    }
    Ok(())
}
