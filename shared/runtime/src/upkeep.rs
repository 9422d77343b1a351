//! Removes now and then what the SQL store would otherwise keep for ever.

use std::time::Duration;

use storage::Requests;
use tokio_util::sync::CancellationToken;

/// Removes the answers of requests that are too old to be asked for again: now, and after each
/// pause, until the process is told to end. All processes do: to remove nothing costs little.
pub(crate) async fn remove_old_requests(
    requests: Requests,
    pause: Duration,
    shutdown: CancellationToken,
) {
    loop {
        match requests.clean_up().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "removed answers of old requests"),
            Err(error) => tracing::warn!(%error, "cannot remove answers of old requests"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::{Begun, Database, DatabaseUrl, RequestKey, limits};

    use super::*;

    #[tokio::test]
    async fn answers_are_removed_once_they_are_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        let database = Database::connect(&file).await.expect("it opens");
        database.migrate("test", &[]).await.expect("tables");
        let requests = Requests::new(database);
        let [old, new] = ["old", "new"].map(|request_id| RequestKey {
            request_id,
            method: "m",
        });
        let late = requests.later(limits::REQUEST_KEPT);
        for (requests, key) in [(&requests, old), (&late, new)] {
            requests.begin(key, b"x").await.expect("a turn");
            requests.complete(key, b"answer").await.expect("kept");
        }
        let shutdown = CancellationToken::new();
        let pause = Duration::from_millis(1);
        let upkeep = tokio::spawn(remove_old_requests(late.clone(), pause, shutdown.clone()));
        // The one that is found without its being old is there no more.
        while requests.begin(old, b"x").await.expect("an answer")
            == Begun::Answered(b"answer".into())
        {
            tokio::task::yield_now().await;
        }
        let kept = late.begin(new, b"x").await.expect("an answer");
        assert_eq!(kept, Begun::Answered(b"answer".into()));
        shutdown.cancel();
        upkeep.await.expect("it ends");
    }
}
