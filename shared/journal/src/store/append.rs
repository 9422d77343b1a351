//! Appends from outside: first to the log, then to the store, one row at a time for each stream.

use hot::{Append, AppendAnswer, Appended, Cursor, HotError, Origin, Slot, SourceRange, StreamId};

use super::JournaledStore;
use super::join::Joined;
use super::lane::{Lane, Pending, screen};
use crate::error::hot_error;
use crate::recover::pause;
use crate::{EntryRow, limits};

impl JournaledStore {
    /// Logs an append and brings it to the store, together with others that wait for the same
    /// stream. The first caller does it for all; where it gives up, the next one goes on.
    pub(super) async fn append_logged(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        hot::check_append(self.shared.hot.partition_count(), append)?;
        let inlet = self.inlet(append.to)?;
        let mut answered = inlet.waiting.push(append.clone());
        loop {
            let mut lane = tokio::select! {
                biased;
                answer = &mut answered => return answer.unwrap_or_else(|_| Err(unanswered())),
                lane = inlet.lane.lock() => lane,
            };
            if lane.taken.is_none() {
                lane.taken = inlet.waiting.take();
            }
            if let Some(answer) = self.bring_taken(&mut lane, append.to).await.transpose() {
                lane.answer(&answer);
            }
        }
    }

    /// Brings to the store what was taken. Returns the answer to it, or nothing where those who
    /// wait for it have theirs.
    async fn bring_taken(
        &self,
        lane: &mut Lane,
        to: StreamId,
    ) -> Result<Option<AppendAnswer>, HotError> {
        if !lane.is_compared {
            self.complete(to).await?;
            lane.is_compared = true;
        }
        self.deliver(lane).await?;
        lane.answer_unasked();
        let Some(append) = lane.taken.as_ref().and_then(Joined::as_one) else {
            lane.taken = None;
            return Ok(None);
        };
        if let Some(range) = &append.source
            && let Some(appended) = self.screen(lane, to, range).await?
        {
            return self.answer(to, appended).await.map(Some);
        }
        if !self.has_room(lane, to).await? {
            return Ok(Some(AppendAnswer::refused(Appended::Full)));
        }
        lane.last += 1;
        lane.pending = Some(Pending {
            row: EntryRow {
                stream: to,
                origin: Origin {
                    writer: self.shared.writer,
                    seq: lane.last,
                },
                source: append.source,
                payload: append.payload,
            },
            appends: lane.taken.as_ref().map_or_else(Vec::new, Joined::appends),
            is_awaited: true,
            is_logged: false,
            is_retried: false,
        });
        self.deliver(lane).await?;
        Ok(None)
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

    /// Brings to the store what is on its way in a lane, and tells whoever waits for it.
    async fn deliver(&self, lane: &mut Lane) -> Result<(), HotError> {
        let Some(pending) = &mut lane.pending else {
            return Ok(());
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
                    return Err(HotError::unavailable(
                        "the hot store does not take an entry that is accepted",
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
        let pending = lane.pending.take();
        if attempts > 1 || answer.appended != Appended::Applied {
            // The stream may have been made anew, or another process is faster with this source.
            lane.forget();
        }
        if answer.appended == Appended::Applied {
            lane.applied(append.source.as_ref());
        }
        if let Some(pending) = pending {
            lane.delivered(pending, answer);
        }
        Ok(())
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
        for inlet in &self.shared.inlets {
            // Whoever holds it delivers.
            let Ok(mut lane) = inlet.lane.try_lock() else {
                continue;
            };
            // Nearly all of them, most of the time.
            if lane.pending.is_none() {
                continue;
            }
            if let Err(error) = self.deliver(&mut lane).await {
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

/// The runtime is going down.
fn unanswered() -> HotError {
    HotError::unavailable("whoever was about to bring the append to its stream is gone")
}
