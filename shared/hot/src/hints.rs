//! Hints to subscribers: never blocks the writer, never loses that there was news.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{OwnedPermit, Sender, channel};

use crate::{Slot, StreamId, StreamName, Wake, WakeReceiver, limits};

/// The news that a subscriber listens to.
#[derive(Debug, Clone)]
pub(crate) enum Topics {
    /// Appends to these streams.
    Streams(Vec<StreamName>),
    /// Commits.
    Commits,
}

impl Topics {
    /// Returns whether a hint is about them. Hints about everything always are.
    fn include(&self, wake: Wake) -> bool {
        match (wake, self) {
            (Wake::Stream(stream), Self::Streams(names)) => names.contains(&stream.name),
            (Wake::Stream(_), Self::Commits) | (Wake::Committed(_), Self::Streams(_)) => false,
            (Wake::Committed(_), Self::Commits) | (Wake::All | Wake::Reopen, _) => true,
        }
    }
}

/// All subscribers of a store.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    subscribers: Mutex<Vec<Subscriber>>,
}

impl Hints {
    /// Adds a subscriber.
    pub(crate) fn subscribe(&self, topics: Topics) -> WakeReceiver {
        let (subscriber, receiver) = Subscriber::new(topics);
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(subscriber);
        receiver
    }

    /// Tells everybody who asked that a stream was appended to.
    pub(crate) fn wake(&self, stream: StreamId) {
        self.send(Wake::Stream(stream));
    }

    /// Tells everybody who asked that a commit took effect.
    pub(crate) fn committed(&self, slot: Slot) {
        self.send(Wake::Committed(slot));
    }

    /// Tells everybody something that concerns all streams.
    #[cfg(feature = "contract")]
    pub(crate) fn tell(&self, wake: Wake) {
        self.send(wake);
    }

    fn send(&self, wake: Wake) {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain_mut(|subscriber| subscriber.send(wake));
    }
}

/// One subscriber. A place in its queue is kept for [`Wake::All`], so that an overflow can always be told.
#[derive(Debug)]
pub(crate) struct Subscriber {
    topics: Topics,
    sender: Sender<Wake>,
    spare: Option<OwnedPermit<Wake>>,
}

impl Subscriber {
    pub(crate) fn new(topics: Topics) -> (Self, WakeReceiver) {
        let (sender, receiver) = channel(limits::WAKES);
        let subscriber = Self {
            topics,
            sender,
            spare: None,
        };
        (subscriber, receiver)
    }

    /// Passes on a hint; false where nobody listens any more.
    pub(crate) fn send(&mut self, wake: Wake) -> bool {
        if self.topics.include(wake) {
            self.push(wake)
        } else {
            !self.sender.is_closed()
        }
    }

    /// Says that any hint may have been missed; false where nobody listens any more.
    pub(crate) fn send_all(&mut self) -> bool {
        self.push(Wake::All)
    }

    /// Says that the store may have lost what is newest, once there is room for it: no other hint says that much. False
    /// where nobody listens any more.
    pub(crate) async fn send_reopen(&mut self) -> bool {
        self.sender.send(Wake::Reopen).await.is_ok()
    }

    /// Completes when nobody listens any more.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }

    fn push(&mut self, wake: Wake) -> bool {
        if self.spare.is_none() {
            match self.sender.clone().try_reserve_owned() {
                Ok(permit) => self.spare = Some(permit),
                // The queue is still full, and its last hint is the one that means all.
                Err(TrySendError::Full(_)) => return true,
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        match self.sender.try_send(wake) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                if let Some(permit) = self.spare.take() {
                    permit.send(Wake::All);
                }
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::PartitionId;

    use super::*;

    const NEWS: StreamId = StreamId {
        name: StreamName::Events,
        partition: PartitionId::new(3),
    };

    fn events() -> Topics {
        Topics::Streams(vec![StreamName::Events])
    }

    #[test]
    fn a_subscriber_learns_of_what_it_asked_for() {
        let hints = Hints::default();
        let mut appends = hints.subscribe(events());
        let mut commits = hints.subscribe(Topics::Commits);
        let slot = Slot {
            owner: kernel::Owner::Journey,
            partition: PartitionId::new(3),
        };
        let facts = StreamId {
            name: StreamName::Facts,
            ..NEWS
        };
        hints.wake(facts);
        hints.committed(slot);
        hints.wake(NEWS);
        assert_eq!(appends.try_recv(), Ok(Wake::Stream(NEWS)));
        assert_eq!(commits.try_recv(), Ok(Wake::Committed(slot)));
        assert!(appends.try_recv().is_err() && commits.try_recv().is_err());
    }

    #[test]
    fn a_slow_subscriber_learns_that_it_missed_hints() {
        let hints = Hints::default();
        let mut receiver = hints.subscribe(events());
        for _ in 0..limits::WAKES * 2 {
            hints.wake(NEWS);
        }
        let mut seen = Vec::new();
        while let Ok(wake) = receiver.try_recv() {
            seen.push(wake);
        }
        assert_eq!(seen.len(), limits::WAKES);
        assert_eq!(seen.last(), Some(&Wake::All));
        hints.wake(NEWS);
        assert_eq!(receiver.try_recv(), Ok(Wake::Stream(NEWS)));
    }

    #[test]
    fn a_subscriber_that_left_is_forgotten() {
        let hints = Hints::default();
        drop(hints.subscribe(events()));
        hints.wake(NEWS);
        assert!(hints.subscribers.lock().expect("unpoisoned").is_empty());
    }
}
