//! The storage over SQLite, and over Postgres for an installation without a name and for one that
//! has one.

mod connection;
mod heartbeat;
mod installation;
mod lease;
mod migration;
mod request;
mod schema;
mod scrub;
mod secured;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use storage::{Database, DatabaseUrl};
use tempfile::TempDir;
use testkit::PostgresServer;

/// The server, as long as a test uses it.
static SERVER: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());

/// The folder and the server of databases; they go when this is dropped.
struct Places {
    _folder: TempDir,
    _server: Arc<PostgresServer>,
}

/// A server that the tests which run at the same time share.
fn server() -> Arc<PostgresServer> {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(PostgresServer::start().expect("a server"));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// The databases to test on; what they are in goes away with the answer.
async fn databases() -> (Vec<Database>, Places) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server();
    let file = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let postgres: DatabaseUrl = server.url().parse().expect("a URL");
    let name = "a-b".parse().expect("a name");
    let mut databases = Vec::new();
    for (url, installation) in [(&file, None), (&postgres, None), (&postgres, Some(&name))] {
        let opened = Database::connect_installation(url, installation).await;
        let database = opened.expect("it opens");
        database.migrate("test", &[]).await.expect("tables");
        databases.push(database);
    }
    let places = Places {
        _folder: folder,
        _server: server,
    };
    (databases, places)
}

/// A name that no other test used, so that tests can share one server.
fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::now_v7())
}
