//! `happypath apply`: creates or updates definitions.

use std::path::PathBuf;

use definitions::kind_word;
use proto::definition::v1::{AppliedDefinition, ApplyAction, DefinitionKind};
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::client::Connection;
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders of .yaml, .yml and .json files
    #[arg(short, long = "file", required = true, num_args = 1.., value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Checks everything and changes nothing
    #[arg(long)]
    validate_only: bool,
    /// Applies nothing unless the definition has this etag, as `get` shows it; 0 for none of its
    /// name yet
    #[arg(long, value_name = "[KIND/NAME=]ETAG")]
    if_match: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Applies the files.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let bundle = Bundle::read(&args.files)?.if_match(&args.if_match)?;
    let planned = bundle.validate(&args.connection).await?;
    let applied = if args.validate_only {
        planned
    } else {
        bundle.apply(&args.connection).await?
    };
    if args.format.json {
        let applied: Result<Vec<Value>, _> = applied.iter().map(json_of).collect();
        return print_json(&json!({
            "validate_only": args.validate_only,
            "applied": applied?,
        }));
    }
    show(&applied)?;
    if args.validate_only {
        return print("\nThe definitions are right. Nothing was changed.");
    }
    // People who import first and define then would wonder why a segment is empty.
    if applied.iter().any(is_new_segment) {
        print("\nA new or changed segment counts each customer from their next event on.")?;
    }
    Ok(())
}

fn is_new_segment(applied: &AppliedDefinition) -> bool {
    applied.kind() == DefinitionKind::Segment && applied.action() != ApplyAction::Unchanged
}

fn show(applied: &[AppliedDefinition]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["kind", "name", "what", "#version", "etag"]);
    for definition in applied {
        rows.row([
            kind_word(definition.kind()).to_owned(),
            definition.name.clone(),
            match definition.action() {
                ApplyAction::Unspecified => "unknown",
                ApplyAction::Created => "created",
                ApplyAction::Updated => "updated",
                ApplyAction::Unchanged => "unchanged",
            }
            .to_owned(),
            definition.version.to_string(),
            definition.etag.clone(),
        ]);
    }
    rows.print_or("Nothing to apply.")
}
