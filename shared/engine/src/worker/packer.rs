//! Packs what a batch of inputs emits: one `Batch` a stream, encoded as it comes.

use bytes::Bytes;
use hot::StreamName;
use kernel::Timestamp;
use messages::stream::v1::{Batch, Record};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::key::KeyMap;

/// Packed records by stream. Its buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    streams: [Packed; StreamName::ALL.len()],
    bytes: usize,
    /// Customers with records in the low-priority output.
    pub(crate) low: KeyMap<()>,
}

/// The records that are packed for one stream.
#[derive(Debug, Default)]
struct Packed {
    records: Vec<u8>,
    /// When the cause of each was accepted, in milliseconds; empty where the store says it of all.
    accept_times_ms: Vec<i64>,
}

/// The number of `Batch.records`, and of `ChangeBatch.changes`.
const ELEMENTS_FIELD: u32 = 1;

/// Encodes a record as a message to another partition, with the number of the message.
pub(crate) fn pack_message(record: &Record, number: u64) -> Vec<u8> {
    let mut buffer = Vec::new();
    pack(record, &mut buffer);
    // The rest of the message: its record is there already.
    let rest = Batch {
        message_number: number,
        ..Batch::default()
    };
    rest.encode_raw(&mut buffer);
    buffer
}

/// The number of a [`Batch`] alone: its records, which may be large, are passed over.
#[derive(Clone, PartialEq, prost::Message)]
struct Numbered {
    #[prost(uint64, tag = "4")]
    message_number: u64,
}

/// Returns the number of a message, or `None` where an older program encoded it.
pub(crate) fn message_number(payload: &Bytes) -> Option<u64> {
    let numbered = Numbered::decode(payload.clone()).ok()?;
    Some(numbered.message_number).filter(|number| *number != 0)
}

/// Appends an element to an encoded `Batch` or `ChangeBatch`: a repeated field is the sequence of
/// its elements.
pub(super) fn pack(element: &impl Message, buffer: &mut Vec<u8>) {
    let len = element.encoded_len();
    buffer.reserve(1 + encoded_len_varint(len as u64) + len);
    encode_key(ELEMENTS_FIELD, WireType::LengthDelimited, buffer);
    encode_varint(len as u64, buffer);
    element.encode_raw(buffer);
}

impl Packer {
    /// Adds a record to a stream. Where the time at which its cause was accepted goes on with it,
    /// so do those of all other records of that stream.
    pub(crate) fn push(
        &mut self,
        stream: StreamName,
        record: &Record,
        accept_time: Option<Timestamp>,
    ) {
        let packed = &mut self.streams[stream as usize];
        let before = packed.records.len();
        pack(record, &mut packed.records);
        self.bytes += packed.records.len() - before;
        let accept_time = accept_time.map(Timestamp::as_millis);
        packed.accept_times_ms.extend(accept_time);
    }

    /// Bytes packed so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what was packed, as entries of a commit.
    pub(crate) fn take(&mut self, commit_seq: u64) -> Vec<(StreamName, Bytes)> {
        self.bytes = 0;
        StreamName::ALL
            .into_iter()
            .zip(&mut self.streams)
            .filter(|(_, packed)| !packed.records.is_empty())
            .map(|(name, packed)| (name, packed.take(commit_seq)))
            .collect()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.low.clear();
        for packed in &mut self.streams {
            packed.records.clear();
            packed.accept_times_ms.clear();
        }
    }
}

impl Packed {
    fn take(&mut self, commit_seq: u64) -> Bytes {
        // The rest of the message: its records are there already.
        let rest = Batch {
            commit_seq,
            accept_times_ms: std::mem::take(&mut self.accept_times_ms),
            ..Batch::default()
        };
        self.records.reserve(rest.encoded_len());
        rest.encode_raw(&mut self.records);
        let packed = Bytes::copy_from_slice(&self.records);
        self.records.clear();
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_records_are_read_back_as_one_batch() {
        let record = |time_ms| Record {
            time_ms,
            ..Record::default()
        };
        let mut packer = Packer::default();
        let at = |millis| Some(Timestamp::from_millis(millis));
        packer.push(StreamName::Facts, &record(1), at(7));
        packer.push(StreamName::Events, &record(2), None);
        packer.push(StreamName::Facts, &record(300), at(8));
        let packed = packer.take(12);
        let names: Vec<_> = packed.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [StreamName::Events, StreamName::Facts]);
        let facts = Batch::decode(packed[1].1.clone()).expect("a batch");
        assert_eq!(facts.records, [record(1), record(300)]);
        assert_eq!((facts.commit_seq, facts.accept_times_ms), (12, vec![7, 8]));
        let events = Batch::decode(packed[0].1.clone()).expect("a batch");
        assert_eq!((events.commit_seq, events.accept_times_ms), (12, vec![]));
        assert!(packer.take(13).is_empty());
    }

    #[test]
    fn a_message_is_read_back_as_one_record_with_its_number() {
        let record = Record {
            time_ms: 7,
            ..Record::default()
        };
        let payload = Bytes::from(pack_message(&record, u64::MAX));
        assert_eq!(message_number(&payload), Some(u64::MAX));
        let batch = Batch::decode(payload).expect("a batch");
        assert_eq!((batch.records, batch.commit_seq), (vec![record.clone()], 0));
        let mut older = Vec::new();
        pack(&record, &mut older);
        assert_eq!(message_number(&older.into()), None);
    }
}
