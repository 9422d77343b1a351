//! Queues, one for each destination, so that a slow one delays nobody else.
//!
//! Each destination has a window: how many deliveries may be under way to it at once. It grows by one with every
//! window's worth of successes and is halved by each failure (additive increase, multiplicative decrease), so a dead
//! destination soon holds one delivery at a time, and a fast one many.
//!
//! Partitions take turns at a destination, so that the backlog of some delays no others.

use std::collections::{HashMap, VecDeque};

use kernel::PartitionId;

use crate::limits;

/// The queues of all destinations.
#[derive(Debug)]
pub(super) struct Queues<T> {
    destinations: HashMap<Box<str>, Destination<T>>,
}

#[derive(Debug)]
struct Destination<T> {
    /// With the bytes of each, in the order of their arrival; none is empty.
    waiting: HashMap<PartitionId, VecDeque<(usize, T)>>,
    /// The partitions of which something waits, in the order of their turns.
    turns: VecDeque<PartitionId>,
    waiting_count: usize,
    waiting_bytes: usize,
    running: usize,
    window: usize,
    successes: usize,
}

impl<T> Default for Destination<T> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            waiting_count: 0,
            waiting_bytes: 0,
            running: 0,
            window: limits::WINDOW_FIRST,
            successes: 0,
        }
    }
}

impl<T> Default for Queues<T> {
    fn default() -> Self {
        Self {
            destinations: HashMap::new(),
        }
    }
}

impl<T> Queues<T> {
    /// Adds what a partition wants done for a destination; gives it back where its queue is full.
    pub(super) fn push(
        &mut self,
        name: &str,
        partition: PartitionId,
        bytes: usize,
        item: T,
    ) -> Result<(), T> {
        let destination = match self.destinations.get_mut(name) {
            Some(known) => known,
            None => self.destinations.entry(name.into()).or_default(),
        };
        if destination.waiting_count >= limits::QUEUE_DELIVERIES
            || destination.waiting_bytes + bytes > limits::QUEUE_BYTES
        {
            return Err(item);
        }
        destination.waiting_count += 1;
        destination.waiting_bytes += bytes;
        let own = destination.waiting.entry(partition).or_default();
        if own.is_empty() {
            destination.turns.push_back(partition);
        }
        own.push_back((bytes, item));
        Ok(())
    }

    /// Takes what may begin now for a destination, within its window.
    pub(super) fn next(&mut self, name: &str) -> Option<T> {
        let destination = self.destinations.get_mut(name)?;
        if destination.running >= destination.window {
            return None;
        }
        let (bytes, item) = destination.pop()?;
        destination.running += 1;
        destination.waiting_count -= 1;
        destination.waiting_bytes -= bytes;
        Some(item)
    }

    /// Says that one of a destination is done, and whether the destination is struggling.
    pub(super) fn done(&mut self, name: &str, is_struggling: bool) {
        let Some(destination) = self.destinations.get_mut(name) else {
            return;
        };
        destination.running = destination.running.saturating_sub(1);
        if is_struggling {
            destination.window = (destination.window / 2).max(1);
            destination.successes = 0;
        } else {
            destination.successes += 1;
            if destination.successes >= destination.window {
                destination.window = (destination.window + 1).min(limits::WINDOW_MOST);
                destination.successes = 0;
            }
        }
    }

    /// Forgets everything that waits.
    pub(super) fn clear(&mut self) -> Vec<T> {
        let mut left = Vec::new();
        for destination in self.destinations.values_mut() {
            destination.waiting_count = 0;
            destination.waiting_bytes = 0;
            destination.turns.clear();
            let waiting = destination.waiting.drain();
            left.extend(waiting.flat_map(|(_, own)| own).map(|(_, item)| item));
        }
        left
    }
}

impl<T> Destination<T> {
    /// Takes the oldest of the partition whose turn it is, with its bytes.
    fn pop(&mut self) -> Option<(usize, T)> {
        let partition = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&partition)?;
        let oldest = own.pop_front();
        if own.is_empty() {
            self.waiting.remove(&partition);
        } else {
            self.turns.push_back(partition);
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PartitionId = PartitionId::new(1);

    fn take_all(queues: &mut Queues<u32>, name: &str) -> Vec<u32> {
        std::iter::from_fn(|| queues.next(name)).collect()
    }

    #[test]
    fn a_window_bounds_what_is_under_way_to_each_destination() {
        let mut queues = Queues::default();
        for item in 0..20 {
            queues.push("dead", ONE, 10, item).expect("room");
            queues.push("healthy", ONE, 10, 100 + item).expect("room");
        }
        assert_eq!(take_all(&mut queues, "dead").len(), limits::WINDOW_FIRST);
        assert_eq!(take_all(&mut queues, "healthy").len(), limits::WINDOW_FIRST);
        for _ in 0..limits::WINDOW_FIRST {
            queues.done("dead", true);
            queues.done("healthy", false);
        }
        assert_eq!(take_all(&mut queues, "dead"), [8]);
        assert_eq!(
            take_all(&mut queues, "healthy").len(),
            limits::WINDOW_FIRST + 1
        );
    }

    #[test]
    fn a_destination_that_recovers_gets_its_window_back() {
        let mut queues = Queues::default();
        for item in 0..5_000_u32 {
            queues.push("d", ONE, 1, item).expect("room");
        }
        for _ in 0..5 {
            queues.next("d");
            queues.done("d", true);
        }
        while queues.next("d").is_some() {
            queues.done("d", false);
        }
        for item in 0..5_000_u32 {
            queues.push("d", ONE, 1, item).expect("room");
        }
        assert_eq!(take_all(&mut queues, "d").len(), limits::WINDOW_MOST);
    }

    #[test]
    fn queues_are_bounded_in_number_and_bytes() {
        let mut queues = Queues::default();
        assert_eq!(queues.push("d", ONE, limits::QUEUE_BYTES + 1, 1), Err(1));
        for item in 0..limits::QUEUE_DELIVERIES {
            queues.push("d", ONE, 0, item).expect("room");
        }
        assert_eq!(queues.push("d", ONE, 0, 7), Err(7));
        assert_eq!(queues.push("other", ONE, 0, 7), Ok(()));
        assert_eq!(queues.clear().len(), limits::QUEUE_DELIVERIES + 1);
        assert_eq!(queues.push("d", ONE, 0, 7), Ok(()));
    }

    #[test]
    fn partitions_take_turns_and_each_keeps_its_order() {
        let mut queues = Queues::default();
        let [many, few, late] = [0, 1, 2].map(PartitionId::new);
        for item in 0..4 {
            queues.push("d", many, 1, item).expect("room");
        }
        queues.push("d", few, 1, 10).expect("room");
        queues.push("d", few, 1, 11).expect("room");
        assert_eq!(queues.next("d"), Some(0));
        queues.push("d", late, 1, 20).expect("room");
        assert_eq!(take_all(&mut queues, "d"), [10, 1, 20, 11, 2, 3]);
        assert_eq!(queues.next("d"), None);
    }
}
