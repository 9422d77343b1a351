//! A snapshot as bytes: chunks of states, and a head with everything that is small or asked for by
//! itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::marks::Marks;
use hot::{CounterKey, OutboxMessage, Quarantined, StateWrite, StreamName, Writer};
use kernel::Timestamp;
use messages::journal::v1::{
    PackedChunk, PackedGroup, PackedInput, PackedLastOutput, PackedQuarantined, PackedSnapshot,
    PackedSource,
};
use prost::Message;

use super::counters::{
    pack_counter, pack_marks, pack_settled, unpack_counters, unpack_marks, unpack_settled,
};
use super::{
    damaged, most_unpacked, pack_id, pack_message, pack_state, stream_name, stream_number,
    unpack_id, unpack_message, unpack_state,
};
use crate::{LogError, SnapshotHead, limits};

/// A part of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    packed: PackedChunk,
    bytes: usize,
}

impl Chunk {
    /// Adds a state that is there, or nothing where it was removed.
    pub(crate) fn push_state(&mut self, write: &StateWrite) {
        if let Some(value) = &write.value {
            self.bytes += write.key.len() + value.len() + 24;
            self.packed.states.push(pack_state(write));
        }
    }

    /// Adds a counter.
    pub(crate) fn push_counter(&mut self, key: &CounterKey, value: i64) {
        self.bytes += key.name.len() + 16;
        let groups = &mut self.packed.counters;
        if groups.last().is_none_or(|last| *last.group != *key.group) {
            self.bytes += key.group.len() + 8;
            groups.push(PackedGroup {
                group: key.group.to_string(),
                counters: Vec::new(),
            });
        }
        if let Some(group) = groups.last_mut() {
            group.counters.push(pack_counter(&key.name, value));
        }
    }

    /// Adds a record that was set aside.
    pub(crate) fn push_quarantined(&mut self, entry: Quarantined) {
        self.bytes += entry.payload.len() + 16;
        self.packed.quarantine.push(PackedQuarantined {
            id: Some(pack_id(entry.id)),
            payload: entry.payload,
        });
    }

    /// About how many bytes it is.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// As bytes, compressed.
    pub(crate) fn pack(&self) -> Bytes {
        compress(&self.packed)
    }

    /// Reads what [`Self::pack`] wrote.
    pub(crate) fn unpack(bytes: &[u8]) -> Result<Self, LogError> {
        let bytes = decompress(bytes)?;
        let size = bytes.len();
        let packed =
            PackedChunk::decode(bytes).map_err(|error| damaged("cannot be read", error))?;
        Ok(Self {
            packed,
            bytes: size,
        })
    }

    /// The states, by key.
    pub(crate) fn take_states(&mut self) -> impl Iterator<Item = StateWrite> + use<> {
        std::mem::take(&mut self.packed.states)
            .into_iter()
            .map(unpack_state)
    }

    /// The counters.
    pub(crate) fn take_counters(&mut self) -> impl Iterator<Item = (CounterKey, i64)> + use<> {
        unpack_counters(std::mem::take(&mut self.packed.counters))
    }

    /// The quarantine, oldest first.
    pub(crate) fn take_quarantine(&mut self) -> impl Iterator<Item = Quarantined> + use<> {
        std::mem::take(&mut self.packed.quarantine)
            .into_iter()
            .map(|it| Quarantined {
                id: unpack_id(it.id.unwrap_or_default()),
                payload: it.payload,
            })
    }
}

