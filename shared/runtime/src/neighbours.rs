//! The engines of a process: when all of them rest, and whether anything they decide hangs on
//! receipts. The way in of the same process paces events by it on stream time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::{EngineError, EngineHandle, Status};
use kernel::{Owner, PartitionId, Timestamp};

/// The services behind a way in, as far as they run in its process.
#[async_trait]
pub trait Downstream: fmt::Debug + Send + Sync {
    /// Returns whether an answer may hang on when a receipt comes: something sends, and something
    /// hears receipts.
    fn hears_receipts(&self) -> bool;

    /// Completes once everything that was accepted so far has happened, deliveries under way and
    /// their receipts included.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer, or an engine was shut down.
    async fn settle(&self) -> Result<(), EngineError>;

    /// Returns instants before which no timer of a partition is due, one for each service that has
    /// timers there. Absent while anything is under way.
    fn next_dues(&self) -> Option<Vec<(PartitionId, Timestamp)>>;
}

/// The interest of the definitions of a service in receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hearing {
    /// True where a receipt may change what one of them decides.
    pub hears_receipts: bool,
    /// True where one of them sends.
    pub sends: bool,
}

/// The engines of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Neighbours(Arc<Mutex<Vec<Neighbour>>>);

#[derive(Clone)]
struct Neighbour {
    engine: Arc<dyn Status>,
    hearing: Arc<dyn Fn() -> Hearing + Send + Sync>,
}

impl Neighbours {
    /// Adds the engine of a service, with what tells of the definitions in force there.
    pub fn add(&self, engine: EngineHandle, hearing: impl Fn() -> Hearing + Send + Sync + 'static) {
        let neighbour = Neighbour {
            engine: Arc::new(engine),
            hearing: Arc::new(hearing),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(neighbour);
    }

    /// Returns the engine of a service; absent where it does not run in this process.
    pub(crate) fn engine_of(&self, service: Owner) -> Option<Arc<dyn Status>> {
        let mut engines = self.all().into_iter().map(|own| own.engine);
        engines.find(|own| own.service() == service)
    }

    fn all(&self) -> Vec<Neighbour> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}

impl fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .all()
            .iter()
            .map(|own| own.engine.service().name())
            .collect();
        f.debug_tuple("Neighbours").field(&names).finish()
    }
}

#[async_trait]
impl Downstream for Neighbours {
    fn hears_receipts(&self) -> bool {
        let hearings: Vec<_> = self.all().iter().map(|own| (own.hearing)()).collect();
        hearings.iter().any(|own| own.sends) && hearings.iter().any(|own| own.hears_receipts)
    }

    async fn settle(&self) -> Result<(), EngineError> {
        let all = self.all();
        let engines: Vec<_> = all.iter().map(|own| &own.engine).collect();
        settle(&engines, Extent::Share).await?;
        Ok(())
    }

    fn next_dues(&self) -> Option<Vec<(PartitionId, Timestamp)>> {
        let dues: Option<Vec<_>> = self
            .all()
            .iter()
            .map(|own| own.engine.next_dues())
            .collect();
        Some(dues?.concat())
    }
}

/// The partitions of a service that are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The share of this process.
    Share,
    /// Those of all processes, and those of nobody.
    All,
}

/// Waits until nothing is left to do for any of these engines. Returns the commits of the
/// partitions so far.
///
/// # Errors
/// [`EngineError`] where a store does not answer, or an engine was shut down.
pub(crate) async fn settle(
    engines: &[&Arc<dyn Status>],
    extent: Extent,
) -> Result<u64, EngineError> {
    // One service's last commit may be another one's next record, in a circle: only a whole round
    // in which nobody committed proves that all are idle.
    let mut last = None;
    loop {
        let mut commit_count = 0_u64;
        for engine in engines {
            commit_count += match extent {
                Extent::Share => engine.await_idle().await?,
                Extent::All => engine.await_all_idle().await?,
            };
        }
        if last == Some(commit_count) {
            return Ok(commit_count);
        }
        last = Some(commit_count);
    }
}
