//! Cuts the rows that no recovery can need: from the snapshots alone, since after a loss they may be all there is.

use std::collections::BTreeMap;

use hot::{Slot, StreamId, StreamName, Writer};
use kernel::Timestamp;

use super::FoldOptions;
use crate::packed::{Snapshot, origin};
use crate::readers::{inputs_of, reader_of};
use crate::recover::consumed_upto;
use crate::{Log, LogError, limits};

/// Cuts the commits of a slot and the entries that it has read. Returns how many rows are gone.
pub(super) async fn cut(
    log: &dyn Log,
    slot: Slot,
    snapshot: &Snapshot,
    options: &FoldOptions,
) -> Result<u64, LogError> {
    let before = (options.now)() - options.retention;
    let mut cut = 0;
    let needless = needless_commits(log, slot, snapshot).await?;
    if needless > 0 {
        cut += log.cut_commits(slot, needless, before).await?;
    }
    for name in inputs_of(slot.owner).filter(|name| !is_event_log(*name)) {
        let stream = StreamId {
            name,
            partition: slot.partition,
        };
        cut += cut_entries(log, stream, snapshot, before).await?;
    }
    Ok(cut)
}

/// Cuts the entries of a stream that its reader has consumed. None of them while there is one with a source that is not
/// consumed: the stream may have refused it because its range was there already, and what has that range tells so.
async fn cut_entries(
    log: &dyn Log,
    stream: StreamId,
    snapshot: &Snapshot,
    before: Timestamp,
) -> Result<u64, LogError> {
    let seen = snapshot.marks(stream.name).seen;
    let mut consumed = Vec::new();
    for last in log.last_entries(stream).await? {
        let seen = seen.get(&last.writer).copied().unwrap_or(0);
        let upto = origin(
            last.writer,
            seen.max(snapshot.settled(stream.name, last.writer)),
        );
        let mut after = upto;
        while after.seq < last.seq {
            let rows = log.entries(stream, after, limits::READ_BYTES).await?;
            if rows.iter().any(|row| row.source.is_some()) {
                return Ok(0);
            }
            let Some(row) = rows.last() else { break };
            after = row.origin;
        }
        consumed.push(upto);
    }
    let mut cut = 0;
    for upto in consumed.into_iter().filter(|upto| upto.seq > 0) {
        cut += log.cut_entries(stream, upto, before).await?;
    }
    Ok(cut)
}

/// Entries of these streams are kept: they are what happened to customers, and readable for ever.
const fn is_event_log(name: StreamName) -> bool {
    matches!(name, StreamName::Events | StreamName::EventsBulk)
}

/// The last commit that the snapshot has, and whose outputs the snapshots of their readers have.
async fn needless_commits(log: &dyn Log, slot: Slot, snapshot: &Snapshot) -> Result<u64, LogError> {
    let mut marks = BTreeMap::new();
    for name in snapshot.last_outputs.keys() {
        let reader = Slot {
            owner: reader_of(*name),
            ..slot
        };
        let seen = match log.snapshot(reader).await? {
            Some(head) => Snapshot::unpack(&head)?.marks(*name),
            None => hot::marks::Marks::default(),
        };
        marks.insert(*name, seen);
    }
    let writer = Writer::worker(slot.owner);
    Ok(consumed_upto(
        snapshot.seq,
        writer,
        &snapshot.last_outputs,
        snapshot.seq,
        &marks,
    ))
}
