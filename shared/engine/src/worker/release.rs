//! Carries out what operators decide about the quarantine: entries are discarded, or tried again.
//!
//! A command names one entry, so that a request is taken in parts like any entry of a stream. What
//! a retry causes and the release of its entry are one commit: it takes effect once, whatever
//! crashes. A command about an entry that has left changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use hot::{HotError, QuarantineId, StateKey};
use kernel::Timestamp;
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use messages::stream::v1::{QuarantineCommand, QuarantineVerb, Record, record::Body};
use prost::Message as _;

use super::cause::Cause;
use super::fault::Failed;
use super::lane::Item;
use super::poison_timer::PoisonTimer;
use super::quarantine::{InputId, customer_key};
use super::{Planned, Worker};
use crate::key::key_of;
use crate::quarantine::{self, StoredEntry};
use decision::{Core, Input};

/// An entry that a command names.
#[derive(Debug)]
pub(super) struct Named {
    id: QuarantineId,
    record: QuarantinedRecord,
    /// Bytes of the entry.
    bytes: u64,
    again: Again,
    /// The key of its customer; absent where it is nobody's.
    customer: Option<StateKey>,
}

/// The effect of a retry.
#[derive(Debug)]
enum Again {
    Record(Box<Record>),
    Timer,
    /// It cannot be read, and never will be.
    Nothing,
}

impl Named {
    fn new(entry: StoredEntry) -> Self {
        let StoredEntry { id, record, bytes } = entry;
        let again = match record.kind() {
            QuarantinedKind::Timer => Again::Timer,
            QuarantinedKind::Record => Record::decode(record.record.clone())
                .map_or(Again::Nothing, |record| Again::Record(Box::new(record))),
            QuarantinedKind::DamagedEntry | QuarantinedKind::Unspecified => Again::Nothing,
        };
        let customer = match &again {
            Again::Record(record) => Some(record.customer_id.clone()),
            Again::Timer | Again::Nothing => customer_key(&record),
        };
        Self {
            id,
            record,
            bytes,
            again,
            customer: customer.filter(|key| key_of(key).is_some()),
        }
    }
}

impl<C: Core> Worker<C> {
    /// Reads the entries that the planned commands name, and enlists their customers.
    pub(super) async fn take_commands(&mut self, plan: &mut [Planned]) -> Result<(), HotError> {
        let named: Vec<(usize, QuarantineId)> = plan
            .iter()
            .enumerate()
            .filter_map(|(at, planned)| {
                let lane = &self.inputs.lanes[planned.lane];
                match lane.item(planned.place) {
                    Item::Record(record) if lane.is_commands() => Some((at, id_of(record)?)),
                    _ => None,
                }
            })
            .collect();
        let wanted = named.iter().map(|(_, id)| *id);
        let unknown = wanted.filter(|id| !self.quarantine.named.contains_key(id));
        self.read_named(unknown.collect()).await?;
        for (at, id) in named {
            let Some(Some(entry)) = self.quarantine.named.get(&id) else {
                continue;
            };
            plan[at].work = entry.customer.as_ref().and_then(|customer| {
                let key = key_of(customer)?;
                Some(self.batch.enlist(key, customer, &mut self.cache))
            });
        }
        Ok(())
    }

    /// Reads entries by their ids: those that follow one another by as few calls as pages have room
    /// for them.
    async fn read_named(&mut self, mut ids: BTreeSet<QuarantineId>) -> Result<(), HotError> {
        while let Some(first) = ids.first().copied() {
            let (after, max) = (quarantine::before(first), ids.len());
            let page =
                quarantine::read_some(self.hot().as_ref(), self.position.slot, after, max).await?;
            let is_last = page.is_empty();
            let read_to = page.last().map(|entry| entry.id);
            for entry in page {
                if ids.remove(&entry.id) {
                    let named = Arc::new(Named::new(entry));
                    self.quarantine.named.insert(named.id, Some(named));
                }
            }
            // An id that would be among them and is not, is not in quarantine.
            ids.retain(|id| {
                let is_gone = is_last || read_to.is_some_and(|last| *id <= last);
                if is_gone {
                    self.quarantine.named.insert(*id, None);
                }
                !is_gone
            });
        }
        Ok(())
    }

    /// Carries out one command.
    pub(super) fn run_command(
        &mut self,
        definitions: &C::Definitions,
        work: Option<usize>,
        command: &QuarantineCommand,
        origin: InputId,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let id = QuarantineId {
            commit_seq: command.commit_seq,
            index: command.index,
        };
        let named = self.quarantine.named.get(&id).cloned().flatten();
        let Some(named) = named.filter(|_| !self.batch.aside.released.contains(&id)) else {
            return Ok(());
        };
        match command.verb() {
            QuarantineVerb::Discard => {
                if let Some(work) = work {
                    self.ask_for_waits(definitions, work, &named, (origin, now))?;
                }
                self.discard(work, &named, now);
                Ok(())
            }
            QuarantineVerb::Retry => self.retry(definitions, work, &named, (origin, now)),
            QuarantineVerb::Unspecified => {
                tracing::warn!(
                    service = C::OWNER.name(),
                    partition = self.position.slot.partition.number(),
                    "a command about the quarantine is not understood, and changes nothing"
                );
                Ok(())
            }
        }
    }

