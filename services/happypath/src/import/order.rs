//! The lines of a file in the order of their times.
//!
//! So many lines wait as fit into a bounded memory, and the earliest of them goes first. A file
//! that fits is sorted as a whole; in a larger one a line moves as far as that memory reaches, and
//! those that would have to move further are counted. Each event is known by its id, so that its
//! place matters to nothing but what services make of the order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use kernel::Timestamp;
use prost::Message as _;
use proto::identity::v1::Event;
use tokio::sync::mpsc;

use super::line::Line;
use super::naming::Naming;
use super::reader::{Batch, Piece};
use crate::limits::{BAD_LINES_PROBED, BATCH_BYTES, ORDERED_BYTES, ORDERED_LINE_BYTES};

/// The order of the lines of a file, as far as it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The earliest time; absent where no line has one.
    pub(crate) first: Option<Timestamp>,
    /// The latest time.
    pub(crate) last: Option<Timestamp>,
    /// Lines that are behind a later one in the file.
    pub(crate) moved: u64,
    /// Lines of these that could not be moved in front of all later ones.
    pub(crate) late: u64,
}

/// Reads the pieces of a file in the order of their times; bad lines come as they are found.
#[derive(Debug)]
pub(crate) struct Ordered<'a> {
    pieces: mpsc::Receiver<Piece>,
    naming: &'a mut Naming,
    batch_size: usize,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Bytes of those that wait.
    bytes: usize,
    most_bytes: usize,
    places: u64,
    times: Times,
    /// The latest time that has gone.
    gone: Timestamp,
    is_over: bool,
}

