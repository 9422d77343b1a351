//! Appends from outside: first to the log, then to the store, one at a time for each stream.

use hot::{Append, AppendAnswer, Appended, Cursor, HotError, Origin, Slot, SourceRange, StreamId};
use tokio::sync::MutexGuard;

use super::JournaledStore;
use super::lane::{Lane, Pending, screen};
use crate::error::hot_error;
use crate::recover::pause;
use crate::{EntryRow, limits};

impl JournaledStore {
    /// Logs an append and brings it to the store.
    pub(super) async fn append_logged(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        hot::check_append(self.shared.hot.partition_count(), append)?;
        let mut lane = self.lock_lane(append.to).await?;
        if !lane.is_compared {
            self.complete(append.to).await?;
            lane.is_compared = true;
        }
        self.deliver_unasked(&mut lane).await?;
        if let Some(answer) = lane.take_unasked(append) {
            return Ok(answer);
        }
        if let Some(range) = &append.source
            && let Some(appended) = self.screen(&mut lane, append.to, range).await?
        {
            return self.answer(append.to, appended).await;
        }
        if !self.has_room(&mut lane, append.to).await? {
            return Ok(AppendAnswer::refused(Appended::Full));
        }
        lane.last += 1;
        lane.pending = Some(Pending {
            row: EntryRow {
                stream: append.to,
                origin: Origin {
                    writer: self.shared.writer,
                    seq: lane.last,
                },
                source: append.source.clone(),
                payload: append.payload.clone(),
            },
            is_logged: false,
            is_retried: false,
        });
        match self.deliver(&mut lane).await? {
            Some((_, answer)) => Ok(answer),
            None => self.answer(append.to, Appended::Applied).await,
        }
    }

    /// Answers for what the stream took before, which no call to the store has told: it is no newer
    /// than the partition.
    async fn answer(&self, to: StreamId, appended: Appended) -> Result<AppendAnswer, HotError> {
        let slot = Slot {
            owner: to.name.reader(),
            partition: to.partition,
        };
        let newest = self.shared.hot.unread(slot, &[]).await?.newest;
        Ok(AppendAnswer { appended, newest })
    }

    /// Brings to the store what a caller was told to try again with, and keeps the answer for when it does.
    async fn deliver_unasked(&self, lane: &mut Lane) -> Result<(), HotError> {
        if let Some((row, answer)) = self.deliver(lane).await? {
            lane.keep_unasked(row, answer);
        }
        Ok(())
    }

