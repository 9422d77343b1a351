//! The membership of this process among those that run its service: it says that it is alive, and
//! learns whether it may own partitions.
//!
//! A process whose clock is too far from the database's may not, and one whose name another one has
//! waits until that one counts as dead. It does not know of single partitions.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use hot::Owner;
use storage::{Heartbeat, MemberId, Namesake, SharedLeases, StorageError, timely};
use tokio::time::Instant;

use crate::shared::Shared;
use crate::tenure::{Reading, Tenure, is_clock_off};
use crate::{Clock, EngineConfig, limits, metrics};
use decision::Core;

/// The standing of a process: it takes part in the work of its service, or does not, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The database has not told yet.
    Unknown,
    /// It works on its share of the partitions.
    TakesPart,
    /// Its clock is too far from the database's, so it works on none.
    ClockIsOff {
        /// Milliseconds by which it is ahead, or behind where this is negative.
        skew_ms: i64,
    },
    /// Another process of its name was heard, so it works on none until that one counts as dead.
    AwaitsNamesake,
}

/// The membership of this process.
pub(crate) struct Membership {
    leases: SharedLeases,
    clock: Arc<dyn Clock>,
    tenure: Tenure,
    shared: Arc<Shared>,
    service: Owner,
    worker: String,
    incarnation: String,
    ttl: kernel::Duration,
    reading: Option<Reading>,
    /// When the last heartbeat was sent that was heard.
    heard: Option<Instant>,
    namesake: Option<Namesake>,
}

impl Membership {
    pub(crate) fn new<C: Core>(config: &EngineConfig<C>, shared: Arc<Shared>) -> Self {
        Self {
            leases: Arc::clone(&config.leases),
            clock: Arc::clone(&config.own_clock),
            tenure: config.tenure.clone(),
            shared,
            service: C::OWNER,
            worker: config.worker.clone(),
            incarnation: config.incarnation.clone(),
            ttl: config.lease_ttl,
            reading: None,
            heard: None,
            namesake: None,
        }
    }

    /// This process, as the database knows it.
    pub(crate) fn id(&self) -> MemberId<'_> {
        MemberId {
            service: self.service.name(),
            worker: &self.worker,
            incarnation: &self.incarnation,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.shared.standing()
    }

    /// Returns the time between two heartbeats: one may be lost, and nothing lapses.
    pub(crate) fn interval(&self) -> Duration {
        std_duration(self.ttl) / limits::HEARTBEATS_PER_LEASE
    }

    /// Returns the time that a call may take, so that a database that does not answer is known
    /// before the leases lapse.
    pub(crate) fn patience(&self) -> Duration {
        self.interval().max(limits::LEAST_PATIENCE)
    }

    /// Says that the process is alive where that is due, and decides anew whether it takes part.
    /// Returns whether anything was said.
    ///
    /// # Errors
    /// Where the database does not answer: the standing is as it was.
    pub(crate) async fn renew(&mut self) -> Result<bool, StorageError> {
        if !self.is_due() {
            return Ok(false);
        }
        let before = self.standing();
        let mut found = self.beat(before == Standing::TakesPart).await?;
        let is_news = discriminant(&found) != discriminant(&before);
        if is_news && found != Standing::AwaitsNamesake {
            // The database is told before anything is done that follows from it.
            found = self.beat(found == Standing::TakesPart).await?;
        }
        self.tell(before, found);
        self.shared.stand(found);
        Ok(true)
    }

    /// Says that the process wants no partitions any more, and ends what it began.
    pub(crate) async fn withdraw(&mut self) -> Result<(), StorageError> {
        self.beat(false).await?;
        Ok(())
    }

    /// Takes note that the database does not answer. Nobody can take over without it, so what runs
    /// goes on; whoever can take over all the same is told apart by the epoch.
    pub(crate) fn is_unanswered(&self) {
        if self.standing() == Standing::TakesPart {
            self.tenure.extend(Instant::now() + std_duration(self.ttl));
        }
    }

    fn is_due(&self) -> bool {
        let at = Instant::now();
        if self.heard.is_none_or(|heard| at >= heard + self.interval()) {
            return true;
        }
        // Between two heartbeats clocks are watched by the time that passes.
        match self.standing() {
            Standing::TakesPart => is_clock_off(self.skew_ms(at)),
            Standing::ClockIsOff { .. } => !is_clock_off(self.skew_ms(at)),
            Standing::Unknown | Standing::AwaitsNamesake => true,
        }
    }

    fn skew_ms(&self, at: Instant) -> i64 {
        self.reading
            .map_or(0, |reading| reading.skew_ms(self.clock.now(), at))
    }

    /// Says that the process is alive, and returns what it is to do.
    async fn beat(&mut self, takes_part: bool) -> Result<Standing, StorageError> {
        let sent = Instant::now();
        let beat = Heartbeat {
            member: self.id(),
            ttl: self.ttl,
            takes_part,
            clock_skew_ms: self.reading.map(|_| self.skew_ms(sent)),
        };
        let patience = self.patience();
        let heard = timely(patience, self.leases.heartbeat(beat)).await?;
        if let Some(namesake) = heard.namesake {
            self.meet(namesake);
            return Ok(Standing::AwaitsNamesake);
        }
        let received = Instant::now();
        let reading = Reading {
            time: heard.now,
            sent,
            received,
        };
        self.namesake = None;
        self.heard = Some(sent);
        self.reading = Some(reading);
        self.tenure.set(reading, sent + std_duration(self.ttl));
        let skew_ms = self.skew_ms(received);
        metrics::clock_held(self.service, skew_ms);
        Ok(if is_clock_off(skew_ms) {
            Standing::ClockIsOff { skew_ms }
        } else {
            Standing::TakesPart
        })
    }

    /// Meets another process of the name. One that was heard again since is alive, and two that are
    /// alive cannot share a name: this one gives up.
    fn meet(&mut self, namesake: Namesake) {
        self.tenure.end();
        let is_alive = self.namesake.as_ref().is_some_and(|seen| *seen != namesake);
        self.namesake = Some(namesake);
        if is_alive && self.shared.refuse() {
            tracing::error!(
                service = self.service.name(),
                worker = self.worker,
                "another live process has the name of this worker: give each process a name of its own with --worker"
            );
        }
    }

    /// Tells people of a change.
    fn tell(&self, before: Standing, now: Standing) {
        if discriminant(&before) == discriminant(&now) {
            return;
        }
        let (service, worker) = (self.service.name(), &self.worker);
        match now {
            Standing::Unknown => {}
            Standing::TakesPart if before == Standing::Unknown => {}
            Standing::TakesPart => tracing::info!(service, worker, "takes part again"),
            Standing::ClockIsOff { skew_ms } => tracing::error!(
                service,
                worker,
                skew_ms,
                "the clock of this machine is too far from the database's: this process works on no partition until it is set"
            ),
            Standing::AwaitsNamesake => tracing::warn!(
                service,
                worker,
                "another process had the name of this worker until now: waiting until its lease lapses"
            ),
        }
    }
}

/// A length of time, as the runtime has it.
pub(crate) fn std_duration(length: kernel::Duration) -> Duration {
    Duration::from_millis(length.as_millis().unsigned_abs())
}
