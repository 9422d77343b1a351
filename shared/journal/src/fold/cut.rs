//! Cuts the rows that no recovery can need: from the snapshots alone, since after a loss they may be all there is.

use std::collections::BTreeMap;

use hot::{Origin, Slot, StreamId, StreamName, Writer};
use kernel::{Duration, Timestamp};

use super::FoldOptions;
use crate::events::is_event_log;
use crate::metrics::{self, Row};
use crate::packed::{Snapshot, origin};
use crate::readers::{inputs_of, reader_of};
use crate::recover::consumed_upto;
use crate::{Log, LogError, limits};

/// What a cut came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CutRows {
    /// How many rows are gone.
    pub(crate) removed: u64,
    /// Whether there may be more to remove at once: enough was done for now.
    pub(crate) has_more: bool,
    /// Whether rows stay that are old enough, because the snapshot does not say that their reader has consumed them.
    pub(crate) is_held: bool,
    /// True where rows stay for a recovery to find out by whether an entry that waits was taken.
    pub(crate) looks_back: bool,
}

/// The commits of a slot that are of no use to anybody.
#[derive(Debug, Default)]
pub(crate) struct Needless {
    /// The last one.
    pub(crate) seq: u64,
    /// The streams that the commits put out to.
    pub(crate) outputs: Vec<StreamName>,
}

/// Cuts the commits of a slot that its snapshot has, and the entries that it has read, as soon as
/// no statement that began before them can be under way. Entries go a little sooner: those that a
/// commit took are older than that, by whatever clock.
pub(crate) async fn cut_behind(
    log: &dyn Log,
    slot: Slot,
    options: &FoldOptions,
) -> Result<CutRows, LogError> {
    let snapshot = read_snapshot(log, slot).await?;
    let before = |age: Duration| (options.now)() - options.retention.min(age);
    let commits = before(limits::FORGOTTEN_COMMIT_AGE);
    let mut cut = CutRows {
        removed: cut_commits(log, slot, &snapshot, commits).await?,
        ..CutRows::default()
    };
    for name in inputs_of(slot.owner).filter(|name| !is_event_log(*name)) {
        let partition = slot.partition;
        let work = Work {
            stream: StreamId { name, partition },
            before: before(limits::FORGOTTEN_ENTRY_AGE),
            row: Row::Entry,
            batches: usize::MAX,
        };
        let of_stream = cut_entries(log, work, &snapshot).await?;
        cut.removed += of_stream.removed;
        cut.looks_back |= of_stream.looks_back;
    }
    Ok(cut)
}

/// Returns how far the commits of a slot are in its snapshot and in those of their readers.
pub(crate) async fn needless_upto(log: &dyn Log, slot: Slot) -> Result<Needless, LogError> {
    let snapshot = read_snapshot(log, slot).await?;
    Ok(Needless {
        seq: needless_commits(log, slot, &snapshot).await?,
        outputs: snapshot.last_outputs.into_keys().collect(),
    })
}

async fn read_snapshot(log: &dyn Log, slot: Slot) -> Result<Snapshot, LogError> {
    match log.snapshot(slot).await? {
        Some(head) => Snapshot::unpack(&head),
        None => Ok(Snapshot::default()),
    }
}

/// Cuts the commits of a slot and the entries that it has read. Returns how many rows are gone.
pub(super) async fn cut(
    log: &dyn Log,
    slot: Slot,
    snapshot: &Snapshot,
    options: &FoldOptions,
) -> Result<u64, LogError> {
    let before = (options.now)() - options.retention;
    let mut cut = cut_commits(log, slot, snapshot, before).await?;
    for name in inputs_of(slot.owner).filter(|name| !is_event_log(*name)) {
        let partition = slot.partition;
        let work = Work {
            stream: StreamId { name, partition },
            before,
            row: Row::Entry,
            batches: usize::MAX,
        };
        cut += cut_entries(log, work, snapshot).await?.removed;
    }
    Ok(cut + cut_events(log, slot, snapshot, options).await?.removed)
}