    async fn lock_lane(&self, stream: StreamId) -> Result<MutexGuard<'_, Lane>, HotError> {
        match self.lane(stream) {
            Some(lane) => Ok(lane.lock().await),
            None => Err(HotError::Invalid(
                "there is no such partition: partitions are numbered from 0 to below the count",
            )),
        }
    }

    /// Brings to the store what is on its way in a lane. Absent where nothing was.
    async fn deliver(&self, lane: &mut Lane) -> Result<Option<(EntryRow, AppendAnswer)>, HotError> {
        let Some(pending) = &mut lane.pending else {
            return Ok(None);
        };
        let stream = pending.row.stream;
        if !pending.is_logged {
            self.shared
                .log
                .append_entry(pending.row.clone())
                .await
                .map_err(|error| hot_error(stream.partition, error))?;
            pending.is_logged = true;
        }
        let append = Append {
            to: stream,
            payload: pending.row.payload.clone(),
            source: pending.row.source.clone(),
            origin: Some(pending.row.origin),
        };
        let mut wait = limits::APPEND_FIRST_WAIT;
        let mut attempts = 1;
        // The gates before the entry was found not to follow.
        let mut seen = None;
        let answer = loop {
            let is_retried = std::mem::replace(&mut pending.is_retried, true);
            let asked = self.shared.hot.append_stamped(&append).await;
            match asked.map(|answer| (answer.appended, answer)) {
                Ok((Appended::Replayed, answer)) => {
                    let source = append.source.as_ref();
                    let appended = self.resolve(stream, source, is_retried).await?;
                    break AppendAnswer { appended, ..answer };
                }
                Ok((Appended::Gap { mark }, _)) if attempts < limits::APPEND_ATTEMPTS => {
                    tracing::warn!(
                        stream = stream.name.name(),
                        partition = stream.partition.number(),
                        mark,
                        "the hot store has lost entries"
                    );
                    match seen.take() {
                        // Somebody may have put back meanwhile what is missing here.
                        None => seen = Some(self.shared.hot.gates(stream.partition).await?),
                        Some(seen) => self.recover_unless_done(stream.partition, seen).await?,
                    }
                }
                Ok((Appended::Gap { .. } | Appended::Full, _)) => {
                    return Err(HotError::Unavailable(
                        "the hot store does not take an entry that is accepted".into(),
                    ));
                }
                Ok((_, answer)) => break answer,
                Err(HotError::Unavailable(_)) if attempts < limits::APPEND_ATTEMPTS => {
                    match self.shared.hot.gates(stream.partition).await {
                        // It takes the entry as soon as it is recovered.
                        Ok(gates) if gates.closed.is_some() => {
                            self.recover_unless_done(stream.partition, gates).await?;
                        }
                        _ => pause(&mut wait).await,
                    }
                }
                Err(error) => return Err(error),
            }
            attempts += 1;
        };
        let row = lane.pending.take().map(|pending| pending.row);
        if attempts > 1 || answer.appended != Appended::Applied {
            // The stream may have been made anew, or another process is faster with this source.
            lane.forget();
        }
        if answer.appended == Appended::Applied {
            lane.applied(append.source.as_ref());
        }
        Ok(row.map(|row| (row, answer)))
    }

    /// The store has dealt with an entry before, when it was asked or in a recovery, or its source was known: tells which
    /// part of its range was taken.
    async fn resolve(
        &self,
        stream: StreamId,
        source: Option<&SourceRange>,
        is_retried: bool,
    ) -> Result<Appended, HotError> {
        let Some(range) = source else {
            return Ok(Appended::Applied);
        };
        let sources = self.shared.hot.sources(stream).await?;
        let mut marks = sources.into_iter();
        let mark = marks.find(|(source, _)| *source == range.source);
        match screen(mark.map(|(_, mark)| mark), range) {
            Some(overlaps @ Appended::Overlaps { .. }) => Ok(overlaps),
            _ if is_retried => Ok(Appended::Applied),
            _ => Ok(Appended::Replayed),
        }
    }

    /// What was taken before needs no log; absent where the range is new.
    async fn screen(
        &self,
        lane: &mut Lane,
        stream: StreamId,
        range: &SourceRange,
    ) -> Result<Option<Appended>, HotError> {
        if let Some(screened) = lane.screen(range) {
            return Ok(screened);
        }
        let sources = self.shared.hot.sources(stream).await?;
        lane.set_sources(sources);
        Ok(lane.screen(range).flatten())
    }

    /// Whether a stream has room. What is logged is accepted, so this comes before.
    async fn has_room(&self, lane: &mut Lane, stream: StreamId) -> Result<bool, HotError> {
        if let Some(has_room) = lane.has_room() {
            return Ok(has_room);
        }
        let length = self.shared.hot.lag(stream, Cursor::START).await?;
        Ok(lane.set_length(length))
    }

    /// Brings to the store what was accepted and did not get through. Returns how many appends still wait.
    pub async fn redeliver(&self) -> usize {
        let mut waiting = 0;
        for lane in &self.shared.lanes {
            // Whoever holds it delivers.
            let Ok(mut lane) = lane.try_lock() else {
                continue;
            };
            // Nearly all of them, most of the time.
            if lane.pending.is_none() {
                continue;
            }
            if let Err(error) = self.deliver_unasked(&mut lane).await {
                waiting += 1;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an accepted append has not reached the hot store"
                );
            }
        }
        waiting
    }
}
