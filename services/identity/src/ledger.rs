//! The ledger of imports: which events each has taken, told by their ids, in whatever order they
//! are sent.
//!
//! 1. **An event is taken once the ledger has it.** One transaction writes the marks of a batch and
//!    its records. The records are appended after it, and removed once they are in their streams.
//! 2. **Whoever meets a batch that may not be there appends it again**: the process that took it,
//!    another one that takes the same import, or the keeper. A call is an ordered source to the
//!    streams, and its batches are appended in their order, by whomever: so each is there once.
//!    Nothing hangs on how long ids of events are remembered.
//! 3. **Batches of an import are numbered without a gap.** Of two processes that write the same
//!    number the database refuses one, which reads what the other one took, leaves that out of its
//!    batch and tries again.
//!
//! A process keeps the marks of the imports under way in memory, so that an event costs no
//! question to the database. What is in a ledger and in its streams is never resolved again.

mod batches;
mod keeper;
mod known;
mod marks;
mod payload;
mod pending;
mod take;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;
use tokio::time::Instant;
use uuid::Uuid;

use self::batches::Batches;
pub use self::keeper::{Keeper, keep_ledgers};
use self::known::Known;
pub use self::marks::import_digest;
pub(crate) use self::marks::place_of;
use crate::append::AppendError;
use crate::limits::{LEDGER_BYTES, LEDGER_IDLE, LEDGER_OWN_BYTES};
use crate::resolve::ResolveError;

pub(crate) use self::batches::Ticket;
pub(crate) use self::payload::without;

/// The reason that events of an import were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The process has no memory for one more ledger, or for a larger one.
    #[error(
        "the ledgers of the imports under way take all the memory that they may have, {} MiB: wait until others are \
         done; an import of more than {} million events goes in parts with names of their own",
        LEDGER_BYTES / (1024 * 1024), LEDGER_BYTES / marks::MARK_BYTES / 1_200_000
    )]
    MemoryFull,
    /// The customers of the events could not be told.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Events that were taken before could not be brought to their streams: retry.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The database did not answer: retry.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The ledgers that a process has in memory.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    slots: Mutex<HashMap<Box<str>, Arc<Slot>>>,
}

/// The part of a process's memory that one import has.
#[derive(Debug)]
struct Slot {
    /// The digest of its name.
    import: Box<str>,
    /// The marks that it has; absent before they are read. Held while a batch is taken.
    known: tokio::sync::Mutex<Option<Known>>,
    batches: Mutex<Batches>,
    /// The bytes of its marks.
    bytes: AtomicUsize,
    used: Mutex<Instant>,
}

/// An import as one call takes it. While it lives, its ledger stays in memory.
#[derive(Debug)]
pub struct Import {
    slot: Arc<Slot>,
    /// Tells the call from all others.
    call: Uuid,
}

impl Ledgers {
    /// Begins to take an import in a call.
    fn open(&self, import: String, call: Uuid) -> Arc<Import> {
        let mut slots = self.lock();
        let slot = slots.entry(import.into()).or_insert_with_key(|import| {
            Arc::new(Slot {
                import: import.clone(),
                known: tokio::sync::Mutex::new(None),
                batches: Mutex::default(),
                bytes: AtomicUsize::new(0),
                used: Mutex::new(Instant::now()),
            })
        });
        Arc::new(Import {
            slot: Arc::clone(slot),
            call,
        })
    }

    /// Makes room for all ledgers: those that no call needs are forgotten, the one used longest ago
    /// first.
    ///
    /// # Errors
    /// [`ImportError::MemoryFull`].
    fn make_room(&self) -> Result<(), ImportError> {
        let mut slots = self.lock();
        let mut bytes: usize = slots.values().map(|slot| slot.bytes()).sum();
        while bytes > LEDGER_BYTES {
            let idle = slots.values().filter(|slot| slot.is_idle());
            let oldest = idle.min_by_key(|slot| slot.used_at());
            let Some(oldest) = oldest.map(|slot| slot.import.clone()) else {
                return Err(ImportError::MemoryFull);
            };
            let gone = slots.remove(&oldest);
            bytes -= gone.map_or(0, |slot| slot.bytes());
        }
        Ok(())
    }

    /// Forgets the ledgers that no call has needed for a while.
    fn forget_idle(&self) {
        let mut slots = self.lock();
        slots.retain(|_, slot| !slot.is_idle() || slot.used_at().elapsed() < LEDGER_IDLE);
    }

    /// Returns all of them.
    fn all(&self) -> Vec<Arc<Slot>> {
        self.lock().values().map(Arc::clone).collect()
    }

    fn find(&self, import: &str) -> Option<Arc<Slot>> {
        self.lock().get(import).map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) + LEDGER_OWN_BYTES
    }

    /// Returns whether no call has it; nobody takes it while all are locked. What waits to be
    /// removed from the database keeps it as well.
    fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && !self.batches().is_ahead()
    }

    fn used_at(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Import {
    /// Returns the digest of its name.
    fn digest(&self) -> &str {
        &self.slot.import
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        self.slot.batches().leave(self.call);
        let mut used = self.slot.used.lock();
        **used.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut()) = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ledgers: &Ledgers, name: &str, bytes: usize) -> Arc<Import> {
        let import = ledgers.open(name.to_owned(), Uuid::now_v7());
        import.slot.bytes.store(bytes, Ordering::Relaxed);
        import
    }

    #[test]
    fn ledgers_that_no_call_needs_make_room_for_others() {
        let ledgers = Ledgers::default();
        let half = LEDGER_BYTES / 2;
        let first = open(&ledgers, "first", half);
        drop(open(&ledgers, "idle", half));
        let second = open(&ledgers, "second", half / 2);
        ledgers.make_room().expect("the idle one goes");
        assert!(ledgers.find("idle").is_none() && ledgers.find("first").is_some());
        let third = open(&ledgers, "third", half);
        let refused = ledgers.make_room().expect_err("all are needed").to_string();
        assert!(
            refused.contains("192 MiB") && refused.contains("in parts"),
            "{refused}"
        );
        drop(first);
        ledgers.make_room().expect("there is room again");
        drop((second, third));
    }

    #[test]
    fn a_ledger_stays_while_the_database_is_to_be_told_of_it() {
        let ledgers = Ledgers::default();
        let import = open(&ledgers, "a", LEDGER_BYTES * 2);
        let id = Uuid::now_v7();
        import.slot.batches().begin(id, 1, import.call);
        assert!(import.slot.batches().is_under_way(id));
        let call = import.call;
        drop(import);
        let slot = ledgers.find("a").expect("it is there");
        assert!(!slot.batches().is_under_way(id));
        assert_eq!(slot.batches().orphans(), [id]);
        assert_eq!(slot.batches().of_others(call), [id]);
        slot.batches().arrived(id, kernel::Timestamp::MIN);
        assert!(slot.batches().orphans().is_empty());
        drop(slot);
        assert!(ledgers.make_room().is_err());
        let slot = ledgers.find("a").expect("it is there");
        assert_eq!(slot.batches().take_settled().ids, [id]);
        drop(slot);
        ledgers.make_room().expect("it goes");
    }
}
