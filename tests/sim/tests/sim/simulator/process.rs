//! One simulated process: connections, a clock and a deliverer of its own, and the engines of some
//! services.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::identity::Intake;
use activation::deliverer::{Deliverer, DelivererConfig};
use activation_core::ActivationCore;
use changes::SharedChangeSink;
use decision::Core;
use engine::{
    Clock, Dispatcher as _, Engine, EngineConfig, EngineHandle, Refresh, Status as _, TimeSource,
};
use hot::{Owner, SharedHotStore};
use journey_core::JourneyCore;
use kernel::OutboundAddresses;
use segmentation_core::SegmentationCore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::changes::Scribe;
use super::definitions::Reader;
use super::destination::network::LinkNetwork;
use super::identity;
use super::installation::Shared;
use super::leases::LeasesLink;
use super::link::Link;
use super::store::{self, Connection};
use super::world::World;

/// How long a process waits before it tries once more to start.
const START_RETRY: Duration = Duration::from_millis(500);
/// Bytes of a cache that keeps next to nothing.
const SMALL_CACHE_BYTES: usize = 2 * 1024;

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) link: Arc<Link>,
    /// The place that it fills: the next process of that place runs the same services.
    pub(crate) place: usize,
    /// Present where the process runs activation.
    deliverer: Arc<Mutex<Option<Deliverer>>>,
    /// Present once the process has connected to its stores.
    connection: Arc<Mutex<Option<Connection>>>,
    stop: CancellationToken,
    engines: Arc<Mutex<Vec<EngineHandle>>>,
    /// Present once identity has opened its way in, where it is inside.
    intake: Arc<OnceLock<Arc<Intake>>>,
}

/// All processes that were ever started and are not known to be dead.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<Vec<Process>>);

impl Roster {
    pub(crate) fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store of any process that is connected, as a load balancer chooses.
    pub(crate) fn any(&self, world: &World) -> Option<SharedHotStore> {
        let processes = self.processes();
        let stores: Vec<_> = processes.iter().filter_map(Process::hot).collect();
        if stores.is_empty() {
            return None;
        }
        Some(world.draw(|rng| Arc::clone(rng.pick(&stores))))
    }

    /// The way in of any process that has opened it.
    pub(crate) fn any_intake(&self, world: &World) -> Option<Arc<Intake>> {
        let processes = self.processes();
        let alive = processes.iter().filter(|it| !it.link.life.is_dead());
        let intakes: Vec<_> = alive.filter_map(|it| it.intake.get().cloned()).collect();
        if intakes.is_empty() {
            return None;
        }
        Some(world.draw(|rng| Arc::clone(rng.pick(&intakes))))
    }
}

impl Process {
    /// Starts a process; it connects and begins to work by itself.
    pub(crate) fn start(shared: &Arc<Shared>, place: usize, name: String) -> Self {
        let (world, watch) = (Arc::clone(&shared.world), Arc::clone(&shared.watch));
        let program = shared.program.load(Ordering::Relaxed);
        world.tell(format!("{name} starts"));
        let process = Self {
            link: Arc::new(Link::new(name, world, watch, program)),
            place,
            deliverer: Arc::default(),
            connection: Arc::default(),
            stop: CancellationToken::new(),
            engines: Arc::default(),
            intake: Arc::default(),
        };
        tokio::spawn(process.clone().run(Arc::clone(shared)));
        process
    }

