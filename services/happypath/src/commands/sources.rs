//! `happypath sources`: what would come of a post of a webhook, and the presets of known senders.
//!
//! A trial sends nothing and keeps nothing: it reads the post here, as the gateway would.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use gateway::{PRESETS, Trial, TriedFault, WebhookPost, try_webhook};
use kernel::nearest;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{DefinitionKind, GetDefinitionRequest};
use proto::gateway::v1::Source;
use serde_json::{Value, json};

use crate::bundle::{Bundle, service};
use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::limits::WEBHOOK_FILE_BYTES;
use crate::output::{Format, Rows, json_of, print, print_json, visible};
use crate::when::when;

/// Arguments of `sources`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A mapping is written like this: `happypath sources presets shopify > shop.yaml`, change it, then
`happypath sources try shopify --file order.json --header 'X-Shopify-Topic: orders/create' --definitions shop.yaml` until it says what
you mean, then `happypath apply -f shop.yaml`.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows which events a post would be, and what cannot be taken and why; nothing is sent
    Try(Box<TryArgs>),
    /// Lists the presets of known senders, or prints one as a definition to copy and change
    Presets(PresetArgs),
}

#[derive(Debug, clap::Args)]
struct TryArgs {
    /// The source
    source: String,
    /// The body of the post, as the sender sends it; - for stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// A header of the post, such as 'X-Shopify-Topic: orders/create'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// A file or folder with the definition of the source, in place of the one that is in force
    #[arg(long, value_name = "PATH")]
    definitions: Option<PathBuf>,
    /// Checks the signature too, with the secret of --definitions
    #[arg(long, requires = "definitions")]
    check_signature: bool,
    /// The path that the post is sent to, where the sender signs it
    #[arg(long, default_value = "/v1/webhooks")]
    path: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct PresetArgs {
    /// The preset; a list of all unless given
    name: Option<String>,
}

impl Args {
    /// The address to ask; none for what this program knows itself.
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        match &self.command {
            Command::Try(args) => match args.definitions {
                None => Some(&args.connection),
                Some(_) => None,
            },
            Command::Presets(_) => None,
        }
    }
}

/// Does what the command says.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Try(args) => attempt(&args).await,
        Command::Presets(args) => presets(args.name.as_deref()),
    }
}

/// Reads `Name: value`.
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err("is no header: write it as 'X-Topic: orders/create'".to_owned()),
    }
}

fn presets(name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else {
        let names = PRESETS.map(|(name, _)| name);
        return print(&names.join("\n"));
    };
    match PRESETS.iter().find(|(own, _)| *own == name) {
        Some((_, text)) => print(text.trim_end()),
        None => {
            let names = PRESETS.map(|(name, _)| name);
            let hint = nearest(name, names);
            let hint = hint.map_or(String::new(), |meant| format!(": did you mean `{meant}`?"));
            let names = names.join(", ");
            let text = format!("there is no preset `{name}`{hint}; there are {names}");
            Err(Failure::mistake(text))
        }
    }
}

async fn attempt(args: &TryArgs) -> Result<(), Failure> {
    let body = read_body(&args.file)?;
    let source = match &args.definitions {
        Some(path) => source_of(path, &args.source)?,
        None => stored_source(args).await?,
    };
    let headers = args.header.iter();
    let headers: Vec<(&str, &str)> = headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let post = WebhookPost {
        method: "POST",
        target: &args.path,
        headers: &headers,
        body: &body,
    };
    let trial = try_webhook(&source, &post, args.check_signature, access::now());
    let trial = trial.map_err(|error| Failure::mistake(error.to_string()))?;
    if args.format.json {
        return print_json(&json_of_trial(&trial)?);
    }
    show(args, &trial)
}

/// The definition that is in force. Its secrets are masked.
async fn stored_source(args: &TryArgs) -> Result<Source, Failure> {
    let request = GetDefinitionRequest {
        kind: DefinitionKind::Source.into(),
        name: args.source.clone(),
        version: 0,
    };
    let mut client = args
        .connection
        .definitions(service(DefinitionKind::Source))?;
    let answer = client.get_definition(ask(request)).await?.into_inner();
    let stored = answer.definition.and_then(|stored| stored.definition);
    match stored.and_then(|definition| definition.kind) {
        Some(Kind::Source(source)) => Ok(source),
        _ => Err(Failure::mistake(format!("{} is no source", args.source))),
    }
}

