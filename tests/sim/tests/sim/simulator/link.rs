//! The link between one process and the stores: where processes die, answers get lost, and
//! invariants are watched.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hot::HotError;
use hot::memory::{Call, Content, Delivery, Hook, Operation};

use super::clock::MachineClock;
use super::definitions::Shelf;
use super::life::Life;
use super::watch::Watch;
use super::world::{Place, Side, Weather, World};

/// The link of one process.
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) world: Arc<World>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) life: Life,
    pub(crate) clock: MachineClock,
    /// The definitions that it has read.
    pub(crate) shelf: Arc<Shelf>,
    /// The call that is at the store now is the last one.
    is_dying: AtomicBool,
}

/// A call did not arrive, or its answer did not.
#[derive(Debug, thiserror::Error)]
#[error("the network lost it")]
pub(crate) struct Lost;

impl Link {
    pub(crate) fn new(name: String, world: Arc<World>, watch: Arc<Watch>, program: u64) -> Self {
        let clock = MachineClock::new(Arc::clone(&world));
        Self {
            name,
            world,
            watch,
            life: Life::new(),
            clock,
            shelf: Arc::new(Shelf::new(program)),
            is_dying: AtomicBool::new(false),
        }
    }

    /// Lets a call through to a store.
    ///
    /// # Contract
    /// Between this and [`Self::leave`] the caller does not await.
    pub(crate) async fn enter(&self, place: Place, is_effect: bool) -> Result<Delivery, Lost> {
        self.life.runs().await;
        let weather = self.world.weather();
        self.delay(weather).await;
        if self.world.is_away(place) || self.world.draw(|rng| rng.hits(weather.refused)) {
            return Err(Lost);
        }
        if is_effect {
            match self.world.count_effect() {
                None => {}
                Some(Side::Before) => self.die().await,
                Some(Side::After) => self.is_dying.store(true, Ordering::Relaxed),
            }
        }
        let repeats = self.world.draw(|rng| rng.hits(weather.repeated));
        Ok(if repeats {
            Delivery::Twice
        } else {
            Delivery::Once
        })
    }

    /// Lets the answer through.
    pub(crate) async fn leave(&self) -> Result<(), Lost> {
        if self.is_dying.load(Ordering::Relaxed) {
            self.die().await;
        }
        let weather = self.world.weather();
        self.delay(weather).await;
        self.life.runs().await;
        if self.world.draw(|rng| rng.hits(weather.unanswered)) {
            return Err(Lost);
        }
        Ok(())
    }

    async fn delay(&self, weather: Weather) {
        if self.world.draw(|rng| rng.hits(weather.delayed)) {
            let wait_ms = self.world.draw(|rng| rng.below(weather.delay_ms + 1));
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            self.life.runs().await;
        }
    }

    /// Dies here.
    async fn die(&self) {
        self.world.tell(format!("{} dies", self.name));
        self.life.kill();
        self.life.runs().await;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The link of one process to the hot store.
#[derive(Debug)]
pub(crate) struct HotLink(pub(crate) Arc<Link>);

#[async_trait]
impl Hook for HotLink {
    async fn before(&self, call: Call<'_>) -> Result<Delivery, HotError> {
        // What was read is removed now or later: that is no effect.
        let is_effect = call.operation.is_change() && call.operation != Operation::Trim;
        let delivery = self.0.enter(Place::Hot, is_effect).await.map_err(lost)?;
        if let Content::Commit(slot, commit) = call.content {
            self.0.watch.before_commit(slot, commit);
        }
        Ok(delivery)
    }

    async fn after(&self, call: Call<'_>, is_done: bool) -> Result<(), HotError> {
        if is_done && call.operation.is_change() {
            self.0.world.note_change();
        }
        if is_done && call.operation == Operation::OpenGate {
            self.0.watch.after_recovery(call.partition);
        }
        self.tell(call, is_done);
        self.0.leave().await.map_err(lost)
    }
}

impl HotLink {
    fn tell(&self, call: Call<'_>, is_done: bool) {
        let Call {
            operation,
            partition,
            content,
        } = call;
        let (name, world) = (&self.0.name, &self.0.world);
        let done = if is_done { "" } else { " refused" };
        match content {
            Content::Commit(slot, commit) => {
                if is_done {
                    let reading = self.0.shelf.reading();
                    self.0.watch.after_commit(slot, commit, reading);
                }
                world.tell(format!(
                    "{name} commit {} {partition} {}@{}{done}",
                    slot.owner.name(),
                    commit.seq,
                    commit.epoch,
                ));
            }
            Content::Append(append) => {
                world.tell(format!(
                    "{name} append {} {partition} {:?} {}{done}",
                    append.to.name.name(),
                    append
                        .source
                        .as_ref()
                        .map(|range| (&range.source, range.last)),
                    append
                        .origin
                        .map(|origin| origin.to_string())
                        .unwrap_or_default(),
                ));
            }
            Content::Epoch(slot, epoch) => {
                if is_done {
                    self.0.watch.after_open(slot, epoch);
                }
                world.tell(format!(
                    "{name} open {} {partition} {epoch}{done}",
                    slot.owner.name()
                ));
            }
            Content::None if operation.is_change() => {
                world.tell(format!("{name} {operation:?} {partition}{done}"));
            }
            Content::None => {}
        }
    }
}

fn lost(lost: Lost) -> HotError {
    HotError::unavailable(lost)
}
