//! One consumer's way through the log: pages of SQL while it is behind, then row by row as they
//! come.
//!
//! Nothing is made before there is room for it, so that a consumer that does not read holds one
//! message, and nobody up.

use std::collections::VecDeque;
use std::sync::Arc;

use ::changes::{LogBatch, Position};
use prost::Message as _;
use prost::encoding::{encoded_len_varint, key_len};
use proto::gateway::v1::{Change, WatchChangesResponse};
use rpc::Failure;
use tokio::sync::mpsc::{Permit, Sender};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::convert::change_of;
use super::filter::Filter;
use super::refusal::{not_read, shutting_down, unreadable};
use super::tail::Tail;
use crate::limits::{GATHER_TIME, HEARTBEAT, PAGE_KEPT, READER_PATIENCE, WATCH_MESSAGE_BYTES};

/// The number of the field of changes in a message.
const CHANGES_FIELD: u32 = 1;

/// One consumer on its way.
#[derive(Debug)]
pub(crate) struct Watching {
    tail: Tail,
    filter: Filter,
    max_changes: usize,
    shutdown: CancellationToken,
    /// Behind what it has got.
    at: Position,
    /// Rows from there on that are read already.
    page: VecDeque<Arc<LogBatch>>,
}

/// The changes of a message.
#[derive(Debug, Default)]
struct Gathered {
    changes: Vec<Change>,
    bytes: usize,
    /// True where there was nothing behind them.
    is_caught_up: bool,
}

/// The reason why a consumer that has everything is looked after again.
#[derive(Debug, PartialEq, Eq)]
enum Woken {
    Rows,
    Time,
    Leaving,
}

impl Watching {
    /// A consumer who begins at a position, from which rows may be read already.
    pub(crate) fn new(
        tail: Tail,
        filter: Filter,
        max_changes: usize,
        (at, page): (Position, Vec<Arc<LogBatch>>),
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            tail,
            filter,
            max_changes,
            shutdown,
            at,
            page: page.into(),
        }
    }

    /// Sends messages until the consumer goes away.
    ///
    /// # Errors
    /// The reason why the stream ends before that.
    pub(crate) async fn run(mut self, out: &Sender<WatchChangesResponse>) -> Result<(), Failure> {
        let mut newest = self.tail.subscribe();
        let Some(room) = self.room(out).await? else {
            return Ok(());
        };
        room.send(self.message(Vec::new()));
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            let Some(room) = self.room(out).await? else {
                return Ok(());
            };
            newest.borrow_and_update();
            let gathered = self.gather(heartbeat).await?;
            if gathered.changes.is_empty() && gathered.is_caught_up {
                match self.wait(out, &mut newest, heartbeat).await? {
                    Woken::Rows => continue,
                    Woken::Leaving => return Ok(()),
                    Woken::Time => {}
                }
            }
            room.send(self.message(gathered.changes));
            heartbeat = Instant::now() + HEARTBEAT;
        }
    }

    fn message(&self, changes: Vec<Change>) -> WatchChangesResponse {
        WatchChangesResponse {
            changes,
            position: self.at.to_string(),
        }
    }

    /// Waits for room for a message; none where the consumer went away.
    async fn room<'a>(
        &mut self,
        out: &'a Sender<WatchChangesResponse>,
    ) -> Result<Option<Permit<'a, WatchChangesResponse>>, Failure> {
        let until = Instant::now() + READER_PATIENCE;
        let shutdown = self.shutdown.clone();
        let room = async {
            if let Ok(room) = timeout(PAGE_KEPT, out.reserve()).await {
                return Ok(room.ok());
            }
            // It is read again where the consumer goes on.
            self.page = VecDeque::new();
            let room = timeout_at(until, out.reserve()).await;
            room.map(Result::ok).map_err(|_elapsed| not_read())
        };
        let room = shutdown.run_until_cancelled(room).await;
        room.unwrap_or_else(|| Err(shutting_down()))
    }

    /// Waits behind the newest row.
    async fn wait(
        &self,
        out: &Sender<WatchChangesResponse>,
        newest: &mut watch::Receiver<u64>,
        heartbeat: Instant,
    ) -> Result<Woken, Failure> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(shutting_down()),
            () = out.closed() => Ok(Woken::Leaving),
            // The tail is there as long as this is.
            _ = newest.changed() => Ok(Woken::Rows),
            () = sleep_until(heartbeat) => Ok(Woken::Time),
        }
    }

    /// Gathers changes until a message is full, nothing is left, or it is time to send one.
    async fn gather(&mut self, heartbeat: Instant) -> Result<Gathered, Failure> {
        let mut gathered = Gathered::default();
        let soon = Instant::now() + GATHER_TIME;
        loop {
            if self.take(&mut gathered) {
                return Ok(gathered);
            }
            let until = if gathered.changes.is_empty() {
                heartbeat
            } else {
                soon
            };
            if Instant::now() >= until {
                return Ok(gathered);
            }
            if !self.fill().await? {
                gathered.is_caught_up = true;
                return Ok(gathered);
            }
        }
    }

    /// Takes changes of the page; returns true where the message is full before the page ends.
    fn take(&mut self, gathered: &mut Gathered) -> bool {
        while let Some(batch) = self.page.front() {
            let before = if batch.row == self.at.row {
                self.at.index
            } else {
                0
            };
            for (index, change) in (0_u32..).zip(&batch.changes) {
                if index < before || !self.filter.matches(change) {
                    continue;
                }
                let change = change_of(self.at.log, batch.row, index, change);
                let Some(change) = change else { continue };
                if !gathered.add(change, self.max_changes) {
                    self.at.row = batch.row;
                    self.at.index = index;
                    return true;
                }
            }
            self.at = Position::behind(self.at.log, batch.row);
            self.page.pop_front();
        }
        false
    }

    /// Reads the rows behind the position; returns false where there is none.
    async fn fill(&mut self) -> Result<bool, Failure> {
        let rows = match self.tail.rows_from(self.at.row) {
            Some(rows) => rows,
            None => self.tail.read(self.at).await.map_err(unreadable)?,
        };
        self.page = rows.into();
        Ok(!self.page.is_empty())
    }
}

impl Gathered {
    /// Adds a change; returns false where there is no room for it.
    fn add(&mut self, change: Change, max_changes: usize) -> bool {
        let length = change.encoded_len();
        let length = key_len(CHANGES_FIELD) + encoded_len_varint(length as u64) + length;
        let is_full = self.changes.len() >= max_changes
            || (!self.changes.is_empty() && self.bytes + length > WATCH_MESSAGE_BYTES);
        if !is_full {
            self.bytes += length;
            self.changes.push(change);
        }
        !is_full
    }
}