/// A line that waits. Packed: an event in memory takes four times as much.
#[derive(Debug, PartialEq, Eq)]
struct Waiting {
    time: Timestamp,
    /// Its place in the file, so that lines of one time keep their order.
    place: u64,
    line: u64,
    digest: [u8; 16],
    event: Box<[u8]>,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.place).cmp(&(other.time, other.place))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Ordered<'a> {
    /// Orders the pieces of a file, and gives its events their ids.
    pub(crate) fn new(
        pieces: mpsc::Receiver<Piece>,
        naming: &'a mut Naming,
        batch_size: usize,
    ) -> Self {
        Self {
            pieces,
            naming,
            batch_size,
            waiting: BinaryHeap::new(),
            bytes: 0,
            most_bytes: ORDERED_BYTES,
            places: 0,
            times: Times::default(),
            gone: Timestamp::MIN,
            is_over: false,
        }
    }

    /// Returns the next piece, or `None` at the end. Nothing is lost where the caller waits for
    /// something else meanwhile.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        while !self.is_over && self.bytes < self.most_bytes {
            match self.pieces.recv().await {
                None => self.is_over = true,
                Some(Piece::Bad(bad)) => return Some(Piece::Bad(bad)),
                Some(Piece::Batch(batch)) => {
                    for line in batch.lines {
                        self.take(line);
                    }
                }
            }
        }
        let batch = self.batch();
        (!batch.lines.is_empty()).then_some(Piece::Batch(batch))
    }

    /// Returns the earliest time of the first lines that are events, a batch of them.
    pub(crate) async fn first_time(mut self) -> Option<Timestamp> {
        self.most_bytes = 1;
        for _ in 0..BAD_LINES_PROBED {
            if !matches!(self.next().await, Some(Piece::Bad(_))) {
                break;
            }
        }
        self.times.first
    }

    /// Reads no further. What waits still comes: it stands before all that was not read.
    pub(crate) fn stop(&mut self) {
        self.pieces.close();
        self.is_over = true;
    }

    /// Returns what is known of the order.
    pub(crate) const fn times(&self) -> Times {
        self.times
    }

    fn take(&mut self, mut line: Line) {
        self.naming.name(&mut line);
        let last = self.times.last;
        let time = match line.event.time.as_ref().map(proto::convert::instant) {
            Some(time) => {
                self.times.first = Some(self.times.first.map_or(time, |first| first.min(time)));
                self.times.last = Some(last.map_or(time, |last| last.max(time)));
                time
            }
            // It has no time of its own, so it stays behind the line before it.
            None => last.unwrap_or(Timestamp::MIN),
        };
        if last.is_some_and(|last| time < last) {
            self.times.moved += 1;
        }
        let event = line.event.encode_to_vec().into_boxed_slice();
        self.bytes += event.len() + ORDERED_LINE_BYTES;
        self.waiting.push(Reverse(Waiting {
            time,
            place: self.places,
            line: line.line,
            digest: line.digest,
            event,
        }));
        self.places += 1;
    }

    /// Takes the earliest lines that wait.
    fn batch(&mut self) -> Batch {
        let mut lines = Vec::with_capacity(self.batch_size);
        let mut bytes = 0;
        while lines.len() < self.batch_size && bytes < BATCH_BYTES {
            let Some(Reverse(next)) = self.waiting.pop() else {
                break;
            };
            bytes += next.event.len();
            self.bytes -= next.event.len() + ORDERED_LINE_BYTES;
            if next.time < self.gone {
                self.times.late += 1;
            }
            self.gone = self.gone.max(next.time);
            let event = Event::decode(&*next.event).expect("it was written by this program");
            lines.push(Line {
                event,
                line: next.line,
                digest: next.digest,
            });
        }
        Batch { lines }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::BadLine;

    fn line(number: u64, seconds: Option<i64>) -> Line {
        Line {
            event: Event {
                time: seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
                ..Event::default()
            },
            line: number,
            digest: [0; 16],
        }
    }

    /// Returns the numbers of lines with these times as they come out, and what is told of them.
    fn ordered(times: &[Option<i64>], most_bytes: usize) -> (Vec<u64>, Times) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let (sender, pieces) = mpsc::channel(times.len() + 1);
            for (number, time) in (1..).zip(times) {
                let lines = vec![line(number, *time)];
                let piece = Piece::Batch(Batch { lines });
                sender.send(piece).await.expect("room");
            }
            drop(sender);
            let mut naming = Naming::default();
            let mut ordered = Ordered::new(pieces, &mut naming, 3);
            ordered.most_bytes = most_bytes;
            let mut numbers = Vec::new();
            while let Some(Piece::Batch(batch)) = ordered.next().await {
                assert!(batch.lines.len() <= 3);
                numbers.extend(batch.lines.iter().map(|line| line.line));
            }
            (numbers, ordered.times())
        })
    }

    #[test]
    fn a_file_that_fits_is_sorted_and_lines_of_one_time_keep_their_order() {
        let times = [Some(5), Some(3), None, Some(9), Some(3), Some(1)];
        let (numbers, told) = ordered(&times, usize::MAX);
        // The third has no time, and comes behind what came before it.
        assert_eq!(numbers, [6, 2, 5, 1, 3, 4]);
        assert_eq!((told.moved, told.late), (3, 0));
        let seconds = |time: Option<Timestamp>| time.map(|time| time.as_millis() / 1_000);
        assert_eq!(
            (seconds(told.first), seconds(told.last)),
            (Some(1), Some(9))
        );
    }

    #[test]
    fn a_larger_one_is_sorted_as_far_as_memory_reaches() {
        let mut times: Vec<_> = (0..100).map(Some).collect();
        times.swap(50, 51);
        let (numbers, told) = ordered(&times, 10 * ORDERED_LINE_BYTES);
        assert_eq!((told.moved, told.late), (1, 0));
        assert_eq!(numbers[50..52], [52, 51]);
        times.push(Some(0));
        let (numbers, told) = ordered(&times, 10 * ORDERED_LINE_BYTES);
        assert_eq!((told.moved, told.late), (2, 1));
        assert_eq!(numbers.len(), 101);
    }

    #[test]
    fn a_bad_line_comes_at_once_and_what_was_read_before_it_still_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let (sender, pieces) = mpsc::channel(4);
            let batch = |number| {
                Piece::Batch(Batch {
                    lines: vec![line(number, Some(1))],
                })
            };
            let bad = Piece::Bad(BadLine::new(2, "time", "is wrong"));
            for piece in [batch(1), bad, batch(3)] {
                sender.send(piece).await.expect("room");
            }
            let mut naming = Naming::default();
            let mut ordered = Ordered::new(pieces, &mut naming, 3);
            assert!(matches!(ordered.next().await, Some(Piece::Bad(_))));
            ordered.stop();
            let Some(Piece::Batch(batch)) = ordered.next().await else {
                panic!("the first line");
            };
            assert_eq!(batch.lines.len(), 1);
            assert!(ordered.next().await.is_none());
        });
    }

    proptest! {
        #[test]
        fn all_lines_come_out_and_are_sorted_where_none_is_late(
            times in prop::collection::vec(0_i64..50, 0..60),
            lines in 1_usize..80,
        ) {
            let given: Vec<_> = times.iter().copied().map(Some).collect();
            let (numbers, told) = ordered(&given, lines * (ORDERED_LINE_BYTES + 64));
            let mut all = numbers.clone();
            all.sort_unstable();
            prop_assert!(all.iter().copied().eq(1..=times.len() as u64));
            let out: Vec<i64> = numbers
                .iter()
                .map(|number| times[usize::try_from(*number - 1).expect("a line")])
                .collect();
            prop_assert_eq!(told.late == 0, out.is_sorted());
            prop_assert!(lines <= times.len() || told.late == 0);
        }
    }
}
