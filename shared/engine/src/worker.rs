//! The worker of one partition: a loop around [`Worker::tick`], which does one batch.
//!
//! It does not decide which partitions to work on, nor wait, nor retry by itself: its caller does.

mod arrive;
mod arrived;
pub(crate) mod aside;
mod batch;
mod build;
mod cache;
mod cause;
pub(crate) mod changes;
mod come_back;
mod counted;
mod customer;
mod effects;
mod elsewhere;
pub(crate) mod erase;
mod fault;
mod fire;
mod forward;
mod inputs;
mod lane;
mod leave;
mod let_go;
mod moved_aside;
mod output;
mod packer;
mod parts;
mod pieces;
mod plan;
mod poison_timer;
mod position;
mod quarantine;
mod redirect;
mod refuse;
mod release;
mod resume;
mod run;
mod send_back;
mod span;
mod split;
mod split_off;
mod time;
mod turn;
mod verdict;
mod wait;
mod words;

use std::time::Instant;

use hot::{Commit, Frontier, HotError, Owner, SharedHotStore, Slot, StreamId, StreamName};
use kernel::{PartitionId, Timestamp};
use tracing::Instrument;

use self::batch::Batch;
use self::cache::StateCache;
use self::changes::{ChangeQueue, ChangeWrites};
use self::counted::Counted;
use self::inputs::Inputs;
use self::lane::Place;
use self::output::{OutputGauge, Trail};
use self::position::Position;
use self::quarantine::Quarantine;
use self::span::tick_span;
use self::time::Reach;
use crate::steps::Steps;
use crate::{Dispatcher, EngineConfig, Freshness, limits, metrics};
use decision::Core;

/// The worker of one partition.
pub(crate) struct Worker<C: Core> {
    config: EngineConfig<C>,
    position: Position,
    inputs: Inputs,
    outputs: Vec<OutputGauge>,
    /// Changes on their way to the log; absent where nothing is written there.
    changes: Option<ChangeQueue>,
    trail: Trail,
    cache_bytes: usize,
    cache: StateCache<C::State>,
    batch: Batch<C>,
    /// The progress of the services before this one, on a clock; absent where no timer is due.
    frontier: Option<Frontier>,
    reach: Reach,
    /// The batch that is being committed, and the places it moves to.
    pending: Option<Pending>,
    /// Whether the store has to be looked at anew before anything is believed.
    doubts: bool,
    /// The spans of the records of the batch.
    steps: Steps,
    quarantine: Quarantine,
    counted: Counted<C::Definitions>,
}

/// A record that a batch is going to take.
#[derive(Debug, Clone, Copy)]
struct Planned {
    lane: usize,
    place: (usize, usize),
    /// Absent where the record names no customer.
    work: Option<usize>,
}

/// A commit on its way.
#[derive(Debug)]
struct Pending {
    commit: Commit,
    inputs: usize,
    places: Vec<(usize, Place)>,
    watermark: Timestamp,
    no_timer_before: Option<Timestamp>,
    changes: ChangeWrites,
}

/// What one tick came to.
#[derive(Debug)]
pub(crate) enum TickOutcome {
    /// A batch was committed; there may be more.
    Worked,
    /// Nothing is left to do now.
    Idle {
        /// When the first timer is due, on a wall clock.
        next_due: Option<Timestamp>,
    },
    /// The reader of an output or the log of changes is behind, a target of the outbox is full, or
    /// this process may not act now: try again in a moment.
    Held,
    /// A timer is due, and something that was accepted before it is not here yet: try again on
    /// news, or in a moment.
    Behind,
    /// A record finds no room in the quarantine: try again on news, such as a command that makes
    /// room, or after a while.
    Full,
    /// A store did not answer: try again in a moment. Nothing is lost or applied twice by that.
    Unavailable(HotError),
    /// The partition is another's, or cannot be worked on: drop this worker.
    Lost(HotError),
}