    /// Its connections, once it has them and as long as it lives.
    pub(crate) fn connection(&self) -> Option<Connection> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connection.clone().filter(|_| !self.link.life.is_dead())
    }

    fn hot(&self) -> Option<SharedHotStore> {
        Some(self.connection()?.hot)
    }

    fn engines(&self) -> Vec<EngineHandle> {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.clone()
    }

    /// Ends in order: finishes what is under way, and gives its leases back.
    pub(crate) async fn shut_down(&self) {
        for engine in self.engines() {
            engine.shutdown().await;
        }
        if let Some(deliverer) = self.deliverer() {
            deliverer.shutdown().await;
        }
        self.stop.cancel();
        self.link.life.kill();
    }

    async fn run(self, shared: Arc<Shared>) {
        let connection = loop {
            match store::connect(&shared, &self.link, self.stop.clone()).await {
                Ok(connection) => break connection,
                Err(error) => {
                    let name = &self.link.name;
                    self.link
                        .world
                        .tell(format!("{name} cannot connect: {error}"));
                    tokio::time::sleep(START_RETRY).await;
                }
            }
        };
        let hot = Arc::clone(&connection.hot);
        *self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(connection);
        let stop = self.stop.clone();
        if let Some(intake) = identity::open(&shared, &self.link, &hot, &self.clock(), stop) {
            self.intake.set(intake).ok();
        }
        let reader: Arc<dyn Refresh> = Arc::new(Reader::start(&shared, &self.link).await);
        let shelf = &self.link.shelf;
        let scribe = Scribe::start(&self.link, &shared.changes);
        for owner in &shared.options.services[self.place] {
            let reader = Arc::clone(&reader);
            let scribe: SharedChangeSink = Arc::clone(&scribe) as SharedChangeSink;
            let engine = match owner {
                Owner::Segmentation => {
                    let given = (shelf.segmentation(), reader, scribe);
                    self.engine::<SegmentationCore>(&shared, &hot, given).await
                }
                Owner::Journey => {
                    let given = (shelf.journey(), reader, scribe);
                    self.engine::<JourneyCore>(&shared, &hot, given).await
                }
                _ => {
                    let given = (shelf.activation(), reader, scribe);
                    self.engine::<ActivationCore>(&shared, &hot, given).await
                }
            };
            let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
            engines.push(engine);
        }
    }

    /// The name of this process among the workers of its services.
    pub(crate) fn worker(&self, shared: &Shared) -> String {
        if shared.options.keeps_names {
            format!("p{}", self.place)
        } else {
            self.link.name.clone()
        }
    }

    /// Nobody is refused: whoever had the name of a process is dead.
    fn watch_name(&self, engine: EngineHandle) {
        let world = Arc::clone(&self.link.world);
        tokio::spawn(async move {
            let refused = engine.refused().await;
            world.violate(refused);
        });
    }

    /// The clock of its machine.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(LinkClock(Arc::clone(&self.link)))
    }

    /// The number of deliveries that are under way.
    pub(crate) fn under_way(&self) -> u64 {
        let deliverer = self.deliverer();
        deliverer.map_or(0, |deliverer| deliverer.in_flight())
    }

    fn deliverer(&self) -> Option<Deliverer> {
        let deliverer = self.deliverer.lock();
        deliverer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn start_deliverer(&self, shared: &Shared, hot: &SharedHotStore) -> Deliverer {
        let network = LinkNetwork {
            link: Arc::clone(&self.link),
            destination: Arc::clone(&shared.destination),
        };
        let deliverer = Deliverer::start(DelivererConfig {
            network: Arc::new(network),
            clock: self.clock(),
            allowed: OutboundAddresses::ANY,
            ..DelivererConfig::new(Arc::clone(hot), self.link.shelf.activation())
        });
        *self
            .deliverer
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(deliverer.clone());
        deliverer
    }

    async fn engine<C: Core>(
        &self,
        shared: &Shared,
        hot: &SharedHotStore,
        given: (
            watch::Receiver<Arc<C::Definitions>>,
            Arc<dyn Refresh>,
            SharedChangeSink,
        ),
    ) -> EngineHandle {
        let (definitions, reader, scribe) = given;
        let clock = self.clock();
        let time = if shared.options.is_wall {
            TimeSource::Wall(Arc::clone(&clock))
        } else {
            TimeSource::Stream
        };
        let leases = LeasesLink {
            leases: Arc::clone(&shared.leases),
            link: Arc::clone(&self.link),
        };
        let worker = self.worker(shared);
        let mut config = EngineConfig::<C>::new(Arc::clone(hot), leases, time, worker, definitions);
        config.incarnation.clone_from(&self.link.name);
        config.own_clock = clock;
        config.refresh = Some(reader);
        config.changes = Some(scribe);
        scale_down(&mut config, shared.options.seed);
        if C::OWNER == Owner::Activation {
            let deliverer = self.start_deliverer(shared, hot);
            config.dispatcher = Some(Arc::new(deliverer));
        }
        loop {
            match Engine::start(config.clone()).await {
                Ok(engine) => {
                    self.watch_name(engine.clone());
                    return engine;
                }
                Err(_) => tokio::time::sleep(START_RETRY).await,
            }
        }
    }
}

/// Scales bounds of the engine down, by the number of the seed: every second one moves merged
/// states a part at a time, and every third one reads states and their parts again for nearly every
/// batch.
const fn scale_down<C: Core>(config: &mut EngineConfig<C>, seed: u64) {
    if seed % 2 == 1 {
        config.piece_bytes = 1;
    }
    if seed % 3 == 1 {
        config.cache_bytes = SMALL_CACHE_BYTES;
    }
}

/// The clock of the machine that a process runs on.
#[derive(Debug)]
struct LinkClock(Arc<Link>);

#[async_trait::async_trait]
impl Clock for LinkClock {
    fn now(&self) -> kernel::Timestamp {
        self.0.clock.now()
    }

    async fn sleep_until(&self, instant: kernel::Timestamp) {
        self.0.clock.sleep_until(instant).await;
    }
}
