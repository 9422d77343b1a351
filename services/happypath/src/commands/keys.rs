//! `happypath keys`: makes, lists, rotates and revokes API keys.
//!
//! A key is made here and printed once: the services get its hash only.

mod bootstrap;

use access::{KeyId, NewKey};
use kernel::{Duration, Timestamp};
use proto::access::v1::{
    CreateKeyRequest, Key, ListKeysRequest, RevokeKeyRequest, RotateKeyRequest,
};
use proto::convert::{instant, timestamp};
use serde_json::{Value, json};

use crate::client::{Connection, ask, request_id};
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Format, Rows, json_of, print, print_json};

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const AFTER_HELP: &str = "\
Scopes:
  events:write      sends events              events:read       reads the event log
  customers:read    reads customers           customers:write   joins customers, takes them apart
  customers:erase   erases customers
  consent:write     gives, withdraws consent  reports:read      reads figures
  definitions:read  reads definitions         definitions:write changes definitions
  operations:read   reads how things go       operations:write  moves the clock of stream time
  quarantine:read   reads set-aside records   quarantine:write  retries and discards them
  keys:read         lists keys                keys:write        creates, rotates, revokes keys
  audit:read        reads the audit log       audit:write       forgets customers in it
  audit:prune       removes its old entries   metrics:read      reads metrics
  *                 all of them";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Creates a key and prints it, this once
    Create(Create),
    /// Lists keys, never their secrets
    List(Common),
    /// Gives a key another secret and prints it; the one before is accepted for a while
    Rotate(Rotate),
    /// Ends a key for good
    Revoke(Revoke),
    /// Makes the first key of an installation, in its database, where nobody can call yet
    Bootstrap(bootstrap::Args),
    /// Makes a key and prints it with its entry for an access file; stores nothing
    Make(Make),
}

/// Arguments that all have.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Arguments of `keys create`.
#[derive(Debug, clap::Args)]
struct Create {
    /// Its name, for people
    name: String,
    /// Something that it may do, such as events:write; may be repeated
    #[arg(
        long = "scope",
        required_unless_present = "source",
        value_name = "SCOPE"
    )]
    scopes: Vec<String>,
    /// Makes it a write key of this source, such as web_shop, for SDKs and web pages: it may do
    /// nothing but send events
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// When it expires from now, such as 90d [default: never]
    #[arg(long, value_name = "DURATION")]
    expires: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `keys rotate`.
#[derive(Debug, clap::Args)]
struct Rotate {
    /// The id of the key, as `list` shows it
    id: String,
    /// The time for which the secret before is accepted
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    overlap: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `keys revoke`.
#[derive(Debug, clap::Args)]
struct Revoke {
    /// The id of the key, as `list` shows it
    id: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `keys make`.
#[derive(Debug, clap::Args)]
struct Make {
    /// Its name, for people
    name: String,
    /// Something that it may do; may be repeated
    #[arg(
        long = "scope",
        required_unless_present = "source",
        value_name = "SCOPE"
    )]
    scopes: Vec<String>,
    /// Makes it a write key of this source, which may do nothing but send events
    #[arg(long, value_name = "NAME", conflicts_with = "scopes")]
    source: Option<String>,
}

/// The scope of a write key.
const WRITE_SCOPE: &str = "events:write";

impl Args {
    /// Where it asks; none for what asks nobody.
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        let common = match &self.action {
            Action::Create(args) => &args.common,
            Action::List(common) => common,
            Action::Rotate(args) => &args.common,
            Action::Revoke(args) => &args.common,
            Action::Bootstrap(_) | Action::Make(_) => return None,
        };
        Some(&common.connection)
    }
}

/// Does what is asked with keys.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Create(args) => create(args).await,
        Action::List(common) => list(common).await,
        Action::Rotate(args) => rotate(args).await,
        Action::Revoke(args) => revoke(args).await,
        Action::Bootstrap(args) => bootstrap::run(args).await,
        Action::Make(args) => make(&args),
    }
}

async fn create(mut args: Create) -> Result<(), Failure> {
    let key = new_key()?;
    if args.source.is_some() && args.scopes.is_empty() {
        args.scopes.push(WRITE_SCOPE.to_owned());
    }
    let source = args.source.unwrap_or_default();
    let expire_time = args
        .expires
        .map(|expires| timestamp(access::now() + expires));
    let request = CreateKeyRequest {
        request_id: request_id(),
        id: key.id().to_string(),
        hash: key.hash().to_hex(),
        name: args.name,
        scopes: args.scopes,
        expire_time,
        source: source.clone(),
    };
    let mut client = args.common.connection.keys()?;
    let created = client.create_key(ask(request)).await?.into_inner().key;
    let created = created.unwrap_or_default();
    if created.source != source {
        return Err(Failure::mismatch(format!(
            "the service is of a version without write keys, and made a key without a source: revoke it with `happypath \
             keys revoke {}`, and try again once that service is upgraded",
            created.id
        )));
    }
    tell(&key, &created, "created", args.common.format)
}

