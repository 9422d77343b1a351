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

use super::aside::{PoisonTimer, bounded, retry_delay};
use super::batch::Work;
use super::lane::Lane;
use super::release::Named;
use super::run::Failed;
use super::{Planned, Worker};
use crate::key::{Key, KeyMap, key_of};
use crate::quarantine;
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
}

/// The worker's knowledge of its quarantine.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    /// Its size as of the last commit.
    size: QuarantineSize,
    /// The timers in it, by customer, as of the last commit.
    timers: KeyMap<PoisonTimer>,
    /// Records that have to be set aside and find no room, by lane and place: their lanes wait.
    pub(super) stuck: Vec<(usize, (usize, usize))>,
    /// True once the log was told that there is no room.
    is_full_told: bool,
    /// The entries that the commands of the batch name; absent where they are not in quarantine.
    pub(super) named: HashMap<QuarantineId, Option<Arc<Named>>>,
}

impl<C: Core> Worker<C> {
    /// Looks at the quarantine of a partition that was opened: how much is in it, and which timers.
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
                let key = customer_key(&entry.record).and_then(|key| key_of(&key));
                let (QuarantinedKind::Timer, Some(key)) = (entry.record.kind(), key) else {
                    continue;
                };
                let timer = PoisonTimer {
                    id: entry.id,
                    bytes: entry.bytes,
                    due_time: quarantine::due_time(&entry.record),
                    tries: entry.record.try_count,
                };
                // Where there are several, the newest counts: those before it are of timers that
                // are gone.
                self.quarantine.timers.insert(key, timer);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.quarantine.size.bytes + self.batch.aside.bytes < self.config.quarantine_bytes
    }

    /// Sets an input of a lane aside. Where there is no room, the lane has to wait with it.
    pub(super) fn set_aside_item(
        &mut self,
        planned: &Planned,
        lane: &Lane,
        found: (InputId, &str),
        now: Timestamp,
        entry: QuarantinedRecord,
    ) -> Result<(), Failed> {
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
            return Err(Failed {
                origin,
                reason: reason.to_owned(),
            });
        }
        let entry = QuarantinedRecord {
            stream: lane.stream.name.name().to_owned(),
            is_bulk: lane.bulk,
            ..entry
        };
        self.set_aside(reason, now, entry);
        Ok(())
    }

    /// Sets something aside; returns its id and its bytes.
    fn set_aside(
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

    /// The timer of a customer that is in quarantine, as of now in the batch.
    pub(super) fn poison_timer(&self, key: Key) -> Option<PoisonTimer> {
        match self.batch.aside.timers.get(&key) {
            Some(timer) => *timer,
            None => self.quarantine.timers.get(&key).copied(),
        }
    }

    /// A timer that cannot be processed waits, longer each time, and is tried again: whatever else
    /// its customer waits for is tried with it.
    ///
    /// It has one entry in the quarantine, with the number of tries. Without room for one it is
    /// tried again all the same: nothing is lost, so nobody has to wait for room.
    pub(super) fn defer_timer(
        &mut self,
        number: usize,
        due_time: Timestamp,
        reason: &str,
        now: Timestamp,
    ) {
        let work = &self.batch.works[number];
        let (key, customer) = (work.key, work.key_bytes.clone());
        let known = self.poison_timer(key);
        let timer = match known {
            Some(timer) => {
                let tries = timer.tries.saturating_add(1);
                self.batch.aside.raise(timer.id, tries, reason, now);
                Some(PoisonTimer { tries, ..timer })
            }
            None if self.has_room() => {
                let entry = QuarantinedRecord {
                    kind: QuarantinedKind::Timer.into(),
                    due_time: Some(timestamp(due_time)),
                    ..of_customer(&customer)
                };
                let (id, bytes) = self.set_aside(reason, now, entry);
                Some(PoisonTimer {
                    id,
                    bytes,
                    due_time,
                    tries: 1,
                })
            }
            None => None,
        };
        if timer.is_some() {
            self.batch.aside.timers.insert(key, timer);
        }
        let tries = timer.map_or(u32::MAX, |timer| timer.tries);
        self.set_timer(number, Some(now + retry_delay(tries)));
    }

    /// A customer's timer leaves the quarantine.
    pub(super) fn release_timer(&mut self, key: Key, timer: PoisonTimer) {
        let aside = &mut self.batch.aside;
        aside.release(timer.id, timer.bytes, timer.tries);
        aside.timers.insert(key, None);
    }

    /// After a step: the due time that counts, where a timer of the customer may be in quarantine.
    ///
    /// As long as the state still waits for what could not be processed, its timer stays where the
    /// next try is. A timer that fired, or a state that no longer waits for that, takes the entry
    /// out of the quarantine.
    pub(super) fn due_beside_poison(
        &mut self,
        work: usize,
        due: Option<Timestamp>,
        is_from_timer: bool,
    ) -> Option<Timestamp> {
        if self.quarantine.timers.is_empty() && self.batch.aside.timers.is_empty() {
            return due;
        }
        let Work {
            key, timer: own, ..
        } = &self.batch.works[work];
        let (key, next_try) = (*key, own.due);
        let Some(timer) = self.poison_timer(key) else {
            return due;
        };
        if !is_from_timer && due.is_some_and(|due| due <= timer.due_time) {
            return next_try;
        }
        self.release_timer(key, timer);
        due
    }

    /// The state of a customer waits for nothing any more.
    pub(super) fn clear_timer(&mut self, work: usize) {
        let due = self.due_beside_poison(work, None, true);
        self.set_timer(work, due);
    }

    /// Takes note that what a batch changed of the quarantine is committed.
    pub(super) fn settle_quarantine(&mut self, set_aside: usize) {
        let (known, aside) = (&mut self.quarantine, &mut self.batch.aside);
        let size = &mut known.size;
        size.records =
            (size.records + set_aside as u64).saturating_sub(aside.released.len() as u64);
        size.bytes = (size.bytes + aside.bytes).saturating_sub(aside.released_bytes);
        for (key, timer) in aside.timers.drain() {
            match timer {
                Some(timer) => known.timers.insert(key, timer),
                None => known.timers.remove(&key),
            };
        }
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

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("panicked: {said}")
}
