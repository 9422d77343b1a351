//! The tables of keys.

use storage::Migration;

/// The migrations of keys in order, for `storage::Database::migrate("keys", …)`.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "m0001_create_tables",
    sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
    postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
}];

/// The migrations of the sources of keys in order, for
/// `storage::Database::migrate("key_source", …)`.
pub const SOURCE_MIGRATIONS: &[Migration] = &[Migration {
    name: "m0001_create_table",
    sqlite: include_str!("migration/source_m0001_create_table.sqlite.sql"),
    postgres: include_str!("migration/source_m0001_create_table.postgres.sql"),
}];
