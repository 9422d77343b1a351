//! What a process knows of a stream that it appends to.

use std::collections::{HashMap, VecDeque};

use hot::{Append, AppendAnswer, Appended, HotError, SourceRange, limits::STREAM_ENTRIES};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::join::{Joined, Waiting};
use crate::{EntryRow, limits};

/// A stream as a process appends to it.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    /// The appends that wait.
    pub(super) waiting: Waiting,
    /// For whoever brings them to the stream.
    pub(super) lane: Mutex<Lane>,
}

/// What a process knows of a stream that it appends to. One row at a time.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The appends that are being brought to the stream, for callers that wait.
    pub(super) taken: Option<Joined>,
    /// The number of the last append of this process.
    pub(super) last: u64,
    /// The row that is on its way, or did not get through; it goes before any other.
    pub(super) pending: Option<Pending>,
    /// Whether the store was found to have what the log has, when this process first appended.
    pub(super) is_compared: bool,
    length: Option<Length>,
    sources: Option<Sources>,
    /// Appends that were brought through after their callers had been told to try again, with the answers.
    unasked: VecDeque<(Append, AppendAnswer)>,
}

/// A row that may be accepted and not be in the store.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) row: EntryRow,
    /// The appends of which it is made.
    pub(super) appends: Vec<Append>,
    /// Whether those are the appends that were taken last, and their callers wait for them.
    pub(super) is_awaited: bool,
    /// Whether the log has it for certain.
    pub(super) is_logged: bool,
    /// Whether the store may have been asked for it before: then it cannot tell whether the origin or the source was known.
    pub(super) is_retried: bool,
}

#[derive(Debug)]
struct Length {
    read: u64,
    at: Instant,
    appended: u64,
}

#[derive(Debug)]
struct Sources {
    marks: HashMap<Box<str>, u64>,
    at: Instant,
}

impl Lane {
    /// Whether the stream has room for one more; absent where its length is to be read first.
    pub(super) fn has_room(&self) -> Option<bool> {
        let length = self.length.as_ref()?;
        let is_new = length.appended < limits::LENGTH_APPENDS
            && length.at.elapsed() < limits::LENGTH_TTL
            && length.read + length.appended < STREAM_ENTRIES;
        is_new.then_some(true)
    }

    /// Takes note of the length of the stream, and tells whether there is room for one more.
    pub(super) fn set_length(&mut self, read: u64) -> bool {
        self.length = Some(Length {
            read,
            at: Instant::now(),
            appended: 0,
        });
        read < STREAM_ENTRIES
    }

    /// What the sources say of a range; the outer absence says that they are to be read first.
    pub(super) fn screen(&self, range: &SourceRange) -> Option<Option<Appended>> {
        let sources = self.sources.as_ref()?;
        match screen(sources.marks.get(&range.source).copied(), range) {
            // Marks only grow: what was taken once stays so.
            Some(answer) => Some(Some(answer)),
            None if sources.at.elapsed() < limits::SOURCES_TTL => Some(None),
            None => None,
        }
    }

    /// Takes note of the sources of the stream.
    pub(super) fn set_sources(&mut self, marks: Vec<(Box<str>, u64)>) {
        self.sources = Some(Sources {
            marks: marks.into_iter().collect(),
            at: Instant::now(),
        });
    }

    /// Takes note of an append that took effect.
    pub(super) fn applied(&mut self, source: Option<&SourceRange>) {
        if let Some(length) = &mut self.length {
            length.appended += 1;
        }
        if let (Some(range), Some(sources)) = (source, &mut self.sources) {
            let mark = sources.marks.entry(range.source.clone()).or_default();
            *mark = (*mark).max(range.last);
        }
    }

