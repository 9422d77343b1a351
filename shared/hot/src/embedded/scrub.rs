//! Writes the files of the store again without what was removed.
//!
//! 1. What was removed stands in the journal of the database until that is sealed and everything in
//!    it is in tables. The database seals it after 64 MB alone, so it is filled with noise.
//! 2. It stands in tables until they are compacted, all of them, with nobody reading who began
//!    before it was removed.
//! 3. The tables that were compacted stay on disk until something is written after that and the
//!    database looks which of them it needs, and until nobody reads them.
//!
//! None of it is taken on trust: a run is done when the files are gone.
//!
//! One run at a time, on a thread of its own; a ticket names the run that counts for a caller,
//! which begins after the call.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{AbstractTree as _, Keyspace, KeyspaceCreateOptions, SeqNo};
use kernel::split_mix;

use super::disk::{Disk, failure};
use super::{EmbeddedStore, Inner};
use crate::{HotError, Scrubbed};

/// The keyspace of the noise, which lasts for one run.
const NOISE: &str = "noise";
/// Bytes of noise that are written at once.
const NOISE_BYTES: usize = 4 * 1024 * 1024;
/// As often: beyond the 64 MB after which the database seals its journal.
const NOISE_WRITES: usize = 17;
/// Memory for noise that is not in a table.
const NOISE_BUFFER_BYTES: u64 = 8 * 1024 * 1024;
/// The time for which a call waits for the end of its run: small stores are done in one call.
const WAIT: Duration = Duration::from_secs(3);
/// The folder of a keyspace that has its tables, each named by its number.
const TABLES: &str = "tables";
/// The number of looks whether files are gone, and the time between.
const LOOKS: usize = 200;
const LOOK: Duration = Duration::from_millis(25);

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// No file has anything of what was removed.
    Done,
    /// Some have, for this cause; another run may get rid of them.
    Held(&'static str),
}

/// The runs of this process, by number.
#[derive(Debug, Default)]
pub(super) struct Scrubs(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    begun: u64,
    is_running: bool,
    /// The last one that was done.
    done: u64,
    /// The cause for which the last one was not.
    held: Option<&'static str>,
    failed: Option<HotError>,
}

impl Scrubs {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run that a caller with a ticket waits for, and whether it is to be begun now. Tickets of
    /// another process name no run.
    fn claim(&self, mark: &str, ticket: Option<&str>) -> (u64, bool) {
        let named = ticket.and_then(|ticket| ticket.strip_prefix(mark)?.parse().ok());
        let mut runs = self.runs();
        let wanted = named.unwrap_or(runs.begun + 1);
        let begins = !runs.is_running && runs.done < wanted;
        if begins {
            runs.begun += 1;
            runs.is_running = true;
        }
        (wanted, begins)
    }

    fn end(&self, outcome: Result<Run, HotError>) {
        let mut runs = self.runs();
        runs.is_running = false;
        (runs.held, runs.failed) = (None, None);
        match outcome {
            Ok(Run::Done) => runs.done = runs.begun,
            Ok(Run::Held(cause)) => runs.held = Some(cause),
            Err(error) => runs.failed = Some(error),
        }
    }
}

impl EmbeddedStore {
    /// Sees to a run that begins after the first call.
    pub(super) async fn scrub_files(&self, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
        let inner = &self.inner;
        let mark = format!("{:016x}-", inner.mark);
        let (wanted, begins) = inner.scrubs.claim(&mark, ticket);
        if begins {
            let working = Arc::clone(inner);
            let run = tokio::task::spawn_blocking(move || working.scrub());
            // The run goes on where that takes longer.
            let _is_late = tokio::time::timeout(WAIT, run).await;
        }
        let mut runs = inner.scrubs.runs();
        if let Some(error) = runs.failed.take() {
            return Err(error);
        }
        let is_done = runs.done >= wanted;
        let detail = match runs.held {
            _ if is_done => "the journal and the tables are written again",
            Some(cause) => cause,
            None => "the tables are being written again",
        };
        Ok(Scrubbed {
            is_done,
            ticket: format!("{mark}{wanted}"),
            detail: detail.to_owned(),
        })
    }
}

impl Inner {
    fn scrub(&self) {
        self.scrubs.end(self.disk.scrub(LOOKS));
    }
}

impl Disk {
    /// Removes from the files what is not there any more. Writes go on meanwhile.
    fn scrub(&self, looks: usize) -> Result<Run, HotError> {
        let removed = self.database.visible_seqno();
        let noise = self.noise()?;
        let run = self.write_again(&noise, removed, looks);
        self.forget_noise(noise)?;
        run
    }

