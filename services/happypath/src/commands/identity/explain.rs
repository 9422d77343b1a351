//! `happypath identity explain`: why a customer is who they are.

use proto::identity::v1::explain_identity_request::Key;
use proto::identity::v1::get_customer_request::Key as CustomerKey;
use proto::identity::v1::{ExplainIdentityRequest, IdentityEvidence};

use super::{Common, shown};
use crate::client::ask;
use crate::customer_key::parse;
use crate::failure::Failure;
use crate::output::{Rows, json_of, print, print_json, visible};
use crate::when::when;

/// Arguments of `identity explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An id, or an identifier such as user_id:u1; of an account too, such as account:acme
    customer: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Explains.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let key = match parse(&args.customer)? {
        CustomerKey::CustomerId(id) => Key::CustomerId(id),
        CustomerKey::Identifier(identifier) => Key::Identifier(identifier),
    };
    let request = ExplainIdentityRequest { key: Some(key) };
    let mut client = args.common.connection.resolution()?;
    let answer = client.explain_identity(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    for sentence in &answer.sentences {
        print(&visible(sentence))?;
    }
    show_evidence(&answer.evidence)
}

/// Prints evidence.
pub(in crate::commands) fn show_evidence(evidence: &[IdentityEvidence]) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "first",
        "what",
        "identifier",
        "event",
        "source",
        "#seen",
        "last",
    ]);
    for own in evidence {
        let kind = own.kind().as_str_name();
        let kind = kind.strip_prefix("EVIDENCE_KIND_").unwrap_or(kind);
        let retracted = if own.retracted { " (taken back)" } else { "" };
        rows.row([
            when(own.first_time.as_ref()),
            format!("{}{retracted}", kind.to_ascii_lowercase()),
            own.identifier.as_ref().map(shown).unwrap_or_default(),
            visible(&own.event_id),
            visible(&own.source),
            own.count.to_string(),
            when(own.last_time.as_ref()),
        ]);
    }
    rows.print_titled("Evidence")
}
