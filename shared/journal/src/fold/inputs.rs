//! What only the hot store knows of a slot when its snapshot is made.

use std::collections::BTreeMap;

use hot::{Cursor, Head, HotError, Origin, RestorableStore, Slot, StreamId, StreamName, Writer};

use crate::packed::Input;
use crate::readers::inputs_of;

/// What the hot store knows.
#[derive(Debug)]
pub(super) struct Inputs {
    /// The last message that was forwarded.
    pub(super) forwarded_seq: u64,
    /// The last commit that the store had before it was asked the rest: what is settled is so for
    /// whoever has this commit, and the sources are those of everything that it has consumed.
    pub(super) commit_seq: u64,
    pub(super) streams: BTreeMap<StreamName, Input>,
}

/// Asks the hot store.
pub(super) async fn read(hot: &dyn RestorableStore, slot: Slot) -> Result<Inputs, HotError> {
    let before = hot.head(slot).await?;
    let mut streams = BTreeMap::new();
    for name in inputs_of(slot.owner) {
        let stream = StreamId {
            name,
            partition: slot.partition,
        };
        let taken = hot.origins(stream).await?;
        let seen = before.marks(name).seen;
        let mut seen = seen.iter().filter(|(writer, _)| writer.owner().is_none());
        if !seen.all(|(writer, seq)| has_taken(&taken, *writer, *seq)) {
            return Err(HotError::unavailable(
                "a stream has lost what its reader has consumed, and its sources with it: ask again when it is recovered",
            ));
        }
        let mut input = Input {
            sources: hot.sources(stream).await?.into_iter().collect(),
            ..Input::default()
        };
        if let Some(cursor) = cursor_of(&before, name)
            && hot.lag(stream, cursor).await? == 0
        {
            // The reader has consumed all that there was, so what it has not seen was refused, as
            // its source was taken. But for what the store lost while it was asked.
            let still = hot.origins(stream).await?;
            let settled = taken.iter();
            let settled = settled.filter(|it| has_taken(&still, it.writer, it.seq));
            input.settled = settled.map(|it| (it.writer, it.seq)).collect();
        }
        streams.insert(name, input);
    }
    let after = hot.head(slot).await?;
    if after.epoch != before.epoch || after.commit_seq < before.commit_seq {
        return Err(HotError::unavailable(
            "the store may have lost something, or another worker has the partition now: ask again",
        ));
    }
    for (name, input) in &mut streams {
        // A stream that is being made anew is empty for a moment.
        if cursor_of(&after, *name).is_none() {
            input.settled.clear();
        }
    }
    Ok(Inputs {
        forwarded_seq: before.forwarded_seq,
        commit_seq: before.commit_seq,
        streams,
    })
}

/// Whether a stream has taken an entry, given the last of each writer.
fn has_taken(taken: &[Origin], writer: Writer, seq: u64) -> bool {
    let mut taken = taken.iter();
    taken.any(|it| it.writer == writer && it.seq >= seq)
}

/// The cursor of a reader that has committed one since the stream was made.
fn cursor_of(head: &Head, name: StreamName) -> Option<Cursor> {
    let mut cursors = head.cursors.iter();
    let cursor = cursors.find(|(own, _)| *own == name)?.1;
    (cursor > Cursor::START).then_some(cursor)
}
