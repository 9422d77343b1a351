//! Folding: the last snapshot of a slot and the commits after it become a new snapshot, from the log to the log.
//!
//! Nothing is read from the hot store but what only it knows: which messages were forwarded, how far sources are taken, and
//! what its streams refused. Then the rows are cut that nobody needs any more: those in the snapshot whose outputs the
//! readers have consumed by their own snapshots, once they are older than the retention; events, once they are older than
//! theirs.

mod cut;
mod inputs;
mod merge;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hot::{HotError, RestorableStore, Slot};
use kernel::{Duration, Timestamp};

pub(crate) use self::cut::{CutRows, cut_behind, needless_upto};
pub(crate) use self::merge::{Changes, TakeMerged, advance, read_commits, write_states};
use crate::packed::Snapshot;
use crate::{DEFAULT_RETENTION, Log, LogError};

/// How snapshots are made.
#[derive(Clone)]
pub struct FoldOptions {
    /// How long rows are kept that are in a snapshot: a copy of the hot store up to this age needs only them.
    pub retention: Duration,
    /// How long events are kept after they were accepted; absent for ever. Those that a recovery needs stay for longer.
    pub event_retention: Option<Duration>,
    /// The clock that the age of rows is measured with: that of the log.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Default for FoldOptions {
    fn default() -> Self {
        Self {
            retention: DEFAULT_RETENTION,
            event_retention: None,
            now: Arc::new(machine_now),
        }
    }
}

impl fmt::Debug for FoldOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoldOptions")
            .field("retention", &self.retention)
            .field("event_retention", &self.event_retention)
            .finish_non_exhaustive()
    }
}

fn machine_now() -> Timestamp {
    SystemTime::now().into()
}

/// What a fold did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Folded {
    /// The last commit in the snapshot.
    pub seq: u64,
    /// States in the snapshot.
    pub states: u64,
    /// Bytes of the snapshot.
    pub bytes: u64,
    /// Rows that were cut.
    pub cut: u64,
}

/// Why a snapshot was not made. The old one still counts, and nothing was cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The log failed: try again later where it was not there, and look where it is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The hot store failed: try again later.
    #[error(transparent)]
    Hot(#[from] HotError),
}

/// Cuts the events that a slot has read, as its snapshot says, and that are older than they are kept.
pub(crate) async fn cut_events(
    log: &dyn Log,
    slot: Slot,
    options: &FoldOptions,
) -> Result<CutRows, LogError> {
    let snapshot = match log.snapshot(slot).await? {
        Some(head) => Snapshot::unpack(&head)?,
        None => Snapshot::default(),
    };
    cut::cut_events(log, slot, &snapshot, options).await
}

/// Makes the snapshot of a slot anew, if there are commits after it, and cuts what is not needed.
///
/// Two processes may do it at once: one of them wins.
///
/// # Errors
/// [`FoldError`].
pub async fn fold(
    hot: &dyn RestorableStore,
    log: &dyn Log,
    slot: Slot,
    options: &FoldOptions,
) -> Result<Folded, FoldError> {
    // Asked before the log: every commit that the store has is there then. The snapshot has no other, so that it does not
    // know of more entries than of their sources, and is left alone where the store has lost what is in it: it may be on its
    // way back from there, and what a later one no longer has would stay.
    let inputs = inputs::read(hot, slot).await?;
    let (snapshot, states) = merge::merge(hot, log, slot, &inputs).await?;
    let cut = cut::cut(log, slot, &snapshot, options).await?;
    Ok(Folded {
        seq: snapshot.seq,
        states,
        bytes: snapshot.bytes,
        cut,
    })
}