/// The definition in a file or folder.
fn source_of(path: &Path, name: &str) -> Result<Source, Failure> {
    let bundle = Bundle::read(&[path.to_owned()])?;
    let mut sources = bundle.definitions().filter_map(|it| match &it.kind {
        Some(Kind::Source(source)) => Some(source),
        _ => None,
    });
    let found = sources.find(|source| source.name == name);
    found.cloned().ok_or_else(|| {
        let shown = path.display();
        Failure::mistake(format!("{shown} defines no source `{name}`"))
    })
}

fn read_body(file: &Path) -> Result<Vec<u8>, Failure> {
    let shown = file.display();
    let unreadable =
        |error: std::io::Error| Failure::mistake(format!("{shown} cannot be read ({error})"));
    let mut body = Vec::new();
    let most = WEBHOOK_FILE_BYTES + 1;
    let bytes = match file.to_str() {
        Some("-") => std::io::stdin().lock().take(most).read_to_end(&mut body),
        _ => std::fs::File::open(file)
            .map_err(unreadable)?
            .take(most)
            .read_to_end(&mut body),
    };
    if bytes.map_err(unreadable)? as u64 > WEBHOOK_FILE_BYTES {
        let text = format!("{shown} has more than {WEBHOOK_FILE_BYTES} bytes, which no post may");
        return Err(Failure::mistake(text));
    }
    Ok(body)
}

fn json_of_trial(trial: &Trial) -> Result<Value, Failure> {
    let events = trial.events.iter().map(|(event, _)| json_of(event));
    let events: Result<Vec<Value>, Failure> = events.collect();
    let faults = trial.faults.iter().map(|fault| {
        json!({
            "reason": fault.reason,
            "field": fault.field,
            "description": fault.description,
            "payload": fault.payload,
        })
    });
    Ok(json!({
        "signature_fault": trial.signature,
        "events": events?,
        "faults": faults.collect::<Vec<Value>>(),
        "unmapped_count": trial.unmapped_count,
    }))
}

fn show(args: &TryArgs, trial: &Trial) -> Result<(), Failure> {
    let signature = match (args.check_signature, &trial.signature) {
        (false, _) => "The signature was not checked.".to_owned(),
        (true, None) => "The signature is right.".to_owned(),
        (true, Some(fault)) => format!("The post would be refused: {fault}."),
    };
    print(&visible(&signature))?;
    for (event, thing) in &trial.events {
        let id = &event.event_id;
        let time = match &event.time {
            None => "when it is received".to_owned(),
            time => when(time.as_ref()),
        };
        let name = visible(&event.name);
        print(&format!("\nEvent {name}, id {}, time: {time}", visible(id)))?;
        let message = json_of(event)?;
        let mut rows = Rows::new(&["", "name", "value"]);
        for (title, field) in [
            ("identifier", "identifiers"),
            ("property", "properties_json"),
            ("trait", "traits_json"),
        ] {
            for (name, value) in entries(&message[field]) {
                rows.row([title.to_owned(), visible(&name), visible(&value)]);
            }
        }
        for (kind, key) in entries(&message["groups"]) {
            rows.row(["group".to_owned(), visible(&kind), visible(&key)]);
            for (name, value) in entries(&message["group_traits"][&kind]["traits_json"]) {
                let title = format!("trait of {kind}");
                rows.row([title, visible(&name), visible(&value)]);
            }
        }
        rows.print_or(&visible(thing))?;
    }
    let mut rows = Rows::new(&["reason", "field", "what is wrong", "thing"]);
    for fault in &trial.faults {
        let TriedFault {
            reason,
            field,
            description,
            payload,
        } = fault;
        let short: String = payload.chars().take(100).collect();
        let cells = [
            *reason,
            field.as_str(),
            description.as_str(),
            short.as_str(),
        ];
        rows.row(cells.map(visible));
    }
    rows.print_titled("These would become dead letters")?;
    print(&format!(
        "\nEvents: {}. Dead letters: {}. For no mapping, and left out: {}.",
        trial.events.len(),
        trial.faults.len(),
        trial.unmapped_count
    ))
}

/// The entries of an object, or of the text of one.
fn entries(value: &Value) -> Vec<(String, String)> {
    let read = match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let Value::Object(fields) = read else {
        return Vec::new();
    };
    let shown = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut entries: Vec<_> = fields.into_iter().collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let entries = entries.into_iter();
    entries.map(|(name, value)| (name, shown(value))).collect()
}
