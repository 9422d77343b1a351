//! Writes the files of the store again without what was removed.
//!
//! 1. What was removed stands in the journal of the database until that is sealed and everything in
//!    it is in tables. The database seals it after 64 MB alone, so it is filled with noise.
//! 2. It stands in tables until they are compacted, all of them.
//!
//! One run at a time, on a thread of its own; a ticket names the run that counts for a caller,
//! which begins after the call.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{Keyspace, KeyspaceCreateOptions};
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
/// The number of looks whether a sealed journal is gone, and the time between.
const LOOKS: usize = 200;
const LOOK: Duration = Duration::from_millis(25);

/// The runs of this process, by number.
#[derive(Debug, Default)]
pub(super) struct Scrubs(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    begun: u64,
    is_running: bool,
    /// The last one that was done.
    done: u64,
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

    fn end(&self, outcome: Result<(), HotError>) {
        let mut runs = self.runs();
        runs.is_running = false;
        match outcome {
            Ok(()) => (runs.done, runs.failed) = (runs.begun, None),
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
        let detail = if is_done {
            "the journal and the tables are written again"
        } else {
            "the tables are being written again"
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
        self.scrubs.end(self.disk.scrub());
    }
}

impl Disk {
    /// Removes from the files what is not there any more. Writes go on meanwhile.
    fn scrub(&self) -> Result<(), HotError> {
        let before = self.journals()?;
        let noise = self.noise()?;
        let filled = noise_bytes();
        for _ in 0..NOISE_WRITES {
            self.fill(&noise, &filled)?;
        }
        flush(&noise)?;
        for keyspace in self.keyspaces() {
            flush(keyspace)?;
        }
        self.wait_until_gone(&before, &noise)?;
        self.forget_noise(noise)?;
        for keyspace in self.keyspaces() {
            keyspace.major_compact().map_err(failure)?;
        }
        Ok(())
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

    /// Waits until journals that were there before are gone.
    fn wait_until_gone(&self, before: &[PathBuf], noise: &Keyspace) -> Result<(), HotError> {
        for _ in 0..LOOKS {
            if !before.iter().any(|journal| journal.exists()) {
                return Ok(());
            }
            std::thread::sleep(LOOK);
            // The database looks which journals it needs whenever something is flushed.
            self.fill(noise, &[0])?;
            flush(noise)?;
        }
        Err(HotError::unavailable(
            "the database did not let go of its journal in time",
        ))
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
