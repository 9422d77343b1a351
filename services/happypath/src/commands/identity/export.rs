//! `happypath identity export`: all that is known about a person, as JSON Lines.

use std::io::{BufWriter, ErrorKind, Write as _};

use proto::gateway::v1::ExportCustomerRequest;
use proto::gateway::v1::export_customer_request::Key;
use proto::identity::v1::get_customer_request::Key as CustomerKey;
use serde_json::{Value, json};
use tonic::Request;

use crate::client::Connection;
use crate::customer_key::parse;
use crate::failure::Failure;
use crate::output::remark;

/// The section of the last line.
const END: &str = "end";

/// Arguments of `identity export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is a JSON object with `section` and what the service says; the last one has the section `end`, and says how many lines
each section has. Write it to a file: happypath identity export user_id:u1 > u1.jsonl")]
pub(super) struct Args {
    /// An id, or an identifier such as user_id:u1
    customer: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Writes the export.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let key = match parse(&args.customer)? {
        CustomerKey::CustomerId(id) => Key::CustomerId(id),
        CustomerKey::Identifier(identifier) => Key::Identifier(identifier),
    };
    // It takes as long as there is something to tell: no deadline fits all.
    let request = Request::new(ExportCustomerRequest { key: Some(key) });
    let mut client = args.connection.exports()?;
    let mut lines = client.export_customer(request).await?.into_inner();
    let mut out = BufWriter::new(std::io::stdout());
    let failed = |error| Failure::failed(format!("cannot write the export: {error}"));
    let (mut count, mut is_whole) = (0_u64, false);
    while let Some(line) = lines.message().await? {
        let data: Value = serde_json::from_str(&line.json)
            .map_err(|error| Failure::failed(format!("the answer is not JSON: {error}")))?;
        is_whole = line.section == END;
        count += 1;
        let told = json!({ "section": line.section, "data": data });
        match writeln!(out, "{told}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            done => done.map_err(failed)?,
        }
    }
    out.flush().map_err(failed)?;
    if !is_whole {
        return Err(Failure::failed(
            "the export is not whole: its last line is missing. Repeat it",
        ));
    }
    remark(&format!("{count} lines"));
    Ok(())
}
