//! A core that keeps a chronicle: the newest entries in the head, older ones in blocks that are
//! kept apart.
//!
//! An event's name says what to do, its id what to write down. What reads a block tells its text in
//! a fact.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{
    Core, Effects, Home, Input, Moved, Outcome, Part, PartKey, PartLoad, PartWrites, Poison, Step,
    UnknownParts,
};
use hot::{Owner, StreamName};
use kernel::{Duration, Timestamp};
use messages::stream::v1::{Record, record::Body};

use super::counting::{counter, fact};

#[derive(Debug)]
pub(super) struct Chronicle;

/// The kind of a part that is a block.
const BLOCK: u8 = 1;
/// Entries of a block.
const ENTRIES: usize = 4;
/// Blocks that are kept; older ones go.
const BLOCKS: usize = 8;

type Entries = Vec<String>;

/// One customer's chronicle.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    due: Option<Timestamp>,
    /// The number of the block that is being filled.
    number: u64,
    open: Entries,
    blocks: BTreeMap<PartKey, Part<Entries>>,
    pub(super) unknown: UnknownParts,
}

/// The key of a block.
pub(super) fn block(number: u64) -> PartKey {
    PartKey {
        ordinal: 0,
        kind: BLOCK,
        name: number,
    }
}

fn size(entries: &Entries) -> usize {
    entries.iter().map(|entry| entry.len() + 1).sum()
}

fn write(entries: &Entries) -> Bytes {
    entries
        .iter()
        .map(|entry| format!("{entry},"))
        .collect::<String>()
        .into()
}

fn read(text: &str) -> Entries {
    text.split_terminator(',').map(str::to_owned).collect()
}

impl Book {
    /// All of it, where all of it is loaded.
    pub(super) fn text(&self) -> String {
        let (blocks, open) = (self.blocks().join(" "), self.open.join(","));
        format!("{:?} {} {blocks} | {open}", self.due, self.number)
    }

    /// The texts of the blocks, where all are loaded.
    pub(super) fn blocks(&self) -> Vec<String> {
        let block = |part: &Part<Entries>| part.get().expect("it is loaded").map(|it| it.join(","));
        self.blocks.values().filter_map(block).collect()
    }

    /// The blocks that are not loaded.
    pub(super) fn not_loaded(&self) -> Vec<PartKey> {
        let blocks = self.blocks.iter().filter(|(_, part)| part.is_not_loaded());
        blocks.map(|(key, _)| *key).collect()
    }

    fn push(&mut self, entry: &str) {
        self.open.push(entry.to_owned());
        if self.open.len() >= ENTRIES {
            self.close();
        }
        let kept = self
            .blocks
            .values()
            .filter(|part| !part.is_absent())
            .count();
        let oldest = self.blocks.values_mut().filter(|part| !part.is_absent());
        // `sow` makes more blocks than are kept.
        oldest
            .take(kept.saturating_sub(BLOCKS).min(1))
            .for_each(Part::remove);
    }

    fn oldest(&mut self) -> Option<(&PartKey, &mut Part<Entries>)> {
        self.blocks.iter_mut().find(|(_, part)| !part.is_absent())
    }

    fn close(&mut self) {
        let mut part = Part::default();
        part.set(std::mem::take(&mut self.open));
        part.send_apart();
        self.blocks.insert(block(self.number), part);
        self.number += 1;
    }

