//! A process that starts reads from SQL what went lately, and no more than that.

use std::sync::Arc;

use definitions::{
    Catalog, Change, DefinitionStore, Flaw, MIGRATIONS, Owner as _, References, Versioned, key_of,
};
use kernel::Duration;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use proto::segmentation::v1::Segment;
use sea_orm::ConnectionTrait as _;
use storage::Database;
use testkit::PostgresServer;

/// The time for which the catalog sees what is gone.
const KEPT: Duration = Duration::from_days(7);

const HOUR_MS: i64 = 3_600_000;

/// Keeps what is gone for [`KEPT`]. Compiled, a set tells what it was shown, as `name@version` or
/// `-name@version` for what is gone.
struct Kept;

impl Catalog for Kept {
    type Compiled = Vec<String>;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment]
    }

    fn keeps_gone_for(&self) -> Option<Duration> {
        Some(KEPT)
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        _: &References,
        _: Option<&Vec<String>>,
    ) -> Result<Vec<String>, Vec<Flaw>> {
        let shown = all.iter().map(|it| {
            let sign = if it.is_superseded { "-" } else { "" };
            let name = key_of(&it.value).expect("validated").name;
            format!("{sign}{name}@{}", it.version)
        });
        Ok(shown.collect())
    }
}

async fn load(database: &Database) -> Arc<DefinitionStore<Kept>> {
    let store = DefinitionStore::load(database.clone(), "segmentation", Kept).await;
    store.expect("loaded")
}

/// Returns what the set in force was shown.
fn shown(store: &DefinitionStore<Kept>) -> Vec<String> {
    store.watch().borrow().to_vec()
}

/// Returns what a process that starts is shown.
async fn shown_at_start(database: &Database) -> Vec<String> {
    let store = load(database).await;
    shown(&store)
}

fn segments(named: &[(&str, &str)]) -> Change {
    let segment = |(name, text): &(&str, &str)| Definition {
        kind: Some(Kind::Segment(Segment {
            name: (*name).to_owned(),
            expression: (*text).to_owned(),
            ..Segment::default()
        })),
    };
    Change::apply(named.iter().map(segment))
}

/// Moves the time at which a version went into the past.
async fn age(database: &Database, name: &str, by_ms: i64) {
    let older = format!(
        "UPDATE definition SET delete_time = delete_time - {by_ms} \
         WHERE name = '{name}' AND delete_time IS NOT NULL"
    );
    let done = database.orm().execute_unprepared(&older).await;
    assert_eq!(done.expect("aged").rows_affected(), 1, "{older}");
}

async fn check(url: &str) {
    let database = Database::connect(&url.parse().expect("a url")).await;
    let database = database.expect("a database");
    let migrated = database.migrate("definitions", MIGRATIONS).await;
    migrated.expect("migrated");
    let store = load(&database).await;
    for change in [
        segments(&[("a", "x"), ("b", "x"), ("c", "x"), ("d", "x")]),
        segments(&[("a", "y"), ("b", "y")]),
        Change::delete(DefinitionKind::Segment, "c"),
        Change::delete(DefinitionKind::Segment, "d"),
    ] {
        let done = store.change(&change, &References::unknown(), false).await;
        done.expect("changed");
    }
    // Superseded or deleted: both are gone, and follow all that is in force.
    let all = ["a@2", "b@2", "-a@1", "-b@1", "-c@1", "-d@1"];
    assert_eq!(shown(&store), all, "in the process that made the changes");
    assert_eq!(shown_at_start(&database).await, all, "in one that starts");

    for name in ["a", "c"] {
        age(&database, name, KEPT.as_millis() - HOUR_MS).await;
    }
    assert_eq!(shown_at_start(&database).await, all, "within seven days");

    for name in ["a", "c"] {
        age(&database, name, 2 * HOUR_MS).await;
    }
    let rest = ["a@2", "b@2", "-b@1", "-d@1"];
    assert_eq!(shown_at_start(&database).await, rest, "after seven days");
}

#[tokio::test]
async fn what_went_within_seven_days_is_read_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("t.db");
    check(&format!("sqlite:{}", file.display())).await;
}

#[tokio::test]
async fn what_went_within_seven_days_is_read_at_start_on_postgres_too() {
    let server = PostgresServer::start().expect("starts");
    check(&server.url()).await;
}