async fn rotate(args: Rotate) -> Result<(), Failure> {
    let id = KeyId::parse(&args.id)
        .map_err(|error| Failure::mistake(format!("`{}` {error}", args.id)))?;
    let key = NewKey::of(id).map_err(|error| Failure::failed(error.to_string()))?;
    let request = RotateKeyRequest {
        request_id: request_id(),
        id: args.id,
        hash: key.hash().to_hex(),
        overlap: args.overlap,
    };
    let mut client = args.common.connection.keys()?;
    let rotated = client.rotate_key(ask(request)).await?.into_inner().key;
    tell(
        &key,
        &rotated.unwrap_or_default(),
        "rotated",
        args.common.format,
    )
}

async fn revoke(args: Revoke) -> Result<(), Failure> {
    let request = RevokeKeyRequest {
        request_id: request_id(),
        id: args.id,
    };
    let mut client = args.common.connection.keys()?;
    let revoked = client.revoke_key(ask(request)).await?.into_inner().key;
    let revoked = revoked.unwrap_or_default();
    if args.common.format.json {
        return print_json(&json!({ "revoked": json_of(&revoked)? }));
    }
    print(&format!(
        "The key {} ({}) was revoked.",
        revoked.name, revoked.id
    ))
}

async fn list(common: Common) -> Result<(), Failure> {
    let mut client = common.connection.keys()?;
    let (mut keys, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListKeysRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_keys(ask(request)).await?.into_inner();
        keys.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if common.format.json {
        let keys: Result<Vec<Value>, _> = keys.iter().map(json_of).collect();
        return print_json(&json!({ "keys": keys? }));
    }
    let now = access::now();
    let mut rows = Rows::new(&["id", "name", "source", "state", "scopes", "created by"]);
    for key in &keys {
        let (scopes, state) = (key.scopes.join(" "), state(key, now));
        rows.row([
            &key.id,
            &key.name,
            &key.source,
            &state,
            &scopes,
            &key.creator,
        ]);
    }
    rows.print_or("There are no keys yet; `happypath keys create NAME --scope SCOPE` makes one.")
}

/// The state of a key in a few words.
fn state(key: &Key, now: Timestamp) -> String {
    let time = |time: &Option<_>| time.as_ref().map(instant);
    if let Some(revoked) = time(&key.revoke_time) {
        return format!("revoked {revoked}");
    }
    match (time(&key.expire_time), time(&key.overlap_end_time)) {
        (Some(end), _) if end <= now => format!("expired {end}"),
        (_, Some(end)) => format!("old secret until {end}"),
        (Some(end), None) => format!("until {end}"),
        (None, None) => "live".to_owned(),
    }
}

fn make(args: &Make) -> Result<(), Failure> {
    let key = new_key()?;
    let scopes = access::Scopes::parse(args.scopes.iter().map(String::as_str));
    if let Err(unknown) = scopes {
        let unknown: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        return Err(Failure::mistake(unknown.join("\n")));
    }
    print(key.reveal())?;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let scopes: Vec<String> = args.scopes.iter().map(|scope| quoted(scope)).collect();
    let may = match &args.source {
        Some(source) => format!("source: {}", quoted(source)),
        None => format!("scopes: [{}]", scopes.join(", ")),
    };
    print(&format!(
        "\nIts entry for an access file, which holds no secret:\n\n\
         keys:\n- name: {}\n  id: '{}'\n  hash: {}\n  {may}",
        quoted(&args.name),
        key.id(),
        key.hash().to_hex(),
    ))
}

fn new_key() -> Result<NewKey, Failure> {
    NewKey::make().map_err(|error| Failure::failed(error.to_string()))
}

/// Prints a key, this once.
fn tell(key: &NewKey, stored: &Key, done: &str, format: Format) -> Result<(), Failure> {
    if format.json {
        return print_json(&json!({ "key": key.reveal(), done: json_of(stored)? }));
    }
    // The key alone on the first line, so that `head -1` takes it.
    print(key.reveal())?;
    let overlap = stored.overlap_end_time.as_ref().map(instant);
    let overlap = overlap.map(|end| format!(" The secret before is accepted until {end}."));
    let keep = match stored.source.as_str() {
        "" => "keep it where secrets are kept".to_owned(),
        source => format!(
            "it is the write key of {source}, for its SDKs, which may only send events with it"
        ),
    };
    print(&format!(
        "\nThe key {} ({}) was {done}. It is shown this once: {keep}.{}",
        stored.name,
        stored.id,
        overlap.unwrap_or_default()
    ))
}
