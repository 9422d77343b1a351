//! What is checked at every commit, while the simulation runs.

mod alone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hot::{Commit, Owner, Slot, StateKey, StreamName};
use kernel::{CustomerId, Duration, PartitionId, Timestamp};
use prost::Message as _;
use proto::stream::v1::{Batch, Record, record::Body, value};

use self::alone::alone;
use super::changes::ChangeLog;
use super::definitions::Reading;
use super::destination::{Asked, EffectId};
use super::world::World;

/// The most that a clock may be ahead of the database's, and that an answer of the database may
/// take for a process to still go by it.
const TOLERANCE: Duration = Duration::from_millis(engine::limits::CLOCK_SKEW.as_millis() + 3_000);

/// Watches all commits.
#[derive(Debug)]
pub(crate) struct Watch {
    world: Arc<World>,
    /// True where time is that of clocks; otherwise it is that of records.
    is_wall: bool,
    /// True where what a store has lost comes back, so that no number is ever used twice.
    is_journaled: bool,
    /// The number of changes of definitions.
    revision: Arc<AtomicU64>,
    changes: Arc<ChangeLog>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    slots: BTreeMap<Slot, LastCommit>,
    watermarks: BTreeMap<Slot, Timestamp>,
    /// The entry that leads to the timer of each state, as its last commit left it.
    entries: BTreeMap<(Slot, StateKey), Timestamp>,
    /// The number of restores of each partition from the journal.
    recoveries: BTreeMap<PartitionId, u64>,
    /// The commit that decided each effect.
    effects: BTreeMap<EffectId, (Slot, u64, u64)>,
    /// What each effect asks for, by every commit that decided it, also those that the store has
    /// lost.
    asked: BTreeMap<EffectId, BTreeMap<(Slot, u64, u64), Asked>>,
    /// The commits of a slot that sent the request of each effect on to another partition, also
    /// those that the store has lost.
    sent_on: BTreeMap<(EffectId, Slot), BTreeSet<(u64, u64)>>,
    /// The commit that told what became of each activation, by its id.
    receipts: BTreeMap<String, (Slot, u64, u64)>,
    /// The customers of effects that were decided, or told of, by more than one commit, by what is
    /// wrong.
    again: BTreeMap<String, CustomerId>,
    /// True where the store lost what nobody brings back.
    has_lost: bool,
    /// The last opening of each slot.
    opened: BTreeMap<Slot, Opened>,
    /// The customers who went on without the state of somebody who was joined into them.
    alone: BTreeSet<CustomerId>,
    /// The newest version of each journey that began a run, by slot.
    versions: BTreeMap<(Slot, String), u32>,
}

/// The opening of a slot.
#[derive(Debug, Clone, Copy)]
struct Opened {
    epoch: u64,
    /// The number of changes of definitions by then.
    revision: u64,
    has_committed: bool,
}

#[derive(Debug, Clone, Copy)]
struct LastCommit {
    epoch: u64,
    seq: u64,
    batch_id: u64,
}

