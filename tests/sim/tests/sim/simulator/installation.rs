//! A simulated installation: the stores, the processes around them, and the hand that starts and
//! stops those.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hot::{Owner, SharedHotStore, StoreClock, StreamId, StreamName};
use journal::MemoryLog;
use kernel::{Duration as Span, PartitionCount, PartitionId, Timestamp};
use proto::stream::v1::{Record, Tick, record::Body};
use storage::MemoryLeases;
use tokio::time::{Instant, sleep};

use super::backing::Backing;
use super::changes::ChangeLog;
use super::definitions::Definitions;
use super::destination::Destination;
use super::identity::Registry;
use super::post::{Letter, Post};
use super::process::{Process, Roster};
use super::redis::RedisHost;
use super::watch::Watch;
use super::world::{Weather, World};

/// The services that have engines.
pub(crate) const SERVICES: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];

/// How long nothing happens before everything is taken to be done: leases lapse after 9 s, and
/// partitions that could not be worked on rest for 5 s.
const QUIET_AFTER_FAULTS: Duration = Duration::from_secs(16);
/// The same where nothing went wrong: longer than the longest wait between two tries.
const QUIET: Duration = Duration::from_millis(1_500);
/// The same where clocks were set: longer than a worker trusts that it was told of everything.
const QUIET_AFTER_JUMP: Duration = Duration::from_millis(6_500);
/// After this, something hangs.
const HANGS: Duration = Duration::from_secs(1_800);

/// What an installation is made of.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) partitions: u64,
    /// True where time is that of clocks; otherwise it is that of records.
    pub(crate) is_wall: bool,
    /// True where everything goes to a journal first.
    pub(crate) is_journaled: bool,
    /// The server that keeps the hot store; absent where memory does.
    pub(crate) redis: Option<Arc<RedisHost>>,
    /// How long the journal keeps rows that are in a snapshot.
    pub(crate) retention: Span,
    /// The services of each process.
    pub(crate) services: Vec<Vec<Owner>>,
    /// True where a process has the name of the one that died in its place.
    pub(crate) keeps_names: bool,
    /// True where each process reads definitions at times of its own, and programs are updated.
    pub(crate) reads_late: bool,
    /// True where events come through identity, and merges by what they say.
    pub(crate) has_identity: bool,
    /// How many clients send events.
    pub(crate) senders: usize,
}

/// What processes are given.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) world: Arc<World>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) backing: Backing,
    /// A connection to the hot store that nothing disturbs.
    pub(crate) store: SharedHotStore,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) leases: Arc<MemoryLeases>,
    pub(crate) destination: Arc<Destination>,
    pub(crate) changes: Arc<ChangeLog>,
    /// The tables of identity; absent where it is not inside.
    pub(crate) registry: Option<Arc<Registry>>,
    definitions: Mutex<Definitions>,
    /// The program of the processes that start from now on.
    pub(crate) program: AtomicU64,
}

impl Shared {
    /// What time it is where the log is.
    pub(crate) fn log_time(&self) -> Timestamp {
        self.world.now()
    }

    pub(crate) fn definitions(&self) -> MutexGuard<'_, Definitions> {
        self.definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A simulated installation.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) post: Post,
    started: u32,
    /// True where anything went wrong since it was quiet last.
    is_disturbed: bool,
}

impl Installation {
    /// Starts all processes.
    pub(crate) fn start(options: Options) -> Self {
        let partitions = PartitionCount::try_new(options.partitions).expect("few partitions");
        let world = Arc::new(World::new(options.seed));
        let revision = Arc::<AtomicU64>::default();
        let changes = Arc::<ChangeLog>::default();
        let watch = Watch::new(
            Arc::clone(&world),
            options.is_wall,
            options.is_journaled,
            Arc::clone(&revision),
            Arc::clone(&changes),
        );
        let right = Arc::clone(&world);
        let clock = StoreClock::new(move || right.now());
        let (host, is_journaled) = (options.redis.as_ref(), options.is_journaled);
        let backing = Backing::empty(host, partitions, is_journaled, clock);
        let right = Arc::clone(&world);
        let leases = Arc::new(MemoryLeases::new(move || right.now()));
        let (own_leases, right) = (Arc::clone(&leases), Arc::clone(&world));
        let log = MemoryLog::new()
            .with_leases(move |slot| own_leases.epoch(slot.owner.name(), slot.partition))
            .with_clock(move || right.now());
        let has_identity = options.has_identity;
        let registry = has_identity.then(|| Arc::new(Registry::empty(&world)));
        let roster = Arc::new(Roster::default());
        let post = Post::open(options.senders, &world, &roster);
        let shared = Arc::new(Shared {
            world,
            watch: Arc::new(watch),
            store: backing.direct(),
            backing,
            log: Arc::new(log),
            leases,
            destination: Arc::default(),
            changes,
            definitions: Mutex::new(Definitions::none(revision)),
            registry,
            program: AtomicU64::new(0),
            options,
        });
        let mut installation = Self {
            shared,
            roster,
            post,
            started: 0,
            is_disturbed: false,
        };
        for place in 0..installation.shared.options.services.len() {
            installation.start_process(place);
        }
        installation
    }

