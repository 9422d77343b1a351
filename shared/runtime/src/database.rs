//! The database of an installation: reached, migrated, and found to fit the configuration.

use std::path::Path;

use access::tls::{check_certificates, check_private_key};
use storage::{Database, DatabaseUrl, Installation, StorageError};

use crate::config::Config;
use crate::start_error::StartError;

/// The newest layout of SQL tables that this program knows; raised by every change that an older
/// program would misread.
const SCHEMA_VERSION: u32 = 6;
/// The oldest of them that it reads. Journals of the first one have no marks of their own, and
/// states of it no head; those of the second one keep states of activation in one piece; leases of
/// the third one go by the clocks of machines; states on their way of the fourth one have no names,
/// and copies of records do not say whose they were; paths of the fifth one do not tell a dot in a
/// key from one between keys.
const OLDEST_SCHEMA_VERSION: u32 = 6;

/// Opens the database, takes over from it what the configuration leaves to it, and returns it with
/// the id by which it knows the installation.
pub(crate) async fn open_database(config: &mut Config) -> Result<(Database, Box<str>), StartError> {
    let address = config.database.to_string();
    if let Some(file) = address.strip_prefix("sqlite:") {
        create_parent(Path::new(file), &address)?;
    }
    check_files(&config.database)?;
    let failed = |error| database_error(address.clone(), error);
    let database = Database::connect_installation(&config.database, config.installation.as_ref())
        .await
        .map_err(failed)?;
    database.migrate("runtime", &[]).await.map_err(failed)?;
    let installation = Installation {
        partition_count: config.partitions,
        is_count_fixed: config.chooses_partitions(),
        schema_version: SCHEMA_VERSION,
        oldest_schema_version: OLDEST_SCHEMA_VERSION,
    };
    let checked = database.check_installation(installation).await;
    config.partitions = checked.map_err(failed)?;
    let drawn = uuid::Uuid::now_v7().to_string();
    let id = database.installation_id(&drawn).await.map_err(failed)?;
    Ok((database, id.into()))
}

/// Reads the files that the address of a database names, since its driver does not say which of
/// them is no good.
fn check_files(url: &DatabaseUrl) -> Result<(), StartError> {
    for (parameter, path) in url.tls_files() {
        let checked = if parameter == "sslkey" {
            check_private_key(&path)
        } else {
            check_certificates(&path)
        };
        checked.map_err(|error| StartError::File {
            setting: "database",
            cause: format!("`{parameter}` in its address: {error}").into(),
        })?;
    }
    Ok(())
}

fn create_parent(file: &Path, address: &str) -> Result<(), StartError> {
    let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|source| StartError::Unreachable {
        what: "the database",
        address: address.to_owned(),
        remedy: "choose a file in a folder that this user may write to",
        cause: source.into(),
    })
}

/// Tells why the database at an address cannot be used, and what to do about it.
pub(crate) fn database_error(address: String, error: StorageError) -> StartError {
    let what = "the database";
    match error {
        StorageError::Mismatch { .. } => StartError::Mismatch {
            what,
            address,
            remedy: "use the settings that it was created with, or choose another with --database",
            cause: error.into(),
        },
        StorageError::NewerSchema { .. }
        | StorageError::NewerTables { .. }
        | StorageError::OlderSchema { .. } => StartError::Mismatch {
            what,
            address,
            remedy: "run a program of the version that wrote it, or begin with an empty one with --database and \
                         an empty hot store with --hot-store",
            cause: error.into(),
        },
        _ => StartError::Unreachable {
            what,
            address,
            remedy: "check that it runs, that the address is right, and that the user may create tables",
            cause: error.into(),
        },
    }
}
