//! Reads of the record where each slot ends, and what is on its way between partitions, in the order
//! in which a recovery would put it back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hot::{HotError, Origin, Owner, Slot, StreamId, StreamName, Writer};
use kernel::{PartitionCount, PartitionId};
use messages::stream::v1::Batch;
use prost::Message as _;

use super::{Left, RepartitionError};
use crate::fold::advance;
use crate::packed::{Snapshot, unpack_commit};
use crate::readers::{inputs_of, reader_of};
use crate::recover::{self, Progress, Surveyed};
use crate::{Log, LogError, Placed, limits};

/// A slot in the record.
pub(super) struct OldSlot {
    /// The snapshot that the log has.
    pub(super) snapshot: Snapshot,
    /// The same with all commits after it, but for its inputs: where the slot ends.
    pub(super) end: Snapshot,
}

/// An entry that is to go on.
pub(super) struct Waiting {
    /// Its order among all that waits, in whatever partition.
    order: Order,
    /// The stream.
    pub(super) stream: StreamName,
    /// The entry that it was in the log; absent for what was still in an outbox.
    pub(super) origin: Option<(PartitionId, Origin)>,
    /// Its records.
    pub(super) payload: Bytes,
    /// The number of its first records that are consumed.
    pub(super) done: u64,
    /// The number of a commit that stands for the one that wrote it: of two that wait, the greater
    /// number was written later.
    pub(super) rank: u64,
}

/// An entry that is consumed in part comes first in its stream, then all others come by their
/// places in the log, and then what was on its way to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Begun,
    Placed(u64),
    Sent(Slot, u64),
}

/// The whole record but for states.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) slots: BTreeMap<Slot, OldSlot>,
    /// The entries that go on, in order.
    pub(super) waiting: Vec<Waiting>,
    /// The highest sequence that each stream took of each source.
    sources: BTreeMap<StreamId, BTreeMap<Box<str>, u64>>,
    bytes: usize,
    /// The number of entries that wait, by stream.
    counts: BTreeMap<StreamId, u64>,
}

/// Reads the record of all partitions, but for states.
pub(super) async fn survey(
    log: &dyn Log,
    from: PartitionCount,
) -> Result<Survey, RepartitionError> {
    let mut survey = Survey::default();
    for partition in from.iter() {
        for owner in Owner::ALL {
            let slot = Slot { owner, partition };
            survey.slots.insert(slot, read_slot(log, slot).await?);
        }
        survey.read_streams(log, partition).await?;
        survey.read_outputs(log, partition).await?;
    }
    survey.read_outboxes();
    survey.check()?;
    survey.waiting.sort_by_key(|waiting| waiting.order);
    let orders: BTreeSet<Order> = survey.waiting.iter().map(|it| it.order).collect();
    let ranks: BTreeMap<Order, u64> = orders.into_iter().zip(1..).collect();
    for waiting in &mut survey.waiting {
        waiting.rank = ranks[&waiting.order];
    }
    Ok(survey)
}

async fn read_slot(log: &dyn Log, slot: Slot) -> Result<OldSlot, LogError> {
    let snapshot = match log.snapshot(slot).await? {
        Some(head) => Snapshot::unpack(&head)?,
        None => Snapshot::default(),
    };
    let mut end = snapshot.clone();
    loop {
        let rows = log.commits(slot, end.seq, limits::READ_BYTES).await?;
        if rows.is_empty() {
            return Ok(OldSlot { snapshot, end });
        }
        for Placed { row, .. } in rows {
            if row.seq != end.seq + 1 {
                return Err(LogError::Damaged(format!(
                    "{}, partition {}: there is no commit {}",
                    slot.owner.name(),
                    slot.partition,
                    end.seq + 1
                )));
            }
            advance(&mut end, &mut unpack_commit(&row)?);
        }
    }
}

impl Survey {
    /// Finds what processes appended to the streams of a partition, and what is consumed in part.
    async fn read_streams(
        &mut self,
        log: &dyn Log,
        partition: PartitionId,
    ) -> Result<(), RepartitionError> {
        let mut progress = Progress::new(partition);
        for name in StreamName::ALL {
            let stream = StreamId { name, partition };
            let reader = &self.slots[&Slot {
                owner: reader_of(name),
                partition,
            }];
            let marks = reader.end.marks(name);
            let surveyed = (&marks, &reader.snapshot);
            let Surveyed {
                waiting, sources, ..
            } = recover::survey(log, stream, surveyed, &mut progress).await?;
            self.sources.insert(stream, sources);
            if let Some(part) = marks.part {
                let origin = part.origin.ok_or_else(|| gone(stream, None))?;
                let payload = match origin.writer.owner() {
                    Some(owner) => {
                        let slot = Slot { owner, partition };
                        recover::read_output(log, slot, origin.seq, name).await?
                    }
                    None => recover::read_entry(log, stream, origin).await?,
                };
                let payload = payload.ok_or_else(|| gone(stream, Some(origin)))?;
                self.add(Order::Begun, stream, Some(origin), payload, part.index);
            }
            let mut place = 0;
            for (origin, own) in waiting {
                // One of a source may wait for an earlier one with a higher place.
                place = own.max(place);
                let payload = recover::read_entry(log, stream, origin).await?;
                let payload = payload.ok_or_else(|| gone(stream, Some(origin)))?;
                self.add(Order::Placed(place), stream, Some(origin), payload, 0);
            }
        }
        Ok(())
    }

