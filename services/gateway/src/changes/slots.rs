//! The number of streams that are open at once, in all and for each caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rpc::Failure;

use super::refusal::busy;
use crate::limits::{WATCHES, WATCHES_OF_CALLER};
use crate::metrics::WatchMetrics;

/// The streams of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: Mutex<Open>,
    metrics: WatchMetrics,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    /// Only of callers that have one.
    callers: HashMap<Arc<str>, usize>,
}

/// The right to one stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    caller: Arc<str>,
}

impl Slots {
    /// No stream so far.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            open: Mutex::default(),
            metrics: WatchMetrics::new(),
        }))
    }

    /// Gives a caller the right to one more stream.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::WatchesBusy`] where there are too many.
    pub(crate) fn take(&self, caller: Arc<str>) -> Result<Slot, Failure> {
        let mut open = self.lock();
        let own = open.callers.get(&caller).copied().unwrap_or(0);
        if own >= WATCHES_OF_CALLER || open.count >= WATCHES {
            return Err(busy(own >= WATCHES_OF_CALLER));
        }
        open.count += 1;
        open.callers.insert(Arc::clone(&caller), own + 1);
        self.0.metrics.opened();
        Ok(Slot {
            slots: self.clone(),
            caller,
        })
    }

    /// Numbers cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Its consumer got so many changes.
    pub(crate) fn sent(&self, changes: usize) {
        self.slots.0.metrics.sent(changes);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.0.metrics.ended();
        let mut open = self.slots.lock();
        open.count -= 1;
        if let Some(own) = open.callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                open.callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rpc::ErrorReason;

    use super::*;

    #[test]
    fn a_caller_and_all_of_them_have_so_many_streams() {
        let slots = Slots::new();
        let mut held: Vec<Slot> = Vec::new();
        for _ in 0..WATCHES_OF_CALLER {
            held.push(slots.take("key:a".into()).expect("room"));
        }
        let refused = slots.take("key:a".into()).expect_err("too many");
        assert_eq!(refused.reason(), ErrorReason::WatchesBusy);
        held.pop();
        held.push(slots.take("key:a".into()).expect("one has ended"));
        for number in held.len()..WATCHES {
            held.push(slots.take(format!("key:{number}").into()).expect("room"));
        }
        assert!(slots.take("key:b".into()).is_err());
        held.clear();
        assert!(slots.lock().callers.is_empty());
        slots.take("key:b".into()).expect("all have ended");
    }
}
