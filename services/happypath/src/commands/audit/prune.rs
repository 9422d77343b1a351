//! `happypath audit prune`: removes old entries.

use std::collections::BTreeSet;

use proto::audit::v1::PruneEntriesRequest;
use serde_json::json;

use super::Place;
use crate::client::{ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, print, print_json};
use crate::when::time_of_flag;

/// Arguments of `audit prune`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Removes entries of before this time, at least 30 days ago: RFC 3339, or a date in UTC
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    before: prost_types::Timestamp,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    format: Format,
}

const AFTER_HELP: &str = "\
Nothing is removed by itself: what must be kept, and for how long, is for people to say. Auditors ask
for thirteen months as a rule, so that 400 days are a good age. Export the log first where it is kept
elsewhere. An entry of the log says who removed what, and `audit verify` proves the rest.";

/// Removes entries, some with each call, until none is left that is old enough.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut client = args.place.client()?;
    let mut removed = 0;
    let mut changed = BTreeSet::new();
    loop {
        let request = PruneEntriesRequest {
            request_id: request_id(),
            before_time: Some(args.before),
        };
        let answer = client.prune_entries(ask(request)).await?.into_inner();
        removed += answer.removed_count;
        changed.extend(answer.changed_chain_ids);
        if !answer.has_more {
            break;
        }
    }
    if args.format.json {
        print_json(&json!({ "removed_count": removed, "changed_chain_ids": changed }))?;
    } else {
        print(&format!("{removed} entries were removed."))?;
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} chains stay as they are, since entries of theirs were changed after they were written: \
         see `happypath audit verify`",
        changed.len()
    )))
}
