//! `happypath audit export`: the log as JSON Lines.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use proto::audit::v1::{EntryFilter, ExportEntriesRequest};
use tonic::Request;

use super::item::Item;
use super::{Chosen, Place};
use crate::failure::Failure;
use crate::output::{print, remark};

/// Arguments of `audit export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// The file to write; without one the lines are printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
}

/// Writes the log.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let filter = args.chosen.filter(&args.place.connection).await?;
    let Some(path) = &args.output else {
        return read(&args.place, filter, |item| print(&item.line()?)).await;
    };
    let failed = |error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut entries = 0_u64;
    let write = |item: Item| {
        entries += u64::from(matches!(item, Item::Entry(_)));
        writeln!(file, "{}", item.line()?).map_err(failed)
    };
    read(&args.place, filter, write).await?;
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    remark(&format!("{entries} entries are in {}", path.display()));
    Ok(())
}

/// Reads the log, one item at a time.
pub(super) async fn read(
    place: &Place,
    filter: EntryFilter,
    mut each: impl FnMut(Item) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // It takes as long as the log is: no deadline fits all.
    let request = Request::new(ExportEntriesRequest {
        filter: Some(filter),
        before_chain_id: String::new(),
    });
    let mut answers = place.client()?.export_entries(request).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        if let Some(head) = answer.head {
            each(Item::Head(head))?;
        }
        for entry in answer.entries {
            each(Item::Entry(entry))?;
        }
    }
    Ok(())
}
