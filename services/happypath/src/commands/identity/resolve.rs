//! `happypath identity resolve`: whom an event would go to.

use proto::identity::v1::{Identifier, ResolveRequest};

use super::{Common, identifier, show_dropped};
use crate::client::ask;
use crate::failure::Failure;
use crate::output::{json_of, print, print_json};

/// Arguments of `identity resolve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Identifiers, such as user_id:u1
    #[arg(required = true, value_name = "NAMESPACE:VALUE", value_parser = identifier)]
    identifiers: Vec<Identifier>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Asks.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let request = ResolveRequest {
        identifiers: args.identifiers,
    };
    let mut client = args.common.connection.resolution()?;
    let answer = client.resolve(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    match answer.customer_id.as_str() {
        "" => print("Nobody is known by these.")?,
        id => {
            let known = if answer.known {
                "known"
            } else {
                "not known by name"
            };
            print(&format!(
                "Customer {id} ({known}), fragment {}",
                answer.fragment_id
            ))?;
        }
    }
    for merged in &answer.would_merge_customer_ids {
        print(&format!(
            "Such an event would join customer {merged} into it."
        ))?;
    }
    show_dropped(&answer.dropped_identifiers)
}
