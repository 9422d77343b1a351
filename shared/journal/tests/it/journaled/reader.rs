//! The smallest worker there can be: it counts how often it sees each record, in a state with a
//! timer.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::marks::{Marks, Part};
use hot::{
    Append, Appended, Commit, CounterKey, Cursor, Entry, HotError, HotStore, OutboxMessage, Owner,
    QuarantineId, Slot, SourceRange, Standing, StateKey, StateWrite, Stored, StreamId, StreamName,
    Timer,
};
use kernel::{PartitionId, Timestamp};

/// A worker.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) slot: Slot,
    pub(crate) process: usize,
    epoch: u64,
    seq: u64,
    attempts: u64,
    marks: BTreeMap<StreamName, Marks>,
    cursors: BTreeMap<StreamName, Cursor>,
    forwarded: u64,
    pending: Option<(Commit, Places)>,
}

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worked {
    Something,
    Nothing,
}

pub(crate) fn inputs(owner: Owner) -> &'static [StreamName] {
    match owner {
        Owner::Identity => &[],
        Owner::Segmentation => &[StreamName::Events, StreamName::EventsBulk],
        Owner::Journey => &[StreamName::Facts],
        Owner::Activation => &[StreamName::Actions],
    }
}

/// How far each stream is consumed.
type Places = BTreeMap<StreamName, (Marks, Cursor)>;

/// What a batch changes.
#[derive(Debug, Default)]
struct Batch {
    states: BTreeMap<StateKey, (Option<Stored>, Timer, bool)>,
    records: Vec<String>,
    places: Places,
}

impl Reader {
    pub(crate) async fn open(
        store: &dyn HotStore,
        slot: Slot,
        process: usize,
        epoch: u64,
    ) -> Result<Self, HotError> {
        let head = store.open(slot, epoch).await?;
        let cursors: BTreeMap<_, _> = head.cursors.iter().copied().collect();
        let inputs = inputs(slot.owner).iter();
        Ok(Self {
            slot,
            process,
            epoch,
            seq: head.commit_seq,
            attempts: 0,
            marks: inputs.map(|name| (*name, head.marks(*name))).collect(),
            cursors,
            forwarded: head.forwarded_seq,
            pending: None,
        })
    }

    /// Does one batch; the dice say how much.
    pub(crate) async fn work(
        &mut self,
        store: &dyn HotStore,
        mut dice: u64,
    ) -> Result<Worked, HotError> {
        if self.pending.is_none() {
            self.forward(store).await?;
            let mut batch = Batch::default();
            self.read(store, &mut batch, &mut dice).await?;
            self.fire(store, &mut batch, dice).await?;
            if batch.places.is_empty() && batch.states.is_empty() {
                return Ok(Worked::Nothing);
            }
            self.build(batch, dice);
        }
        let Some((commit, _)) = &self.pending else {
            return Ok(Worked::Nothing);
        };
        store.commit(self.slot, commit).await?;
        let (commit, places) = self.pending.take().expect("it was looked at above");
        self.seq = commit.seq;
        for (name, (marks, cursor)) in places {
            self.marks.insert(name, marks);
            self.cursors.insert(name, cursor);
            // What is not removed now is skipped by its marks, and removed later.
            drop(store.trim(self.standing(), name, cursor).await);
        }
        Ok(Worked::Something)
    }

    async fn read(
        &self,
        store: &dyn HotStore,
        batch: &mut Batch,
        dice: &mut u64,
    ) -> Result<(), HotError> {
        for name in inputs(self.slot.owner) {
            let stream = self.stream(*name, self.slot.partition);
            let mut marks = self.marks[name].clone();
            let mut cursor = self.cursors.get(name).copied().unwrap_or(Cursor::START);
            let max = usize::try_from(*dice % 3 + 1).expect("small");
            let entries = store.poll(stream, cursor, max).await?;
            let read = entries.len();
            for (at, entry) in entries.into_iter().enumerate() {
                *dice = dice.rotate_left(7) ^ 0x55;
                // The last entry is taken in part now and then.
                let stops = at + 1 == read && dice.is_multiple_of(4);
                if !take(batch, &mut marks, &entry, stops) {
                    break;
                }
                cursor = entry.cursor;
            }
            if read > 0 {
                batch.places.insert(*name, (marks, cursor));
            }
        }
        let keys: Vec<StateKey> = batch.states.keys().cloned().collect();
        let loaded = store.load(self.slot, &keys).await?;
        for (state, stored) in batch.states.values_mut().zip(loaded) {
            state.1 = stored.as_ref().map_or(Timer::NONE, |stored| stored.timer);
            state.0 = stored;
        }
        Ok(())
    }

    /// Fires what is due, and sets it again for later.
    async fn fire(
        &self,
        store: &dyn HotStore,
        batch: &mut Batch,
        dice: u64,
    ) -> Result<(), HotError> {
        if !dice.is_multiple_of(5) {
            return Ok(());
        }
        let until = Timestamp::from_millis(i64::try_from(dice % 1_000).expect("small"));
        let due = store.due(self.slot, until, 4).await?;
        for (key, at) in due.timers {
            if batch.states.contains_key(&key) {
                continue;
            }
            let Some(stored) = store
                .load(self.slot, std::slice::from_ref(&key))
                .await?
                .remove(0)
            else {
                continue;
            };
            if stored.timer.entry == Some(at) {
                let timer = stored.timer.fired();
                batch.states.insert(key, (Some(stored), timer, true));
            }
        }
        Ok(())
    }

