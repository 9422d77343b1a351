//! A commit as bytes. Its slot, number, epoch and name are beside them in its row.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use hot::{Commit, Cursor};
use kernel::Timestamp;
use messages::journal::v1::{PackedCommit, PackedCursor, PackedFired, PackedOutput};
use prost::Message;

use super::counters::{pack_counters, pack_marks, unpack_counters, unpack_marks};
use super::{
    damaged, pack_id, pack_message, pack_state, stream_name, stream_number, unpack_id,
    unpack_message, unpack_state,
};
use crate::{CommitRow, LogError};

thread_local! {
    // Its memory is used again once the commits in it are gone, without a question to the allocator.
    static KEPT: RefCell<BytesMut> = RefCell::default();
}

/// Packs a commit into one buffer; values are copied once, into it.
pub(crate) fn pack_commit(commit: &Commit) -> Bytes {
    let packed = PackedCommit {
        states: commit.states.iter().map(pack_state).collect(),
        fired: commit
            .fired
            .iter()
            .map(|(key, time)| PackedFired {
                key: key.clone(),
                time_ms: time.as_millis(),
            })
            .collect(),
        outputs: commit
            .outputs
            .iter()
            .map(|(name, payload)| PackedOutput {
                stream: stream_number(*name),
                payload: payload.clone(),
            })
            .collect(),
        outbox: commit.outbox.iter().map(pack_message).collect(),
        counters: pack_counters(&commit.counters),
        dropped_groups: commit
            .dropped_groups
            .iter()
            .map(|it| (**it).to_owned())
            .collect(),
        marks: pack_marks(commit.marks.iter().map(|(stream, marks)| (stream, marks))),
        cursors: commit
            .cursors
            .iter()
            .map(|(name, cursor)| PackedCursor {
                stream: stream_number(*name),
                major: cursor.major,
                minor: cursor.minor,
            })
            .collect(),
        watermark_ms: commit.watermark.map(Timestamp::as_millis),
        quarantine: commit.quarantine.clone(),
        released: commit.released.iter().copied().map(pack_id).collect(),
    };
    KEPT.with_borrow_mut(|kept| {
        packed.encode_raw(kept);
        kept.split().freeze()
    })
}

/// Reads the commit of a row. Values are parts of the row's bytes, not copies.
///
/// # Errors
/// [`LogError::Damaged`].
pub(crate) fn unpack_commit(row: &CommitRow) -> Result<Commit, LogError> {
    let packed = PackedCommit::decode(row.payload.clone()).map_err(|error| {
        damaged(
            "cannot be read",
            format!(
                "commit {} of partition {}: {error}",
                row.seq, row.slot.partition
            ),
        )
    })?;
    let outputs = packed.outputs.into_iter();
    let cursors = packed.cursors.into_iter();
    Ok(Commit {
        epoch: row.epoch,
        seq: row.seq,
        batch_id: row.batch_id,
        states: packed.states.into_iter().map(unpack_state).collect(),
        fired: packed
            .fired
            .into_iter()
            .map(|fired| (fired.key, Timestamp::from_millis(fired.time_ms)))
            .collect(),
        outputs: outputs
            .map(|output| Ok((stream_name(output.stream)?, output.payload)))
            .collect::<Result<_, LogError>>()?,
        outbox: packed
            .outbox
            .into_iter()
            .map(unpack_message)
            .collect::<Result<_, _>>()?,
        dropped_groups: packed.dropped_groups.into_iter().map(Into::into).collect(),
        counters: unpack_counters(packed.counters).collect(),
        marks: unpack_marks(packed.marks)?,
        cursors: cursors
            .map(|cursor| {
                let place = Cursor {
                    major: cursor.major,
                    minor: cursor.minor,
                };
                Ok((stream_name(cursor.stream)?, place))
            })
            .collect::<Result<_, LogError>>()?,
        watermark: packed.watermark_ms.map(Timestamp::from_millis),
        // It is what the owner knew of the index. Its next owner finds it out again.
        next_due: None,
        quarantine: packed.quarantine,
        released: packed.released.into_iter().map(unpack_id).collect(),
    })
}

#[cfg(test)]
mod tests {
    use hot::marks::{Marks, Part};
    use hot::{
        CounterKey, Origin, OutboxMessage, Owner, QuarantineId, Slot, StateWrite, StreamId,
        StreamName, Timer, Writer,
    };
    use kernel::PartitionId;

    use super::*;

    fn row(commit: &Commit, payload: Bytes) -> CommitRow {
        CommitRow {
            slot: Slot {
                owner: Owner::Journey,
                partition: PartitionId::new(3),
            },
            seq: commit.seq,
            epoch: commit.epoch,
            batch_id: commit.batch_id,
            payload,
            events: Vec::new(),
        }
    }

    fn marks(seq: Option<u64>) -> Marks {
        let writer = Writer::process(9);
        Marks {
            seen: [(writer, u64::MAX), (Writer::from_number(0), 1)].into(),
            part: Some(Part {
                origin: seq.map(|seq| Origin { writer, seq }),
                index: 2,
            }),
        }
    }

    #[test]
    fn a_commit_is_read_back_as_it_was() {
        let at = Timestamp::from_millis;
        let commit = Commit {
            epoch: 7,
            seq: 8,
            batch_id: u64::MAX,
            states: vec![
                StateWrite {
                    key: Bytes::from_static(b"one"),
                    value: Some(Bytes::new()),
                    timer: Timer {
                        due: Some(at(-5)),
                        entry: Some(at(-6)),
                    },
                    adds_entry: true,
                },
                StateWrite {
                    key: Bytes::from_static(b"two"),
                    value: None,
                    timer: Timer::NONE,
                    adds_entry: false,
                },
            ],
            fired: vec![(Bytes::from_static(b"one"), at(0))],
            outputs: StreamName::ALL
                .map(|name| (name, Bytes::from_static(b"x")))
                .into(),
            outbox: vec![OutboxMessage {
                to: StreamId {
                    name: StreamName::Outcomes,
                    partition: PartitionId::new(u16::MAX),
                },
                payload: Bytes::from_static(b"y"),
            }],
            dropped_groups: vec!["old".into(), "older".into()],
            counters: [("a", "x", i64::MIN), ("a", "y", 1), ("b", "x", -1)]
                .map(|(group, name, change)| (CounterKey::new(group, name), change))
                .into(),
            marks: vec![
                (StreamName::Facts, marks(Some(3))),
                (StreamName::Events, marks(None)),
            ],
            cursors: vec![(
                StreamName::Facts,
                Cursor {
                    major: u64::MAX,
                    minor: 1,
                },
            )],
            watermark: Some(at(9)),
            next_due: None,
            quarantine: vec![Bytes::from_static(b"z")],
            released: vec![QuarantineId {
                commit_seq: u64::MAX,
                index: u32::MAX,
            }],
        };
        let packed = pack_commit(&commit);
        assert_eq!(
            unpack_commit(&row(&commit, packed)).expect("readable"),
            commit
        );
    }

    #[test]
    fn damage_names_the_commit() {
        let commit = Commit {
            seq: 12,
            ..Commit::default()
        };
        let damaged = row(&commit, Bytes::from_static(b"\xff\xff"));
        let error = unpack_commit(&damaged).expect_err("damaged").to_string();
        assert!(error.contains("commit 12 of partition 3"), "{error}");
    }
}
