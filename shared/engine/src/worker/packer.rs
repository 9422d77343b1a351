//! Packs what a batch of inputs emits: one `Batch` a stream, encoded as it comes.

use bytes::Bytes;
use hot::StreamName;
use messages::stream::v1::Record;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// Packed records by stream. Its buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    streams: [Vec<u8>; StreamName::ALL.len()],
    bytes: usize,
}

/// The number of `Batch.records`.
const RECORDS_FIELD: u32 = 1;

/// Appends a record to an encoded `Batch`: a repeated field is the sequence of its elements.
pub(crate) fn pack(record: &Record, buffer: &mut Vec<u8>) {
    let len = record.encoded_len();
    buffer.reserve(1 + encoded_len_varint(len as u64) + len);
    encode_key(RECORDS_FIELD, WireType::LengthDelimited, buffer);
    encode_varint(len as u64, buffer);
    record.encode_raw(buffer);
}

impl Packer {
    pub(crate) fn push(&mut self, stream: StreamName, record: &Record) {
        let buffer = &mut self.streams[stream as usize];
        let before = buffer.len();
        pack(record, buffer);
        self.bytes += buffer.len() - before;
    }

    /// Bytes packed so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what was packed.
    pub(crate) fn take(&mut self) -> Vec<(StreamName, Bytes)> {
        self.bytes = 0;
        StreamName::ALL
            .into_iter()
            .zip(&mut self.streams)
            .filter(|(_, buffer)| !buffer.is_empty())
            .map(|(name, buffer)| {
                let packed = Bytes::copy_from_slice(buffer);
                buffer.clear();
                (name, packed)
            })
            .collect()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.streams.iter_mut().for_each(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use messages::stream::v1::Batch;

    use super::*;

    #[test]
    fn packed_records_are_read_back_as_one_batch() {
        let record = |time_ms| Record {
            time_ms,
            ..Record::default()
        };
        let mut packer = Packer::default();
        packer.push(StreamName::Facts, &record(1));
        packer.push(StreamName::Events, &record(2));
        packer.push(StreamName::Facts, &record(300));
        let packed = packer.take();
        let names: Vec<_> = packed.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [StreamName::Events, StreamName::Facts]);
        let facts = Batch::decode(packed[1].1.clone()).expect("a batch");
        assert_eq!(facts.records, [record(1), record(300)]);
        assert!(packer.take().is_empty());
    }
}