    fn build(&mut self, batch: Batch, dice: u64) {
        self.attempts += 1;
        let seq = self.seq + 1;
        let mut commit = Commit {
            epoch: self.epoch,
            seq,
            batch_id: self.epoch << 32 | seq << 8 | self.attempts,
            ..Commit::default()
        };
        for (key, (stored, timer, is_fired)) in batch.states {
            let name = String::from_utf8_lossy(&key).into_owned();
            let seen = batch
                .records
                .iter()
                .filter(|record| **record == name)
                .count();
            let before = stored.as_ref().map_or(0, |stored| number(&stored.value));
            let after = before + u64::try_from(seen).expect("small");
            if is_fired && let Some(entry) = stored.as_ref().and_then(|it| it.timer.entry) {
                commit.fired.push((key.clone(), entry));
            }
            let due = i64::try_from(dice % 997 + after).expect("small");
            let (timer, adds_entry) = timer.set(Some(Timestamp::from_millis(due)));
            commit.states.push(StateWrite {
                key,
                value: Some(Bytes::from(after.to_string())),
                timer,
                adds_entry,
            });
        }
        let records = i64::try_from(batch.records.len()).expect("small");
        let round = |rounds_ago: u64| format!("round/{}", (seq / 3).saturating_sub(rounds_ago));
        for (group, name) in [("all", "total"), (&round(0), "records"), (&round(0), "")] {
            commit
                .counters
                .push((CounterKey::new(group, name), records));
        }
        // The group of a round that is over goes, and now and then that of this one, which begins
        // anew.
        if dice.is_multiple_of(3) {
            commit.dropped_groups.push(round(dice % 2 * 2).into());
        }
        for (name, (marks, cursor)) in &batch.places {
            commit.marks.push((*name, marks.clone()));
            commit.cursors.push((*name, *cursor));
        }
        self.say(&batch.records, &mut commit, dice);
        self.pending = Some((commit, batch.places));
    }

    /// What this service has to say to the next one.
    fn say(&self, records: &[String], commit: &mut Commit, dice: u64) {
        if records.is_empty() {
            return;
        }
        let rename = |prefix: &str| {
            let names: Vec<_> = records.iter().map(|it| format!("{prefix}{it}")).collect();
            Bytes::from(names.join(","))
        };
        match self.slot.owner {
            Owner::Segmentation => commit.outputs.push((StreamName::Facts, rename("f"))),
            Owner::Journey => {
                commit.outputs.push((StreamName::Actions, rename("a")));
                let other = PartitionId::new(1 - self.slot.partition.number());
                commit.outbox.push(OutboxMessage {
                    to: self.stream(StreamName::Actions, other),
                    payload: rename("m"),
                });
                commit.quarantine.push(rename("q"));
                // Some of what an earlier commit set aside leaves again, or has left long ago.
                if let Some(commit_seq) = commit.seq.checked_sub(1 + dice % 5) {
                    let index = 0;
                    commit.released.push(QuarantineId { commit_seq, index });
                }
            }
            Owner::Identity | Owner::Activation => {}
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            slot: self.slot,
            epoch: self.epoch,
            commit_seq: self.seq,
        }
    }

    async fn forward(&mut self, store: &dyn HotStore) -> Result<(), HotError> {
        for outgoing in store.outbox(self.slot, self.forwarded, 3).await? {
            let append = Append {
                to: outgoing.message.to,
                payload: outgoing.message.payload,
                source: Some(SourceRange {
                    source: format!("journey/{}", self.slot.partition).into(),
                    first: outgoing.seq,
                    last: outgoing.seq,
                }),
                origin: None,
            };
            if store.append(&append).await? == Appended::Full {
                break;
            }
            store.trim_outbox(self.standing(), outgoing.seq).await?;
            self.forwarded = outgoing.seq;
        }
        Ok(())
    }

    fn stream(&self, name: StreamName, partition: PartitionId) -> StreamId {
        let _ = self;
        StreamId { name, partition }
    }
}

/// Takes an entry, or only its first record. False where some of it is left.
fn take(batch: &mut Batch, marks: &mut Marks, entry: &Entry, stops: bool) -> bool {
    let origin = entry.origin.expect("a journal gives every entry an origin");
    if marks.has_seen(origin) {
        return true;
    }
    let text = String::from_utf8_lossy(&entry.payload).into_owned();
    let records: Vec<&str> = text.split(',').collect();
    let done = match marks.part {
        Some(part) if part.origin == Some(origin) => part.index,
        _ => 0,
    };
    let done = usize::try_from(done).expect("small");
    let end = if stops && done == 0 && records.len() > 1 {
        1
    } else {
        records.len()
    };
    for record in &records[done..end] {
        batch
            .states
            .entry(Bytes::copy_from_slice(record.as_bytes()))
            .or_default();
        batch.records.push((*record).to_owned());
    }
    if end < records.len() {
        marks.part = Some(Part {
            origin: Some(origin),
            index: 1,
        });
        return false;
    }
    marks.part = None;
    marks.seen.insert(origin.writer, origin.seq);
    true
}

/// How often a record was seen.
pub(crate) fn number(value: &[u8]) -> u64 {
    String::from_utf8_lossy(value).parse().expect("a count")
}
