//! `happypath dead-letters replay`: sends dead letters once more, as they were sent or mended.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use proto::gateway::v1::{ReplayDeadLettersRequest, replay_dead_letters_request as replay};
use serde_json::{Value, json};

use super::{Common, Selected, Selection, refuse_missing, wrong};
use crate::client::{ask, request_id};
use crate::failure::Failure;
use crate::limits::DEAD_LETTER_BYTES;
use crate::output::{Rows, json_of, print, print_json, visible};

/// Arguments of `dead-letters replay`.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    selection: Selection,
    /// With one id: a file with the mended event, as JSON, in place of what was sent; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    payload: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Sends dead letters once more, and tells what became of them.
pub(super) async fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let mut payloads = HashMap::new();
    if let Some(file) = &args.payload {
        let [id] = args.selection.ids.as_slice() else {
            let text = "--payload is for one dead letter: name one id";
            return Err(Failure::mistake(text));
        };
        payloads.insert(id.clone(), read_payload(file)?);
    }
    let mut client = args.common.connection.intake()?;
    let asked = args.selection.ids.len();
    let request = ReplayDeadLettersRequest {
        request_id: request_id(),
        which: Some(match args.selection.read() {
            Selected::Ids(ids) => replay::Which::Ids(ids),
            Selected::All(filter) => replay::Which::Filter(filter),
        }),
        payloads,
    };
    let answer = client.replay_dead_letters(ask(request)).await?.into_inner();
    if args.common.format.json {
        let refused: Result<Vec<Value>, Failure> = answer.refused.iter().map(json_of).collect();
        return print_json(&json!({
            "replayed_count": answer.replayed_count,
            "refused": refused?,
            "position": answer.position,
        }));
    }
    let refused_count = u32::try_from(answer.refused.len()).unwrap_or(u32::MAX);
    print(&format!(
        "Taken: {}. Refused again: {refused_count}.",
        answer.replayed_count
    ))?;
    let mut rows = Rows::new(&["id", "source", "reason", "what is wrong"]);
    for letter in &answer.refused {
        rows.row([
            letter.id.clone(),
            letter.source.clone(),
            visible(&letter.reason),
            wrong(letter),
        ]);
    }
    rows.print_titled("Refused again")?;
    refuse_missing(asked, answer.replayed_count + refused_count)
}

/// Reads a mended event.
fn read_payload(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let unreadable =
        |error: std::io::Error| Failure::mistake(format!("{shown} cannot be read ({error})"));
    let mut text = String::new();
    let bytes = match file.to_str() {
        Some("-") => std::io::stdin()
            .lock()
            .take(DEAD_LETTER_BYTES + 1)
            .read_to_string(&mut text),
        _ => std::fs::File::open(file)
            .map_err(unreadable)?
            .take(DEAD_LETTER_BYTES + 1)
            .read_to_string(&mut text),
    };
    if bytes.map_err(unreadable)? as u64 > DEAD_LETTER_BYTES {
        return Err(Failure::mistake(format!(
            "{shown} has more than {DEAD_LETTER_BYTES} bytes: an event has at most as many"
        )));
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        return Err(Failure::mistake(format!("{shown} is no JSON: {error}")));
    }
    Ok(text)
}
