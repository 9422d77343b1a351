//! The tables of the log of changes.

use storage::Migration;

/// The migrations of the log in order, for `storage::Database::migrate("changes", …)`.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "m0001_create_tables",
    sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
    postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
}];

/// The tables that a change of the number of partitions writes to, for
/// `storage::Database::begin_recount`.
pub const TABLES: [&str; 3] = ["change_head", "change_mark", "change_log"];
