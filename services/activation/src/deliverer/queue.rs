//! Queues, one for each destination, so that a slow one delays nobody else.
//!
//! Each destination has a window: how many deliveries may be under way to it at once. It grows by one with every
//! window's worth of successes and is halved by each failure (additive increase, multiplicative decrease), so a dead
//! destination soon holds one delivery at a time, and a fast one many.

use std::collections::{HashMap, VecDeque};

use crate::limits;

/// The queues of all destinations.
#[derive(Debug)]
pub(super) struct Queues<T> {
    destinations: HashMap<Box<str>, Destination<T>>,
}

#[derive(Debug)]
struct Destination<T> {
    waiting: VecDeque<(usize, T)>,
    waiting_bytes: usize,
    running: usize,
    window: usize,
    successes: usize,
}

impl<T> Default for Destination<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
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
    /// Adds what is to be done for a destination; gives it back where its queue is full.
    pub(super) fn push(&mut self, name: &str, bytes: usize, item: T) -> Result<(), T> {
        let destination = match self.destinations.get_mut(name) {
            Some(known) => known,
            None => self.destinations.entry(name.into()).or_default(),
        };
        if destination.waiting.len() >= limits::QUEUE_DELIVERIES
            || destination.waiting_bytes + bytes > limits::QUEUE_BYTES
        {
            return Err(item);
        }
        destination.waiting_bytes += bytes;
        destination.waiting.push_back((bytes, item));
        Ok(())
    }

    /// Takes what may begin now for a destination, within its window.
    pub(super) fn next(&mut self, name: &str) -> Option<T> {
        let destination = self.destinations.get_mut(name)?;
        if destination.running >= destination.window {
            return None;
        }
        let (bytes, item) = destination.waiting.pop_front()?;
        destination.waiting_bytes -= bytes;
        destination.running += 1;
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
            destination.waiting_bytes = 0;
            left.extend(destination.waiting.drain(..).map(|(_, item)| item));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(queues: &mut Queues<u32>, name: &str) -> Vec<u32> {
        std::iter::from_fn(|| queues.next(name)).collect()
    }

    #[test]
    fn a_window_bounds_what_is_under_way_to_each_destination() {
        let mut queues = Queues::default();
        for item in 0..20 {
            queues.push("dead", 10, item).expect("room");
            queues.push("healthy", 10, 100 + item).expect("room");
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
            queues.push("d", 1, item).expect("room");
        }
        for _ in 0..5 {
            queues.next("d");
            queues.done("d", true);
        }
        while queues.next("d").is_some() {
            queues.done("d", false);
        }
        for item in 0..5_000_u32 {
            queues.push("d", 1, item).expect("room");
        }
        assert_eq!(take_all(&mut queues, "d").len(), limits::WINDOW_MOST);
    }

    #[test]
    fn queues_are_bounded_in_number_and_bytes() {
        let mut queues = Queues::default();
        assert_eq!(queues.push("d", limits::QUEUE_BYTES + 1, 1), Err(1));
        for item in 0..limits::QUEUE_DELIVERIES {
            queues.push("d", 0, item).expect("room");
        }
        assert_eq!(queues.push("d", 0, 7), Err(7));
        assert_eq!(queues.push("other", 0, 7), Ok(()));
        assert_eq!(queues.clear().len(), limits::QUEUE_DELIVERIES + 1);
        assert_eq!(queues.push("d", 0, 7), Ok(()));
    }
}