    fn take(
        &mut self,
        what: &str,
        argument: &str,
        id: &str,
        effects: &mut Effects,
    ) -> Result<Option<String>, Poison> {
        let number = argument.parse::<u64>().unwrap_or_default();
        // Before anything can be missing, so that a miss has something to undo.
        if !matches!(what, "stamp" | "renew") {
            self.push(id);
        }
        match what {
            "add" => {}
            "grow" => {
                let size = usize::try_from(number).expect("a size");
                self.open.push("x".repeat(size));
                self.close();
            }
            "sow" => {
                for entry in 0..number {
                    self.open.push(entry.to_string());
                    self.close();
                }
            }
            "read" | "seek" => match self.blocks.get(&block(number)).map(Part::get) {
                None | Some(Ok(None)) => return Ok(Some("none".to_owned())),
                Some(Ok(Some(entries))) => return Ok(Some(entries.join(","))),
                Some(Err(_)) => effects.need(block(number)),
            },
            "amend" => match self.blocks.get_mut(&block(number)).map(Part::get_mut) {
                None => {}
                Some(Ok(entries)) => amend(entries),
                Some(Err(_)) => effects.need(block(number)),
            },
            "all" => {
                for (key, part) in &mut self.blocks {
                    match part.get_mut() {
                        Ok(entries) => amend(entries),
                        Err(_) => effects.need(*key),
                    }
                }
            }
            "first" => match self.oldest() {
                None => {}
                Some((_, part)) if !part.is_not_loaded() => amend(part.get_mut().ok().flatten()),
                Some((key, _)) => effects.need(*key),
            },
            "stamp" | "renew" => {
                for (key, part) in &mut self.blocks {
                    match part.get_mut() {
                        Ok(entries) => entries.into_iter().for_each(|it| *it = vec![id.to_owned()]),
                        Err(_) => effects.need(*key),
                    }
                }
                if what == "renew" {
                    self.open = vec![id.to_owned()];
                    self.close();
                }
            }
            "poison" => {
                self.blocks.values_mut().for_each(Part::remove);
                return Err(Poison::new("told so"));
            }
            "panic" => panic!("told so too"),
            "insist" => effects.need(block(number)),
            other => return Err(Poison::new(format!("unknown {other}"))),
        }
        Ok(None)
    }
}

fn amend(entries: Option<&mut Entries>) {
    if let Some(first) = entries.and_then(|it| it.first_mut()) {
        first.push('!');
    }
}

impl Core for Chronicle {
    type Definitions = i64;
    type State = Book;

