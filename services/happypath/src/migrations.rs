//! The migrations of all tables that this version knows, whoever owns them.

use storage::Migration;

/// The owners of tables, each with its migrations in their order. Also those that an installation
/// has only at some settings, such as the journal, so that it has all it needs whatever they become.
pub const MIGRATIONS: [(&str, &[Migration]); 6] = [
    ("storage", storage::MIGRATIONS),
    ("keys", keys::MIGRATIONS),
    ("audit", audit::MIGRATIONS),
    ("journal", journal::MIGRATIONS),
    ("definitions", definitions::MIGRATIONS),
    ("identity", identity::store::MIGRATIONS),
];
