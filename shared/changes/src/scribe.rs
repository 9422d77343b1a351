//! Brings changes to the log.

use kernel::{Owner, PartitionId};
use tokio_util::sync::CancellationToken;

use crate::sink::{ChangeSink, Pending, Place};
use crate::ChangeLog;

/// Brings the changes of all workers of a process to the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scribe {
    _log: ChangeLog,
}

impl Scribe {
    /// Writes to a log.
    pub fn new(log: ChangeLog) -> Self {
        Self { _log: log }
    }

    /// Writes what comes, until told to end; then once more.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
        todo!()
    }
}

impl ChangeSink for Scribe {
    fn open(&self, _: Owner, _: PartitionId, _: u64, _: Vec<Pending>) {
        todo!()
    }

    fn push(&self, _: Owner, _: PartitionId, _: Pending) {
        todo!()
    }

    fn logged(&self, _: Owner, _: PartitionId) -> Place {
        todo!()
    }

    fn close(&self, _: Owner, _: PartitionId, _: u64) {
        todo!()
    }
}