impl<C: Core> Worker<C> {
    /// Opens a partition under a new lease.
    pub(crate) async fn open(
        config: EngineConfig<C>,
        partition: PartitionId,
        epoch: u64,
    ) -> Result<Self, HotError> {
        let slot = Slot {
            owner: C::OWNER,
            partition,
        };
        // Until it is told how many partitions share it.
        let cache_bytes = config.cache_bytes;
        let steps = Steps::new(slot, config.is_traced);
        let sink = config.changes.clone();
        let mut worker = Self {
            config,
            position: Position::new(slot, epoch),
            inputs: Inputs::new(),
            outputs: Vec::new(),
            changes: sink.map(|sink| ChangeQueue::new(sink, slot, epoch)),
            trail: Trail::default(),
            cache_bytes,
            cache: StateCache::new(cache_bytes),
            batch: Batch::new(),
            frontier: None,
            reach: Reach::default(),
            pending: None,
            doubts: false,
            steps,
            quarantine: Quarantine::default(),
            counted: Counted::new(),
        };
        worker.reopen().await?;
        // After the fence: whoever worked here before changes nothing any more, and knew no more
        // than is stored now. Opened again under the same lease it is asked for no more: nobody
        // else decided anything meanwhile, and a partition goes on while SQL is away.
        worker.counted.knows_past = worker.refresh().await? == Freshness::Newest;
        Ok(worker)
    }

    /// Opens the partition under the same lease, and forgets all that was known of it: the store
    /// may be another one than before, and may have lost what is newest. Batches keep having names
    /// of their own.
    async fn reopen(&mut self) -> Result<(), HotError> {
        let position = &mut self.position;
        let (slot, known) = (position.slot, position.commit_seq);
        let head = self.config.hot.open(slot, position.epoch).await?;
        if self.doubts && head.commit_seq != known {
            tracing::warn!(
                service = C::OWNER.name(),
                partition = slot.partition.number(),
                commit_seq = head.commit_seq,
                known,
                "the hot store is at another commit than it was"
            );
        }
        let partition = slot.partition;
        self.inputs.open::<C>(partition, &head);
        let outputs = C::OUTPUT.map_or_else(Vec::new, |(live, low)| vec![live, low]);
        self.outputs = outputs
            .into_iter()
            .map(|name| OutputGauge::new(StreamId { name, partition }))
            .collect();
        position.open(&head);
        self.cache = StateCache::new(self.cache_bytes);
        self.batch.clear(self.position.watermark);
        if let Some(changes) = &mut self.changes {
            changes.open(self.config.hot.as_ref()).await?;
        }
        self.open_trail().await?;
        self.open_quarantine().await?;
        self.open_counted().await?;
        self.doubts = false;
        metrics::opened(C::OWNER);
        Ok(())
    }

    /// Brings the newest definitions into force.
    async fn refresh(&self) -> Result<Freshness, HotError> {
        let Some(refresh) = &self.config.refresh else {
            return Ok(Freshness::Newest);
        };
        tokio::time::timeout(limits::REFRESH, refresh.refresh())
            .await
            .unwrap_or_else(|_| {
                let reason = "it was not told in time whether there are newer definitions";
                Err(HotError::unavailable(reason))
            })
    }

    /// Sets how many bytes of encoded states are kept decoded.
    pub(crate) fn share_cache(&mut self, bytes: usize) {
        if self.cache_bytes != bytes {
            self.cache_bytes = bytes;
            self.cache.resize(bytes);
        }
    }

    /// Says that the store may not be the one that it was: the partition is opened again before
    /// anything else is done, but for a commit that is on its way.
    pub(crate) fn doubt(&mut self) {
        self.doubts = true;
    }

    /// The streams that a worker of this core reads, in the order of their lanes.
    pub(crate) fn input_streams() -> Vec<StreamName> {
        Inputs::streams::<C>()
    }

    /// Says which lanes may have news, by bit.
    pub(crate) fn hint(&mut self, lanes: u32) {
        self.inputs.hint(lanes);
    }

    /// The cursors that took effect.
    pub(crate) fn cursors(&self) -> Vec<(StreamId, hot::Cursor)> {
        self.inputs.cursors()
    }

    pub(crate) fn commit_seq(&self) -> u64 {
        self.position.commit_seq
    }

    /// Which service.
    pub(crate) const fn owner() -> Owner {
        C::OWNER
    }

