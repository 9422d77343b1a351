//! The migrations of the tables.

use storage::Migration;

/// The migrations of identity in order, for `Database::migrate`.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "m0001_create_identity",
        sqlite: include_str!("migration/m0001_create_identity.sqlite.sql"),
        postgres: include_str!("migration/m0001_create_identity.postgres.sql"),
    },
    Migration {
        name: "m0002_name_senders",
        sqlite: include_str!("migration/m0002_name_senders.sqlite.sql"),
        postgres: include_str!("migration/m0002_name_senders.postgres.sql"),
    },
    Migration {
        name: "m0003_create_source",
        sqlite: include_str!("migration/m0003_create_source.sqlite.sql"),
        postgres: include_str!("migration/m0003_create_source.postgres.sql"),
    },
    Migration {
        name: "m0004_create_graph",
        sqlite: include_str!("migration/m0004_create_graph.sqlite.sql"),
        postgres: include_str!("migration/m0004_create_graph.postgres.sql"),
    },
    Migration {
        name: "m0005_create_erasure",
        sqlite: include_str!("migration/m0005_create_erasure.sqlite.sql"),
        postgres: include_str!("migration/m0005_create_erasure.postgres.sql"),
    },
    Migration {
        name: "m0006_number_graph",
        sqlite: include_str!("migration/m0006_number_graph.sqlite.sql"),
        postgres: include_str!("migration/m0006_number_graph.postgres.sql"),
    },
    Migration {
        name: "m0007_create_account",
        sqlite: include_str!("migration/m0007_create_account.sqlite.sql"),
        postgres: include_str!("migration/m0007_create_account.postgres.sql"),
    },
    Migration {
        name: "m0008_number_moves",
        sqlite: include_str!("migration/m0008_number_moves.sqlite.sql"),
        postgres: include_str!("migration/m0008_number_moves.postgres.sql"),
    },
];

/// The migrations of the ledger of imports in order, for
/// `Database::migrate("identity_import", …)`. They have an owner of their own, since programs of
/// an earlier version refuse migrations of `identity` that they do not know.
pub const IMPORT_MIGRATIONS: &[Migration] = &[Migration {
    name: "m0001_create_ledger",
    sqlite: include_str!("migration/import_m0001_create_ledger.sqlite.sql"),
    postgres: include_str!("migration/import_m0001_create_ledger.postgres.sql"),
}];
