//! The events that could not be taken, each with its reason.

use storage::Database;

/// Keeps dead letters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    _database: Database,
}

impl DeadLetters {
    /// Keeps them in this database.
    pub(crate) const fn new(database: Database) -> Self {
        Self {
            _database: database,
        }
    }
}
