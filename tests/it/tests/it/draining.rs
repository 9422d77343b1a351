//! One replica of two goes, in order and then with no warning, while clients of ours send and read:
//! what they notice, and how long partitions stand still.
//!
//! The replicas stand behind names that the test says, and a name goes on to list one that has
//! gone, as servers of names do for a while.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use proto::segmentation::v1::ListSegmentsRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::{ClientOptions, PeerChannel, Resolver};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status};

use crate::faults::installation::{Durability, Installation, LEASE_TTL};
use crate::faults::load::{self, Load, PURCHASE, Record};
use crate::faults::{CALM, whole_machine};
use crate::rolling::{GAP_MOST, Watch};
use crate::suite::{IDENTITY, JOURNEY, NAMES, SEGMENTATION};

/// The services of which there are two replicas.
const DOUBLED: [usize; 3] = [IDENTITY, SEGMENTATION, JOURNEY];
/// The pause of a reader between two calls.
const READ_PAUSE: Duration = Duration::from_millis(10);

/// Addresses of processes, by the names of their services.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<&'static str, Vec<SocketAddr>>);

impl Names {
    /// All that were ever started.
    fn of(installation: &Installation) -> Self {
        let services = installation.services.iter();
        services.fold(Self::default(), |names, own| {
            names.with(own.name, own.site.address.port())
        })
    }

    /// One more.
    pub(crate) fn with(mut self, name: &'static str, port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.0.entry(name).or_default().push(address);
        self
    }
}

impl Resolver for Names {
    fn resolve(&self, host: &str, _port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let found = self.0.get(host).cloned().unwrap_or_default();
        Box::pin(async { Ok(found) })
    }
}

fn balanced(names: &Arc<Names>, service: usize) -> PeerChannel {
    let resolver: Arc<dyn Resolver> = Arc::<Names>::clone(names);
    let options = ClientOptions::default();
    rpc::connect_through(&format!("http://{}:1", NAMES[service]), &options, resolver)
        .expect("an address")
}

/// A client that reads all the time.
struct Reader {
    task: JoinHandle<Vec<Status>>,
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
}

impl Reader {
    fn start(channel: PeerChannel) -> Self {
        let (is_over, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let task = tokio::spawn(read(channel, Arc::clone(&is_over), Arc::clone(&answers)));
        Self {
            task,
            is_over,
            answers,
        }
    }

    /// Ends it, and returns how many answers it got, and what its other calls ended with.
    async fn end(self) -> (usize, Vec<Status>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failures = self.task.await.expect("no panic");
        (self.answers.load(Ordering::Relaxed), failures)
    }
}

async fn read(
    channel: PeerChannel,
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
) -> Vec<Status> {
    let mut client = SegmentationServiceClient::new(channel);
    let mut failures = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let mut request = Request::new(ListSegmentsRequest::default());
        request.set_timeout(Duration::from_secs(30));
        match client.list_segments(request).await {
            Ok(_) => {
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => failures.push(status),
        }
        tokio::time::sleep(READ_PAUSE).await;
    }
    failures
}

/// The longest time without a commit in any partition of segmentation and of journey.
type Gaps = [(Duration, u32); 2];

/// Looks at the partitions of both, as the first process of each tells.
fn watch(installation: &Installation) -> [Watch; 2] {
    [SEGMENTATION, JOURNEY].map(|service| Watch::start(installation.services[service].url()))
}

/// Asks one replica of each service to end. Returns how long each took, too.
async fn drain(installation: &mut Installation) -> (Vec<Duration>, Gaps) {
    let watches = watch(installation);
    tokio::time::sleep(CALM / 3).await;
    let mut times = Vec::new();
    for _ in DOUBLED {
        let begun = Instant::now();
        installation.end_last().await;
        times.push(begun.elapsed());
    }
    tokio::time::sleep(CALM / 3).await;
    (times, watches.map(Watch::end))
}

/// Kills one replica of segmentation and one of journey.
async fn kill(installation: &mut Installation) -> Gaps {
    for service in [SEGMENTATION, JOURNEY] {
        installation.add_replica(service).await;
    }
    // The partitions find their places.
    tokio::time::sleep(CALM).await;
    let watches = watch(installation);
    tokio::time::sleep(CALM / 3).await;
    for _ in [SEGMENTATION, JOURNEY] {
        let mut killed = installation.services.pop().expect("a process");
        killed.kill();
    }
    tokio::time::sleep(LEASE_TTL + GAP_MOST).await;
    watches.map(Watch::end)
}

#[expect(
    clippy::print_stderr,
    reason = "the figures are for whoever asks for the output of the test"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_clients_notice_no_drain_and_partitions_move_in_time() {
    let _machine = whole_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(Durability::Journal).await;
    for service in DOUBLED {
        installation.add_replica(service).await;
    }
    let names = Arc::new(Names::of(&installation));
    let way = Arc::clone(&names);
    let load = Load::start_by(PURCHASE, move || vec![balanced(&way, IDENTITY)], &record);
    let reader = Reader::start(balanced(&names, SEGMENTATION));
    tokio::time::sleep(CALM).await;

    let (times, drained) = drain(&mut installation).await;
    let (answers, failures) = reader.end().await;
    let refusals = load::lock(&record).refusals.clone();
    let killed = kill(&mut installation).await;
    load.stop().await;
    installation.review(&record, None).await;

    let figures = format!(
        "drains took {times:?}, {answers} reads were answered, {} calls of senders were told to come \
         again; longest without a commit: drained {drained:?}, killed {killed:?}",
        refusals.len()
    );
    eprintln!("{figures}");
    let is_quiet = failures.is_empty() && answers > 10;
    assert!(is_quiet, "{figures}\n{failures:?}");
    // The client of a stream opens it again at the other replica, as it was told to.
    let is_told = |refusal: &load::Refusal| refusal.status.code() == Code::Unavailable;
    let is_quiet = refusals.len() <= 1 && refusals.iter().all(is_told);
    assert!(is_quiet, "{figures}\n{refusals:?}");
    let is_in_time = |gaps: Gaps, most: Duration| gaps.iter().all(|(gap, _)| *gap <= most);
    let is_in_time = is_in_time(drained, GAP_MOST) && is_in_time(killed, LEASE_TTL + GAP_MOST);
    assert!(is_in_time, "{figures}\n{}", installation.logs());
}
