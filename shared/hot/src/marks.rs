//! What the reader of a stream has consumed of each writer, as counters of its partition.
//!
//! Cursors are places in one incarnation of a store. These marks outlive it: they are in the journal, since counters
//! are, and a store that was made anew is read on from them. Where entries have no origin, none is ever written but
//! [`Part::index`]. They are no business of services, which must not show counters that begin with [`PREFIX`].

use std::collections::BTreeMap;

use crate::{Origin, StreamName, Writer};

/// Counters of the engine itself begin so.
pub const PREFIX: &str = "engine:";

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
    /// Reads the marks of a stream out of the counters of its reader's partition.
    pub fn read<'a>(
        stream: StreamName,
        counters: impl IntoIterator<Item = &'a (Box<str>, i64)>,
    ) -> Self {
        let mut marks = Self::default();
        let (mut index, mut part_writer, mut part_seq) = (0, 0, 0);
        for (name, value) in counters {
            let Some((kind, of)) = name.strip_prefix(PREFIX).and_then(|it| it.split_once(':'))
            else {
                continue;
            };
            let Some(rest) = of.strip_prefix(stream.name()) else {
                continue;
            };
            let value = u64::try_from(*value).unwrap_or(0);
            match (kind, rest) {
                ("index", "") => index = value,
                ("part_writer", "") => part_writer = value,
                ("part_seq", "") => part_seq = value,
                ("seen", _) => {
                    let writer = rest.strip_prefix(':').and_then(|it| it.parse().ok());
                    if let (Some(writer), 1..) = (writer, value) {
                        marks.seen.insert(Writer::from_number(writer), value);
                    }
                }
                _ => {}
            }
        }
        if index > 0 {
            let writer = u32::try_from(part_writer).ok().map(Writer::from_number);
            let origin = writer.filter(|_| part_seq > 0).map(|writer| Origin {
                writer,
                seq: part_seq,
            });
            marks.part = Some(Part { origin, index });
        }
        marks
    }

    /// Whether an entry is wholly in effect.
    pub fn has_seen(&self, origin: Origin) -> bool {
        self.seen
            .get(&origin.writer)
            .is_some_and(|seen| origin.seq <= *seen)
    }

    /// The counters that say all this, to be written with the commit that consumed. Those that would be 0 are absent,
    /// but for those of the part: once written, they have to be set back.
    pub fn counters(&self, stream: StreamName) -> Vec<(Box<str>, i64)> {
        let mut counters: Vec<_> = part_counters(stream, self.part).into();
        for (writer, seq) in &self.seen {
            counters.push((seen(stream, *writer), count(*seq)));
        }
        counters
    }
}

/// The counters that say which entry is in effect in part; all of them are 0 for none.
pub fn part_counters(stream: StreamName, part: Option<Part>) -> [(Box<str>, i64); 3] {
    let origin = part.and_then(|part| part.origin);
    [
        (index(stream), part.map_or(0, |part| count(part.index))),
        (
            part_writer(stream),
            origin.map_or(0, |origin| i64::from(origin.writer.number())),
        ),
        (
            part_seq(stream),
            origin.map_or(0, |origin| count(origin.seq)),
        ),
    ]
}

/// The name of the counter with the number of the last entry of a writer that is wholly in effect.
pub fn seen(stream: StreamName, writer: Writer) -> Box<str> {
    format!("{PREFIX}seen:{}:{}", stream.name(), writer.number()).into()
}

/// The name of the counter with the number of records in effect of the entry that is in effect in part.
fn index(stream: StreamName) -> Box<str> {
    format!("{PREFIX}index:{}", stream.name()).into()
}

/// The name of the counter with the writer of the entry that is in effect in part.
fn part_writer(stream: StreamName) -> Box<str> {
    format!("{PREFIX}part_writer:{}", stream.name()).into()
}

/// The name of the counter with the number of the entry that is in effect in part; 0 where it has no origin.
fn part_seq(stream: StreamName) -> Box<str> {
    format!("{PREFIX}part_seq:{}", stream.name()).into()
}

/// A number as a counter. Numbers are counted from 1 and stay far below the limit.
pub fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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

    fn marks(part: Option<Part>) -> Marks {
        Marks {
            seen: [(Writer::process(3), 8), (Writer::from_number(0), 2)].into(),
            part,
        }
    }

    #[test]
    fn marks_are_read_as_they_were_written() {
        let part = |origin| Part { origin, index: 5 };
        for marks in [
            Marks::default(),
            marks(None),
            marks(Some(part(None))),
            marks(Some(part(Some(origin(3, 9))))),
        ] {
            let counters = marks.counters(StreamName::Events);
            assert_eq!(Marks::read(StreamName::Events, &counters), marks);
            assert!(counters.iter().all(|(name, _)| name.starts_with(PREFIX)));
            for other in [StreamName::EventsBulk, StreamName::Facts] {
                assert_eq!(Marks::read(other, &counters), Marks::default());
            }
        }
        let bulk = marks(Some(part(Some(origin(3, 9))))).counters(StreamName::EventsBulk);
        assert_eq!(Marks::read(StreamName::Events, &bulk), Marks::default());
    }

    #[test]
    fn an_entry_is_seen_up_to_the_mark_of_its_writer() {
        let marks = marks(None);
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
    fn a_part_that_is_done_is_forgotten_whatever_else_is_left_of_it() {
        let left: Vec<(Box<str>, i64)> = vec![
            (index(StreamName::Facts), 0),
            (part_seq(StreamName::Facts), 7),
        ];
        assert_eq!(Marks::read(StreamName::Facts, &left).part, None);
    }
}
