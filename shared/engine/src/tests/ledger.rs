//! A core with parts, in three stages: it writes down everything that happens to a customer, two
//! entries in a part, and notices what overtakes a state that moves.
//!
//! An event's name says what to do, its id what to write down, as for `counting`. An id that ends
//! with a number, such as `0-4-17`, is the next of its source.

use bytes::Bytes;
use decision::{
    Core, Home, Input, Moved, Outcome, Part, PartKey, PartLoad, PartWrites, Poison, Split, Step,
};
use hot::{Owner, StreamName};
use kernel::{Duration, Timestamp};
use messages::stream::v1::{Record, record::Body};

mod book;

pub(super) use self::book::Book;
use self::book::{ENTRIES, PART_ENTRIES, mark, marked, read, size, write};
use super::counting::{Counting, counter, fact};

#[derive(Debug)]
pub(super) struct Ledger<const STAGE: usize = 0>;

/// What a customer can be told to do from now on.
const ORDERS: [&str; 3] = ["stay", "shut", "pack"];

impl<const STAGE: usize> Ledger<STAGE> {
    /// Takes leave with all parts in the head.
    fn pack(book: &mut Book, step: &mut Step<'_>) -> Option<Bytes> {
        let missing = book.not_loaded();
        if !missing.is_empty() {
            missing.into_iter().for_each(|key| step.effects.need(key));
            return None;
        }
        let mut whole = std::mem::take(book);
        for (key, part) in std::mem::take(&mut whole.parts) {
            let entries = part.get().expect("it is loaded").cloned();
            let entries = entries.into_iter().flatten();
            whole.open.extend(entries.map(|entry| (key.ordinal, entry)));
        }
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
        let (due, count, open, parts, last, order) = match fields[..] {
            [due, count, open, parts, last] => (due, count, open, parts, last, ""),
            [due, count, open, parts, last, order] => (due, count, open, parts, last, order),
            _ => return Err(Poison::new("not five fields")),
        };
        let mut book = Book {
            due: due.parse().ok().map(Timestamp::from_millis),
            count: count.parse().map_err(|_| Poison::new("no number"))?,
            open: read(open).iter().map(|it| marked(it)).collect(),
            order: read(order).iter().map(|it| marked(it)).collect(),
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
            let (ordinal, source) = marked(source);
            book.last.insert((source, ordinal), number);
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
        let last = last.map(|((it, ordinal), number)| mark(*ordinal, &format!("{it}-{number}")));
        let last: String = last.collect();
        let open = book.open.iter();
        let open: String = open.map(|(ordinal, entry)| mark(*ordinal, entry)).collect();
        let (due, count) = (due.unwrap_or_default(), book.count);
        let order = book.order.iter();
        let order: String = order
            .map(|(ordinal, entry)| mark(*ordinal, entry))
            .collect();
        format!("{due}|{count}|{open}|{parts}|{last}|{order}").into()
    }

    fn step(
        _: &i64,
        book: &mut Book,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let record = match input {
            Input::Timer { due_time } => {
                if book.is_told("poison") {
                    return Err(Poison::new("a poison timer"));
                }
                // It was of a wait that left.
                if book.due.is_none() {
                    return Ok(Outcome::Unchanged);
                }
                book.due = None;
                book.push(0, format!("fired@{}", due_time.as_millis()));
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
                    step.effects.emit(of_its_own(record));
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
                        book.last.insert((what.to_owned(), 0), 0);
                    }
                    // No longer.
                    "mend" => {
                        book.last.retain(|(own, _), _| own != argument);
                    }
                    "grow" => {
                        let size = argument.parse().expect("a size");
                        book.push(step.ordinal, "x".repeat(size));
                    }
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
                step.effects
                    .emit(fact(of_its_own(&record), &event.event_id, step.now));
            }
            _ => return Err(Poison::new("not an event")),
        }
        step.effects.count(counter("seen"), 1);
        let next_due = book.due;
        Ok(Outcome::Keep { next_due })
    }

