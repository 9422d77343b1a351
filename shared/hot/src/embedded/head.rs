//! What a slot has seen, as one small value on disk.

use kernel::Timestamp;

use crate::{Cursor, QuarantineSize, StreamName};

/// What a slot has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SlotHead {
    pub(super) epoch: u64,
    pub(super) commit_seq: u64,
    pub(super) batch_id: u64,
    /// The number of the last message put into the outbox.
    pub(super) outbox: u64,
    /// The number of the last message removed from it.
    pub(super) forwarded: u64,
    /// The size of the quarantine.
    pub(super) quarantine: QuarantineSize,
    pub(super) watermark: Option<Timestamp>,
    pub(super) next_due: Option<Timestamp>,
    pub(super) cursors: [Option<Cursor>; StreamName::ALL.len()],
}

impl SlotHead {
    /// Writes it: seven numbers, the watermark and the next due time (whether, what), then each
    /// cursor with the place of its stream.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(88 + 17 * self.cursors.len());
        for number in [
            self.epoch,
            self.commit_seq,
            self.batch_id,
            self.outbox,
            self.forwarded,
            self.quarantine.records,
            self.quarantine.bytes,
        ] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for time in [self.watermark, self.next_due] {
            bytes.extend_from_slice(&u64::from(time.is_some()).to_be_bytes());
            bytes.extend_from_slice(&time.unwrap_or_default().as_millis().to_be_bytes());
        }
        for (index, cursor) in (0_u8..).zip(&self.cursors) {
            if let Some(cursor) = cursor {
                bytes.push(index);
                bytes.extend_from_slice(&cursor.major.to_be_bytes());
                bytes.extend_from_slice(&cursor.minor.to_be_bytes());
            }
        }
        bytes
    }

    /// Reads it back; absent where the bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = &mut &*bytes;
        let mut head = Self {
            epoch: take(rest)?,
            commit_seq: take(rest)?,
            batch_id: take(rest)?,
            outbox: take(rest)?,
            forwarded: take(rest)?,
            quarantine: QuarantineSize {
                records: take(rest)?,
                bytes: take(rest)?,
            },
            ..Self::default()
        };
        for time in [&mut head.watermark, &mut head.next_due] {
            let is_there = take(rest)? == 1;
            let read = Timestamp::from_millis(take(rest)?.cast_signed());
            *time = is_there.then_some(read);
        }
        while let Some((index, after)) = rest.split_first() {
            *rest = after;
            let cursor = Cursor {
                major: take(rest)?,
                minor: take(rest)?,
            };
            *head.cursors.get_mut(usize::from(*index))? = Some(cursor);
        }
        Some(head)
    }
}

/// Takes a number from the front.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back() {
        let mut head = SlotHead {
            epoch: 3,
            commit_seq: 7,
            batch_id: u64::MAX,
            outbox: 2,
            forwarded: 1,
            quarantine: QuarantineSize {
                records: 9,
                bytes: 99,
            },
            watermark: Some(Timestamp::from_millis(-5)),
            next_due: Some(Timestamp::MAX),
            cursors: Default::default(),
        };
        head.cursors[2] = Some(Cursor { major: 1, minor: 4 });
        assert_eq!(SlotHead::decode(&head.encode()), Some(head));
        assert_eq!(
            SlotHead::decode(&SlotHead::default().encode()),
            Some(SlotHead::default())
        );
    }

    #[test]
    fn what_is_cut_off_is_not_a_head() {
        let whole = SlotHead::default().encode();
        assert_eq!(SlotHead::decode(&whole[..whole.len() - 1]), None);
    }
}
