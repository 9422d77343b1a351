//! `happypath explain`: why a customer is where they are.

use kernel::Reason;
use proto::journey::v1::{GetCustomerJourneysRequest, HistoryEntry};
use proto::segmentation::v1::{ExplainMembershipRequest, SegmentExplanation};
use serde_json::json;
use tonic::Code;

use crate::client::{After, Connection, ask};
use crate::customer_key::find_customer;
use crate::failure::Failure;
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
    let explained = args
        .connection
        .segmentation()?
        .explain_membership(ask(ExplainMembershipRequest {
            customer_id: customer_id.clone(),
            expression: args.expression.clone(),
            after: after.clone(),
        }))
        .await?
        .into_inner();
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
            "segments": json_of(&explained)?["explanations"],
            "history": history?,
        }));
    }
    for explanation in &explained.explanations {
        show_segment(explanation)?;
    }
    show_history(&history)
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