    fn take_leave(_: &i64, book: &mut Book, step: &mut Step<'_>) -> Option<Bytes> {
        assert!(!book.is_told("stay"), "it was told to stay");
        step.effects.count(counter("seen"), -book.count);
        if book.is_told("pack") {
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
        if book.is_told("shut") {
            return Err(Poison::new("it was told to take nobody in"));
        }
        step.effects.count(counter("seen"), other.count);
        // A customer's orders stay with whoever was given them.
        let sources = other.last.iter();
        let sources = sources.filter(|((source, _), _)| !ORDERS.contains(&source.as_str()));
        for ((source, ordinal), number) in sources {
            // What came of a source behind the state is known before it.
            if book.last_of(source).is_some_and(|last| *number < last) {
                step.effects.count(counter("overtaken"), 1);
            }
            let own = (source.clone(), moved.ordinal_of(*ordinal));
            let last = book.last.entry(own).or_default();
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
        for (ordinal, entry) in other.open {
            book.add(moved.ordinal_of(ordinal), entry);
        }
        book.due = book.due.into_iter().chain(other.due).min();
        if book.open.iter().any(|(_, entry)| entry == "vanish") {
            return Ok(Outcome::Remove);
        }
        let next_due = book.due;
        Ok(Outcome::Keep { next_due })
    }

    fn split_off(_: &i64, book: &mut Book, split: Split<'_>, step: &mut Step<'_>) -> Option<Bytes> {
        // The first part that leaves is read, so that dividing needs a part.
        let mut leaving = book.parts.iter();
        let leaving = leaving.find(|(key, _)| split.ordinal_of(key.ordinal).is_some());
        if let Some((key, part)) = leaving
            && part.is_not_loaded()
        {
            step.effects.need(*key);
            return None;
        }
        let mut other = Book::default();
        for (key, mut part) in std::mem::take(&mut book.parts) {
            let Some(there) = split.ordinal_of(key.ordinal) else {
                book.parts.insert(key, part);
                continue;
            };
            part.drain(key, size, write, &mut book.left);
            let entries = i64::try_from(PART_ENTRIES).expect("few");
            other.count += entries;
            let there = PartKey {
                ordinal: there,
                ..key
            };
            other.parts.insert(there, part);
        }
        for (ordinal, entry) in std::mem::take(&mut book.open) {
            match split.ordinal_of(ordinal) {
                Some(there) => other.open.push((there, entry)),
                None => book.open.push((ordinal, entry)),
            }
        }
        for ((source, ordinal), number) in std::mem::take(&mut book.last) {
            match split.ordinal_of(ordinal) {
                Some(there) => other.last.insert((source, there), number),
                None => book.last.insert((source, ordinal), number),
            };
        }
        book.order
            .retain(|(ordinal, _)| split.ordinal_of(*ordinal).is_none());
        other.count += i64::try_from(other.open.len()).expect("few");
        book.count -= other.count;
        step.effects.count(counter("seen"), -other.count);
        (other.count > 0).then(|| Self::encode(&other))
    }

    fn take_back(
        _: &i64,
        book: &mut Book,
        head: &Bytes,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        if !book.parts.is_empty() || book.count > 0 {
            return Err(Poison::new("something else is known of the customer"));
        }
        let mut other = Self::decode(head)?;
        // The first parts are read, one after the other.
        for (key, part) in other.parts.iter_mut().take(2) {
            let Some(bytes) = book.given.get(key) else {
                step.effects.need(*key);
                return Ok(Outcome::Unchanged);
            };
            part.load(read(std::str::from_utf8(bytes).expect("a text")));
        }
        step.effects.count(counter("seen"), other.count);
        *book = other;
        let next_due = book.due;
        Ok(Outcome::Keep { next_due })
    }

    fn load_part(book: &mut Book, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        if book.count == 0 {
            book.given.insert(key, bytes);
            return Ok(());
        }
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
        for (key, value) in std::mem::take(&mut book.left) {
            match value {
                Some(value) => writes.put(key, value),
                None => writes.remove(key),
            }
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

/// A record as it is emitted, which follows nobody.
fn of_its_own(record: &Record) -> Record {
    Record {
        forwarded_from_id: Bytes::new(),
        forwarded_epoch: 0,
        fragment_epoch: 0,
        ..record.clone()
    }
}
