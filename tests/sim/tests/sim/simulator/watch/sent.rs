//! The messages between partitions that streams took, as the streams know them: by the slot that
//! sent them and their number.
//!
//! A store that loses its newest writes numbers the messages that are decided anew as it did those
//! that it lost. One of the lost ones that a process had read before, and appends after the loss,
//! takes the place of all up to its number: the stream takes those for repetitions.
//!
//! This says that a message is lost. It does not say whether it may be.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{Append, StreamId};

/// All messages that streams took. A copy goes back with a copy of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    taken: BTreeMap<(StreamId, Box<str>), Taken>,
}

/// What a stream took of one slot.
#[derive(Debug, Clone, Default)]
struct Taken {
    /// The highest number.
    mark: u64,
    by_number: BTreeMap<u64, Bytes>,
}

impl Sent {
    /// Takes note of an append that a stream answered. Returns whether it is a message that the
    /// stream took for a repetition, and never had.
    pub(crate) fn note(&mut self, append: &Append) -> bool {
        // Only slots have names of two parts.
        let source = append.source.as_ref();
        let Some(range) = source.filter(|range| range.source.contains('/')) else {
            return false;
        };
        let place = (append.to, range.source.clone());
        let taken = self.taken.entry(place).or_default();
        if range.last <= taken.mark {
            return taken.by_number.get(&range.last) != Some(&append.payload);
        }
        taken.mark = range.last;
        taken.by_number.insert(range.last, append.payload.clone());
        false
    }
}

#[test]
fn a_message_is_lost_where_another_one_was_taken_in_its_place() {
    let append = |number: u64, text: &'static str| Append {
        to: StreamId {
            name: hot::StreamName::Actions,
            partition: kernel::PartitionId::new(2),
        },
        payload: Bytes::from_static(text.as_bytes()),
        source: Some(hot::SourceRange {
            source: "activation/2".into(),
            first: number,
            last: number,
        }),
        origin: None,
    };
    let mut sent = Sent::default();
    assert!(!sent.note(&append(1, "before the copy")));
    let copy = sent.clone();
    assert!(!sent.note(&append(2, "lost")));
    assert!(!sent.note(&append(2, "lost")), "sent again");
    sent = copy;
    assert!(!sent.note(&append(1, "before the copy")), "sent again");
    assert!(!sent.note(&append(4, "read before the loss")));
    assert!(sent.note(&append(2, "decided anew")));
    assert!(sent.note(&append(4, "decided anew")));
    assert!(!sent.note(&append(5, "decided anew")));
}
