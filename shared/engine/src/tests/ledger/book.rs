//! The state of the ledger.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Part, PartKey, PartWrites, Step};
use kernel::Timestamp;

use super::counter;

/// The kind of a part.
pub(super) const ENTRIES: u8 = 1;
/// Entries of a part.
pub(super) const PART_ENTRIES: usize = 2;

/// Bytes of an entry whose place is remembered.
const ORDERED_BYTES: usize = 32;

type Entries = Vec<String>;

/// Everything that happened to one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::tests) struct Book {
    pub(super) due: Option<Timestamp>,
    pub(super) count: i64,
    /// The entries that are in no part, each with the ordinal of the fragment that it happened to.
    pub(super) open: Vec<(u16, String)>,
    pub(super) parts: BTreeMap<PartKey, Part<Entries>>,
    /// Of each source and ordinal, the number of its last entry.
    pub(super) last: BTreeMap<(String, u16), u64>,
    /// The entries in their order, as far as they did not come in parts, each with its ordinal.
    pub(super) order: Vec<(u16, String)>,
    /// Changes of parts that have left.
    pub(super) left: PartWrites,
    /// Parts that were loaded before they are listed.
    pub(super) given: BTreeMap<PartKey, Bytes>,
}

impl Book {
    /// All entries, where all parts are loaded: those that came in parts before the last one of an
    /// odd number of others.
    pub(in crate::tests) fn log(&self) -> Entries {
        let parts = self.parts.values();
        let parts = parts.filter_map(|part| part.get().expect("it is loaded"));
        let open = self.open.iter().map(|(_, entry)| entry);
        let mut rest: Entries = parts.flatten().chain(open).cloned().collect();
        let (mut log, mut last) = (Vec::new(), Vec::new());
        let whole = self.order.len() / PART_ENTRIES * PART_ENTRIES;
        for (place, (_, entry)) in self.order.iter().enumerate() {
            if let Some(at) = rest.iter().position(|it| it == entry) {
                let entry = rest.remove(at);
                if place < whole { &mut log } else { &mut last }.push(entry);
            }
        }
        log.into_iter().chain(rest).chain(last).collect()
    }

    /// The parts that are not loaded.
    pub(in crate::tests) fn not_loaded(&self) -> Vec<PartKey> {
        let parts = self.parts.iter().filter(|(_, part)| part.is_not_loaded());
        parts.map(|(key, _)| *key).collect()
    }

    pub(super) fn push(&mut self, ordinal: u16, entry: String) {
        self.count += 1;
        self.add(ordinal, entry);
    }

    /// Adds an entry that may be counted already.
    pub(super) fn add(&mut self, ordinal: u16, entry: String) {
        if entry.len() <= ORDERED_BYTES {
            self.order.push((ordinal, entry.clone()));
        }
        self.open.push((ordinal, entry));
        self.close(ordinal);
    }

    /// Puts the entries of an ordinal into parts.
    pub(super) fn close(&mut self, ordinal: u16) {
        let own = self.open.iter().filter(|it| it.0 == ordinal);
        let own: Entries = own.map(|it| it.1.clone()).collect();
        let whole = own.len() / PART_ENTRIES * PART_ENTRIES;
        if whole == 0 {
            return;
        }
        self.open.retain(|it| it.0 != ordinal);
        for entries in own[..whole].chunks(PART_ENTRIES) {
            let names = self.parts.keys().filter(|key| key.ordinal == ordinal);
            let key = PartKey {
                ordinal,
                kind: ENTRIES,
                name: names.count() as u64,
            };
            let mut part = Part::default();
            part.set(entries.to_vec());
            part.send_apart();
            self.parts.insert(key, part);
        }
        let rest = own[whole..].iter().cloned();
        self.open.extend(rest.map(|entry| (ordinal, entry)));
    }

    /// Returns the number of the last entry of a source.
    pub(super) fn last_of(&self, source: &str) -> Option<u64> {
        let all = self.last.iter().filter(|((own, _), _)| own == source);
        all.map(|(_, number)| *number).max()
    }

    /// Returns whether it was told something that it does from now on.
    pub(super) fn is_told(&self, what: &str) -> bool {
        self.last_of(what).is_some()
    }

    /// Returns whether an entry of a source, or a later one, is known.
    pub(super) fn has(&self, entry: &str) -> bool {
        let (source, number) = entry.rsplit_once('-').expect("an entry of a source");
        let number: u64 = number.parse().expect("a number");
        self.last_of(source).is_some_and(|last| number <= last)
    }

    /// Writes an entry down, and notices where a later one of its source came before.
    pub(super) fn write_down(&mut self, entry: &str, step: &mut Step<'_>) {
        if let Some((source, number)) = entry.rsplit_once('-') {
            let number: u64 = number.parse().expect("a number");
            let last = self.last_of(source).unwrap_or_default();
            if number < last {
                step.effects.count(counter("late"), 1);
            }
            let own = (source.to_owned(), step.ordinal);
            let last = self.last.entry(own).or_default();
            *last = number.max(*last);
        }
        self.push(step.ordinal, entry.to_owned());
    }
}

pub(super) fn size(entries: &Entries) -> usize {
    entries.iter().map(|entry| entry.len() + 1).sum()
}

pub(super) fn write(entries: &Entries) -> Bytes {
    let entries = entries.iter().map(|entry| format!("{entry},"));
    entries.collect::<String>().into()
}

/// Reads a text that may begin with an ordinal.
pub(super) fn marked(text: &str) -> (u16, String) {
    let marked = text.split_once('~');
    let marked = marked.and_then(|(ordinal, text)| Some((ordinal.parse().ok()?, text)));
    let (ordinal, text) = marked.unwrap_or((0, text));
    (ordinal, text.to_owned())
}

/// Writes a text with its ordinal, unless it is the customer's own.
pub(super) fn mark(ordinal: u16, text: &str) -> String {
    if ordinal == 0 {
        format!("{text},")
    } else {
        format!("{ordinal}~{text},")
    }
}

pub(super) fn read(text: &str) -> Entries {
    text.split_terminator(',').map(str::to_owned).collect()
}
