//! `happypath delete`: deletes a definition.

use definitions::kind_word;
use proto::definition::v1::{DefinitionKind, DeleteDefinitionRequest};
use serde_json::json;

use crate::bundle::{parse_kind, service};
use crate::client::{Connection, ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, print, print_json};

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
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Deletes the definition.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
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