    /// Tells the callers of the appends that were taken what became of them.
    pub(super) fn answer(&mut self, result: &Result<AppendAnswer, HotError>) {
        let Some(taken) = self.taken.take() else {
            return;
        };
        if let (Err(_), Some(pending)) = (result, &mut self.pending) {
            pending.is_awaited = false;
        }
        let answer = result.as_ref().ok().copied();
        let gone = taken.answer(result);
        // What found no room is tried anew.
        if let Some(answer) = answer.filter(|answer| answer.appended != Appended::Full) {
            self.keep_unasked(gone, answer);
        }
    }

    /// Takes note that a row is in the store, and tells whoever waits for it.
    pub(super) fn delivered(&mut self, pending: Pending, answer: AppendAnswer) {
        if pending.is_awaited {
            self.answer(&Ok(answer));
        } else {
            self.keep_unasked(pending.appends, answer);
        }
    }

    /// Keeps the answer to appends for callers who were told to try again.
    fn keep_unasked(&mut self, appends: Vec<Append>, answer: AppendAnswer) {
        let kept = appends.into_iter().map(|append| (append, answer));
        self.unasked.extend(kept);
        let excess = self.unasked.len().saturating_sub(limits::UNASKED_ANSWERS);
        self.unasked.drain(..excess);
        let sizes = self.unasked.iter().map(|(append, _)| append.payload.len());
        let mut bytes: usize = sizes.sum();
        while bytes > limits::UNASKED_BYTES
            && let Some((oldest, _)) = self.unasked.pop_front()
        {
            bytes -= oldest.payload.len();
        }
    }

    /// Answers what was taken and was brought through already.
    pub(super) fn answer_unasked(&mut self) {
        if self.unasked.is_empty() {
            return;
        }
        let unasked = &mut self.unasked;
        if let Some(taken) = &mut self.taken {
            taken.answer_known(|append| {
                let place = unasked.iter().position(|(known, _)| known == append)?;
                unasked.remove(place).map(|(_, answer)| answer)
            });
        }
    }

    /// Forgets what the stream said of itself: it was made anew.
    pub(super) fn forget(&mut self) {
        self.length = None;
        self.sources = None;
    }
}

/// What a stream says to a range, given the mark of its source.
pub(super) fn screen(mark: Option<u64>, range: &SourceRange) -> Option<Appended> {
    match mark {
        Some(mark) if range.last <= mark => Some(Appended::Replayed),
        Some(mark) if range.first <= mark => Some(Appended::Overlaps { mark }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> SourceRange {
        SourceRange {
            source: "a".into(),
            first,
            last,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sources_are_trusted_for_a_while_and_what_they_took_for_ever() {
        let mut lane = Lane::default();
        assert_eq!(lane.screen(&range(1, 2)), None);
        lane.set_sources(vec![("a".into(), 5)]);
        assert_eq!(lane.screen(&range(6, 7)), Some(None));
        lane.applied(Some(&range(6, 7)));
        tokio::time::advance(limits::SOURCES_TTL).await;
        assert_eq!(lane.screen(&range(6, 7)), Some(Some(Appended::Replayed)));
        let overlaps = Appended::Overlaps { mark: 7 };
        assert_eq!(lane.screen(&range(7, 8)), Some(Some(overlaps)));
        assert_eq!(lane.screen(&range(8, 8)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_length_is_read_again_after_a_while_after_appends_and_near_the_limit() {
        let mut lane = Lane::default();
        assert_eq!(lane.has_room(), None);
        assert!(lane.set_length(STREAM_ENTRIES - 2));
        assert_eq!(lane.has_room(), Some(true));
        lane.applied(None);
        lane.applied(None);
        assert_eq!(lane.has_room(), None);
        assert!(!lane.set_length(STREAM_ENTRIES));
        assert_eq!(lane.has_room(), None);
        assert!(lane.set_length(0));
        tokio::time::advance(limits::LENGTH_TTL).await;
        assert_eq!(lane.has_room(), None);
        assert!(lane.set_length(0));
        for _ in 0..limits::LENGTH_APPENDS {
            lane.applied(None);
        }
        assert_eq!(lane.has_room(), None);
    }
}
