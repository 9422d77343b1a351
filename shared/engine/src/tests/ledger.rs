//! A core with parts, in three stages: it writes down everything that happens to a customer, two
//! entries in a part, and notices what overtakes a state that moves.
//!
//! An event's name says what to do, its id what to write down, as for `counting`. An id that ends
//! with a number, such as `0-4-17`, is the next of its source.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{
    Core, Home, Input, Moved, Outcome, Part, PartKey, PartLoad, PartWrites, Poison, Step,
};
use hot::{Owner, StreamName};
use kernel::{Duration, Timestamp};
use messages::stream::v1::{Record, record::Body};

use super::counting::{Counting, counter, fact};

#[derive(Debug)]
pub(super) struct Ledger<const STAGE: usize = 0>;

/// The kind of a part.
const ENTRIES: u8 = 1;
/// Entries of a part.
const PART_ENTRIES: usize = 2;

type Entries = Vec<String>;

/// Everything that happened to one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Book {
    due: Option<Timestamp>,
    count: i64,
    open: Entries,
    parts: BTreeMap<PartKey, Part<Entries>>,
    /// Of each source, the number of its last entry.
    last: BTreeMap<String, u64>,
}

impl Book {
    /// All entries, where all parts are loaded.
    pub(super) fn log(&self) -> Entries {
        let parts = self.parts.values();
        let parts = parts.filter_map(|part| part.get().expect("it is loaded"));
        parts.chain([&self.open]).flatten().cloned().collect()
    }

    /// The parts that are not loaded.
    pub(super) fn not_loaded(&self) -> Vec<PartKey> {
        let parts = self.parts.iter().filter(|(_, part)| part.is_not_loaded());
        parts.map(|(key, _)| *key).collect()
    }

    fn push(&mut self, entry: String) {
        self.count += 1;
        self.open.push(entry);
        self.close();
    }

    fn close(&mut self) {
        if self.open.len() < PART_ENTRIES {
            return;
        }
        let name = self.parts.keys().filter(|key| key.ordinal == 0).count();
        let key = PartKey {
            ordinal: 0,
            kind: ENTRIES,
            name: name as u64,
        };
        let mut part = Part::default();
        part.set(std::mem::take(&mut self.open));
        part.send_apart();
        self.parts.insert(key, part);
    }

    /// Returns whether an entry of a source, or a later one, is known.
    fn has(&self, entry: &str) -> bool {
        let (source, number) = entry.rsplit_once('-').expect("an entry of a source");
        let number: u64 = number.parse().expect("a number");
        self.last.get(source).is_some_and(|last| number <= *last)
    }

    /// Writes an entry down, and notices where a later one of its source came before.
    fn write_down(&mut self, entry: &str, step: &mut Step<'_>) {
        if let Some((source, number)) = entry.rsplit_once('-') {
            let number: u64 = number.parse().expect("a number");
            let last = self.last.entry(source.to_owned()).or_default();
            if number < *last {
                step.effects.count(counter("late"), 1);
            }
            *last = number.max(*last);
        }
        self.push(entry.to_owned());
    }
}

fn size(entries: &Entries) -> usize {
    entries.iter().map(|entry| entry.len() + 1).sum()
}

fn write(entries: &Entries) -> Bytes {
    let entries = entries.iter().map(|entry| format!("{entry},"));
    entries.collect::<String>().into()
}

fn read(text: &str) -> Entries {
    text.split_terminator(',').map(str::to_owned).collect()
}

impl<const STAGE: usize> Ledger<STAGE> {
    /// Takes leave with all parts in the head.
    fn pack(book: &mut Book, step: &mut Step<'_>) -> Option<Bytes> {
        let missing = book.not_loaded();
        if !missing.is_empty() {
            missing.into_iter().for_each(|key| step.effects.need(key));
            return None;
        }
        let open = book.log();
        let mut whole = std::mem::take(book);
        (whole.open, whole.parts) = (open, BTreeMap::new());
        Some(Self::encode(&whole))
    }
}

