//! The memory that requests may take, one budget for all calls and streams of a process.
//!
//! It has four shares, so that nobody waits for those who cannot be hurried:
//!
//! 1. Messages that have not arrived whole. One that takes its time gives way once another needs
//!    the room, the oldest first.
//! 2. Small calls, which is what most are. Nothing else uses that share.
//! 3. Batches that wait for room in a stream of low priority.
//! 4. Everything else: large calls, and the batches of streams. It is half of the budget.
//!
//! Large messages take turns besides: reading and building one keeps a processor, and half of them
//! are left to others.
//!
//! A message is charged with the bytes that arrived, never with those that it announces, and with
//! what it costs once it is built, before that.

mod partial;

use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::partial::Partial;
use self::partial::Partials;
use crate::limits::{
    MEMORY_BYTES, MEMORY_PATIENCE, MEMORY_RETRY, MESSAGE_MEMORY, SMALL_CALL, SMALL_MESSAGE,
};
use crate::{ErrorReason, Failure};

/// The budget of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    arriving: Arc<Semaphore>,
    partials: Mutex<Partials>,
    small: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    large: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    message: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of_bytes(MEMORY_BYTES)
    }
}

impl Memory {
    /// Shares out so many bytes.
    pub fn of_bytes(bytes: usize) -> Self {
        let arriving = bytes / 4;
        let (small, bulk) = (bytes / 8, bytes / 8);
        let large = bytes - arriving - small - bulk;
        let share = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Shares {
            arriving: share(arriving),
            partials: Mutex::default(),
            small: share(small),
            bulk: share(bulk),
            large: share(large),
            turns: share((processors / 2).max(1)),
            message: large.min(MESSAGE_MEMORY),
        }))
    }

    /// Returns how many bytes one message may cost.
    pub(crate) fn message_bytes(&self) -> usize {
        self.0.message
    }

    /// Begins to take a message in.
    pub fn partial(&self) -> Partial {
        Partial::new(self.clone())
    }

    /// Waits for the turn of a message of so many bytes to be read or built; one that is not large
    /// needs none.
    pub async fn turn(&self, length: usize) -> Option<OwnedSemaphorePermit> {
        if length <= SMALL_MESSAGE {
            return None;
        }
        // Nobody closes it.
        Arc::clone(&self.0.turns).acquire_owned().await.ok()
    }

    /// Charges a whole message with what it costs, once there is room.
    ///
    /// # Errors
    /// [`ErrorReason::MemoryFull`] where there is none for a while.
    pub async fn charge(
        &self,
        cost: usize,
        arrived: usize,
        is_stream: bool,
    ) -> Result<Charge, Failure> {
        let share = if !is_stream && cost <= SMALL_CALL {
            &self.0.small
        } else {
            &self.0.large
        };
        // Nothing costs more than one message may.
        let permit = acquire(share, cost.min(self.0.message), MEMORY_PATIENCE).await?;
        Ok(Charge(Some(Held {
            permit,
            arrived,
            memory: self.clone(),
        })))
    }
}

/// The memory that one message takes; dropping it gives the memory back.
///
/// A request that no server of this process took in has none.
#[derive(Debug, Default)]
pub struct Charge(Option<Held>);

#[derive(Debug)]
struct Held {
    permit: OwnedSemaphorePermit,
    /// Bytes of the message as it came.
    arrived: usize,
    memory: Memory,
}

impl Charge {
    /// Returns the bytes that it stands for; 0 for a request that has none.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |held| held.permit.num_permits())
    }

    /// Gives back all but the size of the message as it came, which is what is left of it once it
    /// waits for a stream. With low priority it waits in a share of its own, so that others find
    /// room.
    ///
    /// # Errors
    /// [`ErrorReason::MemoryFull`] where that share has no room for a while.
    pub async fn keep_arrived(mut self, is_bulk: bool) -> Result<Self, Failure> {
        let Some(held) = &mut self.0 else {
            return Ok(self);
        };
        if is_bulk {
            let bulk = &held.memory.0.bulk;
            let arrived = held.arrived.min(held.permit.num_permits());
            held.permit = acquire(bulk, arrived, MEMORY_PATIENCE).await?;
        } else {
            let excess = held.permit.num_permits().saturating_sub(held.arrived);
            drop(held.permit.split(excess));
        }
        Ok(self)
    }
}

async fn acquire(
    share: &Arc<Semaphore>,
    bytes: usize,
    patience: Duration,
) -> Result<OwnedSemaphorePermit, Failure> {
    let count = u32::try_from(bytes).unwrap_or(u32::MAX);
    let permit = Arc::clone(share).acquire_many_owned(count);
    match tokio::time::timeout(patience, permit).await {
        Ok(Ok(permit)) => Ok(permit),
        // Nobody closes a share, and one that was closed has no room.
        Ok(Err(_)) | Err(_) => Err(full()),
    }
}

/// The refusal for want of memory.
fn full() -> Failure {
    let message = "the messages under way take all the memory that is set aside for them";
    Failure::new(ErrorReason::MemoryFull, message).with_retry_after(MEMORY_RETRY)
}

#[cfg(test)]
mod tests;