    const OWNER: Owner = Owner::Segmentation;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] =
        &[(StreamName::Events, Some(StreamName::EventsBulk))];
    const OUTPUT: Option<(StreamName, StreamName)> =
        Some((StreamName::Facts, StreamName::FactsBulk));
    const HOME: Home = Home::Segmentation;
    const HAS_PARTS: bool = true;

    fn decode(bytes: &[u8]) -> Result<Book, Poison> {
        let text = std::str::from_utf8(bytes).map_err(|_| Poison::new("not a text"))?;
        let fields: Vec<_> = text.split('|').collect();
        let [due, number, open, parts] = fields[..] else {
            return Err(Poison::new("not four fields"));
        };
        let mut book = Book {
            due: due.parse().ok().map(Timestamp::from_millis),
            number: number.parse().map_err(|_| Poison::new("no number"))?,
            open: read(open),
            ..Book::default()
        };
        for part in parts.split_terminator(',') {
            let numbers: Vec<u64> = part.split(':').filter_map(|it| it.parse().ok()).collect();
            let (kind, name, bytes, ordinal) = match numbers[..] {
                [kind, name, bytes] => (kind, name, bytes, 0),
                [kind, name, bytes, ordinal] => (kind, name, bytes, ordinal),
                _ => return Err(Poison::new("not a part")),
            };
            let kind = u8::try_from(kind).expect("a kind");
            let bytes = u32::try_from(bytes).expect("a size");
            let key = PartKey {
                ordinal: u16::try_from(ordinal).expect("an ordinal"),
                kind,
                name,
            };
            if kind == BLOCK {
                book.blocks.insert(key, Part::apart(bytes));
            } else {
                book.unknown.insert(key, Part::apart(bytes));
            }
        }
        Ok(book)
    }

    fn encode(book: &Book) -> Bytes {
        let due = book
            .due
            .map_or_else(String::new, |due| due.as_millis().to_string());
        let blocks = book
            .blocks
            .iter()
            .map(|(key, part)| (*key, part.stored_bytes()));
        let unknown = book
            .unknown
            .iter()
            .map(|(key, part)| (key, part.stored_bytes()));
        let list: String = blocks
            .chain(unknown)
            .filter_map(|(key, bytes)| {
                Some(format!(
                    "{}:{}:{}:{},",
                    key.kind, key.name, bytes?, key.ordinal
                ))
            })
            .collect();
        let open = book.open.iter().map(|entry| format!("{entry},"));
        format!("{due}|{}|{}|{list}", book.number, open.collect::<String>()).into()
    }

    fn step(
        _: &i64,
        book: &mut Book,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let Input::Record(record) = input else {
            book.due = None;
            book.push("fired");
            let text = match book.oldest() {
                None => "none".to_owned(),
                Some((key, part)) => match part.get() {
                    Ok(entries) => entries.map_or_else(String::new, |it| it.join(",")),
                    Err(_) => {
                        step.effects.need(*key);
                        String::new()
                    }
                },
            };
            let record = Record {
                customer_id: step.key.clone(),
                ..Record::default()
            };
            step.effects
                .emit(fact(record, &format!("fired {text}"), step.now));
            return Ok(Outcome::Keep { next_due: None });
        };
        let Some(Body::Event(event)) = &record.body else {
            return Err(Poison::new("not an event"));
        };
        let (what, argument) = event.name.split_once(':').unwrap_or((&event.name, ""));
        let read = match what {
            "skip" => return Ok(Outcome::Unchanged),
            "remove" => {
                *book = Book::default();
                let gone = fact(record.clone(), &event.event_id, step.now);
                step.effects.emit(gone);
                return Ok(Outcome::Remove);
            }
            "wait" => {
                let wait = argument.parse().expect("a time");
                book.due = Some(step.now + Duration::from_millis(wait));
                None
            }
            _ => book.take(what, argument, &event.event_id, step.effects)?,
        };
        step.effects.count(counter("seen"), 1);
        let said = read.map_or_else(String::new, |read| format!(" {read}"));
        let said = format!("{}{said}", event.event_id);
        step.effects.emit(fact(record.clone(), &said, step.now));
        Ok(Outcome::Keep { next_due: book.due })
    }

    fn take_leave(_: &i64, book: &mut Book, _: &mut Step<'_>) -> Option<Bytes> {
        let mut stored = book.clone();
        Self::drain_parts(&mut stored, &mut PartWrites::default());
        Some(Self::encode(&stored))
    }

    fn fold_in(
        _: &i64,
        book: &mut Book,
        moved: Moved<'_>,
        _: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let other = Self::decode(moved.state)?;
        for (key, part) in other.blocks {
            let key = key.raised(moved.ordinal).expect("few ordinals");
            book.blocks.insert(key, part);
        }
        for (key, part) in other.unknown.iter() {
            let key = key.raised(moved.ordinal).expect("few ordinals");
            book.unknown.insert(key, part.clone());
        }
        other.open.iter().for_each(|entry| book.push(entry));
        Ok(Outcome::Keep { next_due: book.due })
    }

    fn wants(_: &i64, book: &Book, input: Input<'_>, _: Timestamp, wanted: &mut Vec<PartKey>) {
        let Input::Record(Record {
            body: Some(Body::Event(event)),
            ..
        }) = input
        else {
            return;
        };
        // `read` only finds out that its block is missing.
        if let Some(number) = event.name.strip_prefix("seek:") {
            let key = block(number.parse().expect("a number"));
            wanted.extend(book.not_loaded().into_iter().filter(|it| *it == key));
        }
    }

    fn load_part(book: &mut Book, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        if let Some(part) = book.unknown.part_mut(key) {
            part.load(bytes);
            return Ok(());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| Poison::new("not a text"))?;
        let part = book
            .blocks
            .get_mut(&key)
            .ok_or_else(|| Poison::new("not listed"))?;
        part.load(read(text));
        Ok(())
    }

    fn drain_parts(book: &mut Book, writes: &mut PartWrites) {
        for (key, part) in &mut book.blocks {
            part.drain(*key, size, write, writes);
        }
        book.blocks.retain(|_, part| !part.is_absent());
        book.unknown.drain(writes);
    }

    fn part_keys(book: &Book) -> Vec<PartKey> {
        let stored = book
            .blocks
            .iter()
            .filter(|(_, part)| part.stored_bytes().is_some());
        stored
            .map(|(key, _)| *key)
            .chain(book.unknown.keys_apart())
            .collect()
    }

    fn measure_parts(book: &Book) -> PartLoad {
        let mut load = PartLoad::default();
        for part in book.blocks.values() {
            part.measure(size, &mut load);
        }
        book.unknown.measure(&mut load);
        load
    }
}
