//! The database on disk: opening it, checking that it is the right one, and durable writes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fjall::config::PinningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use kernel::{PartitionCount, Schemas, StoredSchema};

use super::{EmbeddedOptions, keys};
use crate::HotError;

/// The layouts of keys and values that this program can live with. A form that older programs would
/// misread has a new number, one version before it is written; see "Versions" in
/// services/README.md.
pub const EMBEDDED_SCHEMAS: Schemas = Schemas {
    written: 8,
    oldest_reader: 8,
    oldest_read: 8,
};
/// The smallest that the database allows.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// One thread flushes while the other compacts; more would only compete with the services of the
/// same process.
const WORKER_THREADS: usize = 2;

/// The open database.
pub(super) struct Disk {
    pub(super) folder: PathBuf,
    pub(super) database: Database,
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
            folder: folder.to_path_buf(),
            states: keyspace("states", options.state_buffer_bytes)?,
            timers: keyspace("timers", options.write_buffer_bytes)?,
            logs: keyspace("logs", options.write_buffer_bytes)?,
            meta: keyspace("meta", options.write_buffer_bytes)?,
            database,
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        };
        disk.check_format(folder, partitions, EMBEDDED_SCHEMAS)?;
        Ok(disk)
    }

    /// Writes down how the folder is made, or compares; then this program writes there too.
    fn check_format(
        &self,
        folder: &Path,
        partitions: PartitionCount,
        schemas: Schemas,
    ) -> Result<(), HotError> {
        let found = self.format()?;
        let joined = match found {
            None => schemas.of_new_store(),
            Some((stored, count)) => {
                let joined = schemas.join(stored);
                let joined = joined.map_err(|mismatch| {
                    HotError::Mismatch(format!(
                        "the folder {} {mismatch}: run the version that wrote it, or choose an empty folder",
                        folder.display()
                    ))
                })?;
                if count != partitions.get() {
                    return Err(HotError::Mismatch(format!(
                        "the folder {} was created with {count} partitions, not {partitions}: configure {count} \
                         partitions, or choose an empty folder",
                        folder.display(),
                        partitions = partitions.get(),
                    )));
                }
                joined
            }
        };
        if found.is_some_and(|(stored, _)| stored == joined) {
            return Ok(());
        }
        let [s0, s1] = joined.oldest_reader.to_be_bytes();
        let [p0, p1] = partitions.get().to_be_bytes();
        let mut batch = self.batch();
        batch.insert(&self.meta, keys::FORMAT, [s0, s1, p0, p1]);
        if joined.written != joined.oldest_reader {
            let written = joined.written.to_be_bytes();
            batch.insert(&self.meta, keys::WRITTEN_SCHEMA, written);
        }
        self.write(batch)?;
        self.sync()
    }

    /// The schema of the folder, and its partitions; none of a new one.
    fn format(&self) -> Result<Option<(StoredSchema, u16)>, HotError> {
        let damaged = || HotError::Damaged("its format cannot be read".into());
        let Some(found) = self.meta.get(keys::FORMAT).map_err(failure)? else {
            return Ok(None);
        };
        let &[s0, s1, p0, p1] = &*found else {
            return Err(damaged());
        };
        let written = self.meta.get(keys::WRITTEN_SCHEMA).map_err(failure)?;
        let written = written.map(|written| (&*written).try_into().map(u16::from_be_bytes));
        let written = written.transpose().map_err(|_| damaged())?;
        let stored = StoredSchema::new(u16::from_be_bytes([s0, s1]), written);
        Ok(Some((stored, u16::from_be_bytes([p0, p1]))))
    }

    /// Takes the folder for an installation, by the id by which its database knows it, or compares.
    pub(super) fn belong_to(&self, id: &str) -> Result<(), HotError> {
        let Some(found) = self.meta.get(keys::INSTALLATION).map_err(failure)? else {
            let mut batch = self.batch();
            batch.insert(&self.meta, keys::INSTALLATION, id.as_bytes());
            self.write(batch)?;
            return self.sync();
        };
        if *found == *id.as_bytes() {
            return Ok(());
        }
        Err(HotError::Mismatch(
            "the folder belongs to another installation, whose database is another one: name the database that belongs to it, \
             or choose an empty folder"
                .to_owned(),
        ))
    }

    /// All that has data.
    pub(super) fn keyspaces(&self) -> [&Keyspace; 4] {
        [&self.states, &self.timers, &self.logs, &self.meta]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The version after this one, which does not ask more of those that live with it.
    const NEXT: Schemas = Schemas {
        written: EMBEDDED_SCHEMAS.written + 1,
        ..EMBEDDED_SCHEMAS
    };

    #[test]
    fn the_version_after_this_one_says_that_it_was_here_and_this_one_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, count) = (folder.path(), PartitionCount::DEFAULT);
        let open = || Disk::open(folder, count, EmbeddedOptions::default());
        let disk = open().expect("a new one");
        let schema = |disk: &Disk| disk.format().expect("a format").map(|(schema, _)| schema);
        assert_eq!(schema(&disk), Some(EMBEDDED_SCHEMAS.of_new_store()));
        disk.check_format(folder, count, NEXT).expect("a newer one");
        drop(disk);

        let disk = open().expect("this one");
        assert_eq!(schema(&disk), Some(NEXT.of_new_store()));
        let contraction = Schemas {
            oldest_reader: NEXT.written,
            ..NEXT
        };
        let raised = disk.check_format(folder, count, contraction);
        raised.expect("a newer one");
        drop(disk);

        let refused = open().expect_err("it would misread it").to_string();
        assert!(refused.contains("has schema"), "{refused}");
    }

    #[test]
    fn a_folder_belongs_to_the_first_installation_that_opens_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || {
            Disk::open(
                folder.path(),
                PartitionCount::DEFAULT,
                EmbeddedOptions::default(),
            )
        };
        let disk = open().expect("a new one");
        disk.belong_to("one").expect("it belongs to none yet");
        drop(disk);
        let disk = open().expect("it is there");
        disk.belong_to("one").expect("its own");
        let refused = disk.belong_to("other").expect_err("another one");
        assert_eq!(
            refused.to_string(),
            "the folder belongs to another installation, whose database is another one: name the database that belongs to it, \
             or choose an empty folder"
        );
    }
}
