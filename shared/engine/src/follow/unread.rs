//! Looks through what is not in effect yet: entries of a stream, and messages of an outbox.
//!
//! No store knows which customers the entries of a stream are of, so whoever wants to know reads
//! them. What one read takes is bounded, whatever waits and whoever it is of: by its deadline
//! between two pages, and by a number of entries. Where more wait, it waits with them, and looks
//! once there are fewer.

use hot::{Cursor, Slot, StreamId, StreamName};
use kernel::{CustomerId, Timestamp};
use tokio::time::Instant;

use super::{Follower, behind, rest, store};
use crate::find::FindError;
use crate::key::{key_of, keys_of};
use crate::limits;
use crate::partition::Backoff;

/// Entries of a stream that are not in effect.
#[derive(Debug, Clone, Copy)]
struct Unread {
    stream: StreamId,
    /// The last entry before them.
    after: Cursor,
    /// The number of them; those that come later do not matter.
    entries: u64,
}

impl Follower {
    /// Returns when the last entry of a stream was accepted that has records of a customer, is not
    /// in effect, and was accepted up to and with `newest`; that time where an entry does not tell.
    pub(super) async fn last_in(
        &self,
        slot: Slot,
        name: StreamName,
        customer: CustomerId,
        newest: Timestamp,
        deadline: Instant,
    ) -> Result<Option<Timestamp>, FindError> {
        let store = store(customer);
        let stream = StreamId {
            name,
            partition: slot.partition,
        };
        let mut wait = Backoff::reading();
        loop {
            let next = self.commits.next(slot);
            let unread = self.hot.unread(slot, &[name]).await.map_err(&store)?;
            // Nearly always.
            if unread.oldest.is_none_or(|oldest| oldest > newest) {
                return Ok(None);
            }
            let head = self.hot.head(slot).await.map_err(&store)?;
            let own = head.cursors.into_iter().find(|(of, _)| *of == name);
            let after = own.map(|(_, cursor)| cursor).unwrap_or_default();
            let entries = self.hot.lag(stream, after).await.map_err(&store)?;
            if entries <= limits::ENTRIES_LOOKED_THROUGH {
                let unread = Unread {
                    stream,
                    after,
                    entries,
                };
                let last = self.last_of(customer, unread, newest, deadline).await?;
                return last.ok_or_else(|| behind(slot));
            }
            if !rest(next, &mut wait, deadline).await {
                return Err(behind(slot));
            }
        }
    }

    /// Looks through entries, as [`Self::last_in`] does; absent where the deadline passes.
    async fn last_of(
        &self,
        customer: CustomerId,
        unread: Unread,
        newest: Timestamp,
        deadline: Instant,
    ) -> Result<Option<Option<Timestamp>>, FindError> {
        let Unread {
            stream,
            after: mut read_to,
            entries: mut left,
        } = unread;
        let (key, mut last) = (key_of(customer.as_bytes()), None);
        let max = limits::ENTRIES_PER_POLL;
        loop {
            let page = self.hot.poll(stream, read_to, max).await;
            let page = page.map_err(store(customer))?;
            left = left.saturating_sub(page.len() as u64);
            let is_last = page.len() < max || left == 0;
            for entry in page {
                read_to = entry.cursor;
                let accept_time = entry.accept_time.unwrap_or(newest);
                // Those that came meanwhile follow from something else.
                if accept_time > newest {
                    return Ok(Some(last));
                }
                if keys_of(entry.payload).into_iter().any(|it| Some(it) == key) {
                    last = Some(accept_time);
                }
            }
            if is_last {
                return Ok(Some(last));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Waits until what a slot has sent to other partitions so far is in their streams. Where that
    /// is much, it waits for the oldest messages first, and looks at the others once those have
    /// left.
    pub(crate) async fn sent(
        &self,
        slot: Slot,
        customer: CustomerId,
        deadline: Instant,
    ) -> Result<(), FindError> {
        let mut last = 0;
        loop {
            let (seen, is_all) = self.last_message(slot, customer, last, deadline).await?;
            last = seen;
            self.left(slot, customer, last, deadline).await?;
            if is_all {
                return Ok(());
            }
        }
    }

    /// Returns the number of the last message of an outbox, and true; or that of the last one that
    /// was looked at, and false.
    async fn last_message(
        &self,
        slot: Slot,
        customer: CustomerId,
        after: u64,
        deadline: Instant,
    ) -> Result<(u64, bool), FindError> {
        let max = limits::OUTBOX_PER_READ;
        let mut last = after;
        for _ in 0..limits::OUTBOX_READS {
            let page = self.hot.outbox(slot, last, max).await;
            let page = page.map_err(store(customer))?;
            last = page.last().map_or(last, |message| message.seq);
            if page.len() < max {
                return Ok((last, true));
            }
            if Instant::now() >= deadline {
                return Err(behind(slot));
            }
        }
        Ok((last, false))
    }

    /// Waits until the messages of an outbox up to one are in their streams.
    async fn left(
        &self,
        slot: Slot,
        customer: CustomerId,
        last: u64,
        deadline: Instant,
    ) -> Result<(), FindError> {
        if last == 0 {
            return Ok(());
        }
        let mut wait = Backoff::reading();
        loop {
            let waiting = self.hot.outbox(slot, 0, 1).await;
            let waiting = waiting.map_err(store(customer))?;
            if waiting.first().is_none_or(|oldest| oldest.seq > last) {
                return Ok(());
            }
            // Nobody is told of it.
            if !rest(None, &mut wait, deadline).await {
                return Err(behind(slot));
            }
        }
    }
}