/// What a snapshot says beside its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    /// The number of the last commit in it; 0 for the one before the first commit.
    pub(crate) seq: u64,
    /// The name of that commit.
    pub(crate) batch_id: u64,
    /// How many chunks there are.
    pub(crate) chunks: u32,
    /// Bytes of all chunks.
    pub(crate) bytes: u64,
    /// The epoch of that commit.
    pub(crate) epoch: u64,
    /// The watermark.
    pub(crate) watermark: Option<Timestamp>,
    /// The number of the last message of the outbox.
    pub(crate) outbox_seq: u64,
    /// The number of the last message known to have been forwarded.
    pub(crate) forwarded_seq: u64,
    /// The messages above it.
    pub(crate) outbox: BTreeMap<u64, OutboxMessage>,
    /// The last commit with an output to each stream.
    pub(crate) last_outputs: BTreeMap<StreamName, u64>,
    /// The marks of streams.
    pub(crate) marks: BTreeMap<StreamName, Marks>,
    /// What is known of each stream that the service reads.
    pub(crate) inputs: BTreeMap<StreamName, Input>,
}

/// What a snapshot knows of a stream that its service reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Input {
    /// Up to here, everything of these writers is consumed or was refused by the stream.
    pub(crate) settled: BTreeMap<Writer, u64>,
    /// The highest sequence taken from each source.
    pub(crate) sources: BTreeMap<Box<str>, u64>,
}

impl Snapshot {
    /// What is consumed of a stream.
    pub(crate) fn marks(&self, stream: StreamName) -> Marks {
        self.marks.get(&stream).cloned().unwrap_or_default()
    }

    /// The last entry of a writer in a stream that is settled at this snapshot: nothing up to it is
    /// ever needed again.
    pub(crate) fn settled(&self, stream: StreamName, writer: Writer) -> u64 {
        let input = self.inputs.get(&stream);
        let settled = input.and_then(|input| input.settled.get(&writer));
        settled.copied().unwrap_or(0)
    }

    /// As the log keeps it.
    pub(crate) fn pack(&self) -> SnapshotHead {
        let packed = PackedSnapshot {
            epoch: self.epoch,
            watermark_ms: self.watermark.map(Timestamp::as_millis),
            outbox_seq: self.outbox_seq,
            forwarded_seq: self.forwarded_seq,
            outbox: self.outbox.values().map(pack_message).collect(),
            last_outputs: self
                .last_outputs
                .iter()
                .map(|(name, seq)| PackedLastOutput {
                    stream: stream_number(*name),
                    seq: *seq,
                })
                .collect(),
            marks: pack_marks(&self.marks),
            inputs: self
                .inputs
                .iter()
                .map(|(name, input)| input.pack(*name))
                .collect(),
        };
        SnapshotHead {
            seq: self.seq,
            batch_id: self.batch_id,
            chunks: self.chunks,
            bytes: self.bytes,
            payload: compress(&packed),
        }
    }

    /// Reads what [`Self::pack`] wrote.
    pub(crate) fn unpack(head: &SnapshotHead) -> Result<Self, LogError> {
        let packed = PackedSnapshot::decode(decompress(&head.payload)?)
            .map_err(|error| damaged("cannot be read", error))?;
        let (forwarded, messages) = (packed.forwarded_seq, packed.outbox);
        if forwarded.checked_add(messages.len() as u64) != Some(packed.outbox_seq) {
            return Err(damaged("has another number of messages", packed.outbox_seq));
        }
        let outputs = packed.last_outputs.into_iter();
        Ok(Self {
            seq: head.seq,
            batch_id: head.batch_id,
            chunks: head.chunks,
            bytes: head.bytes,
            epoch: packed.epoch,
            watermark: packed.watermark_ms.map(Timestamp::from_millis),
            outbox_seq: packed.outbox_seq,
            forwarded_seq: packed.forwarded_seq,
            outbox: (forwarded..packed.outbox_seq)
                .zip(messages)
                .map(|(before, message)| Ok((before + 1, unpack_message(message)?)))
                .collect::<Result<_, LogError>>()?,
            last_outputs: outputs
                .map(|it| Ok((stream_name(it.stream)?, it.seq)))
                .collect::<Result<_, LogError>>()?,
            marks: unpack_marks(packed.marks)?,
            inputs: packed
                .inputs
                .into_iter()
                .map(|input| Ok((stream_name(input.stream)?, Input::unpack(input))))
                .collect::<Result<_, LogError>>()?,
        })
    }
}

