//! The tables of the gateway.

use storage::Migration;

/// The migrations of the gateway in order, for `storage::Database::migrate("gateway", …)`.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "m0001_create_tables",
        sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
        postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
    },
    Migration {
        name: "m0002_create_subscription_state",
        sqlite: include_str!("migration/m0002_create_subscription_state.sqlite.sql"),
        postgres: include_str!("migration/m0002_create_subscription_state.postgres.sql"),
    },
];