impl<const STAGE: usize> Core for Ledger<STAGE> {
    type Definitions = i64;
    type State = Book;

    const OWNER: Owner = Counting::<STAGE>::OWNER;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] = Counting::<STAGE>::INPUTS;
    const OUTPUT: Option<(StreamName, StreamName)> = Counting::<STAGE>::OUTPUT;
    const HOME: Home = Counting::<STAGE>::HOME;
    const HAS_PARTS: bool = true;

    fn decode(bytes: &[u8]) -> Result<Book, Poison> {
        let text = std::str::from_utf8(bytes).map_err(|_| Poison::new("not a text"))?;
        let fields: Vec<_> = text.split('|').collect();
        let [due, count, open, parts, last] = fields[..] else {
            return Err(Poison::new("not five fields"));
        };
        let mut book = Book {
            due: due.parse().ok().map(Timestamp::from_millis),
            count: count.parse().map_err(|_| Poison::new("no number"))?,
            open: read(open),
            ..Book::default()
        };
        for part in parts.split_terminator(',') {
            let numbers: Vec<u64> = part.split(':').filter_map(|it| it.parse().ok()).collect();
            let [ordinal, name, bytes] = numbers[..] else {
                return Err(Poison::new("not a part"));
            };
            let key = PartKey {
                ordinal: u16::try_from(ordinal).expect("an ordinal"),
                kind: ENTRIES,
                name,
            };
            let bytes = u32::try_from(bytes).expect("a size");
            book.parts.insert(key, Part::apart(bytes));
        }
        for entry in last.split_terminator(',') {
            let (source, number) = entry.rsplit_once('-').expect("an entry");
            let number = number.parse().expect("a number");
            book.last.insert(source.to_owned(), number);
        }
        Ok(book)
    }

    fn encode(book: &Book) -> Bytes {
        let due = book.due.map(|due| due.as_millis().to_string());
        let parts: String = Self::part_keys(book)
            .iter()
            .map(|key| {
                let bytes = book.parts[key].stored_bytes().expect("it is stored");
                format!("{}:{}:{bytes},", key.ordinal, key.name)
            })
            .collect();
        let last = book.last.iter();
        let last: String = last.map(|(it, number)| format!("{it}-{number},")).collect();
        let open: String = book.open.iter().map(|entry| format!("{entry},")).collect();
        let (due, count) = (due.unwrap_or_default(), book.count);
        format!("{due}|{count}|{open}|{parts}|{last}").into()
    }

    fn step(
        _: &i64,
        book: &mut Book,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let record = match input {
            Input::Timer { due_time } => {
                if book.last.contains_key("poison") {
                    return Err(Poison::new("a poison timer"));
                }
                book.due = None;
                book.push(format!("fired@{}", due_time.as_millis()));
                step.effects.count(counter("fired"), 1);
                return Ok(Outcome::Keep { next_due: None });
            }
            Input::Record(record) => record,
        };
        match &record.body {
            Some(Body::Fact(fact)) => {
                let event = fact.event.as_ref().expect("a fact of an event");
                book.write_down(&event.name, step);
                if Self::OUTPUT.is_some() {
                    step.effects.emit(record.clone());
                }
            }
            Some(Body::Event(event)) => {
                let (what, argument) = event.name.split_once(':').unwrap_or((&event.name, ""));
                if what == "once" && book.has(&event.event_id) {
                    return Ok(Outcome::Unchanged);
                }
                book.write_down(&event.event_id, step);
                match what {
                    "add" | "once" => {}
                    // From now on its timers fail, it cannot leave, it takes nobody in, or it leaves
                    // as one value.
                    "poison" | "stay" | "shut" | "pack" => {
                        book.last.insert(what.to_owned(), 0);
                    }
                    // No longer.
                    "mend" => {
                        book.last.remove(argument);
                    }
                    "grow" => book.push("x".repeat(argument.parse().expect("a size"))),
                    "wait" => {
                        let wait = Duration::from_millis(argument.parse().expect("a time"));
                        book.due = Some(step.now + wait);
                    }
                    "remove" => return Ok(Outcome::Remove),
                    other => return Err(Poison::new(format!("unknown {other}"))),
                }
                let record = Record {
                    trace_parent: String::new(),
                    ..record.clone()
                };
                step.effects.emit(fact(record, &event.event_id, step.now));
            }
            _ => return Err(Poison::new("not an event")),
        }
        step.effects.count(counter("seen"), 1);
        let next_due = book.due;
        Ok(Outcome::Keep { next_due })
    }

    fn take_leave(_: &i64, book: &mut Book, step: &mut Step<'_>) -> Option<Bytes> {
        assert!(!book.last.contains_key("stay"), "it was told to stay");
        step.effects.count(counter("seen"), -book.count);
        if book.last.contains_key("pack") {
            return Self::pack(book, step);
        }
        let mut stored = book.clone();
        Self::drain_parts(&mut stored, &mut PartWrites::default());
        (book.count > 0).then(|| Self::encode(&stored))
    }

    fn fold_in(
        _: &i64,
        book: &mut Book,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let other = Self::decode(moved.state)?;
        if book.last.contains_key("shut") {
            return Err(Poison::new("it was told to take nobody in"));
        }
        step.effects.count(counter("seen"), other.count);
        // A customer's orders stay with whoever was given them.
        let sources = other.last.iter();
        let sources =
            sources.filter(|(source, _)| !["stay", "shut", "pack"].contains(&source.as_str()));
        for (source, number) in sources {
            let last = book.last.entry(source.clone()).or_default();
            // What came of a source behind the state is known before it.
            if number < last {
                step.effects.count(counter("overtaken"), 1);
            }
            *last = (*last).max(*number);
        }
        // The first part of each is read, so that folding in needs parts of both.
        let own = book
            .parts
            .iter()
            .next()
            .map(|(key, part)| (*key, part.clone()));
        let first = other
            .parts
            .keys()
            .next()
            .and_then(|key| key.raised(moved.ordinal));
        for (key, part) in other.parts {
            let key = key.raised(moved.ordinal).expect("few ordinals");
            let mut part = part;
            if let Some(bytes) = moved.parts.get(&key) {
                part.load(read(std::str::from_utf8(bytes).expect("a text")));
            }
            assert!(book.parts.insert(key, part).is_none(), "{key} is taken");
        }
        if let Some((key, part)) = own
            && part.is_not_loaded()
        {
            step.effects.need(key);
        }
        if let Some(key) = first
            && book.parts[&key].is_not_loaded()
        {
            step.effects.need(key);
        }
        book.count += other.count;
        book.open.extend(other.open);
        book.close();
        book.due = book.due.into_iter().chain(other.due).min();
        if book.open.iter().any(|entry| entry == "vanish") {
            return Ok(Outcome::Remove);
        }
        let next_due = book.due;
        Ok(Outcome::Keep { next_due })
    }

    fn load_part(book: &mut Book, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        let text = std::str::from_utf8(&bytes).map_err(|_| Poison::new("not a text"))?;
        let part = book.parts.get_mut(&key);
        let part = part.ok_or_else(|| Poison::new("not listed"))?;
        part.load(read(text));
        Ok(())
    }

    fn drain_parts(book: &mut Book, writes: &mut PartWrites) {
        for (key, part) in &mut book.parts {
            part.drain(*key, size, write, writes);
        }
    }

    fn part_keys(book: &Book) -> Vec<PartKey> {
        let parts = book.parts.iter();
        let stored = parts.filter(|(_, part)| part.stored_bytes().is_some());
        stored.map(|(key, _)| *key).collect()
    }

    fn measure_parts(book: &Book) -> PartLoad {
        let mut load = PartLoad::default();
        for part in book.parts.values() {
            part.measure(size, &mut load);
        }
        load
    }
}
