//! The migrations and schemas of this version, held against what the version before knows.
//!
//! `tests/before/version.txt` lists that: what is on the list is published and stays, and what is
//! not has to be something that the version before can live with.

use kernel::Schemas;

use super::{folder, statements};

/// The line of a version that refuses a table with a migration that it does not know.
const STRICT: &str = "refuses migrations that it does not know";

/// The version before, by what it knows of stores.
pub(super) struct Before {
    is_strict: bool,
    /// By kind of store: the schema that it writes.
    schemas: Vec<(String, u16)>,
    /// The owners of tables, each with a migration, in the order of both.
    pub(super) migrations: Vec<(String, String)>,
}

impl Before {
    /// Reads the list.
    pub(super) fn read() -> Self {
        let file = folder().join("version.txt");
        let text = std::fs::read_to_string(file).expect("the list");
        let mut before = Self {
            is_strict: text.lines().any(|line| line == STRICT),
            schemas: Vec::new(),
            migrations: Vec::new(),
        };
        let lines = text.lines().filter(|line| *line != STRICT);
        for line in lines.filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(' ').expect("two words");
            match value.parse() {
                Ok(schema) => before.schemas.push((name.to_owned(), schema)),
                Err(_) => before.migrations.push((name.to_owned(), value.to_owned())),
            }
        }
        before
    }

    /// The schema that it writes to a kind of store.
    pub(super) fn schema(&self, store: &str) -> u16 {
        let mut schemas = self.schemas.iter();
        let found = schemas.find(|(name, _)| name == store);
        found.expect("each kind of store is on the list").1
    }

    fn has(&self, owner: &str, migration: &str) -> bool {
        let mut migrations = self.migrations.iter();
        migrations.any(|(own, name)| own == owner && name == migration)
    }
}

/// Returns whether programs of a version with these schemas, and of the one before it, which writes
/// this one, can take turns in a store.
fn take_turns(schemas: Schemas, before: u16) -> bool {
    schemas.oldest_read <= before && schemas.oldest_reader <= before && before <= schemas.written
}

#[test]
fn programs_of_this_version_and_of_the_one_before_take_turns_in_every_kind_of_store() {
    let before = Before::read();
    for (store, schemas) in happypath::SCHEMAS {
        let before = before.schema(store);
        assert!(
            take_turns(schemas, before),
            "{store}: {schemas:?}, and the version before writes {before}"
        );
    }
    let contraction = |oldest_reader, oldest_read| Schemas {
        written: 7,
        oldest_reader,
        oldest_read,
    };
    assert!(take_turns(contraction(6, 6), 6));
    assert!(
        !take_turns(contraction(7, 6), 6),
        "it locks the one before out"
    );
    assert!(
        !take_turns(contraction(6, 7), 6),
        "it does not read its stores"
    );
    assert!(!take_turns(contraction(6, 6), 8), "it is older than that");
}

#[test]
fn new_migrations_are_ones_that_the_version_before_can_live_with() {
    let before = Before::read();
    let mut faults = Vec::new();
    for (owner, migrations) in happypath::MIGRATIONS {
        for (place, migration) in migrations.iter().enumerate() {
            let name = migration.name;
            let number = format!("m{:04}_", place + 1);
            if !name.starts_with(&number) {
                faults.push(format!("{owner} {name}: expected {number} before its name"));
            }
            if before.has(owner, name) {
                continue;
            }
            if before.is_strict && before.migrations.iter().any(|(own, _)| own == owner) {
                faults.push(format!(
                    "{owner} {name}: the version before {STRICT}: give new tables an owner of their own"
                ));
            }
            for (kind, text) in [
                ("SQLite", migration.sqlite),
                ("Postgres", migration.postgres),
            ] {
                let found = statements::faults(text).into_iter();
                faults.extend(found.map(|fault| format!("{owner} {name}, {kind}: {fault}")));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn published_migrations_stay() {
    for (owner, name) in Before::read().migrations {
        let mut owners = happypath::MIGRATIONS.iter();
        let found = owners.find(|(own, _)| *own == owner);
        let (_, migrations) = found.expect(&owner);
        let is_there = migrations.iter().any(|migration| migration.name == name);
        assert!(is_there, "{owner} {name} was published, and is gone");
    }
}
