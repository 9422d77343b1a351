//! `happypath delete`: deletes a definition.

mod needed;

use definitions::kind_word;
use proto::definition::v1::{DefinitionKind, DeleteDefinitionRequest};
use serde_json::json;

use crate::bundle::{parse_kind, service};
use crate::client::{Connection, ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, print, print_json, remark};

/// Arguments of `delete`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, such as segment or journey
    #[arg(value_parser = parse_kind)]
    kind: DefinitionKind,
    /// The name
    name: String,
    /// Deletes nothing unless the definition has this etag, as `get` shows it
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "ETAG"
    )]
    if_match: String,
    /// Deletes a segment or a channel even where runs on an older version of a journey need it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Deletes the definition, unless runs under way need it that no definition in force tells of.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    if !args.force {
        check(&args).await?;
    }
    let request = DeleteDefinitionRequest {
        request_id: request_id(),
        kind: args.kind.into(),
        name: args.name.clone(),
        if_match: args.if_match,
    };
    let mut client = args.connection.definitions(service(args.kind))?;
    client.delete_definition(ask(request)).await?;
    let kind = kind_word(args.kind);
    if args.format.json {
        return print_json(&json!({ "deleted": { "kind": kind, "name": args.name } }));
    }
    print(&format!("{kind} {} was deleted.", args.name))
}

async fn check(args: &Args) -> Result<(), Failure> {
    let (kind, name) = (kind_word(args.kind), &args.name);
    let needed = match needed::runs_that_need(&args.connection, args.kind, name).await {
        Ok(needed) => needed,
        // Whoever may delete a definition need not be let into journeys.
        Err(failure) => {
            remark(&format!(
                "whether runs on older versions of journeys need {kind} {name} is not known: {failure}"
            ));
            return Ok(());
        }
    };
    if needed.is_empty() {
        return Ok(());
    }
    let runs: Vec<String> = needed.iter().map(ToString::to_string).collect();
    Err(Failure::mistake(format!(
        "{kind} {name} is needed by {}: wait until they have ended, or delete it all the same with --force",
        runs.join(", ")
    )))
}