impl Watch {
    pub(crate) fn new(
        world: Arc<World>,
        is_wall: bool,
        is_journaled: bool,
        revision: Arc<AtomicU64>,
        changes: Arc<ChangeLog>,
    ) -> Self {
        Self {
            world,
            is_wall,
            is_journaled,
            revision,
            changes,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of restores of each partition from the journal.
    pub(crate) fn recoveries(&self) -> BTreeMap<PartitionId, u64> {
        self.seen().recoveries.clone()
    }

    /// The commits that decided each effect, by effect.
    pub(crate) fn effects(&self) -> BTreeMap<EffectId, String> {
        let seen = self.seen();
        let effects = seen.effects.iter();
        effects
            .map(|(id, (slot, seq, _))| (id.clone(), format!("{slot:?} in commit {seq}")))
            .collect()
    }

    /// Returns whether an effect may ask for something else than it did before: a commit decided
    /// that, and the store lost what nobody brings back.
    pub(crate) fn may_ask_for(&self, id: &EffectId, asked: &Asked) -> bool {
        let seen = self.seen();
        let mut decided = seen.asked.get(id).into_iter().flat_map(BTreeMap::values);
        seen.has_lost && decided.any(|decided| decided == asked)
    }

    /// Returns how often an effect was asked for beside the first time.
    ///
    /// A service may have acted upon a request that the store then lost. The service before it
    /// decides that anew, and the request comes a second time.
    pub(crate) fn surplus_requests(&self) -> i64 {
        let seen = self.seen();
        let asked = seen.asked.values().map(BTreeMap::len);
        let sent_on = seen.sent_on.values().map(BTreeSet::len);
        let surplus: usize = asked.chain(sent_on).map(|commits| commits - 1).sum();
        i64::try_from(surplus).unwrap_or(i64::MAX)
    }

    /// The customers of effects that were decided, or told of, by more than one commit, by what is
    /// wrong.
    pub(crate) fn decided_again(&self) -> BTreeMap<String, CustomerId> {
        self.seen().again.clone()
    }

    /// The customers who went on, on the wall clock, without the state of somebody who was joined
    /// into them: it took too long.
    pub(crate) fn went_on_alone(&self) -> BTreeSet<CustomerId> {
        self.seen().alone.clone()
    }

    /// Returns whether the store lost what nobody brings back.
    pub(crate) fn has_lost(&self) -> bool {
        self.seen().has_lost
    }

    /// The store went back in time. Where nobody keeps a journal, everything after that happens
    /// anew.
    pub(crate) fn forget(&self) {
        let mut seen = self.seen();
        seen.entries.clear();
        if !self.is_journaled {
            seen.slots.clear();
            seen.effects.clear();
            seen.receipts.clear();
            seen.versions.clear();
            seen.again.clear();
            seen.has_lost = true;
            self.changes.forget();
        }
    }

    /// A partition was restored from the journal, with commits that nobody saw.
    pub(crate) fn after_recovery(&self, partition: PartitionId) {
        let mut seen = self.seen();
        *seen.recoveries.entry(partition).or_default() += 1;
        seen.entries
            .retain(|(slot, _), _| slot.partition != partition);
        seen.watermarks
            .retain(|slot, _| slot.partition != partition);
    }

    /// No timer is early: an entry has fired only once its time has come, but for what the clock of
    /// a process may be off, or once the time of its partition has shown it. One that leads to no
    /// timer any more is done with whenever it is read, also ahead of a batch that has no room for
    /// all records up to then.
    pub(crate) fn before_commit(&self, slot: Slot, commit: &Commit) {
        let mut seen = self.seen();
        let now = if self.is_wall {
            self.world.now() + TOLERANCE
        } else {
            // The time of a restored partition is not known until a commit tells of a later one.
            let is_recovered = seen.recoveries.contains_key(&slot.partition);
            let first = if is_recovered {
                Timestamp::MAX
            } else {
                Timestamp::MIN
            };
            let known = seen.watermarks.get(&slot).copied().max(commit.watermark);
            if let Some(known) = known {
                seen.watermarks.insert(slot, known);
            }
            known.unwrap_or(first)
        };
        for (key, at) in &commit.fired {
            let leads_to = seen.entries.get(&(slot, key.clone()));
            if *at > now && leads_to == Some(at) {
                self.world.violate(format!(
                    "{slot:?} fires {key:?} of {at} at {now}: a timer is early"
                ));
            }
        }
    }

    /// A slot was opened; again and again, under one lease.
    pub(crate) fn after_open(&self, slot: Slot, epoch: u64) {
        let revision = self.revision.load(Ordering::Relaxed);
        let opened = Opened {
            epoch,
            revision,
            has_committed: false,
        };
        let mut seen = self.seen();
        let last = seen.opened.entry(slot).or_insert(opened);
        if last.epoch < epoch {
            *last = opened;
        }
    }

    /// An owner has read the definitions of when it opened the slot, if its program understands
    /// them. The first commit may be one that another process had logged.
    fn note_reading(&self, seen: &mut Seen, slot: Slot, commit: &Commit, reading: Reading) {
        let Some(opened) = seen.opened.get_mut(&slot) else {
            return;
        };
        let is_own = opened.epoch == commit.epoch && opened.has_committed;
        if is_own && reading.revision < opened.revision && !reading.is_outdated {
            self.world.violate(format!(
                "{slot:?} is decided by {reading:?}, and opened at {opened:?}"
            ));
        }
        opened.has_committed |= opened.epoch == commit.epoch;
    }

    /// One epoch commits at a time, numbers only grow, and each effect is decided once.
    pub(crate) fn after_commit(&self, slot: Slot, commit: &Commit, reading: Reading) {
        let mut seen = self.seen();
        self.note_reading(&mut seen, slot, commit, reading);
        self.changes.after_commit(slot, commit);
        if self.is_wall && slot.owner == Owner::Segmentation {
            seen.alone.extend(alone(commit));
        }
        for state in &commit.states {
            let place = (slot, state.key.clone());
            match state.timer.entry {
                Some(entry) => seen.entries.insert(place, entry),
                None => seen.entries.remove(&place),
            };
        }
        let last = seen.slots.get(&slot).copied();
        if let Some(last) = last {
            let is_retry = (last.seq, last.batch_id) == (commit.seq, commit.batch_id);
            let follows = if self.is_journaled {
                commit.seq > last.seq
            } else {
                commit.seq == last.seq + 1
            };
            if !is_retry && !follows {
                self.world.violate(format!(
                    "{slot:?} takes commit {} after {}",
                    commit.seq, last.seq
                ));
            }
            if commit.epoch < last.epoch {
                self.world.violate(format!(
                    "{slot:?} takes a commit of epoch {} after one of {}",
                    commit.epoch, last.epoch
                ));
            }
        }
        seen.slots.insert(
            slot,
            LastCommit {
                epoch: commit.epoch,
                seq: commit.seq,
                batch_id: commit.batch_id,
            },
        );
        let decided = (slot, commit.seq, commit.batch_id);
        for (name, payload) in &commit.outputs {
            let records = Batch::decode(payload.clone()).map(|batch| batch.records);
            for record in records.unwrap_or_default() {
                match name {
                    StreamName::Actions | StreamName::ActionsBulk => {
                        self.note_action(&mut seen, decided, record, reading);
                    }
                    StreamName::Events | StreamName::EventsBulk => {
                        self.note_receipt(&mut seen, decided, record);
                    }
                    _ => {}
                }
            }
        }
        note_sent_on(&mut seen, slot, commit);
    }

    /// Each effect is decided once, and a run begins by no older definitions than one before.
    fn note_action(
        &self,
        seen: &mut Seen,
        decided: (Slot, u64, u64),
        record: Record,
        reading: Reading,
    ) {
        let Some(Body::Action(action)) = record.body else {
            return;
        };
        let id = (action.run_id, action.visit);
        let names = [
            &action.journey,
            &action.step,
            &action.channel,
            &action.template,
        ];
        let asked = seen.asked.entry(id.clone()).or_default();
        asked.insert(decided, names.map(String::clone));
        if !seen.effects.contains_key(&id) {
            if action.visit == 1 {
                self.note_run(seen, decided.0, (action.journey, action.version), reading);
            }
            let id = format!("{:02x?} {}", &id.0[..4], id.1);
            let (slot, seq, _) = decided;
            self.world.tell(format!("{slot:?} {seq} decides {id}"));
        }
        let first = *seen.effects.entry(id.clone()).or_insert(decided);
        if first != decided {
            let wrong = format!("effect {id:?} is decided by {decided:?}, and was by {first:?}");
            self.note_again(seen, &record.customer_id, wrong);
        }
    }

    /// A run begins at its first visit.
    fn note_run(&self, seen: &mut Seen, slot: Slot, of: (String, u32), reading: Reading) {
        let (journey, version) = of;
        let newest = seen.versions.entry((slot, journey.clone())).or_default();
        if version < *newest && !reading.is_outdated {
            self.world.violate(format!(
                "{slot:?} begins version {version} of `{journey}`, and began {newest}: {reading:?}"
            ));
        }
        *newest = version.max(*newest);
    }

    /// The end of an activation is told once.
    fn note_receipt(&self, seen: &mut Seen, decided: (Slot, u64, u64), record: Record) {
        let Some(Body::Event(event)) = record.body else {
            return;
        };
        let mut properties = event.properties.into_iter();
        let id = properties.find(|property| property.name == "activation_id");
        let id = id.and_then(|property| property.value?.kind);
        let Some(value::Kind::Text(id)) = id else {
            return;
        };
        let first = *seen.receipts.entry(id.clone()).or_insert(decided);
        if first != decided {
            let wrong = format!("{id} is told of by {decided:?}, and was by {first:?}");
            self.note_again(seen, &record.customer_id, wrong);
        }
    }

    fn note_again(&self, seen: &mut Seen, customer: &[u8], wrong: String) {
        self.world.tell(&wrong);
        if let Ok(customer) = CustomerId::try_from_bytes(customer) {
            seen.again.insert(wrong, customer);
        }
    }
}

/// Takes note of the requests of effects that a commit sends on to other partitions.
fn note_sent_on(seen: &mut Seen, slot: Slot, commit: &Commit) {
    for message in &commit.outbox {
        let records = Batch::decode(message.payload.clone()).map(|batch| batch.records);
        for record in records.unwrap_or_default() {
            if let Some(Body::Action(action)) = record.body {
                let id = (action.run_id, action.visit);
                let commits = seen.sent_on.entry((id, slot)).or_default();
                commits.insert((commit.seq, commit.batch_id));
            }
        }
    }
}
