//! In which order entries of several processes go back on a stream, and which of them do not.
//!
//! The log keeps an order for each writer and none between them. The stream took a source only forwards: so must whoever
//! makes it anew, or it would find that an earlier range was there already and lose it. Of two entries with the same range
//! (a client that asked two processes), the stream took one. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hot::{Origin, SourceRange, Writer};

/// An entry in the log, but for its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) origin: Origin,
    pub(super) source: Option<SourceRange>,
}

/// What is taken of each source.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<Box<str>, BTreeMap<u64, u64>>);

impl Taken {
    /// Takes a range, unless some of it is taken.
    pub(super) fn take(&mut self, range: &SourceRange) -> bool {
        let ranges = self.0.entry(range.source.clone()).or_default();
        let before = ranges.range(..=range.last).next_back();
        if before.is_some_and(|(_, last)| *last >= range.first) {
            return false;
        }
        ranges.insert(range.first, range.last);
        true
    }

    /// Takes what the ranges of consumed entries say. Of ranges that overlap, the stream took the one that ended first: the
    /// rest of the other was sent again.
    pub(super) fn take_consumed(&mut self, mut ranges: Vec<SourceRange>) {
        ranges.sort_by(|one, other| {
            (&one.source, one.last, one.first).cmp(&(&other.source, other.last, other.first))
        });
        for range in ranges {
            self.take(&range);
        }
    }

    /// The highest sequence of each source.
    pub(super) fn marks(&self) -> impl Iterator<Item = (Box<str>, u64)> + '_ {
        self.0.iter().filter_map(|(source, ranges)| {
            let (_, last) = ranges.last_key_value()?;
            Some((source.clone(), *last))
        })
    }
}

/// Orders the entries that are not consumed (of each writer, in its order), leaving out those whose source is taken.
pub(super) fn order(
    mut writers: BTreeMap<Writer, VecDeque<Header>>,
    taken: &mut Taken,
) -> Vec<Origin> {
    let mut waiting: BTreeMap<Box<str>, BTreeSet<Place>> = BTreeMap::new();
    for header in writers.values().flatten() {
        if let Some((source, place)) = place(header) {
            waiting.entry(source.into()).or_default().insert(place);
        }
    }
    let mut order = Vec::new();
    while let Some(writer) = next(&writers, &waiting) {
        let Some(header) = writers.get_mut(&writer).and_then(VecDeque::pop_front) else {
            break;
        };
        if let Some((source, place)) = place(&header)
            && let Some(places) = waiting.get_mut(source)
        {
            places.remove(&place);
        }
        if header.source.as_ref().is_none_or(|range| taken.take(range)) {
            order.push(header.origin);
        }
    }
    order
}

/// Where an entry stands among those of its source: what begins first, and of those, what reaches furthest.
type Place = (u64, Reverse<u64>, Origin);

fn place(header: &Header) -> Option<(&str, Place)> {
    let range = header.source.as_ref()?;
    Some((
        &range.source,
        (range.first, Reverse(range.last), header.origin),
    ))
}

/// The writer whose next entry may go on: it has no source, or is the first of its source. Where writers wait for each other
/// in a circle, which the stream cannot have taken all of, the first.
fn next(
    writers: &BTreeMap<Writer, VecDeque<Header>>,
    waiting: &BTreeMap<Box<str>, BTreeSet<Place>>,
) -> Option<Writer> {
    let mut heads = writers
        .iter()
        .filter_map(|(writer, entries)| Some((*writer, entries.front()?)));
    let may_go = |header: &Header| match place(header) {
        None => true,
        Some((source, place)) => waiting
            .get(source)
            .and_then(BTreeSet::first)
            .is_none_or(|first| *first == place),
    };
    let first = heads.clone().next()?.0;
    let free = heads.find(|(_, header)| may_go(header));
    Some(free.map_or(first, |(writer, _)| writer))
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

    fn range(source: &str, first: u64, last: u64) -> SourceRange {
        SourceRange {
            source: source.into(),
            first,
            last,
        }
    }

    /// Entries of writers 1 and up, each a list of (source, first, last); an empty source is none.
    fn check(
        consumed: &[(&str, u64, u64)],
        writers: &[&[(&str, u64, u64)]],
        expected: &[(u32, u64)],
    ) {
        let mut taken = Taken::default();
        let ranges = consumed
            .iter()
            .map(|(source, first, last)| range(source, *first, *last));
        taken.take_consumed(ranges.collect());
        let entries = (1..).zip(writers).map(|(writer, entries)| {
            let entries = (1..)
                .zip(*entries)
                .map(|(seq, (source, first, last))| Header {
                    origin: origin(writer, seq),
                    source: (!source.is_empty()).then(|| range(source, *first, *last)),
                });
            (Writer::process(writer), entries.collect())
        });
        let expected: Vec<_> = expected
            .iter()
            .map(|(writer, seq)| origin(*writer, *seq))
            .collect();
        assert_eq!(
            order(entries.collect(), &mut taken),
            expected,
            "{consumed:?} {writers:?}"
        );
    }

    #[test]
    fn a_source_that_moves_between_processes_keeps_its_order() {
        check(
            &[],
            &[&[("a", 1, 10), ("a", 21, 30)], &[("a", 11, 20)]],
            &[(1, 1), (2, 1), (1, 2)],
        );
        check(&[], &[&[("", 0, 0)], &[("", 0, 0)]], &[(1, 1), (2, 1)]);
        check(
            &[],
            &[&[("a", 5, 5), ("", 0, 0)], &[("b", 1, 1), ("a", 4, 4)]],
            &[(2, 1), (2, 2), (1, 1), (1, 2)],
        );
    }

    #[test]
    fn of_entries_with_the_same_range_one_goes_back() {
        check(&[], &[&[("a", 1, 10)], &[("a", 1, 10)]], &[(1, 1)]);
        check(
            &[("a", 1, 10)],
            &[&[("a", 1, 10), ("a", 11, 12)]],
            &[(1, 2)],
        );
        check(
            &[("a", 1, 10)],
            &[&[("a", 8, 12), ("a", 11, 12)]],
            &[(1, 2)],
        );
        check(
            &[("a", 1, 10), ("a", 8, 12)],
            &[&[], &[("a", 11, 12)]],
            &[(2, 1)],
        );
        check(&[], &[&[("a", 1, 10)], &[("a", 1, 12)]], &[(2, 1)]);
    }

    #[test]
    fn writers_that_wait_for_each_other_come_to_an_end() {
        check(
            &[],
            &[&[("a", 2, 2), ("b", 1, 1)], &[("b", 2, 2), ("a", 1, 1)]],
            &[(1, 1), (1, 2), (2, 1), (2, 2)],
        );
    }

    #[test]
    fn marks_are_the_highest_of_what_is_taken() {
        let mut taken = Taken::default();
        assert!(taken.take(&range("a", 5, 6)));
        assert!(taken.take(&range("a", 1, 2)));
        assert!(!taken.take(&range("a", 2, 4)));
        assert_eq!(taken.marks().collect::<Vec<_>>(), [("a".into(), 6)]);
    }
}
