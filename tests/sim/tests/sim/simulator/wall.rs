//! The wall clock against stream time: the same lines, sent at their times by a virtual clock, come
//! to the same, whatever is late, dies or is started again meanwhile.
//!
//! On the wall clock an event is accepted when it is sent, here to the millisecond. On stream time
//! it is accepted at the time that its partition has come to. So late lines are the same on both
//! where a tick before each says what time it is; without it, stream time takes them for accepted
//! when the newest event before them happened, and waits that they begin end earlier.
//!
//! Not the same, by the rules of `services/README.md`:
//!
//! - The times of what follows from receipts: on the wall clock a receipt is accepted once it is
//!   there, which is some hundred milliseconds later, and up to a minute where its process died. So
//!   [`scenarios`] compares minutes, and lets nobody die for long; [`journeys`] compares
//!   milliseconds, and nothing of what it plays sends.
//! - Activation decides by its own clock on the wall. Where it is late for a cap or for the end of
//!   a send, be it by a millisecond, it decides otherwise.
//! - Low-priority lanes hold no timer up. Events that ride them are the same on both as long as
//!   they are taken before the next timer of their customer; see [`journeys`].
//! - Beyond the grace (five minutes; for merges thirty seconds) nobody is waited for.

mod journeys;
mod mishaps;
mod scenarios;

use std::time::Duration;

use hot::{Append, Appended, HotError, Owner, Slot, StreamId};
use kernel::{Duration as Span, PartitionCount, PartitionId, Timestamp};
use prost::Message as _;
use proto::stream::v1::{Batch, Record, Tick, record::Body};
use tokio::time::{Instant, sleep};

use super::installation::{Installation, Options, SERVICES, events};
use super::post::Letter;
use super::rng::Rng;

/// More than one, so that timers and merges cross them.
const PARTITIONS: u64 = 2;
/// The pause after which those who wait for a time look after the dead.
const LOOK: Duration = Duration::from_secs(1);
/// The time that the door waits before it sends again what was not taken.
const SEND_AGAIN: Duration = Duration::from_millis(50);
/// The time before an instant at which time stops to be set forward: longer than leases take to be
/// given anew.
const MARGIN: Span = Span::from_millis(60_000);
/// The shortest time that is skipped up to there.
const LEAST_SKIP: Span = Span::from_millis(120_000);

/// The installation that is played on.
#[derive(Debug, Clone, Copy)]
struct Setting {
    seed: u64,
    is_wall: bool,
    is_journaled: bool,
    layout: Layout,
}

/// The services of each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    One,
    /// One for each service: nobody takes over.
    Apart,
    Two,
}

impl Layout {
    const ALL: [Self; 3] = [Self::One, Self::Apart, Self::Two];

    /// The services of each process; the last process is the door, through which events come.
    fn services(self) -> Vec<Vec<Owner>> {
        let all = SERVICES.to_vec();
        let mut services = match self {
            Self::One => vec![all],
            Self::Apart => SERVICES.iter().map(|owner| vec![*owner]).collect(),
            Self::Two => vec![all.clone(), all],
        };
        services.push(Vec::new());
        services
    }
}

/// An installation, and what is done to it.
#[derive(Debug)]
struct Stage {
    on: Installation,
    rng: Rng,
    /// The place of the door, to which nothing ever happens.
    door: usize,
    forward: Span,
    /// From when on the dead are replaced.
    restart: Instant,
    /// When the last mishap is over.
    over: Instant,
}

impl Stage {
    async fn start(setting: Setting) -> Self {
        let services = setting.layout.services();
        let door = services.len() - 1;
        let on = Installation::start(Options {
            seed: setting.seed,
            partitions: PARTITIONS,
            is_wall: setting.is_wall,
            is_journaled: setting.is_journaled,
            redis: None,
            retention: Span::from_millis(3_600_000),
            services,
            reads_late: false,
            has_identity: false,
            keeps_names: false,
            senders: 2,
        });
        let mut stage = Self {
            on,
            rng: Rng::new(setting.seed ^ 0x3a11),
            door,
            forward: Span::ZERO,
            restart: Instant::now(),
            over: Instant::now(),
        };
        stage.on.settle().await;
        stage
    }

    fn is_wall(&self) -> bool {
        self.on.shared.options.is_wall
    }

    fn partition_count() -> PartitionCount {
        PartitionCount::try_new(PARTITIONS).expect("few")
    }

