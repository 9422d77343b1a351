//! `happypath keys bootstrap`: the first key of an installation.
//!
//! It goes to the database itself, so that whoever may change that can make one, and nobody else.

use std::path::PathBuf;

use access::NewKey;
use kernel::InstallationName;
use keys::{KeyDraft, KeyStore};
use proto::access::v1::Key;
use storage::{Database, DatabaseUrl};

use crate::failure::Failure;
use crate::output::Format;

/// Arguments of `keys bootstrap`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It works while no service runs and while all do: those that run know the key within 5 seconds. It may do everything, so give
each caller a key of its own with `happypath keys create`, and revoke this one.")]
pub(super) struct Args {
    /// Its name
    #[arg(default_value = "admin")]
    name: String,
    /// The folder of `happypath dev`, whose database it is
    #[arg(long, default_value = ".happypath", value_name = "DIR")]
    folder: PathBuf,
    /// Where the database is, such as postgres://USER@HOST/NAME [default: that of the folder]
    #[arg(
        long,
        env = "HAPPYPATH_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    database: Option<DatabaseUrl>,
    /// The name of the installation, where it has one
    #[arg(long, env = "HAPPYPATH_INSTALLATION", value_name = "NAME")]
    installation: Option<InstallationName>,
    #[command(flatten)]
    format: Format,
}

/// Makes it.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let url = match args.database {
        Some(url) => url,
        None => {
            let folder = &args.folder;
            std::fs::create_dir_all(folder).map_err(|error| {
                let text = format!("cannot create the folder {} ({error})", folder.display());
                Failure::mistake(format!(
                    "{text}: choose another with --folder, or name the --database"
                ))
            })?;
            DatabaseUrl::sqlite_file(&folder.join("happypath.db"))
        }
    };
    let failed = |error: storage::StorageError| {
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            text = format!("{text}: {cause}");
        }
        Failure::unreachable(text)
    };
    let database = Database::connect_installation(&url, args.installation.as_ref()).await;
    let store = KeyStore::open(database.map_err(failed)?)
        .await
        .map_err(failed)?;
    let key = NewKey::make().map_err(|error| Failure::failed(error.to_string()))?;
    let draft = KeyDraft {
        id: key.id(),
        hash: key.hash(),
        name: args.name,
        scopes: vec!["*".to_owned()],
        expire_time: None,
        creator: "bootstrap".to_owned(),
        source: None,
    };
    let created = store.create(&draft, access::now()).await;
    let created = created.map_err(|failure| Failure::failed(failure.message()))?;
    let shown = Key {
        id: created.id,
        name: created.name,
        scopes: created.scopes,
        creator: created.creator,
        ..Key::default()
    };
    super::tell(&key, &shown, "created", args.format)
}