    /// Finds what the commits of a partition put on its streams.
    async fn read_outputs(
        &mut self,
        log: &dyn Log,
        partition: PartitionId,
    ) -> Result<(), RepartitionError> {
        let mut marks = BTreeMap::new();
        for owner in Owner::ALL {
            let reader = &self.slots[&Slot { owner, partition }].end;
            marks.extend(inputs_of(owner).map(|name| (name, reader.marks(name))));
        }
        for owner in Owner::ALL {
            let slot = Slot { owner, partition };
            let writer = Writer::worker(owner);
            let OldSlot { snapshot, end } = &self.slots[&slot];
            let last = end.seq;
            let (outputs, base) = (&snapshot.last_outputs, snapshot.seq);
            let mut seq = recover::consumed_upto(last, writer, outputs, base, &marks);
            while seq < last {
                let rows = log.commits(slot, seq, limits::READ_BYTES).await?;
                if rows.first().is_none_or(|first| first.row.seq != seq + 1) {
                    return Err(LogError::Damaged(format!(
                        "{}, partition {partition}: outputs after commit {seq} are needed, and not in the journal",
                        owner.name()
                    ))
                    .into());
                }
                for Placed { place, row } in rows {
                    seq = row.seq;
                    let origin = Origin { writer, seq };
                    for (name, payload) in unpack_commit(&row)?.outputs {
                        if recover::is_needed(&marks[&name], origin) {
                            let stream = StreamId { name, partition };
                            self.add(Order::Placed(place), stream, Some(origin), payload, 0);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds what is in outboxes, and not in the streams that it goes to.
    fn read_outboxes(&mut self) {
        let mut sent = Vec::new();
        for (slot, OldSlot { end, .. }) in &self.slots {
            let source = slot.source();
            for (seq, message) in &end.outbox {
                let sources = self.sources.get(&message.to);
                let taken = sources.and_then(|sources| sources.get(source.as_str()));
                let batch = Batch::decode(message.payload.clone()).unwrap_or_default();
                let number = match batch.message_number {
                    0 => *seq,
                    number => number,
                };
                if taken.is_none_or(|taken| *taken < number) {
                    sent.push((Order::Sent(*slot, *seq), message.clone()));
                }
            }
        }
        for (order, message) in sent {
            self.add(order, message.to, None, message.payload, 0);
        }
    }

    fn add(
        &mut self,
        order: Order,
        stream: StreamId,
        origin: Option<Origin>,
        payload: Bytes,
        done: u64,
    ) {
        *self.counts.entry(stream).or_default() += 1;
        self.bytes += payload.len();
        if self.bytes > limits::WAITING_BYTES {
            return;
        }
        self.waiting.push(Waiting {
            order,
            stream: stream.name,
            origin: origin.map(|origin| (stream.partition, origin)),
            payload,
            done,
            rank: 0,
        });
    }

    /// Makes sure that what waits can go on.
    fn check(&self) -> Result<(), RepartitionError> {
        let counts = self.counts.iter();
        let left = |is_left: &dyn Fn(StreamId) -> bool| -> Vec<Left> {
            let counts = counts.clone().filter(|(stream, _)| is_left(**stream));
            counts
                .map(|(stream, entries)| Left::Entries {
                    stream: *stream,
                    entries: *entries,
                })
                .collect()
        };
        let ends = || self.slots.values().map(|slot| slot.end.watermark);
        let commands = left(&|stream| stream.name.is_commands());
        if !commands.is_empty() {
            return Err(RepartitionError::Commands(commands));
        }
        // Each partition has a time of its own then, and what waits is to be decided in it.
        if ends().any(|time| time.is_some()) {
            let waiting = left(&|_| true);
            if !waiting.is_empty() {
                return Err(RepartitionError::OnStreamTime(waiting));
            }
            for owner in Owner::ALL {
                let of_owner = self.slots.iter().filter(|(slot, _)| slot.owner == owner);
                let begun = of_owner.filter(|(_, slot)| slot.end.seq > 0);
                let times: BTreeSet<_> = begun.map(|(_, slot)| slot.end.watermark).collect();
                if times.len() > 1 {
                    return Err(RepartitionError::Times(owner));
                }
            }
        }
        if self.bytes > limits::WAITING_BYTES {
            return Err(RepartitionError::TooMuch(left(&|_| true)));
        }
        Ok(())
    }
}

fn gone(stream: StreamId, origin: Option<Origin>) -> HotError {
    let entry = origin.map_or_else(|| "an entry".to_owned(), |origin| format!("entry {origin}"));
    HotError::Damaged(format!(
        "{entry} of {} in partition {} is not wholly in effect, and not in the journal",
        stream.name.name(),
        stream.partition
    ))
}