    /// Writes journals and tables again without what was removed before a number of the database.
    fn write_again(&self, noise: &Keyspace, removed: SeqNo, looks: usize) -> Result<Run, HotError> {
        let mut journals = self.journals()?;
        let filled = noise_bytes();
        for _ in 0..NOISE_WRITES {
            self.fill(noise, &filled)?;
        }
        flush(noise)?;
        for keyspace in self.keyspaces() {
            flush(keyspace)?;
        }
        let are_gone = || {
            journals.retain(|journal| journal.exists());
            journals.is_empty()
        };
        if !self.wait(noise, looks, are_gone)? {
            return Ok(Run::Held("the database has not let go of its journal"));
        }
        // A compaction keeps what somebody may read who began before it was removed.
        let tracker = &self.database.supervisor.snapshot_tracker;
        let is_read = || tracker.get_seqno_safe_to_gc() + 1 < removed;
        if !self.wait(noise, looks, || !is_read())? {
            return Ok(Run::Held("somebody reads what was there before"));
        }
        for keyspace in self.keyspaces() {
            let before = tables(keyspace);
            keyspace.major_compact().map_err(failure)?;
            if !before.is_disjoint(&tables(keyspace)) {
                return Ok(Run::Held("some tables were not written again"));
            }
        }
        let mut left = Vec::new();
        for keyspace in self.keyspaces() {
            left.push((keyspace, unused_files(keyspace)?));
        }
        let are_gone = || {
            for (keyspace, files) in &mut left {
                let used = tables(keyspace);
                let folder = keyspace.path().join(TABLES);
                files.retain(|file| !used.contains(file) && folder.join(file.to_string()).exists());
            }
            left.iter().all(|(_, files)| files.is_empty())
        };
        if !self.wait(noise, looks, are_gone)? {
            return Ok(Run::Held(
                "the database has not let go of tables from before",
            ));
        }
        Ok(Run::Done)
    }

    fn noise(&self) -> Result<Keyspace, HotError> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(NOISE_BUFFER_BYTES);
        self.database.keyspace(NOISE, options).map_err(failure)
    }

    fn forget_noise(&self, noise: Keyspace) -> Result<(), HotError> {
        self.database.delete_keyspace(noise).map_err(failure)
    }

    fn fill(&self, noise: &Keyspace, bytes: &[u8]) -> Result<(), HotError> {
        let mut batch = self.batch();
        batch.insert(noise, [0], bytes);
        self.write(batch)
    }

    /// Waits until something holds, for some looks. Tells whether it does.
    fn wait(
        &self,
        noise: &Keyspace,
        looks: usize,
        mut holds: impl FnMut() -> bool,
    ) -> Result<bool, HotError> {
        for _ in 0..looks {
            if holds() {
                return Ok(true);
            }
            std::thread::sleep(LOOK);
            // The database looks which journals and tables it needs whenever something is written
            // and flushed.
            self.fill(noise, &[0])?;
            flush(noise)?;
        }
        Ok(holds())
    }

    /// The journals of the database.
    fn journals(&self) -> Result<Vec<PathBuf>, HotError> {
        let mut journals = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(HotError::unavailable)? {
            let path = entry.map_err(HotError::unavailable)?.path();
            if path.extension().is_some_and(|kind| kind == "jnl") {
                journals.push(path);
            }
        }
        Ok(journals)
    }
}

/// Returns what cannot be compressed.
fn noise_bytes() -> Vec<u8> {
    let mut bytes = vec![0; NOISE_BYTES];
    let (words, _) = bytes.as_chunks_mut::<8>();
    for (word, number) in words.iter_mut().zip(0_u64..) {
        *word = split_mix(number).to_le_bytes();
    }
    bytes
}

/// Brings what is in memory to tables.
fn flush(keyspace: &Keyspace) -> Result<(), HotError> {
    keyspace.rotate_memtable_and_wait().map_err(failure)
}

/// The tables that a keyspace uses.
fn tables(keyspace: &Keyspace) -> BTreeSet<u64> {
    let mut tables = BTreeSet::new();
    for table in keyspace.tree.current_version().iter_tables() {
        tables.insert(table.id());
    }
    tables
}

/// The files of tables that a keyspace does not use: old ones, and ones that are being written.
fn unused_files(keyspace: &Keyspace) -> Result<BTreeSet<u64>, HotError> {
    let mut files = BTreeSet::new();
    let folder = std::fs::read_dir(keyspace.path().join(TABLES));
    for entry in folder.map_err(HotError::unavailable)? {
        let name = entry.map_err(HotError::unavailable)?.file_name();
        files.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    for used in tables(keyspace) {
        files.remove(&used);
    }
    Ok(files)
}
