//! Checks of rows, whatever the journal gives back: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

use bytes::Bytes;
use hot::Slot;
use kernel::{Owner, PartitionId};
use messages::stream::v1::record::Body;
use messages::stream::v1::{Batch, Record};
use prost::Message as _;

use crate::events::{EventIndex, EventPlace};
use crate::packed::{Chunk, Snapshot, pack_commit, unpack_commit};
use crate::{CommitRow, LogError, SnapshotHead, limits, sql};

/// Reads the payload of a row: unpacked, and then as everything that one holds.
///
/// # Panics
/// Where what was read is not what is written of it, or damage is not told.
pub fn payload(bytes: &[u8]) {
    match sql::unpack(bytes.to_vec()) {
        Ok(payload) => {
            assert!(payload.len() <= limits::UNPACKED_BYTES);
            commit(payload.clone());
            index(&payload);
        }
        Err(error) => refused(&error),
    }
}

fn commit(payload: Bytes) {
    let row = |payload| CommitRow {
        slot: Slot {
            owner: Owner::Journey,
            partition: PartitionId::new(3),
        },
        seq: 1,
        epoch: 2,
        batch_id: 3,
        payload,
        events: Vec::new(),
    };
    match unpack_commit(&row(payload)) {
        Ok(commit) => {
            let again = unpack_commit(&row(pack_commit(&commit))).expect("it was written");
            // Counters are grouped as they are written.
            let again = pack_commit(&again);
            assert_eq!(again, pack_commit(&commit));
        }
        Err(error) => refused(&error),
    }
}

/// Compares what the index reads with what the decoder reads, where that reads at all.
fn index(payload: &Bytes) {
    let index = EventIndex::read(payload);
    let Ok(batch) = Batch::decode(payload.clone()) else {
        return;
    };
    let written = Bytes::from(batch.encode_to_vec());
    // A batch that is written in another way, such as with a field twice, is read as it is meant.
    if written != *payload {
        return;
    }
    let is_event = |record: &&Record| {
        matches!(record.body, Some(Body::Event(_)))
            && record.forwarded_from_id.is_empty()
            && record.customer_id.len() == 16
    };
    let times: Vec<i64> = batch
        .records
        .iter()
        .filter(is_event)
        .map(|it| it.time_ms)
        .collect();
    let told = index.map(|index| (index.first_time, index.last_time, index.count));
    let count = i32::try_from(times.len()).unwrap_or(i32::MAX);
    let first = times.iter().min().zip(times.iter().max());
    assert_eq!(told, first.map(|(first, last)| (*first, *last, count)));
}

/// Reads the parts of a snapshot.
///
/// # Panics
/// Where what was read is not what is written of it, or damage is not told.
pub fn snapshot(bytes: &[u8]) {
    match Chunk::unpack(bytes) {
        Ok(mut chunk) => {
            let mut again = Chunk::default();
            chunk
                .take_states()
                .for_each(|state| again.push_state(&state));
            chunk
                .take_counters()
                .for_each(|(key, value)| again.push_counter(&key, value));
            chunk
                .take_quarantine()
                .for_each(|entry| again.push_quarantined(entry));
            let packed = again.pack();
            assert!(Chunk::unpack(&packed).is_ok());
        }
        Err(error) => refused(&error),
    }
    let head = SnapshotHead {
        seq: 1,
        batch_id: 2,
        chunks: 3,
        bytes: 4,
        payload: Bytes::copy_from_slice(bytes),
    };
    match Snapshot::unpack(&head) {
        Ok(snapshot) => {
            let again = Snapshot::unpack(&snapshot.pack()).expect("it was written");
            assert_eq!(again, snapshot);
        }
        Err(error) => refused(&error),
    }
}

/// Packs a message as the parts of snapshots are packed.
pub fn packed(message: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_prepend_size(message)
}

/// Reads a place in a search of the event log, which comes back in a page token.
///
/// # Panics
/// Where what was read is not what is written of it.
pub fn place(bytes: &[u8]) {
    if let Some(place) = EventPlace::try_from_bytes(bytes) {
        assert_eq!(place.to_bytes(), bytes);
    }
}

fn refused(error: &LogError) {
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
}
