//! The two calls that write: commits, and appends from outside.

use super::library::{Function, LIBRARY};
use super::link::GATHERED_BYTES;
use super::reply::{PAYLOAD, number, text, unexpected};
use super::{RedisStore, appends, pack};
use crate::{
    Append, AppendAnswer, CheckedCommit, Committed, HotError, Origin, Slot, Writer, check, limits,
};

impl RedisStore {
    /// Applies a commit.
    pub(super) async fn write(
        &self,
        slot: Slot,
        commit: CheckedCommit<'_>,
    ) -> Result<Committed, HotError> {
        check::partition(self.count, slot.partition)?;
        let field = self.has_origins.then(|| Origin {
            writer: Writer::worker(slot.owner),
            seq: commit.seq,
        });
        let field = field.map_or_else(|| PAYLOAD.to_owned(), |origin| origin.to_string());
        let pending = self.timers.begin(slot, &commit);
        let function = LIBRARY.name(Function::Commit);
        let moves = pending.moves();
        let call = pack::commit(&function, &self.keys, slot, &commit, moves, &field, None)?;
        let permit = self
            .commits
            .acquire()
            .await
            .map_err(HotError::unavailable)?;
        let mut reply = self.confirmed(slot.partition, &call).await?.into_iter();
        drop(permit);
        let mut next = || reply.next().ok_or_else(|| unexpected("a reply"));
        match text(next()?)?.as_str() {
            "ok" => {
                pending.apply(&commit);
                Ok(Committed::Applied)
            }
            "already" => Ok(Committed::AlreadyApplied),
            "fenced" => Err(HotError::Fenced {
                partition: slot.partition,
                epoch: commit.epoch,
                current: number(next()?)?,
            }),
            "gap" => Err(HotError::Gap {
                partition: slot.partition,
                seq: commit.seq,
                current: number(next()?)?,
            }),
            _ => Err(unexpected("a reply")),
        }
    }

    /// Appends from outside, together with other appends of the moment where that may be.
    pub(super) async fn add(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        check::append(self.count, append)?;
        let lane = self.lane_number(append.to.partition);
        let is_alone = append.source.is_some()
            || append.payload.len() > GATHERED_BYTES
            || self.confirm.is_some()
            || self.lanes[lane].is_cluster();
        if is_alone {
            return self.add_alone(append).await;
        }
        let (appends, gather) = &self.appends[lane];
        let alone = self.add_alone(append);
        gather.send(appends, || append.clone(), alone).await
    }

    async fn add_alone(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        let to = append.to;
        let mut call = pack::call(
            &LIBRARY.name(Function::Append),
            &[
                self.keys.stream(to),
                self.keys.tails(to.partition),
                self.keys.marks(to),
                self.keys.uses(to),
                self.keys.origins(to),
            ],
            &[to.name.name()],
        );
        call.arg(to.partition.number())
            .arg(&**self.keys.channel())
            .arg(limits::STREAM_ENTRIES)
            .arg(limits::SOURCES_PER_STREAM)
            .arg(&append.payload[..]);
        appends::origin(&mut call, append);
        if let Some(range) = &append.source {
            call.arg(&*range.source)
                .arg(digits(range.first))
                .arg(digits(range.last));
        }
        appends::answer(self.confirmed(to.partition, &call).await?)
    }
}

/// A number as functions compare it.
pub(super) fn digits(number: u64) -> String {
    format!("{number:020}")
}
