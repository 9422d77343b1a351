//! The statements of a migration that programs of the version before can live with: those that add
//! something which such a program neither needs to know nor can collide with.
//!
//! All that is not on the list is a fault, so that a statement nobody thought of is one too.

use std::collections::BTreeSet;

/// Words of the definition of a column by which an existing table would refuse rows of the version
/// before.
const REFUSALS: [&str; 5] = ["UNIQUE", "PRIMARY KEY", "REFERENCES", "CHECK", "GENERATED"];

/// Lists what the version before could not live with in the text of a migration.
pub(super) fn faults(text: &str) -> Vec<String> {
    let mut own = BTreeSet::new();
    let mut faults = Vec::new();
    for statement in split(text) {
        if let Err(reason) = judge(&statement, &mut own) {
            faults.push(format!("`{statement}` {reason}"));
        }
    }
    faults
}

/// Judges a statement; `own` are the tables that this migration has created so far, of which no
/// other program knows anything.
fn judge(statement: &str, own: &mut BTreeSet<String>) -> Result<(), &'static str> {
    let words: Vec<&str> = statement.split(' ').collect();
    let table = |place: usize| words.get(place).copied().unwrap_or_default().to_owned();
    let after_on = words.iter().position(|word| *word == "ON");
    let is_on_own = after_on.is_some_and(|on| own.contains(&table(on + 1)));
    match words[..] {
        ["CREATE", "TABLE", name, ..] => {
            own.insert(name.to_owned());
            Ok(())
        }
        ["CREATE", "INDEX" | "SEQUENCE" | "FUNCTION", ..] => Ok(()),
        ["CREATE", "UNIQUE", "INDEX", ..] if is_on_own => Ok(()),
        ["CREATE", "UNIQUE", "INDEX", ..] => Err("refuses rows that the version before writes"),
        ["CREATE", "TRIGGER", ..] if is_on_own => Ok(()),
        ["CREATE", "TRIGGER", ..] => Err("meddles with what the version before writes"),
        ["INSERT", "INTO", name, ..] if own.contains(name) => Ok(()),
        ["ALTER", "TABLE", name, ..] if own.contains(name) => Ok(()),
        ["ALTER", "TABLE", _, ref actions @ ..] => {
            let actions = actions.join(" ");
            let mut each = actions.split(" , ");
            each.try_for_each(add_column)
        }
        _ => Err("is none of those that only add: see \"Versions\" in services/README.md"),
    }
}

/// Judges a change of a table that the version before writes to.
fn add_column(action: &str) -> Result<(), &'static str> {
    let Some(column) = action.strip_prefix("ADD COLUMN ") else {
        return Err("changes what the version before knows");
    };
    let (column, default) = match column.split_once(" DEFAULT ") {
        Some((column, default)) => (column, Some(default)),
        None => (column, None),
    };
    if REFUSALS.iter().any(|words| action.contains(words)) {
        return Err("refuses rows that the version before writes");
    }
    match default {
        None if column.contains("NOT NULL") => {
            Err("needs a value that the version before does not write: give it a DEFAULT")
        }
        Some(default) if default.contains('(') => {
            Err("has a default to compute, for which all rows are written anew behind a lock")
        }
        _ => Ok(()),
    }
}

/// Splits a text into statements in capitals, with single spaces, also around brackets and commas,
/// and without comments and quotation marks of names. The body of a function is one word.
fn split(text: &str) -> Vec<String> {
    let lines = text.lines();
    let bare: Vec<&str> = lines
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect();
    let bare = bare.join(" ");
    // Bodies stand between two of these marks: every second piece is one.
    let pieces = bare.split("$$").enumerate();
    let outside: String = pieces
        .map(|(place, piece)| if place % 2 == 0 { piece } else { "BODY" })
        .collect();
    let outside = outside
        .replace('"', "")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(',', " , ")
        .to_uppercase();
    let statements = outside.split(';');
    statements
        .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// Checks the only fault of a text, or that there is none.
fn check(text: &str, expected: Option<&str>) {
    let found = faults(text);
    match expected {
        None => assert_eq!(found, [""; 0]),
        Some(expected) => assert!(
            matches!(&found[..], [fault] if fault.contains(expected)),
            "{text}: {found:?}"
        ),
    }
}

#[test]
fn statements_that_add_are_lived_with() {
    for text in [
        "CREATE TABLE fresh (id BIGINT NOT NULL PRIMARY KEY, at BIGINT NOT NULL CHECK (at > 0))",
        "-- For; those; who look.\nCREATE INDEX old_at ON old (at) WHERE at IS NOT NULL;",
        "ALTER TABLE old ADD COLUMN note TEXT",
        "ALTER TABLE \"old\" ADD COLUMN note TEXT NULL, ADD COLUMN size BIGINT NOT NULL DEFAULT 0;",
        "CREATE TABLE fresh (id BIGINT); CREATE UNIQUE INDEX fresh_id ON fresh (id); \
         INSERT INTO fresh (id) VALUES (1); ALTER TABLE fresh ALTER COLUMN id SET NOT NULL",
        "CREATE SEQUENCE places",
        "CREATE TABLE fresh (id BIGINT); CREATE FUNCTION keep() RETURNS trigger AS $$ BEGIN DELETE FROM old; END $$; \
         CREATE TRIGGER kept BEFORE UPDATE ON fresh EXECUTE FUNCTION keep()",
    ] {
        check(text, None);
    }
}

#[test]
fn statements_that_take_away_or_refuse_are_found() {
    let changes = "changes what the version before knows";
    let refuses = "refuses rows that the version before writes";
    let unknown = "is none of those that only add";
    for (text, expected) in [
        ("DROP TABLE old", unknown),
        ("drop index old_at", unknown),
        ("CREATE TABLE fresh (id BIGINT); DELETE FROM old", unknown),
        ("UPDATE old SET at = 0", unknown),
        ("INSERT INTO old (id) VALUES (1)", unknown),
        (
            "CREATE OR REPLACE FUNCTION keep() RETURNS trigger AS $$ $$",
            unknown,
        ),
        ("ALTER INDEX old_at RENAME TO old_time", unknown),
        ("ALTER TABLE old RENAME TO older", changes),
        ("ALTER TABLE old RENAME COLUMN at TO time", changes),
        ("ALTER TABLE old DROP COLUMN at", changes),
        ("ALTER TABLE old ALTER COLUMN at TYPE INTEGER", changes),
        ("ALTER TABLE old ALTER COLUMN at SET NOT NULL", changes),
        ("ALTER TABLE old ADD CONSTRAINT c CHECK (at > 0)", changes),
        (
            "ALTER TABLE old ADD COLUMN note TEXT, DROP COLUMN at",
            changes,
        ),
        (
            "ALTER TABLE old ADD COLUMN size BIGINT NOT NULL",
            "give it a DEFAULT",
        ),
        ("ALTER TABLE old ADD COLUMN size BIGINT UNIQUE", refuses),
        (
            "ALTER TABLE old ADD COLUMN size BIGINT CHECK (size > 0)",
            refuses,
        ),
        (
            "ALTER TABLE old ADD COLUMN size BIGINT REFERENCES other",
            refuses,
        ),
        ("CREATE UNIQUE INDEX old_at ON old (at)", refuses),
        (
            "ALTER TABLE old ADD COLUMN place BIGINT DEFAULT nextval('places')",
            "to compute",
        ),
        (
            "CREATE TRIGGER kept BEFORE UPDATE ON old EXECUTE FUNCTION keep()",
            "meddles",
        ),
    ] {
        check(text, Some(expected));
    }
}
