//! Appends to one stream that wait at the same time, so that one row of the log and one entry of
//! the store carry all of them.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use hot::{Append, AppendAnswer, HotError};
use tokio::sync::oneshot;

use crate::limits;

/// The answer that a caller waits for.
pub(super) type Answered = oneshot::Receiver<Result<AppendAnswer, HotError>>;

/// An append and who waits for the answer to it.
#[derive(Debug)]
struct Part {
    append: Append,
    answer: oneshot::Sender<Result<AppendAnswer, HotError>>,
}

/// The appends to one stream that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<VecDeque<Part>>);

impl Waiting {
    /// Adds an append.
    pub(super) fn push(&self, append: Append) -> Answered {
        let (answer, answered) = oneshot::channel();
        self.lock().push_back(Part { append, answer });
        answered
    }

    /// Takes the first append, with those after it that may go along. Who does not wait any more is
    /// passed over.
    pub(super) fn take(&self) -> Option<Joined> {
        let mut waiting = self.lock();
        let mut parts: Vec<Part> = Vec::new();
        let mut bytes = 0;
        while let Some(part) = waiting.front() {
            if part.answer.is_closed() {
                waiting.pop_front();
                continue;
            }
            bytes += part.append.payload.len();
            let fits = bytes <= limits::JOINED_BYTES && parts.len() < limits::JOINED_APPENDS;
            if let Some(first) = parts.first()
                && !(fits && may_join(&first.append) && may_join(&part.append))
            {
                break;
            }
            parts.extend(waiting.pop_front());
        }
        (!parts.is_empty()).then_some(Joined { parts })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An append with a source says what it is the range of, and is taken or refused as a whole.
const fn may_join(append: &Append) -> bool {
    append.source.is_none()
}

/// Appends that go to the log and the store as one.
#[derive(Debug)]
pub(super) struct Joined {
    parts: Vec<Part>,
}

impl Joined {
    /// Returns all of them as one append. Absent where none is left.
    pub(super) fn as_one(&self) -> Option<Append> {
        let first = &self.parts.first()?.append;
        Some(Append {
            to: first.to,
            payload: self.payload(),
            source: first.source.clone(),
            origin: None,
        })
    }

    /// Returns the payloads one after the other, which are the payload of all.
    fn payload(&self) -> Bytes {
        let payloads = || self.parts.iter().map(|part| &part.append.payload);
        if let [only] = &self.parts[..] {
            return only.append.payload.clone();
        }
        let mut all = BytesMut::with_capacity(payloads().map(Bytes::len).sum());
        payloads().for_each(|payload| all.extend_from_slice(payload));
        all.freeze()
    }

    /// Returns the appends, each for itself.
    pub(super) fn appends(&self) -> Vec<Append> {
        self.parts.iter().map(|part| part.append.clone()).collect()
    }

    /// Answers those of which it is known already what became of them.
    pub(super) fn answer_known(&mut self, mut known: impl FnMut(&Append) -> Option<AppendAnswer>) {
        for part in take(&mut self.parts) {
            match known(&part.append) {
                // A caller that has gone asks again.
                Some(answer) => drop(part.answer.send(Ok(answer))),
                None => self.parts.push(part),
            }
        }
    }

    /// Answers all of them, and returns those whose callers have gone.
    pub(super) fn answer(self, result: &Result<AppendAnswer, HotError>) -> Vec<Append> {
        let parts = self.parts.into_iter();
        parts
            .filter_map(|part| {
                let has_gone = part.answer.send(result.clone()).is_err();
                has_gone.then_some(part.append)
            })
            .collect()
    }
}
