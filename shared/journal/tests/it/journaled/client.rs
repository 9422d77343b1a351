//! A client that sends numbered events, and sends again what it has no answer for.

use std::collections::BTreeSet;

use bytes::Bytes;
use hot::{Append, Appended, HotStore, SourceRange, StreamId};

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    to: StreamId,
    /// Whether its events have a source, so that it may send them again to anybody.
    has_source: bool,
    next: u64,
    /// What it has no answer for, and the process that it asked.
    waiting: Vec<u64>,
    asked: Option<usize>,
    /// What was accepted.
    pub(crate) accepted: BTreeSet<String>,
}

impl Client {
    pub(crate) fn new(number: usize, to: StreamId, has_source: bool) -> Self {
        Self {
            number,
            to,
            has_source,
            next: 1,
            waiting: Vec::new(),
            asked: None,
            accepted: BTreeSet::new(),
        }
    }

    /// Whether it has no answer for something.
    pub(crate) const fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A process died: without a source, nobody else may be asked the same.
    pub(crate) fn process_died(&mut self, process: usize) {
        if !self.has_source && self.asked == Some(process) {
            self.waiting.clear();
            self.asked = None;
        }
    }

    /// Sends something new, or the same again, with a little more where the source allows that.
    pub(crate) async fn send(&mut self, process: usize, store: &dyn HotStore, dice: u64) {
        let process = match self.asked {
            Some(asked) if !self.has_source && asked != process => return,
            _ => process,
        };
        let may_grow = self.waiting.is_empty() || (self.has_source && dice.is_multiple_of(3));
        if may_grow {
            for _ in 0..=dice % 2 {
                self.waiting.push(self.next);
                self.next += 1;
            }
        }
        self.asked = Some(process);
        let names: Vec<String> = self.waiting.iter().map(|seq| self.name(*seq)).collect();
        let source = self.has_source.then(|| SourceRange {
            source: format!("client-{}", self.number).into(),
            first: self.waiting[0],
            last: self.waiting[self.waiting.len() - 1],
        });
        let append = Append {
            to: self.to,
            payload: Bytes::from(names.join(",")),
            source,
            origin: None,
        };
        match store.append(&append).await {
            Ok(Appended::Applied | Appended::Replayed) => self.accept(u64::MAX),
            Ok(Appended::Overlaps { mark }) => self.accept(mark),
            Ok(Appended::Full | Appended::Gap { .. }) | Err(_) => {}
        }
    }

    fn accept(&mut self, upto: u64) {
        let (accepted, waiting) = self.waiting.iter().partition(|seq| **seq <= upto);
        self.waiting = waiting;
        let accepted: Vec<u64> = accepted;
        let names = accepted.into_iter().map(|seq| self.name(seq));
        let names: Vec<String> = names.collect();
        self.accepted.extend(names);
        if self.waiting.is_empty() {
            self.asked = None;
        }
    }

    fn name(&self, seq: u64) -> String {
        format!("{}.{seq}", self.number)
    }
}