    fn now(&self) -> Timestamp {
        self.on.world().now()
    }

    fn define(&self, yaml: &str) {
        self.on.shared.definitions().define_yaml(yaml);
    }

    /// Sends a letter through the door. Returns when it was accepted.
    async fn send(&self, letter: Letter) -> Timestamp {
        // Nothing that happens to the door is counted for a crash.
        self.on.world().crash_at(None);
        let payload = Batch {
            records: letter.records,
            ..Batch::default()
        };
        let append = Append {
            to: letter.to,
            payload: payload.encode_to_vec().into(),
            source: None,
            origin: None,
        };
        let door = self.on.process(self.door).and_then(|it| it.connection());
        let door = door.expect("it connects at once, and never dies").hot;
        loop {
            match door.append_stamped(&append).await {
                Ok(answer) if answer.appended == Appended::Applied => return answer.newest,
                // A partition is being recovered.
                Err(HotError::Unavailable(_)) => sleep(SEND_AGAIN).await,
                other => panic!("{other:?}"),
            }
        }
    }

    /// On stream time, tells a partition how late it is.
    async fn tick(&self, partition: PartitionId, time: Timestamp) {
        let record = Record {
            time_ms: time.as_millis(),
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        };
        let letter = Letter {
            event: None,
            to: events(partition),
            records: vec![record],
        };
        self.send(letter).await;
    }

    /// On stream time, lets time come so far everywhere, and waits for what that brings.
    async fn tick_all(&mut self, time: Timestamp) {
        for partition in self.on.partitions().iter() {
            self.tick(partition, time).await;
        }
        self.on.settle().await;
    }

    /// Waits on the wall clock, and starts new processes in the places of those that died.
    async fn sleep_until(&mut self, time: Timestamp) {
        loop {
            if Instant::now() >= self.restart {
                self.on.replace_dead();
            }
            let left = u64::try_from(time.since(self.now()).as_millis()).unwrap_or(0);
            if left == 0 {
                return;
            }
            sleep(Duration::from_millis(left).min(LOOK)).await;
        }
    }

    /// Waits until the last mishap is over and everything is done.
    async fn settle(&mut self) {
        let left = self.over.saturating_duration_since(Instant::now());
        sleep(left).await;
        self.on.world().crash_at(None);
        self.on.settle().await;
    }

    /// Lets time pass on the wall clock up to an instant. A long time in which nothing is due is
    /// skipped, for everybody at once.
    async fn pass(&mut self, until: Timestamp, is_calm: bool) {
        while self.now() < until {
            let due = self.next_due().unwrap_or(until).min(until);
            if due.since(self.now()) > LEAST_SKIP {
                self.settle().await;
                self.skip_to(due - MARGIN);
            }
            if !is_calm && self.rng.hits(500) {
                self.sleep_until(due - Span::from_millis(5_000)).await;
                self.go_wrong(mishaps::SHORT_SECS);
            }
            self.sleep_until(due).await;
            if due < until {
                // A timer may bring something that is due at once.
                self.sleep_until(due + Span::from_millis(1_000)).await;
                self.settle().await;
            }
        }
    }

    fn skip_to(&mut self, time: Timestamp) {
        let more = time.since(self.now());
        self.forward = Span::from_millis(self.forward.as_millis() + more.as_millis());
        self.on.world().set_forward(self.forward.as_millis());
        // All leases have lapsed.
        self.on.disturb();
    }

    /// When the next timer of any service is due.
    fn next_due(&self) -> Option<Timestamp> {
        let now = self.now();
        let partitions = self.on.partitions().iter();
        let slots =
            partitions.flat_map(|partition| SERVICES.map(|owner| Slot { owner, partition }));
        let states = slots.flat_map(|slot| self.on.shared.backing.states(slot));
        let dues = states.filter_map(|(_, stored)| stored.timer.due);
        dues.filter(|due| *due > now).min()
    }

    /// Panics where an invariant did not hold meanwhile.
    fn check(&self, what: &str) {
        let world = self.on.world();
        let violations = world.violations();
        assert!(
            violations.is_empty(),
            "{what}: {violations:#?}\n{}",
            world.last_lines()
        );
    }
}

/// The low-priority lane of events.
const fn low_priority(stream: StreamId) -> StreamId {
    StreamId {
        name: hot::StreamName::EventsBulk,
        ..stream
    }
}
