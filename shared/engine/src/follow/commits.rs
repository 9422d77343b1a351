//! Tells waiting reads of commits: one subscription for all reads of a process, from the first on.
//!
//! Hints may be lost, so whoever waits looks by itself as well.

use std::sync::Arc;

use hot::{HotError, Owner, SharedHotStore, Slot, Wake};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::hints::pass_hints;

/// The commits of all slots of a store, as far as it tells of them.
#[derive(Debug)]
pub(super) struct Commits {
    hot: SharedHotStore,
    told: Arc<Told>,
    /// The task that listens; it ends with the last reader.
    listening: OnceCell<AbortOnDropHandle<()>>,
}

/// Waiting reads, by slot.
#[derive(Debug)]
struct Told {
    partitions: usize,
    slots: Vec<Notify>,
}

impl Told {
    fn slot(&self, slot: Slot) -> Option<&Notify> {
        let partition = usize::from(slot.partition.number());
        let is_known = partition < self.partitions;
        let place = slot.owner.index() * self.partitions + partition;
        self.slots.get(place).filter(|_| is_known)
    }

    fn tell(&self, wake: Wake) {
        match wake {
            Wake::Stream(_) => {}
            Wake::Committed(slot) => self.slot(slot).into_iter().for_each(Notify::notify_waiters),
            Wake::All | Wake::Reopen => self.slots.iter().for_each(Notify::notify_waiters),
        }
    }
}

impl Commits {
    pub(super) fn new(hot: SharedHotStore) -> Self {
        let partitions = usize::from(hot.partition_count().get());
        let slots = partitions * Owner::ALL.len();
        Self {
            hot,
            told: Arc::new(Told {
                partitions,
                slots: (0..slots).map(|_| Notify::new()).collect(),
            }),
            listening: OnceCell::new(),
        }
    }

    /// Listens from now on. Where the store does not let it, the next call tries again.
    pub(super) async fn listen(&self) {
        let begun = self.listening.get_or_try_init(|| async {
            let hints = self.hot.subscribe_commits().await?;
            let (told, hot) = (Arc::clone(&self.told), Arc::clone(&self.hot));
            let listening = tokio::spawn(pass_hints(
                hints,
                // Nobody waits for its end: it has nothing to hand over.
                CancellationToken::new(),
                move |wake| told.tell(wake),
                move || {
                    let hot = Arc::clone(&hot);
                    async move { hot.subscribe_commits().await }
                },
            ));
            Ok::<_, HotError>(AbortOnDropHandle::new(listening))
        });
        if let Err(error) = begun.await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "no hints about commits; reads look by themselves"
            );
        }
    }

    /// Completes with the next commit of a slot that is told of, counted from this call and not
    /// from when it is awaited. Never, for a slot that is not there.
    pub(super) fn next(&self, slot: Slot) -> Option<Notified<'_>> {
        self.told.slot(slot).map(Notify::notified)
    }
}
