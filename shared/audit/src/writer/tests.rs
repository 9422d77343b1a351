//! A write whose answer is lost is not written twice.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storage::DatabaseUrl;

use super::*;
use crate::{Act, AuditLog, Class, Origin};

#[tokio::test]
async fn a_write_whose_commit_is_not_answered_is_looked_for_before_it_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&url).await.expect("it opens");
    let log = AuditLog::open(database.clone(), "worker").await;
    let chain = log.expect("a log").chain();
    let (_queue, waiting) = mpsc::channel(1);
    let mut background = Background {
        database: database.clone(),
        chain,
        waiting,
        failing: watch::channel(None).0,
        waits: Arc::default(),
        unsure: None,
        give_up: CancellationToken::new(),
    };
    let told = |object: &str| Told {
        time: kernel::Timestamp::from_millis(1),
        class: Class::PersonalRead,
        origin: Origin::anonymous(None),
        trace: String::new(),
        act: Act::done("read", object),
    };
    let acts = [told("one"), told("two")];
    background.try_write(&acts).await.expect("written");
    // As if nobody had heard of that.
    background.try_write(&acts).await.expect("found");
    background.unsure = None;
    // The same acts of somebody else are others.
    background.try_write(&acts).await.expect("written");
    let rows = database.orm().query_all_raw(Statement::from_string(
        DbBackend::Sqlite,
        "SELECT 1 FROM audit_entry WHERE action = 'read'",
    ));
    assert_eq!(rows.await.expect("rows").len(), 4);
}
