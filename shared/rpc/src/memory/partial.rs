//! Messages that have not arrived whole, and which of them gives way.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::{Memory, full};
use crate::Failure;
use crate::limits::{ARRIVAL_GRACE, MEMORY_PATIENCE};

/// The messages that are arriving, by when they began.
#[derive(Debug, Default)]
pub(super) struct Partials {
    last: u64,
    arriving: BTreeMap<u64, Arriving>,
}

#[derive(Debug)]
struct Arriving {
    begun: Instant,
    bytes: usize,
    give_way: Arc<Notify>,
}

/// A message that is arriving, with the memory of the bytes that did.
#[derive(Debug)]
pub struct Partial {
    memory: Memory,
    /// Absent before the first bytes.
    place: Option<u64>,
    give_way: Arc<Notify>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Partial {
    pub(super) fn new(memory: Memory) -> Self {
        Self {
            memory,
            place: None,
            give_way: Arc::new(Notify::new()),
            permit: None,
        }
    }

    /// Takes so many bytes more, which have arrived. Those who take their time give way to it.
    ///
    /// # Errors
    /// [`ErrorReason::MemoryFull`](crate::ErrorReason::MemoryFull) where there is no room for a
    /// while, or this message takes its time itself.
    pub async fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let place = self.enter();
        let share = Arc::clone(&self.memory.0.arriving);
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = match Arc::clone(&share).try_acquire_many_owned(count) {
            Ok(permit) => permit,
            Err(_) => {
                let memory = self.memory.clone();
                let give_way = Arc::clone(&self.give_way);
                let room = async {
                    let mut wait = std::pin::pin!(share.acquire_many_owned(count));
                    loop {
                        memory.make_room(bytes, place);
                        match tokio::time::timeout(ARRIVAL_GRACE, &mut wait).await {
                            Ok(permit) => return permit.map_err(|_| full()),
                            Err(_elapsed) => {}
                        }
                    }
                };
                tokio::select! {
                    permit = room => permit?,
                    () = give_way.notified() => return Err(full()),
                    () = tokio::time::sleep(MEMORY_PATIENCE) => return Err(full()),
                }
            }
        };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        if let Some(arriving) = self.memory.partials().arriving.get_mut(&place) {
            arriving.bytes += bytes;
        }
        Ok(())
    }

    /// Completes once others need the room and this message has taken its time.
    pub fn gives_way(&self) -> impl Future<Output = Failure> + use<> {
        let give_way = Arc::clone(&self.give_way);
        async move {
            give_way.notified().await;
            full()
        }
    }

    /// The message is whole: it gives way to none any more, and keeps its bytes until it is
    /// dropped.
    pub fn whole(&mut self) {
        if let Some(place) = self.place.take() {
            self.memory.partials().arriving.remove(&place);
        }
    }

    fn enter(&mut self) -> u64 {
        if let Some(place) = self.place {
            return place;
        }
        let mut partials = self.memory.partials();
        partials.last += 1;
        let place = partials.last;
        let arriving = Arriving {
            begun: Instant::now(),
            bytes: 0,
            give_way: Arc::clone(&self.give_way),
        };
        partials.arriving.insert(place, arriving);
        drop(partials);
        self.place = Some(place);
        place
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.whole();
    }
}

impl Memory {
    /// Has messages that were given their time give way, as many as free so many bytes: the oldest
    /// of those that hold at least as much as the mean. So those that hold next to nothing stay,
    /// whose end would make no room.
    fn make_room(&self, bytes: usize, asking: u64) {
        let mut partials = self.partials();
        let others = || {
            let arriving = partials.arriving.iter();
            arriving.filter(|(place, _)| **place != asking)
        };
        let held: usize = others().map(|(_, arriving)| arriving.bytes).sum();
        let mean = held / others().count().max(1);
        let mut freed = 0;
        let mut gone = Vec::new();
        for (place, arriving) in others() {
            if freed >= bytes || arriving.begun.elapsed() < ARRIVAL_GRACE {
                break;
            }
            if arriving.bytes >= mean {
                freed += arriving.bytes;
                gone.push(*place);
            }
        }
        for place in gone {
            if let Some(arriving) = partials.arriving.remove(&place) {
                arriving.give_way.notify_one();
            }
        }
    }

    /// Nothing panics while it holds the lock, and a list of messages cannot be half changed.
    fn partials(&self) -> MutexGuard<'_, Partials> {
        self.0
            .partials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
