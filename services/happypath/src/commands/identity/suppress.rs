//! `happypath identity suppress` and `unsuppress`: whose events are not processed.

use proto::identity::v1::{Identifier, SuppressRequest, UnsuppressRequest};

use super::{Common, identifier};
use crate::client::{ask, request_id};
use crate::failure::Failure;
use crate::output::{json_of, print, print_json};

/// Arguments of `identity suppress` and `identity unsuppress`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Identifiers such as user_id:u1; all others of the same customer go with them
    #[arg(required = true, value_parser = identifier)]
    identifiers: Vec<Identifier>,
    /// The reason, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Stops the processing.
pub(super) async fn suppress(args: Args) -> Result<(), Failure> {
    let request = SuppressRequest {
        request_id: request_id(),
        identifiers: args.identifiers,
        reason: args.reason,
    };
    let mut client = args.common.connection.erasures()?;
    let answer = client.suppress(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let count = answer.suppressed_count;
    print(&format!(
        "{count} identifiers are suppressed: events with them are dropped."
    ))
}

/// Lets it go on.
pub(super) async fn unsuppress(args: Args) -> Result<(), Failure> {
    let request = UnsuppressRequest {
        request_id: request_id(),
        identifiers: args.identifiers,
    };
    let mut client = args.common.connection.erasures()?;
    let answer = client.unsuppress(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let count = answer.unsuppressed_count;
    print(&format!(
        "{count} identifiers were suppressed, and are not any more."
    ))
}
