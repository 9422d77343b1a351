//! Reads the log for one subscription, change by change, and writes those that match as JSON.

use std::collections::VecDeque;
use std::sync::Arc;

use ::changes::{LogBatch, Position, ReadError};
use prost_reflect::{ReflectMessage as _, SerializeOptions};
use proto::gateway::v1::Change;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::changes::{Filter, Tail, change_of};

/// Bytes that a change takes in JSON, as a rule.
const CHANGE_BYTES: usize = 400;

/// One subscription's way through the log.
#[derive(Debug)]
pub(super) struct Reader {
    tail: Tail,
    /// Behind what was looked at.
    at: Position,
    /// Rows from there on that are read already.
    page: VecDeque<Arc<LogBatch>>,
    /// Held while the page is kept beyond one batch.
    kept: Option<OwnedSemaphorePermit>,
}

/// Changes in JSON, with commas between them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) count: usize,
    pub(super) text: Vec<u8>,
}

/// The end of what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// So many changes that match.
    Count(usize),
    /// A position.
    Position(Position),
}

impl Found {
    /// Adds a change.
    fn add(&mut self, change: &Change) {
        if self.count == 0 {
            self.text.reserve(CHANGE_BYTES);
        } else {
            self.text.push(b',');
        }
        let mut serializer = serde_json::Serializer::new(&mut self.text);
        change
            .transcode_to_dynamic()
            .serialize_with_options(&mut serializer, &SerializeOptions::new())
            .expect("times in the log are of this era, and memory takes all");
        self.count += 1;
    }
}

impl Reader {
    /// Begins at a position.
    pub(super) fn new(tail: Tail, at: Position) -> Self {
        Self {
            tail,
            at,
            page: VecDeque::new(),
            kept: None,
        }
    }

    /// Returns the position behind what was looked at.
    pub(super) const fn at(&self) -> Position {
        self.at
    }

    /// Reads the rows behind the position; returns false where there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) async fn fill(&mut self) -> Result<bool, ReadError> {
        if self.page.is_empty() {
            let recent = self.tail.rows_from(self.at.row);
            self.page = match recent {
                Some(rows) => rows.into(),
                None => self.tail.read(self.at).await?.into(),
            };
        }
        Ok(!self.page.is_empty())
    }

    /// Takes changes that match out of the rows that were read. Returns true where the end was
    /// reached before that of the rows.
    pub(super) fn take(&mut self, filter: &Filter, until: Until, found: &mut Found) -> bool {
        while let Some(batch) = self.page.front() {
            let (log, row) = (self.at.log, batch.row);
            let before = if row == self.at.row { self.at.index } else { 0 };
            for (index, change) in (0_u32..).zip(&batch.changes) {
                if index < before {
                    continue;
                }
                let here = Position { log, row, index };
                let is_end = match until {
                    Until::Count(most) => found.count >= most,
                    Until::Position(end) => (row, index) >= (end.row, end.index),
                };
                if is_end {
                    self.at = here;
                    return true;
                }
                if filter.matches(change)
                    && let Some(change) = change_of(log, row, index, change)
                {
                    found.add(&change);
                }
            }
            self.at = Position::behind(log, row);
            self.page.pop_front();
        }
        match until {
            Until::Count(most) => found.count >= most,
            Until::Position(end) => (self.at.row, self.at.index) >= (end.row, end.index),
        }
    }

    /// Reads all that matches up to a position, as the log has it now: without what was erased
    /// meanwhile.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) async fn read_to(
        &mut self,
        end: Position,
        filter: &Filter,
    ) -> Result<Found, ReadError> {
        let mut found = Found::default();
        let until = Until::Position(end);
        self.page = VecDeque::new();
        while !self.take(filter, until, &mut found) {
            self.page = self.tail.read(self.at).await?.into();
            if self.page.is_empty() {
                // It is before the end, which is in the log no more: it was restored.
                return Err(ReadError::TooNew);
            }
        }
        Ok(found)
    }

    /// Forgets what was read beyond the position, unless there is room to keep it for a while.
    pub(super) fn keep_page(&mut self, room: &Arc<Semaphore>) {
        if self.page.is_empty() {
            self.kept = None;
        } else if self.kept.is_none() {
            self.kept = Arc::clone(room).try_acquire_owned().ok();
            if self.kept.is_none() {
                self.page = VecDeque::new();
            }
        }
    }

    /// Forgets what was read beyond the position.
    pub(super) fn forget_page(&mut self) {
        self.page = VecDeque::new();
        self.kept = None;
    }
}

/// Writes the body of a post.
pub(super) fn body(subscription: &str, end: Position, changes: &Found) -> Vec<u8> {
    // A name and a position are made of letters, digits, `_` and `-`.
    let head = format!(
        r#"{{"type":"changes","subscription":"{subscription}","position":"{end}","changes":["#
    );
    let mut body = Vec::with_capacity(head.len() + changes.text.len() + 2);
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&changes.text);
    body.extend_from_slice(b"]}");
    body
}
