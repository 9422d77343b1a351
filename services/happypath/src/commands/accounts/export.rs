//! `happypath accounts export`: all that is known about an account, as JSON Lines.

use proto::gateway::v1::ExportAccountRequest;
use proto::gateway::v1::export_account_request::Key;
use proto::identity::v1::account_key::Key as AccountKey;
use tonic::Request;

use crate::account_key::parse;
use crate::client::Connection;
use crate::commands::identity::Lines;
use crate::failure::Failure;

/// Arguments of `accounts export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is a JSON object with `section` and what the service says: account, evidence, history,
profile, member, buying_group and event. The last one has the section `end`, and says how many
lines each section has. Write it to a file:

  happypath accounts export account:acme > acme.jsonl")]
pub(super) struct Args {
    /// An id, or an identifier such as account:acme
    account: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Writes the export.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let key = match parse(&args.account)? {
        AccountKey::AccountId(id) => Key::AccountId(id),
        AccountKey::Identifier(identifier) => Key::Identifier(identifier),
    };
    // It takes as long as there is something to tell: no deadline fits all.
    let request = Request::new(ExportAccountRequest { key: Some(key) });
    let mut client = args.connection.exports()?;
    let mut lines = client.export_account(request).await?.into_inner();
    let mut written = Lines::new();
    while let Some(line) = lines.message().await? {
        if written.push(&line.section, &line.json)?.is_break() {
            return Ok(());
        }
    }
    written.finish()
}
