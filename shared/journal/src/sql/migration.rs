//! The tables of the log.
//!
//! Rows are added and removed, and hardly ever changed, so pages need no room for updates. Postgres
//! keeps payloads as they come: they are compressed already.

use storage::Migration;

/// The migrations of the log in order, for `storage::Database::migrate("journal", …)`.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "m0001_create_tables",
        sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
        postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
    },
    Migration {
        name: "m0002_add_places",
        sqlite: include_str!("migration/m0002_add_places.sqlite.sql"),
        postgres: include_str!("migration/m0002_add_places.postgres.sql"),
    },
];
