//! The schemas of stores and the migrations of tables that this version knows, whoever owns them.

use kernel::Schemas;
use storage::Migration;

/// The kinds of stores, each with the schemas that this version can live with.
pub const SCHEMAS: [(&str, Schemas); 3] = [
    ("database", runtime::DATABASE_SCHEMAS),
    ("redis", hot::REDIS_SCHEMAS),
    ("embedded", hot::EMBEDDED_SCHEMAS),
];

/// The owners of tables, each with its migrations in their order. Also those that an installation
/// has only at some settings, such as the journal, so that it has all it needs whatever they are.
pub const MIGRATIONS: [(&str, &[Migration]); 10] = [
    ("storage", storage::MIGRATIONS),
    ("keys", keys::MIGRATIONS),
    ("key_source", keys::SOURCE_MIGRATIONS),
    ("audit", audit::MIGRATIONS),
    ("journal", journal::MIGRATIONS),
    ("definitions", definitions::MIGRATIONS),
    ("identity", identity::store::MIGRATIONS),
    ("gateway", gateway::MIGRATIONS),
    ("identity_import", identity::store::IMPORT_MIGRATIONS),
    ("changes", changes::MIGRATIONS),
];