    /// Asks for the parts that tell what else a customer waits for, where one wait is given up.
    fn ask_for_waits(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        named: &Named,
        (origin, now): (InputId, Timestamp),
    ) -> Result<(), Failed> {
        let timer = self.poison_timer(self.batch.works[work].key, named.id);
        let Some(timer) = timer.filter(|timer| timer.wait.is_some()) else {
            return Ok(());
        };
        let due_time = timer.due_time;
        let cause = Cause::of_timer(origin, due_time, now);
        self.ask_ahead(definitions, work, Input::Timer { due_time }, cause)
    }

    fn discard(&mut self, work: Option<usize>, named: &Named, now: Timestamp) {
        tracing::info!(
            service = C::OWNER.name(),
            partition = self.position.slot.partition.number(),
            entry = %named.id,
            "a quarantined record was discarded"
        );
        let timer = work.and_then(|work| {
            let key = self.batch.works[work].key;
            Some((work, key, self.poison_timer(key, named.id)?))
        });
        match timer {
            Some((work, key, timer)) => {
                self.give_up(work, timer, now);
                // A change has a cause, also where only the timer changes.
                self.batch.works[work].last.get_or_insert(InputId::Timer {
                    key,
                    due_time: timer.due_time,
                    number: 0,
                });
            }
            None => self.release(named),
        }
    }

    fn release(&mut self, named: &Named) {
        let tries = match self.batch.aside.note(named.id) {
            Some(note) => note.try_count,
            None => named.record.try_count,
        };
        self.batch.aside.release(named.id, named.bytes, tries);
    }

    fn retry(
        &mut self,
        definitions: &C::Definitions,
        work: Option<usize>,
        named: &Named,
        (origin, now): (InputId, Timestamp),
    ) -> Result<(), Failed> {
        let Some(work) = work else {
            self.raise(named, &named.record.reason, now);
            return Ok(());
        };
        let record = match &named.again {
            Again::Record(record) => Some(record.as_ref()),
            Again::Timer | Again::Nothing => None,
        };
        let key = self.batch.works[work].key;
        let timer = self.poison_timer(key, named.id);
        if timer.is_some() {
            self.hasten(key, named.id, now);
        }
        let refused = self.refusal(work, origin, record, now);
        match (&named.again, refused) {
            (Again::Record(_), Some(reason)) => self.raise(named, &reason, now),
            (Again::Record(record), None) => {
                let traced = self.steps.begin(record);
                let record = traced.as_ref().unwrap_or(record);
                let cause = Cause::of_record(origin, named.record.is_bulk, record, now);
                self.run_record(definitions, work, record, cause)?;
                self.release(named);
                self.ask_for_rest(work, record, cause)?;
            }
            (Again::Timer, refused) => match timer {
                // It is the entry of a timer that is gone.
                None => self.release(named),
                Some(timer) => {
                    if let Some(reason) = refused {
                        self.defer_all(work, timer.due_time, &reason, now);
                        return Ok(());
                    }
                    let cause = Cause::of_timer(origin, timer.due_time, now);
                    self.retry_timer(definitions, work, timer, cause)?;
                }
            },
            (Again::Nothing, _) => self.raise(named, &named.record.reason, now),
        }
        Ok(())
    }

    /// Fires a timer that is in quarantine. Its entry leaves where that succeeds.
    fn retry_timer(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        timer: PoisonTimer,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let due_time = timer.due_time;
        let entry = &mut self.batch.works[work];
        if entry.cached.head.leaving.is_some() {
            // It is the one that sends the state again.
            let key = entry.key;
            self.send_again(work, cause)?;
            self.release_timer(key, timer);
            return Ok(());
        }
        if entry.cached.head.is_holding() {
            // The core's comes in its turn, once the customer goes on.
            entry.last.get_or_insert(cause.origin);
            let waiting = entry.cached.head.waiting.as_deref();
            let due = waiting.and_then(|waiting| waiting.due);
            self.set_timer(work, Some(due.map_or(due_time, |due| due.min(due_time))));
            return Ok(());
        }
        self.step(definitions, work, Input::Timer { due_time }, cause)
    }

    /// An entry stays, with one more try.
    fn raise(&mut self, named: &Named, reason: &str, now: Timestamp) {
        let note = self.batch.aside.note(named.id);
        let before = note.map_or(named.record.try_count, |note| note.try_count);
        let tries = before.saturating_add(1);
        self.batch.aside.raise(named.id, tries, reason, now);
    }
}

/// The entry that a command names.
fn id_of(record: &Record) -> Option<QuarantineId> {
    match &record.body {
        Some(Body::Quarantine(command)) => Some(QuarantineId {
            commit_seq: command.commit_seq,
            index: command.index,
        }),
        _ => None,
    }
}
