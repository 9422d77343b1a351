//! `happypath identity export`: all that is known about a person, as JSON Lines.

use std::io::{BufWriter, ErrorKind, Stdout, Write as _};
use std::ops::ControlFlow;

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
    let mut written = Lines::new();
    while let Some(line) = lines.message().await? {
        if written.push(&line.section, &line.json)?.is_break() {
            return Ok(());
        }
    }
    written.finish()
}

/// The lines of an export, written to stdout.
pub(in crate::commands) struct Lines {
    out: BufWriter<Stdout>,
    count: u64,
    is_whole: bool,
}

impl Lines {
    /// Begins.
    pub(in crate::commands) fn new() -> Self {
        Self {
            out: BufWriter::new(std::io::stdout()),
            count: 0,
            is_whole: false,
        }
    }

    /// Writes a line. Breaks where nobody reads any more, which is no mistake.
    pub(in crate::commands) fn push(
        &mut self,
        section: &str,
        json: &str,
    ) -> Result<ControlFlow<()>, Failure> {
        let data: Value = serde_json::from_str(json)
            .map_err(|error| Failure::failed(format!("the answer is not JSON: {error}")))?;
        self.is_whole = section == END;
        self.count += 1;
        let told = json!({ "section": section, "data": data });
        match writeln!(self.out, "{told}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            done => done
                .map(ControlFlow::Continue)
                .map_err(|error| unwritten(&error)),
        }
    }

    /// Ends, and says how many lines there were.
    ///
    /// # Errors
    /// Where the last one is missing.
    pub(in crate::commands) fn finish(mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| unwritten(&error))?;
        if !self.is_whole {
            return Err(Failure::failed(
                "the export is not whole: its last line is missing. Repeat it",
            ));
        }
        remark(&format!("{} lines", self.count));
        Ok(())
    }
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write the export: {error}"))
}
