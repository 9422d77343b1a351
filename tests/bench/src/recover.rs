//! Measures how soon every partition serves again after Redis was emptied, and after a service was
//! killed, under a steady load, at level `journal`, with each service in a process of its own.
//!
//! Each customer sends an event again until it is accepted, and the next some seconds later. A
//! partition serves once an event that was sent after the loss has come through all services, to
//! its webhook. The ceiling restores as much with nobody else there.

mod log;
mod suite;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{CustomerId, PartitionCount, PartitionId};
use proto::identity::v1::IngestRequest;
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::Channel;

use self::log::Recoveries;
use self::suite::Suite;
use crate::Failure;
use crate::installation::Servers;
use crate::latency::{definitions, receive};
use crate::load::event;
use crate::result::{Measured, quantile};

/// Events a second.
const RATE: u32 = 350;
/// Seconds of load before the loss.
const SECONDS_BEFORE: u32 = 15;
/// Customers, each of whom sends an event about every three seconds: sixteen in a partition.
const CUSTOMERS: u32 = 1_024;
/// The time that one attempt of a call may take, as a client would set it.
const ANSWER: Duration = Duration::from_secs(5);
/// The pause before a call that was refused is made again, as the services ask for.
const AGAIN: Duration = Duration::from_millis(500);
/// The longest that the benchmark waits until all partitions serve.
const PATIENCE: Duration = Duration::from_secs(180);
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The most seconds that may pass until all partitions serve.
const BOUND_S: f64 = 10.0;
/// The service that is killed, and started again at once: all that is sent goes through it.
const KILLED: &str = "journey";
/// The most seconds that may pass until its partitions serve: the ten of a lease, and one.
const KILLED_BOUND_S: f64 = 11.0;

/// Measures one loss on fresh stores, with the binaries of a folder.
pub(crate) async fn measure(binaries: Option<&Path>) -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let (hook, arrivals) = receive().await?;
    let mut suite = Suite::start(&servers, binaries).await?;
    suite.apply(&definitions(hook)).await?;
    let load = Load::start(&suite.channel("identity")?, arrivals);
    sleep(Duration::from_secs(SECONDS_BEFORE.into())).await;
    let lost = Instant::now();
    suite.forget()?;
    let served = load.await_served(lost).await?;
    let killed = Instant::now();
    suite.kill_and_start(KILLED)?;
    let served_after_kill = load.await_served(killed).await?;
    let events = load.stop().await?;
    events.check()?;
    let recoveries = Recoveries::read(suite.folder())?;
    let ceiling = suite.restore_alone().await?;
    let seconds = |instant: &Instant| instant.duration_since(lost).as_secs_f64();
    let mut accepting: Vec<f64> = events.accepting(lost).values().map(seconds).collect();
    let mut serving: Vec<f64> = served.values().map(seconds).collect();
    let figure = quantile(&mut serving, 1.0);
    let after_kill = served_after_kill.values();
    let mut after_kill: Vec<f64> = after_kill
        .map(|instant| instant.duration_since(killed).as_secs_f64())
        .collect();
    Ok(
        Measured::new("recover", figure, "s", ceiling, BTreeMap::new())
            .also("serving_p50_s", quantile(&mut serving, 0.5))
            .also("accepting_p50_s", quantile(&mut accepting, 0.5))
            .also("accepting_last_s", quantile(&mut accepting, 1.0))
            .also("commits", recoveries.commits())
            .also("recoveries", recoveries.all())
            .also("recoveries_without_commits", recoveries.empty())
            .also("recoveries_of_one_partition", recoveries.most())
            .also("longest_recovery_s", recoveries.longest_s())
            .also("killed_p50_s", quantile(&mut after_kill, 0.5))
            .also("killed_last_s", quantile(&mut after_kill, 1.0))
            .at_most("figure", BOUND_S)
            .at_most("killed_last_s", KILLED_BOUND_S)
            .at_most("recoveries_of_one_partition", 1.0),
    )
}

/// An event on its way.
#[derive(Debug, Clone, Copy)]
struct Sent {
    time: Instant,
    /// When it was accepted, and where.
    accepted: Option<(Instant, PartitionId)>,
    /// When its webhook came.
    arrived: Option<Instant>,
}

/// All events, by number.
#[derive(Debug, Default)]
struct Events(Vec<Sent>);

impl Events {
    /// Takes note that an event is sent, and numbers it.
    fn begin(&mut self) -> Result<u32, Failure> {
        self.0.push(Sent {
            time: Instant::now(),
            accepted: None,
            arrived: None,
        });
        Ok(u32::try_from(self.0.len() - 1)?)
    }

    /// By partition, the first instant at which an event after the loss was accepted.
    fn accepting(&self, lost: Instant) -> BTreeMap<PartitionId, Instant> {
        let after = self.0.iter().filter(|sent| sent.time >= lost);
        first(after.filter_map(|sent| {
            let (time, partition) = sent.accepted?;
            Some((partition, time))
        }))
    }

