//! The tables of the audit log.

use storage::Migration;

/// The migrations of the audit log in order, for `storage::Database::migrate("audit", …)`.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "m0001_create_tables",
        sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
        postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
    },
    Migration {
        name: "m0002_create_pruned",
        sqlite: include_str!("migration/m0002_create_pruned.sqlite.sql"),
        postgres: include_str!("migration/m0002_create_pruned.postgres.sql"),
    },
];
