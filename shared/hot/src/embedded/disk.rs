//! The database on disk: opening it, checking that it is the right one, and durable writes.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fjall::config::PinningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use kernel::PartitionCount;

use super::{EmbeddedOptions, keys};
use crate::HotError;

/// The layout of keys and values; raised by every change that an older program would misread.
const SCHEMA: u16 = 8;
/// The smallest that the database allows.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// One thread flushes while the other compacts; more would only compete with the services of the
/// same process.
const WORKER_THREADS: usize = 2;

/// The open database.
pub(super) struct Disk {
    database: Database,
    pub(super) states: Keyspace,
    pub(super) timers: Keyspace,
    pub(super) logs: Keyspace,
    pub(super) meta: Keyspace,
    /// How many batches were written, and how many of them have reached the disk itself.
    written: AtomicU64,
    synced: Mutex<u64>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Disk {
    /// Opens or creates the database.
    pub(super) fn open(
        folder: &Path,
        partitions: PartitionCount,
        options: EmbeddedOptions,
    ) -> Result<Self, HotError> {
        let database = Database::builder(folder)
            .cache_size(options.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKER_THREADS)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => HotError::Mismatch(format!(
                    "the folder {} is open in another process: stop that process, or choose another folder",
                    folder.display()
                )),
                other => failure(other),
            })?;
        let keyspace = |name, write_buffer_bytes| {
            database
                .keyspace(name, || {
                    KeyspaceCreateOptions::default()
                        .max_memtable_size(write_buffer_bytes)
                        // A filter has 10 bits a key: little to keep, but as one block too much to
                        // read at each look-up.
                        .filter_block_pinning_policy(PinningPolicy::all(true))
                        .index_block_pinning_policy(PinningPolicy::all(true))
                })
                .map_err(failure)
        };
        let disk = Self {
            states: keyspace("states", options.state_buffer_bytes)?,
            timers: keyspace("timers", options.write_buffer_bytes)?,
            logs: keyspace("logs", options.write_buffer_bytes)?,
            meta: keyspace("meta", options.write_buffer_bytes)?,
            database,
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        };
        disk.check_format(folder, partitions)?;
        Ok(disk)
    }

    fn check_format(&self, folder: &Path, partitions: PartitionCount) -> Result<(), HotError> {
        let [s0, s1] = SCHEMA.to_be_bytes();
        let [p0, p1] = partitions.get().to_be_bytes();
        let Some(found) = self.meta.get(keys::FORMAT).map_err(failure)? else {
            let mut batch = self.batch();
            batch.insert(&self.meta, keys::FORMAT, [s0, s1, p0, p1]);
            self.write(batch)?;
            return self.sync();
        };
        let &[s0, s1, p0, p1] = &*found else {
            return Err(HotError::Damaged("its format cannot be read".into()));
        };
        let (schema, count) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([p0, p1]));
        if schema != SCHEMA {
            return Err(HotError::Mismatch(format!(
                "the folder {} has schema {schema}, and this program reads schema {SCHEMA}: run the program that \
                 wrote it, or choose an empty folder",
                folder.display()
            )));
        }
        if count != partitions.get() {
            return Err(HotError::Mismatch(format!(
                "the folder {} was created with {count} partitions, not {partitions}: configure {count} partitions, \
                 or choose an empty folder",
                folder.display(),
                partitions = partitions.get(),
            )));
        }
        Ok(())
    }

    /// Starts a batch of changes.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        // The system has the batch before the call returns, so that it outlives this process.
        self.database.batch().durability(Some(PersistMode::Buffer))
    }

    /// Writes a batch, wholly or not at all.
    pub(super) fn write(&self, batch: OwnedWriteBatch) -> Result<(), HotError> {
        batch.commit().map_err(failure)?;
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Waits until everything written so far would outlive the machine. Callers that wait together
    /// share one wait.
    pub(super) fn sync(&self) -> Result<(), HotError> {
        let mine = self.written.load(Ordering::Acquire);
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced >= mine {
            return Ok(());
        }
        let all = self.written.load(Ordering::Acquire);
        self.database
            .persist(PersistMode::SyncData)
            .map_err(failure)?;
        *synced = all;
        Ok(())
    }
}

/// Sorts the database's failures: what may pass, and what will not.
pub(super) fn failure(error: fjall::Error) -> HotError {
    match error {
        fjall::Error::Io(_) | fjall::Error::Storage(_) | fjall::Error::Poisoned => {
            HotError::unavailable(error)
        }
        other => HotError::Damaged(other.to_string()),
    }
}
