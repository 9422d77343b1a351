//! Two replicas of each service in a network of their own, of either version, and everything that
//! is done to them: with an entry in the [`Book`].

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::book::{Blow, BlowKind, Book, HAND_OVER_MOST};
use super::network::{self, HUB, Network};
use super::owners::Owners;
use super::stores::Stores;
use super::wire::Node;
use crate::faults::hooks::Hooks;
use crate::faults::installation::{Installation, definitions};
use crate::process::{self, Service, Site};
use crate::random::Random;
use crate::suite::{NAMES, eventually};

/// Replicas of each service.
pub(super) const REPLICAS: usize = 2;
/// Nodes of each service: one more than it has replicas, for the one that comes before another
/// goes.
const NODES: usize = REPLICAS + 1;
/// Where services listen, and where their health is told, on nodes of their own.
const PORT: u16 = 7_400;
const HEALTH_PORT: u16 = 7_490;

/// The time that a probe of health waits.
const PROBE: Duration = Duration::from_secs(1);

/// The version of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Older,
    Newer,
}

impl Version {
    fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Older => process::older_binary(name),
            Self::Newer => process::binary(name),
        }
    }
}

/// A process, beside its [`Service`].
struct Member {
    service: usize,
    node: Node,
    version: Version,
    worker: String,
}

/// A process that was started.
struct Started {
    member: Member,
    process: Service,
}

/// The part of the network that a process is cut off from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Stores, those who send events, and the receiver of webhooks.
    Hub,
    Neighbours,
    All,
}

/// The services and their stores.
pub(super) struct Fleet {
    /// The first replica of each service in the order of [`NAMES`], then the second ones.
    pub(super) installation: Installation,
    pub(super) book: Book,
    /// The address of the database for whoever is where it is.
    database: String,
    network: Network,
    members: Vec<Member>,
    /// The free node of each service.
    spare: [Node; NAMES.len()],
    /// The number of processes that were started.
    started: u32,
}

/// The node of a service.
fn node(service: usize, place: usize) -> Node {
    let number = usize::from(HUB) + 1 + service * NODES + place;
    Node::try_from(number).expect("some dozen nodes")
}

/// The time by the clock of this machine, which is the database's too.
pub(super) fn now_ms() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(passed.expect("after 1970").as_millis()).expect("before the year 292277026")
}

impl Fleet {
    /// Starts all of one version, and applies the definitions of [`crate::faults::installation`].
    pub(super) async fn start(version: Version, random: Random) -> Self {
        let last = node(NAMES.len() - 1, NODES - 1);
        let network = Network::create(last, random);
        let hosts: Vec<(&str, Vec<Node>)> = (0..NAMES.len())
            .map(|service| (NAMES[service], nodes(service).collect()))
            .collect();
        network.name(&hosts);
        let hub = network::address(HUB);
        let stores = Stores::start(hub);
        let mut arguments = stores.settings();
        arguments.extend(peers());
        let key = stores.first_key(&version.program("happypath"));
        let hooks = Hooks::receive_at(hub.into()).await;
        let Stores {
            redis,
            postgres,
            database,
            ..
        } = stores;
        let mut installation = Installation::without_services(redis, postgres, hooks, arguments);
        installation.key = Some(key);
        let mut fleet = Self {
            installation,
            book: Book::default(),
            database,
            network,
            members: Vec::new(),
            spare: std::array::from_fn(|service| node(service, REPLICAS)),
            started: 0,
        };
        fleet.start_replicas(0, version).await;
        let text = definitions(&fleet.installation.hooks.url());
        fleet.installation.apply(&text).await;
        // Processes that start later know the definitions; others would learn them in a moment.
        fleet.start_replicas(1, version).await;
        fleet
    }

    async fn start_replicas(&mut self, replica: usize, version: Version) {
        for service in 0..NAMES.len() {
            let started = self.launch(service, node(service, replica), version);
            self.add(started);
        }
        for member in self.members.iter().rev().take(NAMES.len()) {
            self.await_ready(member).await;
        }
    }

    /// Begins to look at the owners of all partitions.
    pub(super) fn watch_owners(&self) -> Owners {
        Owners::watch(&self.installation.postgres, &self.database)
    }

    /// The number of processes.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The service of a process.
    pub(super) fn service(&self, place: usize) -> usize {
        self.members[place].service
    }

    fn launch(&mut self, service: usize, node: Node, version: Version) -> Started {
        self.started += 1;
        let name = NAMES[service];
        let worker = format!("{name}-{}", self.started);
        let health = format!("{}:{HEALTH_PORT}", network::address(node));
        let own = ["--worker", &worker, "--health-listen", &health].map(str::to_owned);
        let process = Service::spawn_at(
            version.program(name),
            name,
            site(service, node),
            [&self.installation.arguments[..], &own].concat(),
            Some(self.installation.log_file(name, node.into())),
        );
        self.book.begin(&worker);
        let member = Member {
            service,
            node,
            version,
            worker,
        };
        Started { member, process }
    }

    fn add(&mut self, started: Started) {
        self.members.push(started.member);
        self.installation.services.push(started.process);
    }

    /// Puts a process in the place of another one, which is returned.
    fn replace(&mut self, place: usize, started: Started) -> Started {
        let member = std::mem::replace(&mut self.members[place], started.member);
        let process = std::mem::replace(&mut self.installation.services[place], started.process);
        Started { member, process }
    }

    /// Returns whether a process says that it is ready.
    pub(super) async fn is_ready(&self, place: usize) -> bool {
        is_ready(self.members[place].node).await
    }

