//! The events of a batch that are refused, and why.
//!
//! The first fault of each event is kept. Of all others those are that fit into an answer: a batch
//! of 2 MB can have 200,000 faults, more than clients take, and than a process should hold for each
//! call that it serves.

use ::rpc::Violation;

use crate::limits::REJECTED_BYTES;

/// The events of a batch that are refused.
#[derive(Debug, Default)]
pub struct Rejected {
    /// Each with its place in the batch and what is wrong with it, in order of places.
    events: Vec<(usize, Vec<Violation>)>,
    /// Bytes of all faults that are kept.
    bytes: usize,
    omitted: usize,
}

impl Rejected {
    /// Refuses an event, which stands behind those that were refused before.
    pub(crate) fn push(&mut self, index: usize, violations: Vec<Violation>) {
        let mut kept = Vec::new();
        for violation in violations {
            let bytes = weight(&violation);
            if kept.is_empty() || self.bytes + bytes <= REJECTED_BYTES {
                self.bytes += bytes;
                kept.push(violation);
            } else {
                self.omitted += 1;
            }
        }
        self.events.push((index, kept));
    }

    /// Refuses an event that may stand before others that are refused, for one fault.
    pub(crate) fn insert(&mut self, index: usize, violation: Violation) {
        self.bytes += weight(&violation);
        let place = self.events.partition_point(|(at, _)| *at < index);
        self.events.insert(place, (index, vec![violation]));
    }

    /// Gives the reason of events that could not be read: they came as empty ones, which lack
    /// everything.
    pub(crate) fn note_unread(&mut self, unread: impl IntoIterator<Item = (usize, Violation)>) {
        for (index, violation) in unread {
            if let Ok(place) = self.events.binary_search_by_key(&index, |(at, _)| *at) {
                self.events[place].1 = vec![violation];
            }
        }
    }

    /// Returns how many events are refused.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns whether none is.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the faults that are kept, each with the place of its event.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Violation)> {
        let events = self.events.iter();
        events.flat_map(|(index, faults)| faults.iter().map(|fault| (*index, fault)))
    }

    /// Returns them for good, and the number of those that are not kept.
    pub(crate) fn into_faults(self) -> (impl Iterator<Item = (usize, Violation)>, usize) {
        let events = self.events.into_iter();
        let faults = events.flat_map(|(index, faults)| {
            let faults = faults.into_iter();
            faults.map(move |fault| (index, fault))
        });
        (faults, self.omitted)
    }
}

/// Returns the bytes of a fault in an answer, or a few more.
fn weight(violation: &Violation) -> usize {
    /// Tags, lengths and the index.
    const HEAD: usize = 20;
    HEAD + violation.field.len() + violation.description.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_keeps_its_first_fault_and_the_rest_is_counted() {
        let fault = |number: usize| Violation::new(format!("f{number}"), "x".repeat(1_000));
        let mut rejected = Rejected::default();
        for index in 0..2_000 {
            rejected.push(index, (0..5).map(fault).collect());
        }
        rejected.note_unread([(7, Violation::new("name", "is no text")), (9_999, fault(0))]);
        assert_eq!((rejected.len(), rejected.is_empty()), (2_000, false));
        let firsts = rejected.iter().filter(|(_, fault)| fault.field == "f0");
        assert_eq!(firsts.count(), 1_999);
        let (faults, omitted) = rejected.into_faults();
        let faults: Vec<_> = faults.collect();
        // The four others of the event that could not be read are nobody's.
        assert_eq!(faults.len() + omitted, 2_000 * 5 - 4);
        let bytes: usize = faults.iter().map(|(_, fault)| weight(fault)).sum();
        assert!(
            bytes <= REJECTED_BYTES + 2_000 * weight(&fault(0)),
            "{bytes}"
        );
        let last = faults
            .last()
            .map(|(index, fault)| (*index, fault.field.as_str()));
        assert_eq!(last, Some((1_999, "f0")));
    }
}
