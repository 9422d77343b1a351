//! `happypath migrate`: brings the tables of a database up to date, or tells what is lacking.
//!
//! It goes to the database itself, with the user that may create tables. Of the hot store it only
//! looks whether this version can live with it: there is nothing to migrate.

use std::path::Path;

use hot::{HotError, RedisOptions};
use kernel::{InstallationName, StoredSchema};
use runtime::{connect_database, database_error};
use serde_json::{Value, json};
use storage::{Database, DatabaseUrl, StorageError};

use crate::MIGRATIONS;
use crate::failure::Failure;
use crate::output::{Format, Rows, print, print_json};

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It does what is lacking and nothing else, so that it may be run again, by several at once, and while services run: a migration
is one that the version before can live with. Services do the same at their start, unless they are told to leave tables alone
with HAPPYPATH_MIGRATE=off; then their user of the database needs no right to create tables. Exit code 1 where --check finds
something lacking, 3 where a store is one that this version cannot live with.")]
pub(crate) struct Args {
    /// Where the database is, such as postgres://USER@HOST/NAME, with a user who may create tables
    #[arg(
        long,
        env = "HAPPYPATH_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    database: DatabaseUrl,
    /// Where the hot store is, such as redis://HOST:PORT: looks whether this version can live with
    /// it
    #[arg(
        long,
        env = "HAPPYPATH_HOT_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    hot_store: Option<String>,
    /// The name of the installation, where it has one
    #[arg(long, env = "HAPPYPATH_INSTALLATION", value_name = "NAME")]
    installation: Option<InstallationName>,
    /// Says what is lacking, and changes nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    format: Format,
}

/// A migration, with the owner of its tables.
type Named = (&'static str, &'static str);

/// The state of the stores, and the changes that were made.
#[derive(Debug, Default)]
struct Outcome {
    applied: Vec<Named>,
    lacking: Vec<Named>,
    database: Option<StoredSchema>,
    hot_store: Option<StoredSchema>,
}

/// Migrates, or looks.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let outcome = outcome(&args).await?;
    if args.format.json {
        print_json(&shown(&outcome))?;
    } else {
        show(&outcome)?;
    }
    if outcome.lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(
        "migrations are lacking: run `happypath migrate` without --check",
    ))
}

async fn outcome(args: &Args) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    if args.check && !is_there(args).await? {
        let all = MIGRATIONS.iter();
        outcome.lacking = all
            .flat_map(|(owner, own)| own.iter().map(|migration| (*owner, migration.name)))
            .collect();
        return Ok(outcome);
    }
    let connected = connect_database(&args.database, args.installation.as_ref()).await;
    let (database, schema) = connected?;
    let failed = |error| Failure::from(database_error(args.database.to_string(), error));
    outcome.database = schema;
    if let Some(hot_store) = &args.hot_store {
        let id = database.known_installation_id().await.map_err(failed)?;
        outcome.hot_store = check_hot_store(args, hot_store, id).await?;
    }
    for (owner, migrations) in MIGRATIONS {
        let (names, list) = if args.check {
            let lacking = database.lacking(owner, migrations).await;
            (lacking, &mut outcome.lacking)
        } else {
            let applied = database.apply(owner, migrations).await;
            (applied, &mut outcome.applied)
        };
        list.extend(names.map_err(failed)?.into_iter().map(|name| (owner, name)));
    }
    Ok(outcome)
}

/// Returns whether there are tables to look at. Who only looks makes no file and no schema.
async fn is_there(args: &Args) -> Result<bool, Failure> {
    let address = args.database.to_string();
    if let Some(file) = address.strip_prefix("sqlite:") {
        return Ok(Path::new(file).exists());
    }
    let found = Database::has_installation(&args.database, args.installation.as_ref()).await;
    found.map_err(|error: StorageError| database_error(address, error).into())
}

async fn check_hot_store(
    args: &Args,
    address: &str,
    id: Option<String>,
) -> Result<Option<StoredSchema>, Failure> {
    if address.starts_with("embedded:") {
        return Err(Failure::mistake(
            "an embedded store is looked at by the only process that may open it, when it starts: leave --hot-store out",
        ));
    }
    let options = RedisOptions {
        installation: args.installation.clone(),
        installation_id: id.map(Into::into),
        ..RedisOptions::new(address)
    };
    hot::check_schema(options).await.map_err(|error| {
        let text = error.to_string();
        match error {
            HotError::Unavailable(_) => Failure::unreachable(text),
            _ => Failure::mismatch(text),
        }
    })
}

fn show(outcome: &Outcome) -> Result<(), Failure> {
    let stores = [
        ("database", outcome.database),
        ("hot store", outcome.hot_store),
    ];
    for (store, schema) in stores {
        if let Some(schema) = schema {
            let StoredSchema {
                written,
                oldest_reader,
            } = schema;
            print(&format!(
                "The {store} has schema {written}, which programs of schema {oldest_reader} and newer can live with."
            ))?;
        }
    }
    for (title, migrations) in [
        ("Applied:", &outcome.applied),
        ("Lacking:", &outcome.lacking),
    ] {
        let mut rows = Rows::new(&["tables of", "migration"]);
        for (owner, name) in migrations {
            rows.row([owner, name]);
        }
        rows.print_titled(title)?;
    }
    if outcome.applied.is_empty() && outcome.lacking.is_empty() {
        return print("Nothing is lacking.");
    }
    Ok(())
}

fn shown(outcome: &Outcome) -> Value {
    let named = |migrations: &[Named]| -> Vec<Value> {
        let named = migrations.iter();
        named
            .map(|(owner, name)| json!({ "owner": owner, "migration": name }))
            .collect()
    };
    let schema = |schema: Option<StoredSchema>| {
        schema.map(|it| json!({ "written": it.written, "oldest_reader": it.oldest_reader }))
    };
    json!({
        "applied": named(&outcome.applied),
        "lacking": named(&outcome.lacking),
        "database": schema(outcome.database),
        "hot_store": schema(outcome.hot_store),
    })
}
