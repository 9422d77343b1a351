//! The database of an installation: reached, migrated, and found to fit the configuration.

use std::path::Path;

use access::tls::{check_certificates, check_private_key};
use kernel::{InstallationName, SchemaMismatch, Schemas, StoredSchema};
use storage::{Database, DatabaseUrl, Installation, StorageError};

use crate::config::Config;
use crate::start_error::StartError;

/// The schemas of SQL tables, and of what is in them, that this program can live with. A form that
/// older programs would misread has a new number, one version before it is written; see "Versions"
/// in services/README.md. Journals of the first one have no marks of their own, and states of it no
/// head; those of the second one keep states of activation in one piece; leases of the third one go
/// by the clocks of machines; states on their way of the fourth one have no names, and copies of
/// records do not say whose they were; paths of the fifth one do not tell a dot in a key from one
/// between keys.
pub const DATABASE_SCHEMAS: Schemas = Schemas {
    written: 6,
    oldest_reader: 6,
    oldest_read: 6,
};

/// Opens the database, takes over from it what the configuration leaves to it, and returns it with
/// the id by which it knows the installation.
pub(crate) async fn open_database(config: &mut Config) -> Result<(Database, Box<str>), StartError> {
    let is_count_fixed = config.chooses_partitions();
    open_counted(config, is_count_fixed).await
}

/// As [`open_database`]; whether it has the number of partitions of the configuration is only asked
/// where that is fixed.
pub(crate) async fn open_counted(
    config: &mut Config,
    is_count_fixed: bool,
) -> Result<(Database, Box<str>), StartError> {
    let address = config.database.to_string();
    let failed = |error| database_error(address.clone(), error);
    if !config.migrate {
        expect_installation(config).await.map_err(failed)?;
    }
    let (database, _) = connect_database(&config.database, config.installation.as_ref()).await?;
    let database = match config.migrate {
        true => database,
        false => database.leaving_tables(),
    };
    database.migrate("runtime", &[]).await.map_err(failed)?;
    let installation = Installation {
        partition_count: config.partitions,
        is_count_fixed,
        schemas: DATABASE_SCHEMAS,
    };
    let checked = database.check_installation(installation).await;
    config.partitions = checked.map_err(failed)?;
    let drawn = uuid::Uuid::now_v7().to_string();
    let id = database.installation_id(&drawn).await.map_err(failed)?;
    Ok((database, id.into()))
}

/// Refuses a database in which nobody has made tables yet, before a schema of Postgres is made for
/// them.
async fn expect_installation(config: &Config) -> Result<(), StorageError> {
    let name = config.installation.as_ref();
    if Database::has_installation(&config.database, name).await? {
        return Ok(());
    }
    Err(StorageError::Lacking {
        owner: "storage".to_owned(),
        migrations: storage::MIGRATIONS.iter().map(|it| it.name).collect(),
    })
}

/// Opens the database of an installation, and refuses one that this program must not write to,
/// before it makes any table. Returns it with its schema, which it has once a service was there.
///
/// # Errors
/// [`StartError::File`], [`StartError::Unreachable`] and [`StartError::Mismatch`].
pub async fn connect_database(
    url: &DatabaseUrl,
    installation: Option<&InstallationName>,
) -> Result<(Database, Option<StoredSchema>), StartError> {
    let address = url.to_string();
    if let Some(file) = address.strip_prefix("sqlite:") {
        create_parent(Path::new(file), &address)?;
    }
    check_files(url)?;
    let failed = |error| database_error(address.clone(), error);
    let database = Database::connect_installation(url, installation).await;
    let database = database.map_err(failed)?;
    let schema = database.check_schema(DATABASE_SCHEMAS).await;
    Ok((database, schema.map_err(failed)?))
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
pub fn database_error(address: String, error: StorageError) -> StartError {
    let what = "the database";
    match error {
        StorageError::Mismatch { .. } => StartError::Mismatch {
            what,
            address,
            remedy: "use the settings that it was created with, or choose another with --database",
            cause: error.into(),
        },
        StorageError::Schema(mismatch) => StartError::Mismatch {
            what,
            address,
            remedy: match mismatch {
                SchemaMismatch::Newer { .. } => {
                    "run a program of the version that wrote it or of the one before that, or choose another with --database"
                }
                SchemaMismatch::Older { .. } => {
                    "run programs of the versions between once, from the oldest to the newest, or begin with an empty one with \
                     --database and an empty hot store with --hot-store"
                }
            },
            cause: error.into(),
        },
        StorageError::Lacking { .. } => StartError::Mismatch {
            what,
            address,
            remedy: "run `happypath migrate` of this version with a user who may create tables, then start this again",
            cause: error.into(),
        },
        _ => StartError::Unreachable {
            what,
            address,
            remedy: "check that it runs, that the address is right, and that the user may create tables, or run `happypath \
                     migrate` with one who may",
            cause: error.into(),
        },
    }
}