    fn hot(&self) -> &SharedHotStore {
        &self.config.hot
    }

    /// Does one batch, or finds that there is nothing to do.
    pub(crate) async fn tick(&mut self) -> TickOutcome {
        match self.try_tick().await {
            Ok(outcome) => outcome,
            Err(error @ HotError::Unavailable(_)) => {
                // Who answers next may be another server. A commit on its way comes first: only the
                // same one again tells whether it took effect.
                self.doubt();
                TickOutcome::Unavailable(error)
            }
            Err(error) => TickOutcome::Lost(error),
        }
    }

    async fn try_tick(&mut self) -> Result<TickOutcome, HotError> {
        if self.pending.is_none() {
            if self.doubts {
                self.reopen().await?;
            }
            self.forward().await?;
            if self.changes.as_mut().is_some_and(ChangeQueue::is_full) {
                return Ok(TickOutcome::Held);
            }
            let held = self.held().await?;
            self.ask_frontier().await?;
            self.inputs.read(self.config.hot.as_ref(), held).await?;
            self.follow_trail().await?;
            // As late as can be: the next thing that is looked at is the time.
            if !self.config.tenure.holds(self.config.own_clock.as_ref()) {
                return Ok(TickOutcome::Held);
            }
            if !self.prepare(held).await? {
                return self.rest(held).await;
            }
        }
        let span = tick_span(self.position.slot.owner);
        span.record("partition", self.position.slot.partition.number());
        span.record("inputs", self.batch.inputs);
        let done = self.commit().instrument(span.clone()).await;
        done.inspect_err(|_| {
            span.record("otel.status_code", "ERROR");
        })
    }

    /// There is nothing to commit: tidies up, and says when to look again.
    async fn rest(&mut self, held: output::Held) -> Result<TickOutcome, HotError> {
        let at = self.position.standing();
        let hot = self.config.hot.as_ref();
        self.inputs.trim_old(hot, at).await?;
        if held.any() || self.position.outbox_waits {
            return Ok(TickOutcome::Held);
        }
        if !self.quarantine.stuck.is_empty() {
            return Ok(TickOutcome::Full);
        }
        Ok(self.rest_until_due())
    }

    /// Commits what is pending, and does what follows a commit.
    async fn commit(&mut self) -> Result<TickOutcome, HotError> {
        let Some(pending) = &self.pending else {
            return Ok(TickOutcome::Worked);
        };
        let begun = Instant::now();
        let slot = self.position.slot;
        match self.hot().commit(slot, &pending.commit).await {
            Ok(_) => {
                metrics::committed(C::OWNER, begun.elapsed(), pending.inputs, &pending.commit);
                metrics::waits_ended(C::OWNER, &self.batch.wait_ends);
                self.tell_of_overtaking();
            }
            Err(HotError::TooLarge { what, limit }) => {
                self.shrink(what, limit)?;
                return Ok(TickOutcome::Worked);
            }
            Err(error) => return Err(error),
        }
        let pending = self.pending.take().expect("it was looked at above");
        self.steps.committed();
        self.settle(pending);
        self.forward().await?;
        Ok(TickOutcome::Worked)
    }

    /// Takes note that a commit took effect.
    fn settle(&mut self, pending: Pending) {
        let commit = pending.commit;
        self.position
            .settle(&commit, pending.watermark, pending.no_timer_before);
        self.inputs.settle(pending.places);
        for (stream, _) in &commit.outputs {
            for gauge in &mut self.outputs {
                gauge.count(*stream);
            }
        }
        let behind = std::mem::take(&mut self.batch.packer.low);
        if !behind.is_empty() {
            self.trail.push(behind.into_keys().collect());
        }
        if let Some(dispatcher) = &self.config.dispatcher {
            for record in self.batch.dispatches.drain(..) {
                Dispatcher::dispatch(dispatcher.as_ref(), self.position.slot.partition, record);
            }
        }
        if let Some(changes) = &mut self.changes {
            changes.settle(pending.changes);
        }
        self.counted.settle(&commit.dropped_groups);
        self.settle_quarantine(commit.quarantine.len());
        self.batch.return_states(&mut self.cache);
        self.batch.clear(self.position.watermark);
    }
}
