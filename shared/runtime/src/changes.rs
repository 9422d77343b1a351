//! The log of changes of a process: kept as short as the settings say, and written where there are
//! engines.
//!
//! It does not read the log: whoever does has it from [`Context`](crate::Context).

use std::sync::Arc;

use ::changes::{ChangeLog, Scribe, SharedChangeSink};
use kernel::Duration;
use storage::Database;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::database::database_error;
use crate::start_error::StartError;

/// The writer of the log in a process with engines. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ChangeWriter {
    scribe: Scribe,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl ChangeWriter {
    /// Begins to write what engines say.
    fn start(log: ChangeLog) -> Self {
        let (scribe, stop, tasks) = (
            Scribe::new(log),
            CancellationToken::new(),
            TaskTracker::new(),
        );
        tasks.spawn(scribe.clone().run(stop.clone()));
        tasks.close();
        Self {
            scribe,
            stop,
            tasks,
        }
    }

    /// Returns the way of changes out of workers.
    pub(crate) fn sink(&self) -> SharedChangeSink {
        Arc::new(self.scribe.clone())
    }

    /// Writes what is left, once no engine works any more.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Opens the log, and removes what is old until the process is told to end. There is a log for
/// readers unless it is off, and a writer if there are engines besides.
pub(crate) async fn open_changes(
    config: &Config,
    database: &Database,
    shutdown: &CancellationToken,
) -> Result<(Option<ChangeLog>, Option<ChangeWriter>), StartError> {
    let log = ChangeLog::open(database.clone()).await;
    let log = log.map_err(|error| database_error(config.database.to_string(), error))?;
    let retention = config.change_retention;
    let kept = retention.unwrap_or(Duration::from_millis(0));
    tokio::spawn(log.clone().keep_pruned(kept, shutdown.clone()));
    if retention.is_none() {
        return Ok((None, None));
    }
    let has_engines = config.hot_store.is_some();
    let writer = has_engines.then(|| ChangeWriter::start(log.clone()));
    Ok((Some(log), writer))
}

#[cfg(test)]
mod tests {
    use ::changes::Pending;
    use kernel::{Owner, PartitionId};
    use prost::Message as _;
    use proto::stream::v1::{ChangeBatch, ChangeRecord};
    use tempfile::TempDir;

    use super::*;
    use crate::config::{ConfigFlags, Defaults, Environment};

    /// Opens the log of a process in a folder.
    async fn open(
        folder: &TempDir,
        mut defaults: Defaults,
        retention: &str,
    ) -> (Option<ChangeLog>, Option<ChangeWriter>) {
        let file = folder.path().join("happypath.db");
        defaults.set("database", format!("sqlite:{}", file.display()));
        let flags = ConfigFlags::default().with("change_retention", retention);
        let config = Config::load(&defaults, &flags, &Environment::default()).expect("valid");
        let database = Database::connect(&config.database).await.expect("it opens");
        let shutdown = CancellationToken::new();
        let opened = open_changes(&config, &database, &shutdown).await;
        shutdown.cancel();
        opened.expect("it opens")
    }

    #[tokio::test]
    async fn the_last_changes_of_engines_are_written_before_the_process_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, writer) = open(&folder, Defaults::of_dev(folder.path()), "1d").await;
        let (log, writer) = (log.expect("a log"), writer.expect("a writer"));
        let sink = writer.sink();
        let (owner, partition) = (Owner::Journey, PartitionId::new(3));
        sink.open(owner, partition, 1, Vec::new());
        let changes = vec![ChangeRecord::default(); 2];
        let changes = ChangeBatch { changes }.encode_to_vec();
        let place = ::changes::Place { epoch: 1, seq: 1 };
        sink.push(owner, partition, Pending::store(place, &changes).0);
        sink.close(owner, partition, 1);
        writer.close().await;
        assert_eq!(log.extent().await.expect("it reads").changes, 2);
    }

    #[tokio::test]
    async fn a_process_without_engines_reads_and_one_where_changes_are_off_does_neither() {
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = Defaults::of_service("gateway");
        let (log, writer) = open(&folder, gateway, "7d").await;
        assert!(log.is_some() && writer.is_none());
        let (log, writer) = open(&folder, Defaults::of_dev(folder.path()), "off").await;
        assert!(log.is_none() && writer.is_none());
    }
}
