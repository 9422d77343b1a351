//! `happypath identity tombstones`: who was erased, as keyed hashes, for backups that are restored.
//!
//! It goes to the database itself, since the key never leaves through a service.

use std::path::PathBuf;
use std::sync::Arc;

use identity::erasure::{export_tombstones, import_tombstones};
use kernel::InstallationName;
use runtime::{connect_database, database_error};
use storage::{Database, DatabaseUrl};
use vault::{KeyFile, Vault};

use crate::MIGRATIONS;
use crate::failure::Failure;
use crate::output::{print, remark};

/// Arguments of `identity tombstones`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A backup that is restored knows nothing of who was erased after it was made. Export the tombstones with each backup and after
each erasure, keep the file as backups are kept, and import the newest one after a restore, before any service starts: whoever
was erased since is erased again, and their events are refused.

The key that the hashes are made with is sealed where the identity service has --secret-keys. `happypath dev FOLDER` always has:
its keys are in FOLDER/secret.keys.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Prints the key and the hashes
    Export(Box<Place>),
    /// Takes them from a file into a restored database, while no service runs
    Import(Box<ImportArgs>),
}

/// The place of the database.
#[derive(Debug, clap::Args)]
struct Place {
    /// The database, such as postgres://USER@HOST/NAME
    #[arg(
        long,
        env = "HAPPYPATH_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    database: DatabaseUrl,
    /// The name of the installation, where it has one
    #[arg(long, env = "HAPPYPATH_INSTALLATION", value_name = "NAME")]
    installation: Option<InstallationName>,
    /// The file of keys that seal secrets, where the identity service has one; that of a folder of
    /// `happypath dev` is FOLDER/secret.keys
    #[arg(long, env = "HAPPYPATH_SECRET_KEYS", value_name = "FILE")]
    secret_keys: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The file that `export` wrote
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Place {
    async fn open(&self) -> Result<(Database, Option<Vault>), Failure> {
        let connected = connect_database(&self.database, self.installation.as_ref()).await;
        let (database, _) = connected?;
        for (owner, migrations) in MIGRATIONS {
            let applied = database.apply(owner, migrations).await;
            applied.map_err(|error| database_error(self.database.to_string(), error))?;
        }
        let vault = match &self.secret_keys {
            None => None,
            Some(path) => {
                let file = KeyFile::open(path)
                    .map_err(|error| Failure::mistake(format!("{}: {error}", path.display())))?;
                Some(Vault::new(Arc::new(file)))
            }
        };
        Ok((database, vault))
    }
}

/// Exports or imports.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Export(place) => {
            let (database, vault) = place.open().await?;
            let text = export_tombstones(&database, vault.as_ref()).await;
            let text = text.map_err(|error| Failure::failed(error.to_string()))?;
            print(text.trim_end())
        }
        Action::Import(args) => {
            let path = &args.file;
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::mistake(format!("{}: {error}", path.display())))?;
            let (database, vault) = args.place.open().await?;
            let now = access::now();
            let taken = import_tombstones(&database, vault.as_ref(), &text, now).await;
            let taken = taken.map_err(|error| Failure::failed(error.to_string()))?;
            remark("Start the services now: they go on with what is left to erase.");
            let of = |count: u64, one: &str, many: &str| match count {
                1 => format!("1 {one}"),
                count => format!("{count} {many}"),
            };
            print(&format!(
                "{} taken; {} erased again.",
                of(taken.tombstones, "tombstone", "tombstones"),
                of(
                    taken.customers,
                    "customer of the backup is",
                    "customers of the backup are"
                )
            ))
        }
    }
}
