//! `happypath flow`: how runs flow through a journey.

use proto::journey::v1::GetFlowRequest;

use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};

/// Arguments of `flow`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The journey
    journey: String,
    /// Only this version; 0 for all together
    #[arg(long, default_value_t = 0)]
    version: u32,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the flow.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let request = GetFlowRequest {
        journey: args.journey,
        version: args.version,
    };
    let flow = args
        .connection
        .journey()?
        .get_flow(ask(request))
        .await?
        .into_inner();
    if args.format.json {
        return print_json(&json_of(&flow)?);
    }
    print(&format!(
        "{}: {} runs started, {} under way",
        flow.journey, flow.entered_count, flow.active_count
    ))?;
    let mut rows = Rows::new(&["step", "kind", "#in", "#out", "#present", "goes to"]);
    for step in &flow.steps {
        let exits: Vec<_> = step
            .exits
            .iter()
            .map(|exit| match exit.next.as_str() {
                "" => format!("end {} ({})", exit.count, exit.reason),
                next => format!("{next} {} ({})", exit.count, exit.reason),
            })
            .collect();
        rows.row([
            step.step.clone(),
            step.kind.clone(),
            step.in_count.to_string(),
            step.out_count.to_string(),
            step.present_count.to_string(),
            exits.join(", "),
        ]);
    }
    rows.print_titled("Steps")?;
    let mut rows = Rows::new(&["reason", "#count", "meaning"]);
    for reason in &flow.reasons {
        let meaning = kernel::Reason::from_code(&reason.reason).map_or("", |r| r.meaning().trim());
        rows.row([
            reason.reason.clone(),
            reason.count.to_string(),
            meaning.to_owned(),
        ]);
    }
    rows.print_titled("Entries and ends")
}
