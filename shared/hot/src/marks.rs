//! The offset (mark) of the reader of a stream for each writer.
//!
//! Cursors are places in one incarnation of a store. These marks outlive it: they are in the
//! journal, and a store that was made anew is read on from them. Where entries have no origin, none
//! is ever written but [`Part::index`].

use std::collections::BTreeMap;

use crate::{Origin, StreamName, Writer};

/// What a reader has consumed of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Of each writer, the number of its last entry that is wholly in effect.
    pub seen: BTreeMap<Writer, u64>,
    /// The one entry that is in effect in part, where there is one.
    pub part: Option<Part>,
}

/// An entry of which some records are in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which; absent where it has no origin: the first after the cursor.
    pub origin: Option<Origin>,
    /// How many of its records are in effect, at least one.
    pub index: u64,
}

impl Marks {
    /// Whether an entry is wholly in effect.
    pub fn has_seen(&self, origin: Origin) -> bool {
        self.seen
            .get(&origin.writer)
            .is_some_and(|seen| origin.seq <= *seen)
    }
}

/// Moves marks as a commit says: writers that it does not name keep theirs, and the part is as it
/// says.
pub fn merge(marks: &mut BTreeMap<StreamName, Marks>, moved: &[(StreamName, Marks)]) {
    for (stream, moved) in moved {
        let marks = marks.entry(*stream).or_default();
        marks.seen.extend(&moved.seen);
        marks.part = moved.part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(writer: u32, seq: u64) -> Origin {
        Origin {
            writer: Writer::process(writer),
            seq,
        }
    }

    #[test]
    fn an_entry_is_seen_up_to_the_mark_of_its_writer() {
        let marks = Marks {
            seen: [(Writer::process(3), 8)].into(),
            part: None,
        };
        for (entry, is_seen) in [
            (origin(3, 1), true),
            (origin(3, 8), true),
            (origin(3, 9), false),
            (origin(4, 1), false),
        ] {
            assert_eq!(marks.has_seen(entry), is_seen, "{entry}");
        }
    }

    #[test]
    fn writers_that_are_not_named_keep_their_marks_and_the_part_is_replaced() {
        let seen = |seen: &[(u32, u64)]| -> BTreeMap<Writer, u64> {
            let seen = seen.iter();
            seen.map(|(writer, seq)| (Writer::process(*writer), *seq))
                .collect()
        };
        let part = Some(Part {
            origin: Some(origin(1, 3)),
            index: 2,
        });
        let before = Marks {
            seen: seen(&[(1, 2), (2, 9)]),
            part,
        };
        let mut marks = [
            (StreamName::Facts, before.clone()),
            (StreamName::Events, before.clone()),
        ]
        .into();
        let moved = Marks {
            seen: seen(&[(1, 3), (4, 1)]),
            part: None,
        };
        merge(&mut marks, &[(StreamName::Facts, moved)]);
        let after = Marks {
            seen: seen(&[(1, 3), (2, 9), (4, 1)]),
            part: None,
        };
        assert_eq!(marks[&StreamName::Facts], after);
        assert_eq!(marks[&StreamName::Events], before);
    }
}
