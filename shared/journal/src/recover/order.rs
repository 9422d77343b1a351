//! In which order entries of several processes go back on a stream, and which of them do not.
//!
//! The order is that of their places in the log, but for sources. The stream took a source only
//! forwards: so must whoever makes it anew, or it would find that an earlier range was there already
//! and lose it. Of two entries with the same range (a client that asked two processes), the stream
//! took one. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hot::{Origin, SourceRange, Writer};

/// An entry in the log, but for its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) origin: Origin,
    /// Its place in the log.
    pub(super) place: u64,
    pub(super) source: Option<SourceRange>,
}

/// A range of a source that the stream may have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    first: u64,
    last: u64,
    /// The entry that waits; absent for one that is consumed, or would be if it was taken.
    waits: Option<Origin>,
}

/// The best choice among the candidates from a place on: how many of its ranges are consumed, the first of them, and the
/// place from which the others are chosen.
#[derive(Debug, Clone, Copy)]
struct Choice {
    consumed: u64,
    head: Option<(usize, usize)>,
}

/// Chooses ranges that do not overlap: those that the stream took, as far as can be told.
///
/// As many consumed ones as there can be, since they took effect. Of such choices the one that leaves the least out at the
/// beginning: a source goes on from what was taken, so what was accepted has no holes.
fn choose(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_unstable();
    let nothing = Choice {
        consumed: 0,
        head: None,
    };
    // From the last place back, so that the choices after each are made.
    let mut best = vec![nothing; candidates.len() + 1];
    for (place, candidate) in candidates.iter().enumerate().rev() {
        let rest = candidates.partition_point(|other| other.first <= candidate.last);
        let with = Choice {
            consumed: best[rest].consumed + u64::from(candidate.waits.is_none()),
            head: Some((place, rest)),
        };
        let without = best[place + 1];
        let is_better = with.consumed.cmp(&without.consumed).then_with(|| {
            let (with, without) = (
                runs(&candidates, &best, with),
                runs(&candidates, &best, without),
            );
            with.cmp(without)
        });
        best[place] = if is_better.is_ge() { with } else { without };
    }
    ranges(&candidates, &best, best[0]).collect()
}

/// The ranges of a choice, in order.
fn ranges<'a>(
    candidates: &'a [Candidate],
    best: &'a [Choice],
    choice: Choice,
) -> impl Iterator<Item = Candidate> + 'a {
    let mut head = choice.head;
    std::iter::from_fn(move || {
        let (place, rest) = head?;
        head = best[rest].head;
        Some(candidates[place])
    })
}

/// What a choice covers without holes, as (start, end): an earlier start counts more, and then a later end.
fn runs<'a>(
    candidates: &'a [Candidate],
    best: &'a [Choice],
    choice: Choice,
) -> impl Iterator<Item = (Reverse<u64>, u64)> + 'a {
    let mut ranges = ranges(candidates, best, choice).peekable();
    std::iter::from_fn(move || {
        let run = ranges.next()?;
        let mut end = run.last;
        while let Some(next) = ranges.next_if(|next| next.first == end.saturating_add(1)) {
            end = next.last;
        }
        Some((Reverse(run.first), end))
    })
}

/// What goes back on a stream.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Entries with their places in the log, in order.
    pub(super) entries: VecDeque<(Origin, u64)>,
    /// The highest sequence that is taken of each source.
    pub(super) marks: BTreeMap<Box<str>, u64>,
}

/// Orders the entries that are not consumed (of each writer, in its order), leaving out those that the stream did not take,
/// given the sources of those that are.
pub(super) fn order(
    mut writers: BTreeMap<Writer, VecDeque<Header>>,
    consumed: Vec<SourceRange>,
) -> Order {
    let mut candidates: BTreeMap<Box<str>, Vec<Candidate>> = BTreeMap::new();
    let mut offer = |range: SourceRange, waits| {
        let (first, last) = (range.first, range.last);
        let candidate = Candidate { first, last, waits };
        candidates.entry(range.source).or_default().push(candidate);
    };
    for range in consumed {
        offer(range, None);
    }
    for header in writers.values().flatten() {
        if let Some(range) = &header.source {
            offer(range.clone(), Some(header.origin));
        }
    }
    let mut order = Order::default();
    let mut taken = BTreeSet::new();
    for (source, candidates) in candidates {
        let chosen = choose(candidates);
        let mark = chosen.iter().map(|it| it.last).max();
        order.marks.insert(source, mark.unwrap_or(0));
        taken.extend(chosen.into_iter().filter_map(|it| it.waits));
    }
    for entries in writers.values_mut() {
        entries.retain(|header| header.source.is_none() || taken.contains(&header.origin));
    }

    let mut waiting: BTreeMap<Box<str>, BTreeSet<Turn>> = BTreeMap::new();
    for header in writers.values().flatten() {
        if let Some((source, turn)) = turn(header) {
            waiting.entry(source.into()).or_default().insert(turn);
        }
    }
    while let Some(writer) = next(&writers, &waiting) {
        let Some(header) = writers.get_mut(&writer).and_then(VecDeque::pop_front) else {
            break;
        };
        if let Some((source, turn)) = turn(&header)
            && let Some(turns) = waiting.get_mut(source)
        {
            turns.remove(&turn);
        }
        order.entries.push_back((header.origin, header.place));
    }
    order
}