    /// Waits until a process says that it is ready, as a probe asks.
    async fn await_ready(&self, member: &Member) {
        let ready = eventually(async || is_ready(member.node).await.then_some(())).await;
        let logs = || self.installation.logs();
        assert!(
            ready.is_some(),
            "{} is not ready\n{}",
            member.worker,
            logs()
        );
    }

    /// Kills a process with no warning, and starts one in its place.
    pub(super) fn kill(&mut self, place: usize) {
        let blow = self.blow(place, BlowKind::Kill);
        self.installation.services[place].kill();
        let worker = self.members[place].worker.clone();
        self.book.kill(&worker, blow);
        self.launch_again(place);
    }

    /// Asks a process to end, waits until it has, and starts one in its place.
    pub(super) async fn drain(&mut self, place: usize) {
        self.installation.services[place].ask_to_end();
        self.await_end(place).await;
        self.launch_again(place);
    }

    fn launch_again(&mut self, place: usize) {
        let Member {
            service,
            node,
            version,
            ..
        } = self.members[place];
        let started = self.launch(service, node, version);
        self.replace(place, started);
    }

    async fn await_end(&mut self, place: usize) {
        let is_in_order = self.installation.services[place].ended().await;
        let worker = self.members[place].worker.clone();
        let logs = || self.installation.logs();
        assert!(is_in_order, "{worker} did not end in order\n{}", logs());
        self.book.end(&worker, now_ms());
    }

    /// Puts processes of a version in the place of one replica of each service: they come before
    /// the others go, all at the same time.
    pub(super) async fn roll(&mut self, replica: usize, version: Version) {
        let begin_ms = now_ms();
        let places = replica * NAMES.len()..(replica + 1) * NAMES.len();
        let mut started = Vec::new();
        for service in 0..NAMES.len() {
            let node = self.spare[service];
            started.push(self.launch(service, node, version));
        }
        for started in &started {
            self.await_ready(&started.member).await;
        }
        let mut ending = Vec::new();
        for (place, started) in places.zip(started) {
            let before = self.replace(place, started);
            before.process.ask_to_end();
            ending.push(before);
        }
        for mut before in ending {
            let worker = &before.member.worker;
            let is_in_order = before.process.ended().await;
            let logs = || self.installation.logs();
            assert!(is_in_order, "{worker} did not end in order\n{}", logs());
            self.book.end(worker, now_ms());
            self.spare[before.member.service] = before.member.node;
        }
        // Whoever takes over has shown by then that it works.
        tokio::time::sleep(HAND_OVER_MOST / 2).await;
        self.book.calm(begin_ms..now_ms());
    }

    /// Cuts a process off, without a word to anybody, until [`Self::heal`].
    pub(super) fn cut_off(&mut self, place: usize, side: Side) {
        let node = self.members[place].node;
        if side != Side::Neighbours {
            let blow = self.blow(place, BlowKind::Cut);
            self.book.cut(&self.members[place].worker, blow);
            self.network.cut_from_hub(node);
        }
        if side != Side::Hub {
            self.network.cut_from_neighbours(node);
        }
    }

    /// Loses the node of a process as when its machine loses power: nobody hears of its end until
    /// [`Self::heal`]. A process on the free node of its service takes its place.
    pub(super) fn lose_node(&mut self, place: usize) {
        let Member {
            service,
            node,
            version,
            ..
        } = self.members[place];
        self.network.cut_from_hub(node);
        self.network.cut_from_neighbours(node);
        let blow = self.blow(place, BlowKind::Kill);
        self.installation.services[place].kill();
        let worker = self.members[place].worker.clone();
        self.book.kill(&worker, blow);
        let free = std::mem::replace(&mut self.spare[service], node);
        let started = self.launch(service, free, version);
        self.replace(place, started);
    }

    /// Lets whoever was cut off be heard again.
    pub(super) fn heal(&mut self, place: usize) {
        self.network.heal();
        let blow = self.blow(place, BlowKind::Heal);
        self.book.heal(&self.members[place].worker, blow);
    }

    /// Makes the packets of one process late and some of them lost, and those of no other.
    pub(super) fn slow_down(&mut self, place: Option<usize>) {
        let node = place.map(|place| self.members[place].node);
        self.network.slow_down(node);
    }

    fn blow(&self, place: usize, kind: BlowKind) -> Blow {
        Blow {
            time_ms: now_ms(),
            service: NAMES[self.members[place].service].to_owned(),
            kind,
        }
    }
}

/// Where a service is asked: at all its nodes, of which one is free.
pub(super) fn urls(service: usize) -> Vec<String> {
    let url = |node| format!("http://{}", site(service, node).address);
    nodes(service).map(url).collect()
}

/// The nodes of a service.
fn nodes(service: usize) -> impl Iterator<Item = Node> {
    (0..NODES).map(move |place| node(service, place))
}

fn site(service: usize, node: Node) -> Site {
    let port = PORT + u16::try_from(service).expect("four services");
    Site {
        address: (network::address(node), port).into(),
        namespace: Some(network::namespace(node)),
    }
}

/// The settings that name the services: each name leads to all nodes of its service.
fn peers() -> impl Iterator<Item = String> {
    let peers = NAMES.iter().zip(PORT..);
    peers.flat_map(|(name, port)| [format!("--{name}-address"), format!("http://{name}:{port}")])
}

async fn is_ready(node: Node) -> bool {
    let address = format!("http://{}:{HEALTH_PORT}", network::address(node));
    let endpoint = Endpoint::from_shared(address).expect("an address");
    let endpoint = endpoint.connect_timeout(PROBE).timeout(PROBE);
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    let request = HealthCheckRequest {
        service: "readiness".to_owned(),
    };
    let told = HealthClient::new(channel).check(request).await;
    told.is_ok_and(|told| told.into_inner().status() == ServingStatus::Serving)
}
