//! The progress of a service with the erasure of a customer, as its store has it: for whoever asked
//! for the erasure, in whatever process.
//!
//! It changes nothing. The rest comes by itself, or with another word of the erasure.

use std::collections::BTreeSet;

use bytes::Bytes;
use changes::Pending;
use hot::{Cursor, Head as SlotHead, HotError, HotStore, Owner, Slot, StreamId, StreamName};
use kernel::CustomerId;
use messages::stream::v1::{Batch, Record, record::Body};
use prost::Message as _;

use crate::find::{FindError, look_at_head};
use crate::key::{Key, key_of};
use crate::worker::changes::change_keys;
use crate::worker::erase::customers_of;
use crate::{limits, quarantine};

/// The progress of a service with the erasure of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErasureProgress {
    /// True where the state is gone, and the mark there that drops what comes later.
    pub is_applied: bool,
    /// True where nothing of the customer waits any more: in the streams that the service reads, in
    /// its outbox, in quarantine, among changes that are on their way to the log.
    pub is_clean: bool,
    /// The last commit of the service in the partition of the customer: the one that removed the
    /// state, or a later one.
    pub commit_seq: u64,
}

/// Returns how far a service is with the erasure of a customer. It reads one state where it is not
/// applied yet, and some hundred kilobytes at the most where much waits.
///
/// # Errors
/// [`HotError`] where the store does not answer, or what is there is damaged.
pub async fn erasure_progress(
    hot: &dyn HotStore,
    owner: Owner,
    customer: CustomerId,
) -> Result<ErasureProgress, HotError> {
    let partition = hot.partition_count().partition_of(customer.fragment());
    let slot = Slot { owner, partition };
    let head = look_at_head(hot, slot, customer).await;
    let is_applied = match head {
        Ok(head) => head.is_some_and(|head| head.erased_by.is_some()),
        // It is removed all the same.
        Err(FindError::Store { source, .. }) => return Err(source),
        Err(_) => false,
    };
    let at = hot.head(slot).await?;
    let is_clean = is_applied && is_clean(hot, slot, &at, customer).await?;
    Ok(ErasureProgress {
        is_applied,
        is_clean,
        commit_seq: at.commit_seq,
    })
}

async fn is_clean(
    hot: &dyn HotStore,
    slot: Slot,
    at: &SlotHead,
    customer: CustomerId,
) -> Result<bool, HotError> {
    let key = Key::from_be_bytes(*customer.as_bytes());
    if waits_in_changes(hot, slot, customer).await? || is_set_aside(hot, slot, key).await? {
        return Ok(false);
    }
    for message in hot.outbox(slot, 0, limits::OUTBOX_PER_READ).await? {
        if has_anything_of(message.message.payload, key) {
            return Ok(false);
        }
    }
    let own = StreamName::ALL.into_iter();
    for name in own.filter(|name| name.reader() == slot.owner) {
        let cursor = at.cursors.iter().find(|(of, _)| *of == name);
        let after = cursor.map_or(Cursor::START, |(_, cursor)| *cursor);
        let partition = slot.partition;
        if waits_in(hot, StreamId { name, partition }, after, key).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether changes of a customer are stored, be they in the log or on their way there.
async fn waits_in_changes(
    hot: &dyn HotStore,
    slot: Slot,
    customer: CustomerId,
) -> Result<bool, HotError> {
    let customers = BTreeSet::from([*customer.as_bytes()]);
    let stored = hot.load(slot, &change_keys()).await?;
    let mut pending = stored
        .into_iter()
        .flatten()
        .filter_map(|stored| Pending::load(&stored.value));
    Ok(pending.any(|pending| pending.mentions(&customers)))
}

async fn is_set_aside(hot: &dyn HotStore, slot: Slot, key: Key) -> Result<bool, HotError> {
    if hot.quarantine_size(slot).await?.records == 0 {
        return Ok(false);
    }
    let mut after = None;
    loop {
        let page = quarantine::read(hot, slot, after).await?;
        let Some(last) = page.last() else {
            return Ok(false);
        };
        after = Some(last.id);
        if page
            .iter()
            .any(|it| customers_of(&it.record).contains(&key))
        {
            return Ok(true);
        }
    }
}

/// Returns whether entries of a stream have something of a customer that is not taken. Where too
/// many wait to look through them all, they may.
async fn waits_in(
    hot: &dyn HotStore,
    stream: StreamId,
    mut after: Cursor,
    key: Key,
) -> Result<bool, HotError> {
    let waiting = hot.lag(stream, after).await?;
    if waiting > limits::ENTRIES_LOOKED_THROUGH {
        return Ok(true);
    }
    let mut left = waiting;
    while left > 0 {
        let page = hot.poll(stream, after, limits::ENTRIES_PER_POLL).await?;
        let Some(last) = page.last() else { break };
        after = last.cursor;
        left = left.saturating_sub(page.len() as u64);
        if page.into_iter().any(|it| has_anything_of(it.payload, key)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether an entry says anything of a customer but that they are erased.
fn has_anything_of(payload: Bytes, key: Key) -> bool {
    // One that cannot be read is set aside as a whole by its reader.
    let records = Batch::decode(payload).map_or_else(|_| Vec::new(), |batch| batch.records);
    records.iter().any(|record| is_of(record, key))
}

fn is_of(record: &Record, key: Key) -> bool {
    let is = |id: &[u8]| key_of(id) == Some(key);
    match &record.body {
        Some(Body::Erased(_)) => false,
        Some(Body::Moved(moved)) if is(&moved.from_customer_id) => true,
        Some(Body::Carried(carried)) => {
            let inner = carried.record.as_deref();
            is(&record.customer_id) || inner.is_some_and(|inner| is_of(inner, key))
        }
        _ => is(&record.customer_id) || is(&record.forwarded_from_id),
    }
}
