//! `happypath identity suppress` and `unsuppress`: whose events are not processed.

use proto::identity::v1::{Identifier, SuppressRequest, UnsuppressRequest};

use super::{Common, identifier};
use crate::client::{ask, request_id};
use crate::failure::Failure;
use crate::output::{json_of, print, print_json};

/// Arguments of `identity suppress` and `identity unsuppress`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An event is refused where the first of its identifiers, by the priority of their namespaces, is suppressed: it is about that
person. Any other event goes on without those of its identifiers that are suppressed. What is known of the person stays.")]
pub(super) struct Args {
    /// Identifiers such as user_id:u1; all others of the same customer go with them
    #[arg(required = true, value_parser = identifier)]
    identifiers: Vec<Identifier>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Stops the processing.
pub(super) async fn suppress(args: Args) -> Result<(), Failure> {
    let request = SuppressRequest {
        request_id: request_id(),
        identifiers: args.identifiers,
    };
    let mut client = args.common.connection.erasures()?;
    let answer = client.suppress(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    print(&match answer.suppressed_count {
        1 => "1 identifier is suppressed: events of whom it names are refused.".to_owned(),
        count => {
            format!("{count} identifiers are suppressed: events of whom they name are refused.")
        }
    })
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
    print(&match answer.unsuppressed_count {
        1 => "1 identifier was suppressed, and is not any more.".to_owned(),
        count => format!("{count} identifiers were suppressed, and are not any more."),
    })
}
