//! The tables of keys.

use storage::Migration;

/// The migrations of keys in order, for `storage::Database::migrate("keys", …)`.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "m0001_create_tables",
    sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
    postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
}];
