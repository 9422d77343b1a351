//! The two calls that write: commits, and appends from outside.

use super::library::{Function, LIBRARY};
use super::reply::{PAYLOAD, accept_time, cursor, number, text, unexpected};
use super::{RedisStore, pack, restore};
use crate::{
    Append, AppendAnswer, Appended, CheckedCommit, Committed, HotError, Origin, Slot, Writer,
    check, limits,
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
            .map_err(|error| HotError::Unavailable(Box::new(error)))?;
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

    /// Appends from outside.
    pub(super) async fn add(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        check::append(self.count, append)?;
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
        match append.origin {
            Some(origin) => call
                .arg(origin.to_string())
                .arg(origin.writer.number())
                .arg(digits(origin.seq))
                .arg(digits(origin.seq - 1)),
            None => call.arg(PAYLOAD).arg("").arg("").arg(""),
        };
        if let Some(range) = &append.source {
            call.arg(&*range.source)
                .arg(digits(range.first))
                .arg(digits(range.last));
        }
        let mut reply = self.confirmed(to.partition, &call).await?.into_iter();
        let mut next = || reply.next().ok_or_else(|| unexpected("a reply"));
        let word = text(next()?)?;
        match word.as_str() {
            "full" => return Ok(AppendAnswer::refused(Appended::Full)),
            "gap" => {
                let mark = number(next()?)?;
                return Ok(AppendAnswer::refused(Appended::Gap { mark }));
            }
            "gated" => return Err(restore::closed()),
            _ => {}
        }
        let newest = accept_time(cursor(&text(next()?)?)?);
        let appended = match word.as_str() {
            "ok" => Appended::Applied,
            "replayed" => Appended::Replayed,
            "overlaps" => Appended::Overlaps {
                mark: number(next()?)?,
            },
            _ => return Err(unexpected("a reply")),
        };
        Ok(AppendAnswer { appended, newest })
    }
}

/// A number as functions compare it.
pub(super) fn digits(number: u64) -> String {
    format!("{number:020}")
}