    /// By partition, the first instant at which an event after the loss had come through.
    fn serving(&self, lost: Instant) -> BTreeMap<PartitionId, Instant> {
        let after = self.0.iter().filter(|sent| sent.time >= lost);
        first(after.filter_map(|sent| Some((sent.accepted?.1, sent.arrived?))))
    }

    /// Fails where an event that was accepted came to nothing.
    fn check(&self) -> Result<(), Failure> {
        let missing = self.0.iter().filter(|sent| sent.arrived.is_none()).count();
        if missing == 0 {
            return Ok(());
        }
        Err(format!("{missing} of {} events came to nothing", self.0.len()).into())
    }
}

fn first(instants: impl Iterator<Item = (PartitionId, Instant)>) -> BTreeMap<PartitionId, Instant> {
    let mut first = BTreeMap::new();
    for (partition, instant) in instants {
        let earliest = first.entry(partition).or_insert(instant);
        *earliest = instant.min(*earliest);
    }
    first
}

/// A steady load of all customers.
struct Load {
    events: Arc<Mutex<Events>>,
    customers: JoinSet<Result<(), Failure>>,
    stop: CancellationToken,
    receiver: JoinHandle<()>,
}

impl Load {
    fn start(channel: &Channel, arrivals: UnboundedReceiver<(u32, Instant)>) -> Self {
        let events: Arc<Mutex<Events>> = Arc::default();
        let stop = CancellationToken::new();
        let receiver = tokio::spawn(note(Arc::clone(&events), arrivals));
        let mut customers = JoinSet::new();
        for number in 0..CUSTOMERS {
            let customer = Customer {
                number,
                channel: channel.clone(),
                events: Arc::clone(&events),
            };
            customers.spawn(customer.live(stop.clone()));
        }
        Self {
            events,
            customers,
            stop,
            receiver,
        }
    }

    /// Waits until every partition serves, and returns since when each does.
    async fn await_served(&self, lost: Instant) -> Result<BTreeMap<PartitionId, Instant>, Failure> {
        let count = usize::from(PartitionCount::DEFAULT.get());
        while lost.elapsed() < PATIENCE {
            sleep(LOOK).await;
            let served = lock(&self.events).serving(lost);
            if served.len() == count {
                return Ok(served);
            }
        }
        let served = lock(&self.events).serving(lost).len();
        Err(format!("{served} of {count} partitions serve after {PATIENCE:?}").into())
    }

    /// Sends nothing new, and waits until all that was sent has come through.
    async fn stop(mut self) -> Result<Events, Failure> {
        self.stop.cancel();
        while let Some(customer) = self.customers.join_next().await {
            customer??;
        }
        let complete = async {
            while lock(&self.events).check().is_err() {
                sleep(LOOK).await;
            }
        };
        // Whatever is missing then is told by the check.
        let _ = timeout(PATIENCE, complete).await;
        self.receiver.abort();
        Ok(std::mem::take(&mut *lock(&self.events)))
    }
}

/// Notes the webhooks as they come.
async fn note(events: Arc<Mutex<Events>>, mut arrivals: UnboundedReceiver<(u32, Instant)>) {
    while let Some((number, arrived)) = arrivals.recv().await {
        if let Some(sent) = lock(&events).0.get_mut(number as usize) {
            sent.arrived.get_or_insert(arrived);
        }
    }
}

struct Customer {
    number: u32,
    channel: Channel,
    events: Arc<Mutex<Events>>,
}

impl Customer {
    /// Sends one event after the other.
    async fn live(self, stop: CancellationToken) -> Result<(), Failure> {
        let pause = Duration::from_secs(1) * CUSTOMERS / RATE;
        // They do not all begin at once.
        let mut next = Instant::now() + pause * self.number / CUSTOMERS;
        while stop.run_until_cancelled(sleep_until(next)).await.is_some() {
            self.send().await?;
            next = (next + pause).max(Instant::now());
        }
        Ok(())
    }

    /// Sends one event until it is accepted.
    async fn send(&self) -> Result<(), Failure> {
        let number = lock(&self.events).begin()?;
        let mut asked = event("asked", self.number);
        asked.event_id = format!("event-{number}");
        asked.properties_form = Some(PropertiesForm::Properties(prost_types::Struct {
            fields: [("number".to_owned(), f64::from(number).into())].into(),
        }));
        let mut client = IdentityServiceClient::new(self.channel.clone());
        loop {
            let mut attempt = Request::new(IngestRequest {
                request_id: format!("request-{number}"),
                events: vec![asked.clone()],
                ..IngestRequest::default()
            });
            attempt.set_timeout(ANSWER);
            if let Ok(answer) = client.ingest(attempt).await {
                let results = answer.into_inner().results;
                let result = results.first().ok_or("an answer about no event")?;
                let customer: CustomerId = result.customer_id.parse()?;
                let partition = PartitionCount::DEFAULT.partition_of(customer.fragment());
                if let Some(sent) = lock(&self.events).0.get_mut(number as usize) {
                    sent.accepted = Some((Instant::now(), partition));
                }
                return Ok(());
            }
            sleep(AGAIN).await;
        }
    }
}

fn lock(events: &Mutex<Events>) -> MutexGuard<'_, Events> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}