/// Where an entry stands among those of its source.
type Turn = (u64, Origin);

fn turn(header: &Header) -> Option<(&str, Turn)> {
    let range = header.source.as_ref()?;
    Some((&range.source, (range.first, header.origin)))
}

/// The writer whose next entry goes on: that with the lowest place which has no source, or is the
/// first of its source. Where writers wait for each other in a circle, which the stream cannot have
/// taken all of, that with the lowest place.
fn next(
    writers: &BTreeMap<Writer, VecDeque<Header>>,
    waiting: &BTreeMap<Box<str>, BTreeSet<Turn>>,
) -> Option<Writer> {
    let heads = writers
        .iter()
        .filter_map(|(writer, entries)| Some((*writer, entries.front()?)));
    let may_go = |header: &Header| match turn(header) {
        None => true,
        Some((source, turn)) => waiting
            .get(source)
            .and_then(BTreeSet::first)
            .is_none_or(|first| *first == turn),
    };
    let (writer, _) = heads.min_by_key(|(_, header)| (!may_go(header), header.place))?;
    Some(writer)
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

    /// Entries of writers 1 and up, each a list of (source, first, last); an empty source is none. All
    /// of a writer have places below those of the next.
    fn check(
        consumed: &[(&str, u64, u64)],
        writers: &[&[(&str, u64, u64)]],
        expected: &[(u32, u64)],
    ) {
        let ranges = consumed
            .iter()
            .map(|(source, first, last)| range(source, *first, *last));

        let entries = (1..).zip(writers).map(|(writer, entries)| {
            let entries = (1..)
                .zip(*entries)
                .map(|(seq, (source, first, last))| Header {
                    origin: origin(writer, seq),
                    place: u64::from(writer) * 100 + seq,
                    source: (!source.is_empty()).then(|| range(source, *first, *last)),
                });
            (Writer::process(writer), entries.collect())
        });
        let expected: Vec<_> = expected
            .iter()
            .map(|(writer, seq)| origin(*writer, *seq))
            .collect();
        let order = order(entries.collect(), ranges.collect());
        let entries: Vec<_> = order.entries.iter().map(|(entry, _)| *entry).collect();
        assert_eq!(entries, expected, "{consumed:?} {writers:?}");
    }

    #[test]
    fn entries_go_back_by_their_places() {
        let header = |writer, seq, place, source: Option<(u64, u64)>| Header {
            origin: origin(writer, seq),
            place,
            source: source.map(|(first, last)| range("a", first, last)),
        };
        let writers = [
            (
                1,
                vec![header(1, 1, 3, None), header(1, 2, 8, Some((5, 6)))],
            ),
            (2, vec![header(2, 1, 2, None), header(2, 2, 5, None)]),
            (
                3,
                vec![header(3, 1, 9, Some((1, 4))), header(3, 2, 10, None)],
            ),
        ];
        let writers = writers.map(|(writer, entries)| (Writer::process(writer), entries.into()));
        let order = order(writers.into(), Vec::new());
        // The place of one that waits for its source counts where its turn comes.
        let expected = [
            (origin(2, 1), 2),
            (origin(1, 1), 3),
            (origin(2, 2), 5),
            (origin(3, 1), 9),
            (origin(1, 2), 8),
            (origin(3, 2), 10),
        ];
        assert_eq!(order.entries, expected);
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
    fn what_was_sent_again_in_other_parts_is_taken_as_a_whole() {
        // The first process died with 2 to 4; the client went on elsewhere.
        check(
            &[],
            &[&[("a", 2, 4)], &[("a", 2, 3), ("a", 4, 7)]],
            &[(2, 1), (2, 2)],
        );
        check(&[("a", 2, 4)], &[&[("a", 2, 9)], &[("a", 5, 6)]], &[(2, 1)]);
        check(
            &[("a", 2, 3), ("a", 2, 4)],
            &[&[("a", 4, 7)], &[("a", 8, 8)]],
            &[(1, 1), (2, 1)],
        );
    }

    #[test]
    fn what_leaves_a_hole_was_not_taken() {
        check(&[("a", 1, 1)], &[&[("a", 4, 8)], &[("a", 2, 5)]], &[(2, 1)]);
        check(&[("a", 4, 8)], &[&[("a", 9, 9)], &[("a", 2, 5)]], &[(1, 1)]);
    }

    #[test]
    fn marks_are_the_highest_of_what_is_taken() {
        let taken = vec![range("a", 5, 6), range("a", 1, 2), range("b", 1, 1)];
        let marks = order(BTreeMap::new(), taken).marks;
        assert_eq!(marks, [("a".into(), 6), ("b".into(), 1)].into());
    }
}
