//! Looks at the owners of all partitions again and again, in the database.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::PostgresServer;

use super::book::Look;

/// The pause between two looks: far below what is allowed.
const PAUSE: Duration = Duration::from_millis(100);
/// The leases, each with the last commit in the journal, which has services by their places.
const STATEMENT: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, service, partition, worker, \
    coalesce((SELECT max(seq) FROM journal_commit AS own WHERE own.partition = lease.partition \
    AND own.service = array_position(ARRAY['identity', 'segmentation', 'journey', 'activation'], lease.service) - 1), 0) \
    FROM partition_lease AS lease";

/// Looks until it is dropped.
pub(super) struct Owners {
    asking: Child,
    looks: Arc<Mutex<Vec<Look>>>,
    reader: Option<JoinHandle<()>>,
}

impl Owners {
    /// Begins to look.
    pub(super) fn watch(postgres: &PostgresServer, database: &str) -> Self {
        let asking = postgres.watch(database, STATEMENT, PAUSE);
        let mut asking = asking.expect("psql starts");
        let rows = BufReader::new(asking.stdout.take().expect("a pipe")).lines();
        let looks: Arc<Mutex<Vec<Look>>> = Arc::default();
        let seen = Arc::clone(&looks);
        let reader = thread::spawn(move || {
            for look in rows.map_while(Result::ok).filter_map(|row| parse(&row)) {
                lock(&seen).push(look);
            }
        });
        Self {
            asking,
            looks,
            reader: Some(reader),
        }
    }

    /// All looks so far, in their order.
    pub(super) fn looks(&self) -> Vec<Look> {
        lock(&self.looks).clone()
    }
}

impl Drop for Owners {
    fn drop(&mut self) {
        // It may have ended with its server, and a panic of the reader was told.
        let _ended = (self.asking.kill(), self.asking.wait());
        let _ended = self.reader.take().map(JoinHandle::join);
    }
}

fn lock(looks: &Mutex<Vec<Look>>) -> std::sync::MutexGuard<'_, Vec<Look>> {
    looks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a row; absent for the empty line between two answers.
fn parse(row: &str) -> Option<Look> {
    let mut fields = row.split('|');
    let mut next = || fields.next();
    Some(Look {
        time_ms: next()?.parse().ok()?,
        service: next()?.to_owned(),
        partition: next()?.parse().ok()?,
        worker: next()?.to_owned(),
        commit_seq: next()?.parse().ok()?,
    })
}
