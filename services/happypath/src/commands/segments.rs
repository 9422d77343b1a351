//! `happypath segments`: the segments with their sizes.

use proto::segmentation::v1::ListSegmentsRequest;
use serde_json::{Value, json};

use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Format, Rows, json_of, print_json};

/// Arguments of `segments`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the segments.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let mut client = args.connection.segmentation()?;
    let mut segments = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListSegmentsRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_segments(ask(request)).await?.into_inner();
        segments.extend(page.segments);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if args.format.json {
        let segments: Result<Vec<Value>, _> = segments.iter().map(json_of).collect();
        return print_json(&json!({ "segments": segments? }));
    }
    let mut rows = Rows::new(&["segment", "#customers", "#version", "expression"]);
    for segment in &segments {
        let expression: Vec<&str> = segment.expression.split_whitespace().collect();
        rows.row([
            segment.name.clone(),
            segment.member_count.to_string(),
            segment.version.to_string(),
            expression.join(" "),
        ]);
    }
    rows.print_or("There are no segments yet; `happypath apply -f FILE` creates them.")
}