    pub(crate) fn world(&self) -> &World {
        &self.shared.world
    }

    pub(crate) fn partitions(&self) -> PartitionCount {
        self.shared.store.partition_count()
    }

    fn start_process(&mut self, place: usize) {
        self.started += 1;
        let name = format!("p{place}.{}", self.started);
        let process = Process::start(&self.shared, place, name);
        self.roster.processes().push(process);
    }

    /// The process of a place.
    pub(crate) fn process(&self, place: usize) -> Option<Process> {
        let processes = self.roster.processes();
        processes.iter().find(|it| it.place == place).cloned()
    }

    /// Takes note that something was made to go wrong.
    pub(crate) fn disturb(&mut self) {
        self.is_disturbed = true;
    }

    /// Starts a new process in the place of each that died.
    pub(crate) fn replace_dead(&mut self) {
        let mut dead = Vec::new();
        self.roster.processes().retain(|process| {
            let is_dead = process.link.life.is_dead();
            dead.extend(is_dead.then_some(process.place));
            !is_dead
        });
        for place in dead {
            self.is_disturbed = true;
            self.start_process(place);
        }
    }

    /// Ends all faults: what stands still goes on, what is dead is replaced, what is away comes
    /// back.
    pub(crate) fn calm_down(&mut self) {
        self.world().set_weather(Weather::default());
        self.world().crash_at(None);
        self.world().bring_back();
        for process in self.roster.processes().iter() {
            process.link.life.go_on();
        }
        self.end_update();
        self.replace_dead();
    }

    /// Ends the processes of older programs in order, and has all others read what is defined.
    fn end_update(&self) {
        let program = self.shared.program.load(Ordering::Relaxed);
        for process in self.roster.processes().iter() {
            let link = &process.link;
            if link.shelf.program() < program {
                self.world().tell(format!("{} is updated", link.name));
                let process = process.clone();
                tokio::spawn(async move { process.shut_down().await });
            } else {
                link.shelf.read(&self.shared.definitions());
            }
        }
    }

    /// Sets every clock right, and time forward, so far from what has passed.
    pub(crate) fn set_clocks(&mut self, forward_ms: i64) {
        self.world().set_forward(forward_ms);
        for process in self.roster.processes().iter() {
            process.link.clock.go_wrong_by(0);
        }
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settle(&mut self) {
        self.settle_within(QUIET).await;
    }

    /// Waits until nothing is left to do after clocks were set, or time was told.
    pub(crate) async fn settle_after_jump(&mut self) {
        let quiet = if self.shared.options.is_wall {
            QUIET_AFTER_JUMP
        } else {
            QUIET
        };
        self.settle_within(quiet).await;
    }

    /// Waits until nothing is left to do, and nobody's lease is waited for.
    pub(crate) async fn settle_for_good(&mut self) {
        self.settle_within(QUIET_AFTER_FAULTS).await;
    }

    async fn settle_within(&mut self, quiet: Duration) {
        let began = Instant::now();
        loop {
            sleep(Duration::from_millis(250)).await;
            self.replace_dead();
            let quiet = if self.is_disturbed {
                QUIET_AFTER_FAULTS
            } else {
                quiet
            };
            if self.post.waiting() == 0
                && self.under_way() == 0
                && self.world().quiet_for() >= quiet
                && began.elapsed() >= quiet
            {
                self.is_disturbed = false;
                return;
            }
            if began.elapsed() > HANGS {
                self.world().violate(format!(
                    "it never becomes quiet: {} letters wait, {} deliveries are under way",
                    self.post.waiting(),
                    self.under_way()
                ));
                return;
            }
        }
    }

    fn under_way(&self) -> u64 {
        let processes = self.roster.processes();
        let counts = processes.iter().filter(|it| !it.link.life.is_dead());
        counts.map(Process::under_way).sum()
    }

    /// On stream time, tells every partition how late it is.
    pub(crate) fn tick(&self, time: Timestamp) {
        for partition in self.partitions().iter() {
            let letter = Letter {
                event: None,
                to: events(partition),
                records: vec![Record {
                    time_ms: time.as_millis(),
                    body: Some(Body::Tick(Tick {})),
                    ..Record::default()
                }],
            };
            self.post.send(usize::from(partition.number()), letter);
        }
    }
}

/// The events of a partition.
pub(crate) const fn events(partition: PartitionId) -> StreamId {
    StreamId {
        name: StreamName::Events,
        partition,
    }
}
