//! `happypath diff`: what `apply` would change.

use std::path::PathBuf;

use definitions::{key_of, kind_word, to_yaml};
use proto::activation::v1::channel;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, GetDefinitionRequest};
use serde_json::json;
use tonic::Code;

use crate::bundle::{Bundle, service, unified_diff};
use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Format, print, print_json};

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders of .yaml, .yml and .json files
    #[arg(short, long = "file", required = true, num_args = 1.., value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the differences.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let bundle = Bundle::read(&args.files)?;
    let mut diffs = Vec::new();
    for definition in bundle.definitions() {
        let Some(key) = key_of(definition) else {
            continue;
        };
        let stored = stored(&args.connection, definition).await?;
        let mut own = definition.clone();
        if let Some(stored) = &stored {
            mask_like(&mut own, stored);
        }
        let name = format!("{}/{}", kind_word(key.kind), key.name);
        let old = stored.as_ref().map_or_else(String::new, to_yaml);
        let diff = unified_diff(
            &format!("stored/{name}"),
            &old,
            &format!("files/{name}"),
            &to_yaml(&own),
        );
        if !diff.is_empty() {
            diffs.push((name, diff));
        }
    }
    if args.format.json {
        let diffs: Vec<_> = diffs
            .into_iter()
            .map(|(name, diff)| json!({ "definition": name, "diff": diff }))
            .collect();
        return print_json(&json!({ "differences": diffs }));
    }
    if diffs.is_empty() {
        return print("Nothing would change.");
    }
    let text: String = diffs.into_iter().map(|(_, diff)| diff).collect();
    print(text.trim_end())
}

async fn stored(
    connection: &Connection,
    definition: &Definition,
) -> Result<Option<Definition>, Failure> {
    let Some(key) = key_of(definition) else {
        return Ok(None);
    };
    let request = GetDefinitionRequest {
        kind: key.kind.into(),
        name: key.name,
        version: 0,
    };
    let mut client = connection.definitions(service(key.kind))?;
    match client.get_definition(ask(request)).await {
        Ok(answer) => Ok(answer.into_inner().definition.and_then(|it| it.definition)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// Services never tell secrets, so a secret is never shown as different.
fn mask_like(own: &mut Definition, stored: &Definition) {
    match (&mut own.kind, &stored.kind) {
        (Some(Kind::Channel(own)), Some(Kind::Channel(stored))) => {
            if let Some(channel::Kind::Webhook(own)) = &mut own.kind
                && let Some(channel::Kind::Webhook(stored)) = &stored.kind
            {
                own.secret.clone_from(&stored.secret);
            }
        }
        (Some(Kind::Subscription(own)), Some(Kind::Subscription(stored))) => {
            own.secret.clone_from(&stored.secret);
        }
        (Some(Kind::Source(own)), Some(Kind::Source(stored))) => {
            if let (Some(own), Some(stored)) = (&mut own.webhook, &stored.webhook) {
                own.secret.clone_from(&stored.secret);
                own.previous_secret.clone_from(&stored.previous_secret);
            }
        }
        _ => {}
    }
}
