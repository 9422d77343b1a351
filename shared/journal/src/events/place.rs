//! Where a page of the event log ends, and the next begins.

use hot::StreamName;

/// A row of the event log, in the order of searches: by the time of its earliest event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    pub(crate) first_time: i64,
    pub(crate) partition: u16,
    pub(crate) stream: i16,
    pub(crate) writer: u32,
    pub(crate) seq: u64,
}

impl RowKey {
    /// Whether the row is of the low-priority lane.
    pub(crate) const fn is_bulk(self) -> bool {
        self.stream == StreamName::EventsBulk as i16
    }
}

/// A place in a search of the event log: after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace {
    /// Which partitions, of those that are searched at once.
    pub(crate) group: u16,
    /// The row.
    pub(crate) row: RowKey,
    /// How many of its records are done with; absent for all.
    pub(crate) records: Option<u32>,
}

/// Bytes of a place.
const BYTES: usize = 2 + 8 + 2 + 2 + 4 + 8 + 4;

impl EventPlace {
    /// As bytes, for page tokens.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&self.group.to_be_bytes());
        bytes.extend_from_slice(&self.row.first_time.to_be_bytes());
        bytes.extend_from_slice(&self.row.partition.to_be_bytes());
        bytes.extend_from_slice(&self.row.stream.to_be_bytes());
        bytes.extend_from_slice(&self.row.writer.to_be_bytes());
        bytes.extend_from_slice(&self.row.seq.to_be_bytes());
        bytes.extend_from_slice(&self.records.unwrap_or(u32::MAX).to_be_bytes());
        bytes
    }

    /// From [`Self::to_bytes`]; absent where the bytes are no place.
    pub fn try_from_bytes(bytes: &[u8]) -> Option<Self> {
        let (group, bytes) = bytes.split_first_chunk()?;
        let (first_time, bytes) = bytes.split_first_chunk()?;
        let (partition, bytes) = bytes.split_first_chunk()?;
        let (stream, bytes) = bytes.split_first_chunk()?;
        let (writer, bytes) = bytes.split_first_chunk()?;
        let (seq, bytes) = bytes.split_first_chunk()?;
        let records = u32::from_be_bytes(bytes.try_into().ok()?);
        Some(Self {
            group: u16::from_be_bytes(*group),
            row: RowKey {
                first_time: i64::from_be_bytes(*first_time),
                partition: u16::from_be_bytes(*partition),
                stream: i16::from_be_bytes(*stream),
                writer: u32::from_be_bytes(*writer),
                seq: u64::from_be_bytes(*seq),
            },
            records: (records != u32::MAX).then_some(records),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_from_its_bytes() {
        for records in [None, Some(0), Some(7)] {
            let place = EventPlace {
                group: 3,
                row: RowKey {
                    first_time: -5,
                    partition: 1_023,
                    stream: 1,
                    writer: u32::MAX,
                    seq: 9,
                },
                records,
            };
            let bytes = place.to_bytes();
            assert_eq!(bytes.len(), BYTES);
            assert_eq!(EventPlace::try_from_bytes(&bytes), Some(place));
            assert_eq!(EventPlace::try_from_bytes(&bytes[1..]), None);
        }
    }
}
