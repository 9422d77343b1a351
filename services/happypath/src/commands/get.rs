//! `happypath get`: shows definitions.

use definitions::{key_of, kind_word, to_yaml};
use proto::definition::v1::{
    DefinitionKind, GetDefinitionRequest, ListDefinitionsRequest, StoredDefinition,
};
use serde_json::{Value, json};

use crate::bundle::{KINDS, parse_kind, service};
use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Rows, print, print_json, short_json_of};
use crate::when::when;

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind: namespace, segment, channel, template, policy, map, happy-path, journey or source;
    /// all unless given
    #[arg(value_parser = parse_kind)]
    kind: Option<DefinitionKind>,
    /// The name; all of the kind unless given
    name: Option<String>,
    /// An older version; 0 for the newest
    #[arg(long, default_value_t = 0, requires = "name")]
    version: u32,
    /// The form to print [default: yaml for one, a table for all]
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Output>,
    /// The same as -o json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Table,
    Yaml,
    Json,
}

/// Shows the definitions.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (stored, default) = match (args.kind, &args.name) {
        (Some(kind), Some(name)) => {
            let request = GetDefinitionRequest {
                kind: kind.into(),
                name: name.clone(),
                version: args.version,
            };
            let mut client = args.connection.definitions(service(kind))?;
            let answer = client.get_definition(ask(request)).await?.into_inner();
            (answer.definition.into_iter().collect(), Output::Yaml)
        }
        (Some(kind), None) => (list(&args.connection, kind).await?, Output::Table),
        (None, _) => {
            let mut stored = Vec::new();
            let is_kept = |kind: &DefinitionKind| args.connection.is_at_hand(service(*kind));
            for kind in KINDS.into_iter().filter(is_kept) {
                match list(&args.connection, kind).await {
                    Ok(some) => stored.extend(some),
                    Err(failure) if is_elsewhere(&args.connection, kind, &failure) => {}
                    Err(failure) => return Err(failure),
                }
            }
            (stored, Output::Table)
        }
    };
    let output = if args.json {
        Output::Json
    } else {
        args.output.unwrap_or(default)
    };
    match output {
        Output::Table => show_table(args.kind, &stored),
        Output::Yaml => show_yaml(&stored),
        Output::Json => {
            let definitions: Result<Vec<Value>, _> = stored.iter().map(short_json_of).collect();
            print_json(&json!({ "definitions": definitions? }))
        }
    }
}

/// Returns whether a kind could not be listed since nobody keeps it: a deployment may have no
/// gateway.
fn is_elsewhere(connection: &Connection, kind: DefinitionKind, failure: &Failure) -> bool {
    matches!(kind, DefinitionKind::Source | DefinitionKind::Subscription)
        && !connection.has_address(service(kind))
        && failure.is_not_served()
}

/// Lists all definitions of a kind.
pub(super) async fn list(
    connection: &Connection,
    kind: DefinitionKind,
) -> Result<Vec<StoredDefinition>, Failure> {
    let mut client = connection.definitions(service(kind))?;
    let mut stored = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListDefinitionsRequest {
            kind: kind.into(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_definitions(ask(request)).await?.into_inner();
        stored.extend(page.definitions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(stored);
        }
    }
}

fn show_table(kind: Option<DefinitionKind>, stored: &[StoredDefinition]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["kind", "name", "#version", "updated", "etag"]);
    for definition in stored {
        let key = definition.definition.as_ref().and_then(key_of);
        let (kind, name) = key.map_or_else(Default::default, |key| (kind_word(key.kind), key.name));
        rows.row([
            kind.to_owned(),
            name,
            definition.version.to_string(),
            when(definition.update_time.as_ref()),
            definition.etag.clone(),
        ]);
    }
    rows.print_or(&match kind {
        Some(DefinitionKind::Namespace) => {
            "No namespace is defined. Built in are user_id, crm_id, email, phone and anonymous_id of customers, and account, company, workspace, household, crm_account_id and domain of accounts."
                .to_owned()
        }
        Some(kind) => format!("There is no {} yet.", kind_word(kind)),
        None => "Nothing is defined yet: `happypath apply -f FILE` defines it.".to_owned(),
    })
}

fn show_yaml(stored: &[StoredDefinition]) -> Result<(), Failure> {
    let documents: Vec<String> = stored
        .iter()
        .filter_map(|stored| {
            let text = to_yaml(stored.definition.as_ref()?);
            Some(format!(
                "# version {}, etag {}\n{text}",
                stored.version, stored.etag
            ))
        })
        .collect();
    print(documents.join("---\n").trim_end())
}
