//! The schema of a store, by number: which programs can live with each other in one store.
//!
//! Every store writes down two numbers: the newest schema that was written to it, and the oldest
//! program, by the schema which that one writes, that can live with it. A program of the version
//! before goes on beside a newer one, and after it, for as long as the second number is not above
//! its own. A store that has only one number is of a program that knew no more: both are that one.

/// The schemas that a program can live with, of one kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemas {
    /// The schema that this program writes down: the newest that it knows.
    pub written: u16,
    /// The oldest program that can live with that, by the schema which that one writes.
    pub oldest_reader: u16,
    /// The oldest schema that this program reads.
    pub oldest_read: u16,
}

/// The schema of a store, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSchema {
    /// The newest schema that was written to it.
    pub written: u16,
    /// The oldest program that can live with it, by the schema which that one writes.
    pub oldest_reader: u16,
}

impl StoredSchema {
    /// The schema of a store that says one number, or two, of which the second one counts where it
    /// is higher.
    pub fn new(oldest_reader: u16, written: Option<u16>) -> Self {
        Self {
            written: written.unwrap_or(oldest_reader).max(oldest_reader),
            oldest_reader,
        }
    }
}

/// The reason why a program cannot live with a store. Its text goes on from the name of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaMismatch {
    /// A newer program was here, with what this one would misread.
    #[error(
        "has schema {}, which programs of schema {} and newer can live with, and this one is of schema {known}",
        .stored.written,
        .stored.oldest_reader
    )]
    Newer {
        /// The schema of the store.
        stored: StoredSchema,
        /// The newest schema that this program knows.
        known: u16,
    },
    /// It was written by a program that is too old for this one.
    #[error("has schema {stored}, and this program reads schemas from {oldest} on")]
    Older {
        /// The newest schema that was written to the store.
        stored: u16,
        /// The oldest schema that this program reads.
        oldest: u16,
    },
}

impl Schemas {
    /// The schema of a store that this program creates.
    pub const fn of_new_store(self) -> StoredSchema {
        StoredSchema {
            written: self.written,
            oldest_reader: self.oldest_reader,
        }
    }

    /// Returns the schema that a store has once this program writes to it. Neither number falls: a
    /// program of the version before leaves them alone.
    ///
    /// # Errors
    /// [`SchemaMismatch`] where it must not write there.
    pub fn join(self, stored: StoredSchema) -> Result<StoredSchema, SchemaMismatch> {
        if stored.oldest_reader > self.written {
            return Err(SchemaMismatch::Newer {
                stored,
                known: self.written,
            });
        }
        if stored.written < self.oldest_read {
            return Err(SchemaMismatch::Older {
                stored: stored.written,
                oldest: self.oldest_read,
            });
        }
        Ok(StoredSchema {
            written: stored.written.max(self.written),
            oldest_reader: stored.oldest_reader.max(self.oldest_reader),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that reads two schemas, and writes what the version before can live with.
    const PROGRAM: Schemas = Schemas {
        written: 7,
        oldest_reader: 6,
        oldest_read: 6,
    };

    /// Checks what becomes of a store with these numbers: both numbers afterwards, or the refusal.
    fn check(oldest_reader: u16, written: Option<u16>, expected: Result<(u16, u16), &str>) {
        let joined = PROGRAM.join(StoredSchema::new(oldest_reader, written));
        let numbers = joined.map(|joined| (joined.oldest_reader, joined.written));
        let expected = expected.map_err(str::to_owned);
        assert_eq!(numbers.map_err(|error| error.to_string()), expected);
    }

    #[test]
    fn stores_of_the_versions_before_and_after_are_lived_with_and_no_others() {
        check(6, None, Ok((6, 7)));
        check(6, Some(7), Ok((6, 7)));
        // Of the version after, which this one can live with, and which stays as it is.
        check(7, Some(8), Ok((7, 8)));
        check(7, Some(9), Ok((7, 9)));
        check(
            8,
            Some(9),
            Err(
                "has schema 9, which programs of schema 8 and newer can live with, and this one is of schema 7",
            ),
        );
        check(
            5,
            None,
            Err("has schema 5, and this program reads schemas from 6 on"),
        );
        // The version between wrote to it too.
        check(5, Some(6), Ok((6, 7)));
        // One that nobody before it can live with left the higher number as it was.
        check(7, Some(6), Ok((7, 7)));
    }

    #[test]
    fn a_new_store_can_be_lived_with_by_the_version_before() {
        let version_before = Schemas {
            written: 6,
            oldest_reader: 6,
            oldest_read: 6,
        };
        let stored = PROGRAM.of_new_store();
        assert_eq!(version_before.join(stored), Ok(stored));
    }
}
