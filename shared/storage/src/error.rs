//! The failures of SQL storage.

use std::time::Duration;

use kernel::SchemaMismatch;
use sea_orm::DbErr;

/// The reason why a call of the storage failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database could not be opened: correct the URL, or start the server.
    #[error("cannot open the database {url}")]
    Connect {
        /// The URL, without its password.
        url: String,
        /// The cause.
        #[source]
        source: DbErr,
    },
    /// A SQLite file cannot be shared by installations: leave the name out, or use Postgres.
    #[error(
        "a SQLite file belongs to one installation: leave the name of the installation out and choose a file for each, or \
         keep the database in Postgres"
    )]
    NoSchemas,
    /// The schema of an installation could not be created: create it, or grant the right.
    #[error(
        "cannot create the schema \"{schema}\" of this installation: create it with the user of the database as its owner, or \
         grant that user CREATE on the database"
    )]
    CreateSchema {
        /// The name of the schema.
        schema: String,
        /// The cause.
        #[source]
        source: DbErr,
    },
    /// Connections look for tables in another schema than they were told: connect without a proxy,
    /// or have it pass on the search path.
    #[error(
        "connections use the schema \"{found}\" instead of \"{schema}\", as behind a proxy that drops their options: connect to \
         PostgreSQL itself, or let the proxy pass on `options`"
    )]
    OtherSchema {
        /// The schema of this installation.
        schema: String,
        /// The schema that is looked at.
        found: String,
    },
    /// The tables could not be created or changed: the database holds something else, or rights are
    /// missing.
    #[error("cannot migrate the tables of {owner}")]
    Migrate {
        /// The owner of the tables.
        owner: String,
        /// The cause.
        #[source]
        source: DbErr,
    },
    /// Tables are not up to date, and this process leaves them alone: run `happypath migrate`.
    #[error(
        "the tables of {owner} lack {}, and this process leaves tables alone (HAPPYPATH_MIGRATE=off)",
        .migrations.join(", ")
    )]
    Lacking {
        /// The owner of the tables.
        owner: String,
        /// The names of the migrations that were not applied.
        migrations: Vec<&'static str>,
    },
    /// The installation was created otherwise: correct the configuration, or use another database.
    #[error(
        "this database was created with {name} {stored}, and the configuration says {configured}: set {name} to {stored}, \
         or point to an empty database"
    )]
    Mismatch {
        /// The name of the setting that differs.
        name: &'static str,
        /// The value that the database has.
        stored: String,
        /// The value that the configuration has.
        configured: String,
    },
    /// The database was written by a version that this one cannot live with: run another one.
    #[error("this database {0}")]
    Schema(SchemaMismatch),
    /// The database did not answer in time, and may have done it or not: retry.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The database did not do it: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
}
