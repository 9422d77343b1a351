//! What commits and snapshots are as bytes: the formats of the journal.
//!
//! They never carry decisions, only results, so that reading them back is enough. Compression is
//! the log's business.

mod commit;
mod counters;
mod filling;
mod snapshot;

use std::fmt::Display;

use hot::{Origin, OutboxMessage, QuarantineId, StateWrite, StreamId, StreamName, Timer};
use kernel::{PartitionId, Timestamp};
use messages::journal::v1::{PackedMessage, PackedQuarantineId, PackedState};

pub(crate) use self::commit::{pack_commit, unpack_commit};
pub(crate) use self::filling::Filling;
pub(crate) use self::snapshot::{Chunk, Input, Snapshot};
use crate::LogError;

/// Returns the most bytes that a block of LZ4 holds: a byte of it adds 255 to a length at the most.
/// One that claims more is damaged, and is found out before that much memory is taken.
pub(crate) const fn most_unpacked(block: &[u8]) -> usize {
    block.len().saturating_add(1).saturating_mul(255)
}

/// The number of a stream.
const fn stream_number(name: StreamName) -> u32 {
    name as u32
}

/// The stream of a number.
fn stream_name(number: u32) -> Result<StreamName, LogError> {
    StreamName::ALL
        .into_iter()
        .find(|name| stream_number(*name) == number)
        .ok_or_else(|| damaged("names a stream", format!("there is no stream {number}")))
}

fn damaged(what: &str, why: impl Display) -> LogError {
    LogError::Damaged(format!("a packed commit or snapshot {what}: {why}"))
}

fn pack_state(write: &StateWrite) -> PackedState {
    PackedState {
        key: write.key.clone(),
        value: write.value.clone(),
        due_ms: write.timer.due.map(Timestamp::as_millis),
        entry_ms: write.timer.entry.map(Timestamp::as_millis),
        adds_entry: write.adds_entry,
    }
}

fn unpack_state(packed: PackedState) -> StateWrite {
    StateWrite {
        key: packed.key,
        value: packed.value,
        timer: Timer {
            due: packed.due_ms.map(Timestamp::from_millis),
            entry: packed.entry_ms.map(Timestamp::from_millis),
        },
        adds_entry: packed.adds_entry,
    }
}

fn pack_message(message: &OutboxMessage) -> PackedMessage {
    PackedMessage {
        stream: stream_number(message.to.name),
        partition: message.to.partition.number().into(),
        payload: message.payload.clone(),
    }
}

fn unpack_message(packed: PackedMessage) -> Result<OutboxMessage, LogError> {
    let partition = u16::try_from(packed.partition)
        .map_err(|_| damaged("names a partition", packed.partition))?;
    Ok(OutboxMessage {
        to: StreamId {
            name: stream_name(packed.stream)?,
            partition: PartitionId::new(partition),
        },
        payload: packed.payload,
    })
}

const fn pack_id(id: QuarantineId) -> PackedQuarantineId {
    PackedQuarantineId {
        commit_seq: id.commit_seq,
        index: id.index,
    }
}

const fn unpack_id(packed: PackedQuarantineId) -> QuarantineId {
    QuarantineId {
        commit_seq: packed.commit_seq,
        index: packed.index,
    }
}

/// The entry of a stream that a writer's number and sequence name.
pub(crate) const fn origin(writer: hot::Writer, seq: u64) -> Origin {
    Origin { writer, seq }
}
