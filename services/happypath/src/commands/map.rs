//! `happypath map`: how customers flow through the stages of a map.

use proto::journey::v1::GetMapFlowRequest;

use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};

/// Arguments of `map`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The map
    map: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the stages.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let request = GetMapFlowRequest { map: args.map };
    let flow = args
        .connection
        .journey()?
        .get_map_flow(ask(request))
        .await?
        .into_inner();
    if args.format.json {
        return print_json(&json_of(&flow)?);
    }
    print(&format!("Map {}", flow.map))?;
    let mut rows = Rows::new(&["stage", "#came", "#left", "#here now"]);
    for stage in &flow.stages {
        rows.row([
            stage.stage.clone(),
            stage.in_count.to_string(),
            stage.out_count.to_string(),
            stage.present_count.to_string(),
        ]);
    }
    rows.print_titled("Stages")?;
    let mut rows = Rows::new(&["from", "to", "#moves"]);
    for step in &flow.moves {
        let from = if step.from.is_empty() {
            "(outside)"
        } else {
            &step.from
        };
        rows.row([from.to_owned(), step.to.clone(), step.count.to_string()]);
    }
    rows.print_titled("Moves")
}
