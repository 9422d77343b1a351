//! Connections to Postgres, as they are opened.

use sea_orm::sqlx::Row as _;
use storage::{Database, DatabaseUrl, limits};

/// The time after which Postgres ends a transaction whose process it does not hear.
async fn idle_limit(database: &Database) -> String {
    let connections = database.orm().get_postgres_connection_pool();
    let shown = sea_orm::sqlx::query("SHOW idle_in_transaction_session_timeout");
    let row = shown.fetch_one(connections).await.expect("an answer");
    row.get(0)
}

#[tokio::test]
async fn transactions_of_processes_that_are_gone_end_by_themselves() {
    let server = crate::server();
    let url: DatabaseUrl = server.url().parse().expect("a URL");
    let name = "gone".parse().expect("a name");
    for installation in [None, Some(&name)] {
        let opened = Database::connect_installation(&url, installation).await;
        let database = opened.expect("it opens");
        let expected = format!("{}s", limits::IDLE_TRANSACTION.as_secs());
        assert_eq!(idle_limit(&database).await, expected);
        assert_eq!(idle_limit(&database.apart(1)).await, expected);
    }
}