/// Cuts the events that a slot has read and that are older than the event log is kept for: some of them, so that other
/// slots need not wait where there are many.
pub(crate) async fn cut_events(
    log: &dyn Log,
    slot: Slot,
    snapshot: &Snapshot,
    options: &FoldOptions,
) -> Result<CutRows, LogError> {
    let mut cut = CutRows::default();
    let Some(retention) = options.event_retention else {
        return Ok(cut);
    };
    for name in inputs_of(slot.owner).filter(|name| is_event_log(*name)) {
        let partition = slot.partition;
        let work = Work {
            stream: StreamId { name, partition },
            before: (options.now)() - retention,
            row: Row::Event,
            batches: limits::CUT_BATCHES,
        };
        let of_stream = cut_entries(log, work, snapshot).await?;
        cut.removed += of_stream.removed;
        cut.has_more |= of_stream.has_more;
        cut.is_held |= of_stream.is_held;
    }
    Ok(cut)
}

async fn cut_commits(
    log: &dyn Log,
    slot: Slot,
    snapshot: &Snapshot,
    before: Timestamp,
) -> Result<u64, LogError> {
    let needless = needless_commits(log, slot, snapshot).await?;
    let mut cut = 0;
    loop {
        let removed = match needless {
            0 => 0,
            _ => log.cut_commits(slot, needless, before).await?,
        };
        if removed == 0 {
            return Ok(cut);
        }
        metrics::removed(Row::Commit, removed);
        cut += removed;
    }
}

/// Which entries are to be cut.
#[derive(Debug, Clone, Copy)]
struct Work {
    stream: StreamId,
    /// Those written before this instant.
    before: Timestamp,
    row: Row,
    /// In so many batches at the most.
    batches: usize,
}

/// Cuts the entries of a stream that its reader has consumed.
async fn cut_entries(log: &dyn Log, work: Work, snapshot: &Snapshot) -> Result<CutRows, LogError> {
    let mut batches = work.batches;
    let (needless, looks_back) = needless_entries(log, work.stream, snapshot).await?;
    let mut cut = CutRows {
        looks_back,
        ..CutRows::default()
    };
    for upto in needless {
        loop {
            if batches == 0 {
                cut.has_more = true;
                return Ok(cut);
            }
            let batch = log.cut_entries(work.stream, upto, work.before).await?;
            metrics::removed(work.row, batch.removed);
            cut.removed += batch.removed;
            if batch.removed == 0 {
                cut.is_held |= batch.is_held;
                break;
            }
            batches -= 1;
        }
    }
    Ok(cut)
}

/// The last entry of each writer that no recovery looks at, and whether it looks at some that were
/// consumed.
///
/// Where an entry with a source is not consumed, the stream may have refused it because its range was there already, and
/// what has that range tells so: then those stay that a recovery looks at to find out.
async fn needless_entries(
    log: &dyn Log,
    stream: StreamId,
    snapshot: &Snapshot,
) -> Result<(Vec<Origin>, bool), LogError> {
    let seen = snapshot.marks(stream.name).seen;
    let mut has_sources = false;
    let mut consumed = Vec::new();
    for last in log.last_entries(stream).await? {
        let seen = seen.get(&last.writer).copied().unwrap_or(0);
        let settled = snapshot.settled(stream.name, last.writer);
        let upto = origin(last.writer, seen.max(settled));
        let mut after = upto;
        while after.seq < last.seq && !has_sources {
            let rows = log.entries(stream, after, limits::READ_BYTES).await?;
            has_sources = rows.iter().any(|it| it.row.source.is_some());
            let Some(last) = rows.last() else { break };
            after = last.row.origin;
        }
        consumed.push(upto);
    }
    if has_sources {
        for upto in &mut consumed {
            upto.seq = upto.seq.saturating_sub(limits::ENTRIES_LOOKED_BACK);
        }
    }
    Ok((consumed, has_sources))
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
