//! `happypath explain`: why a customer is where they are.

use kernel::Reason;
use proto::journey::v1::{GetCustomerJourneysRequest, HistoryEntry};
use proto::segmentation::v1::{ExplainMembershipRequest, SegmentExplanation};
use serde_json::json;
use tonic::Code;

use crate::client::{After, Connection, ask};
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::when;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An id, or an identifier such as user_id:u1
    customer: String,
    /// An expression to explain instead of the segments
    #[arg(long, default_value = "", hide_default_value = true)]
    expression: String,
    /// Only this segment; may be repeated
    #[arg(long = "segment", value_name = "NAME", conflicts_with = "expression")]
    segments: Vec<String>,
    #[command(flatten)]
    after: After,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Explains.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let after = &args.after.position;
    let customer = find_customer(&args.connection, &args.customer, after).await?;
    let customer_id = customer.customer_id;
    let explained = explain(&args, &customer_id).await?;
    let history = match args
        .connection
        .journey()?
        .get_customer_journeys(ask(GetCustomerJourneysRequest {
            customer_id: customer_id.clone(),
            after: after.clone(),
        }))
        .await
    {
        Ok(answer) => answer.into_inner().history,
        Err(status) if status.code() == Code::NotFound => Vec::new(),
        Err(status) => return Err(status.into()),
    };
    if args.format.json {
        let history: Result<Vec<_>, Failure> = history
            .iter()
            .map(|entry| {
                let mut json = json_of(entry)?;
                json["meaning"] = meaning(&entry.reason).into();
                Ok(json)
            })
            .collect();
        return print_json(&json!({
            "customer_id": customer_id,
            "segments": explained.iter().map(json_of).collect::<Result<Vec<_>, _>>()?,
            "history": history?,
        }));
    }
    for explanation in &explained {
        show_segment(explanation)?;
    }
    show_history(&history)
}

/// Asks for all pages.
async fn explain(args: &Args, customer_id: &str) -> Result<Vec<SegmentExplanation>, Failure> {
    let mut client = args.connection.segmentation()?;
    let mut explained = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ExplainMembershipRequest {
            customer_id: customer_id.to_owned(),
            expression: args.expression.clone(),
            segments: args.segments.clone(),
            after: args.after.position.clone(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.explain_membership(ask(request)).await?.into_inner();
        explained.extend(page.explanations);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(explained);
        }
    }
}

fn show_segment(explanation: &SegmentExplanation) -> Result<(), Failure> {
    let verdict = if explanation.holds { "in" } else { "not in" };
    let change = match &explanation.next_change_time {
        Some(time) => format!("; changes by time alone at {}", when(Some(time))),
        None => String::new(),
    };
    match explanation.segment.as_str() {
        "" => print(&format!(
            "{}: {}{change}",
            explanation.expression, explanation.holds
        ))?,
        segment => print(&format!(
            "{verdict} {segment}, because {}{change}",
            explanation.expression
        ))?,
    }
    for term in &explanation.terms {
        print(&format!("    {} = {}", term.text, term.value))?;
    }
    Ok(())
}

fn show_history(history: &[HistoryEntry]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["time", "where", "what", "why"]);
    for entry in history {
        let place = match entry.step.as_str() {
            "" => entry.subject.clone(),
            step => format!("{}/{step}", entry.subject),
        };
        let what = match entry.detail.as_str() {
            "" => entry.reason.clone(),
            detail => format!("{} ({detail})", entry.reason),
        };
        rows.row([
            when(entry.time.as_ref()),
            place,
            what,
            meaning(&entry.reason).to_owned(),
        ]);
    }
    rows.print_titled("Journeys")
}

fn meaning(code: &str) -> &'static str {
    Reason::from_code(code).map_or("", |reason| reason.meaning().trim())
}