impl Input {
    fn pack(&self, name: StreamName) -> PackedInput {
        PackedInput {
            stream: stream_number(name),
            settled: pack_settled(&self.settled),
            sources: self
                .sources
                .iter()
                .map(|(source, seq)| PackedSource {
                    source: source.as_ref().to_owned(),
                    seq: *seq,
                })
                .collect(),
        }
    }

    fn unpack(packed: PackedInput) -> Self {
        Self {
            settled: unpack_settled(packed.settled),
            sources: packed
                .sources
                .into_iter()
                .map(|it| (it.source.into(), it.seq))
                .collect(),
        }
    }
}

/// A message as LZ4 with its length before it.
fn compress(message: &impl Message) -> Bytes {
    lz4_flex::block::compress_prepend_size(&message.encode_to_vec()).into()
}

/// Reads what [`compress`] wrote.
fn decompress(bytes: &[u8]) -> Result<Bytes, LogError> {
    let (length, block) = lz4_flex::block::uncompressed_size(bytes)
        .map_err(|error| damaged("cannot be decompressed", error))?;
    if length > limits::UNPACKED_BYTES.min(most_unpacked(block)) {
        return Err(damaged("is too long", length));
    }
    lz4_flex::block::decompress(block, length)
        .map(Bytes::from)
        .map_err(|error| damaged("cannot be decompressed", error))
}

#[cfg(test)]
mod tests {
    use hot::{Owner, StreamId};
    use kernel::PartitionId;

    use super::*;

    #[test]
    fn the_head_of_a_snapshot_is_read_back_as_it_was() {
        let message = OutboxMessage {
            to: StreamId {
                name: StreamName::Actions,
                partition: PartitionId::new(2),
            },
            payload: Bytes::from_static(b"x"),
        };
        let input = Input {
            settled: [(Writer::process(1), 4)].into(),
            sources: [("a".into(), 9)].into(),
        };
        let snapshot = Snapshot {
            seq: 5,
            batch_id: 6,
            chunks: 2,
            bytes: 70,
            epoch: 3,
            watermark: Some(Timestamp::from_millis(1)),
            outbox_seq: 9,
            forwarded_seq: 7,
            outbox: [(8, message.clone()), (9, message)].into(),
            last_outputs: [(StreamName::Facts, 4)].into(),
            marks: [(
                StreamName::Events,
                Marks {
                    seen: [(Writer::worker(Owner::Identity), 3)].into(),
                    part: None,
                },
            )]
            .into(),
            inputs: [(StreamName::Events, input)].into(),
        };
        let read = Snapshot::unpack(&snapshot.pack()).expect("readable");
        assert_eq!(read, snapshot);
        let events = StreamName::Events;
        assert_eq!(read.settled(events, Writer::process(1)), 4);
        let seen = read.marks(events).seen;
        assert_eq!(seen, [(Writer::worker(Owner::Identity), 3)].into());
    }

    #[test]
    fn an_outbox_of_another_number_of_messages_is_damaged() {
        let message = pack_message(&OutboxMessage {
            to: StreamId {
                name: StreamName::Actions,
                partition: PartitionId::new(2),
            },
            payload: Bytes::new(),
        });
        for (forwarded_seq, outbox_seq, is_right) in [
            (0, 1, true),
            (u64::MAX - 1, u64::MAX, true),
            (1, 1, false),
            (u64::MAX, 0, false),
            (u64::MAX, u64::MAX, false),
        ] {
            let packed = PackedSnapshot {
                forwarded_seq,
                outbox_seq,
                outbox: vec![message.clone()],
                ..PackedSnapshot::default()
            };
            let head = SnapshotHead {
                payload: compress(&packed),
                ..Snapshot::default().pack()
            };
            let read = Snapshot::unpack(&head);
            assert_eq!(read.is_ok(), is_right, "{forwarded_seq} {outbox_seq}");
        }
    }
}
