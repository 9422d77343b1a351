//! Sets aside what cannot be processed, and holds a lane while there is no room for more.
//!
//! It does not decide what leaves the quarantine: operators do, in `release`, and timers that can
//! be processed after all.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hot::{Cursor, HotError, QuarantineId, QuarantineSize, StateKey};
use kernel::{CustomerId, Timestamp};
use messages::convert::timestamp;
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use prost::Message;

use super::aside::bounded;
use super::erase::Erasing;
use super::fault::Failed;
use super::lane::Lane;
use super::moved_aside::MovedAside;
use super::poison_timer::PoisonTimer;
use super::release::Named;
use super::{Planned, Worker};
use crate::key::{Key, KeyMap, key_of};
use crate::{metrics, quarantine};
use decision::Core;

/// Names an input across attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InputId {
    /// A record: the lane by its number, the entry, the record in it.
    Record {
        lane: usize,
        cursor: Cursor,
        index: usize,
    },
    /// A timer.
    Timer {
        key: Key,
        due_time: Timestamp,
        /// How many timers of the key fired before it in the batch: one may be due twice at the
        /// same time.
        number: u32,
    },
    /// A state on its way from or to a customer, gone on with before their records.
    Move { key: Key },
    /// A record of a customer that waited for the states of others, by its number.
    Parked { key: Key, number: u64 },
}

/// The worker's knowledge of its quarantine.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    /// Its size as of the last commit.
    size: QuarantineSize,
    /// The timers in it, by customer, as of the last commit.
    pub(super) timers: KeyMap<Vec<PoisonTimer>>,
    /// The records of states that move in it, as of the last commit.
    pub(super) moved: HashMap<MovedAside, QuarantineId>,
    /// Records that have to be set aside and find no room, by lane and place: their lanes wait.
    pub(super) stuck: Vec<(usize, (usize, usize))>,
    /// True once the log was told that there is no room.
    is_full_told: bool,
    /// The customers who are erased in the batch.
    pub(super) erasing: Erasing,
    /// The entries that the commands of the batch name; absent where they are not in quarantine.
    pub(super) named: HashMap<QuarantineId, Option<Arc<Named>>>,
}

impl Quarantine {
    /// Returns whether there is nothing in it, as of the last commit.
    pub(super) const fn is_empty(&self) -> bool {
        self.size.records == 0
    }
}

impl<C: Core> Worker<C> {
    /// Looks at the quarantine of a partition that was opened: how much is in it, which timers, and
    /// what of states that move.
    pub(super) async fn open_quarantine(&mut self) -> Result<(), HotError> {
        self.quarantine = Quarantine {
            size: self.hot().quarantine_size(self.position.slot).await?,
            ..Quarantine::default()
        };
        if self.quarantine.size.records == 0 {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = quarantine::read(self.hot().as_ref(), self.position.slot, after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.id);
            for entry in page {
                if let Some(moved) = MovedAside::of_entry(&entry.record) {
                    self.quarantine.moved.insert(moved, entry.id);
                }
                let key = customer_key(&entry.record).and_then(|key| key_of(&key));
                let (QuarantinedKind::Timer, Some(key)) = (entry.record.kind(), key) else {
                    continue;
                };
                let timer = PoisonTimer::of(&entry);
                let timers = self.quarantine.timers.entry(key).or_default();
                // Where there are several of one wait, the newest counts: those before it are of
                // timers that are gone.
                timers.retain(|known| known.wait != timer.wait);
                timers.push(timer);
            }
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.quarantine.size.bytes + self.batch.aside.bytes < self.config.quarantine_bytes
    }

    /// Sets an input of a lane aside; returns its id. Where there is no room, the lane has to wait
    /// with it.
    pub(super) fn set_aside_item(
        &mut self,
        planned: &Planned,
        lane: &Lane,
        found: (InputId, &str),
        now: Timestamp,
        entry: QuarantinedRecord,
    ) -> Result<QuarantineId, Failed> {
        let (origin, reason) = found;
        if !self.has_room() {
            if !std::mem::replace(&mut self.quarantine.is_full_told, true) {
                tracing::error!(
                    service = C::OWNER.name(),
                    partition = self.position.slot.partition.number(),
                    stream = lane.stream.name.name(),
                    reason,
                    "the quarantine is full, and the partition waits with a record for it"
                );
            }
            self.quarantine.stuck.push((planned.lane, planned.place));
            return Err(Failed::new(origin, reason));
        }
        let entry = QuarantinedRecord {
            stream: lane.stream.name.name().to_owned(),
            is_bulk: lane.bulk,
            ..entry
        };
        Ok(self.set_aside(reason, now, entry).0)
    }

    /// Sets something aside; returns its id and its bytes.
    pub(super) fn set_aside(
        &mut self,
        reason: &str,
        now: Timestamp,
        entry: QuarantinedRecord,
    ) -> (QuarantineId, u64) {
        tracing::warn!(
            service = C::OWNER.name(),
            partition = self.position.slot.partition.number(),
            reason,
            "a record was quarantined"
        );
        let entry = QuarantinedRecord {
            service: C::OWNER.name().to_owned(),
            partition: u32::from(self.position.slot.partition.number()),
            reason: bounded(reason),
            create_time: Some(timestamp(now)),
            try_count: 1,
            last_try_time: Some(timestamp(now)),
            ..entry
        };
        let payload = Bytes::from(entry.encode_to_vec());
        let aside = &mut self.batch.aside;
        let id = QuarantineId {
            commit_seq: self.position.commit_seq + 1,
            index: u32::try_from(aside.entries.len()).unwrap_or(u32::MAX),
        };
        let bytes = payload.len() as u64;
        aside.bytes += bytes;
        self.batch.other_bytes += payload.len();
        aside.entries.push(payload);
        (id, bytes)
    }

    /// Takes note that what a batch changed of the quarantine is committed.
    pub(super) fn settle_quarantine(&mut self, set_aside: usize) {
        metrics::erased(C::OWNER, self.quarantine.erasing.counts);
        let (known, aside) = (&mut self.quarantine, &mut self.batch.aside);
        let size = &mut known.size;
        size.records =
            (size.records + set_aside as u64).saturating_sub(aside.released.len() as u64);
        size.bytes = (size.bytes + aside.bytes).saturating_sub(aside.released_bytes);
        for (key, timers) in aside.timers.drain() {
            if timers.is_empty() {
                known.timers.remove(&key);
            } else {
                known.timers.insert(key, timers);
            }
        }
        if !aside.released.is_empty() {
            known.moved.retain(|_, id| !aside.released.contains(id));
        }
        known.moved.extend(aside.moved.drain(..));
        if known.is_full_told && size.bytes < self.config.quarantine_bytes {
            known.is_full_told = false;
            tracing::info!(
                service = C::OWNER.name(),
                partition = self.position.slot.partition.number(),
                "there is room in the quarantine again"
            );
        }
    }
}

/// Begins an entry about a customer; about nobody where the bytes are no customer.
pub(super) fn of_customer(customer: &[u8]) -> QuarantinedRecord {
    QuarantinedRecord {
        customer_id: CustomerId::try_from_bytes(customer)
            .map_or_else(|_| String::new(), |id| id.to_string()),
        ..QuarantinedRecord::default()
    }
}

/// The key of the customer of an entry.
pub(super) fn customer_key(record: &QuarantinedRecord) -> Option<StateKey> {
    let customer: CustomerId = record.customer_id.parse().ok()?;
    Some(Bytes::copy_from_slice(customer.as_bytes()))
}

/// Returns what may be told of a panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("panicked: {}", kernel::panic_text(said))
}
