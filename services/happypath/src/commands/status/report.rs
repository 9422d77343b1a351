//! Joins what the processes say of themselves and of their partitions, by service.

use kernel::Timestamp;
use proto::convert::instant;
use proto::engine::v1::{Clock, GetInstallationRequest, GetInstallationResponse, Partition};
use proto::gateway::v1::{
    GetIntakeStatisticsRequest, GetIntakeStatisticsResponse, SubscriptionStatus,
};

use crate::client::{Connection, ServiceName, ask};
use crate::commands::subscriptions;
use crate::failure::Failure;

/// Stands for an installation that has no name.
pub(in crate::commands) const NAMELESS: &str = "one without a name";

/// The state of an installation.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Report {
    pub(in crate::commands) processes: Vec<Process>,
    pub(in crate::commands) services: Vec<Service>,
    /// The intake of today, or the reason that nobody says; absent where there is no gateway.
    pub(in crate::commands) intake: Option<Result<GetIntakeStatisticsResponse, String>>,
    /// The subscriptions to changes, as far as a gateway tells of them.
    pub(in crate::commands) subscriptions: Vec<SubscriptionStatus>,
}

/// The word of a process of itself and of its partitions, or the reason that it says nothing.
pub(in crate::commands) type Word = Result<(GetInstallationResponse, Vec<Partition>), String>;

/// A process that was asked.
#[derive(Debug)]
pub(in crate::commands) struct Asked {
    address: String,
    /// The services that it should run.
    services: Vec<&'static str>,
    word: Word,
}

/// One address that was asked.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Process {
    pub(in crate::commands) address: String,
    /// The services that it should run.
    pub(in crate::commands) services: Vec<&'static str>,
    /// Its word of itself, or the reason that it says nothing.
    pub(in crate::commands) answer: Result<GetInstallationResponse, String>,
}

/// The partitions of one service.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Service {
    pub(in crate::commands) name: String,
    /// Says that time is that of the events, so that the age of what waits says nothing.
    pub(in crate::commands) is_on_stream_time: bool,
    /// The clock of the process that was asked.
    pub(in crate::commands) now: Timestamp,
    pub(in crate::commands) partitions: Vec<Partition>,
}

/// The partitions of one service that one worker owns.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Worker<'a> {
    pub(in crate::commands) name: &'a str,
    pub(in crate::commands) partition_count: usize,
    pub(in crate::commands) newest_epoch: u64,
    /// When the first of its leases lapses unless renewed.
    pub(in crate::commands) lease_expire_time: Option<Timestamp>,
}

impl Report {
    /// Asks every process, all at the same time.
    pub(in crate::commands) async fn ask(connection: &Connection) -> Self {
        let processes = connection.processes().into_iter();
        let asked = processes.map(|(address, services)| async move {
            let word = ask_process(connection, address, services[0]).await;
            Asked::new(address, &services, word)
        });
        let (asked, intake, subscriptions) = futures::join!(
            futures::future::join_all(asked),
            ask_intake(connection),
            ask_subscriptions(connection)
        );
        let mut report = Self::of(asked);
        report.intake = intake;
        report.subscriptions = subscriptions;
        report
    }

    /// Joins the words of processes.
    pub(in crate::commands) fn of(asked: impl IntoIterator<Item = Asked>) -> Self {
        let mut report = Self {
            processes: Vec::new(),
            services: Vec::new(),
            intake: None,
            subscriptions: Vec::new(),
        };
        for Asked {
            address,
            services,
            word,
        } in asked
        {
            let answer = word.map(|(installation, partitions)| {
                report.add(&installation, partitions);
                installation
            });
            report.processes.push(Process {
                address,
                services,
                answer,
            });
        }
        let place = |service: &Service| {
            ServiceName::ALL
                .iter()
                .position(|name| name.name() == service.name)
        };
        report.services.sort_by_key(place);
        report
    }

    /// Returns the installations that the processes are of, each once, by name.
    pub(in crate::commands) fn installations(&self) -> Vec<&str> {
        let answers = self.processes.iter().flat_map(|it| &it.answer);
        let mut names: Vec<&str> = answers.map(|it| it.installation.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        // The empty name sorts before all others.
        match names.first_mut() {
            Some(first) if first.is_empty() => *first = NAMELESS,
            _ => {}
        }
        names
    }

    fn add(&mut self, installation: &GetInstallationResponse, partitions: Vec<Partition>) {
        let now = installation.now_time.as_ref().map(instant);
        // Every replica tells of all partitions of its services: the first one counts.
        let told: Vec<String> = self.services.iter().map(|own| own.name.clone()).collect();
        let new = partitions.into_iter();
        for partition in new.filter(|own| !told.contains(&own.service)) {
            let known = self
                .services
                .iter_mut()
                .find(|service| service.name == partition.service);
            match known {
                Some(service) => service.partitions.push(partition),
                None => self.services.push(Service {
                    name: partition.service.clone(),
                    is_on_stream_time: installation.clock() == Clock::Stream,
                    now: now.unwrap_or_default(),
                    partitions: vec![partition],
                }),
            }
        }
    }
}

impl Asked {
    pub(in crate::commands) fn new(address: &str, services: &[ServiceName], word: Word) -> Self {
        Self {
            address: address.to_owned(),
            services: services.iter().map(|name| name.name()).collect(),
            word,
        }
    }
}

/// Asks the process of a service, at this address, about itself and its partitions.
pub(in crate::commands) async fn ask_process(
    connection: &Connection,
    address: &str,
    service: ServiceName,
) -> Word {
    let asking = async {
        let mut client = connection.partitions(service)?;
        let installation = client.get_installation(ask(GetInstallationRequest {}));
        let installation = installation.await?.into_inner();
        let partitions = connection.list_partitions(service, "").await?;
        Ok::<_, Failure>((installation, partitions))
    };
    asking.await.map_err(|failure| {
        let text = failure.with_addresses(address).to_string();
        // The remedy on the second line is for people who asked for something else.
        text.lines().next().unwrap_or_default().to_owned()
    })
}

/// Asks what sources sent today; nothing where nobody there has a gateway.
async fn ask_intake(
    connection: &Connection,
) -> Option<Result<GetIntakeStatisticsResponse, String>> {
    if !connection.is_at_hand(ServiceName::Gateway) {
        return None;
    }
    let asking = async {
        let mut client = connection.intake()?;
        let request = GetIntakeStatisticsRequest::default();
        let answer = client.get_intake_statistics(ask(request)).await?;
        Ok::<_, Failure>(answer.into_inner())
    };
    match asking.await {
        Ok(answer) => Some(Ok(answer)),
        // A gateway that has an address and does not answer is among the processes.
        Err(failure) if failure.is_not_served() => None,
        Err(failure) => {
            let text = failure.to_string();
            Some(Err(text.lines().next().unwrap_or_default().to_owned()))
        }
    }
}

/// Asks how far receivers of changes are; nothing where no gateway says it. One that does not
/// answer is told of by its intake.
async fn ask_subscriptions(connection: &Connection) -> Vec<SubscriptionStatus> {
    if !connection.is_at_hand(ServiceName::Gateway) {
        return Vec::new();
    }
    subscriptions::all(connection).await.unwrap_or_default()
}

impl Service {
    /// The workers, by name.
    pub(in crate::commands) fn workers(&self) -> Vec<Worker<'_>> {
        let mut workers: Vec<Worker<'_>> = Vec::new();
        for partition in self.partitions.iter().filter(|own| !own.owner.is_empty()) {
            let expires = partition.lease_expire_time.as_ref().map(instant);
            match workers.iter_mut().find(|own| own.name == partition.owner) {
                Some(worker) => {
                    worker.partition_count += 1;
                    worker.newest_epoch = worker.newest_epoch.max(partition.epoch);
                    worker.lease_expire_time = match (worker.lease_expire_time, expires) {
                        (Some(own), Some(other)) => Some(own.min(other)),
                        (own, other) => own.or(other),
                    };
                }
                None => workers.push(Worker {
                    name: &partition.owner,
                    partition_count: 1,
                    newest_epoch: partition.epoch,
                    lease_expire_time: expires,
                }),
            }
        }
        workers.sort_by_key(|worker| worker.name);
        workers
    }

    /// The numbers of the partitions that nobody owns.
    pub(in crate::commands) fn unowned(&self) -> Vec<u32> {
        let unowned = self.partitions.iter().filter(|own| own.owner.is_empty());
        unowned.map(|own| own.number).collect()
    }

    /// The sum of a number over the partitions.
    pub(in crate::commands) fn sum(&self, of: impl Fn(&Partition) -> u64) -> u64 {
        self.partitions.iter().map(of).sum()
    }

    /// Since when the oldest entry waits that is not of low priority.
    pub(in crate::commands) fn oldest_waiting_time(&self) -> Option<Timestamp> {
        let times = self.partitions.iter();
        times
            .filter_map(|own| own.oldest_waiting_time.as_ref())
            .map(instant)
            .min()
    }

    /// Returns the lowest watermark of all partitions, on stream time.
    pub(in crate::commands) fn watermark(&self) -> Option<Timestamp> {
        let times = self.partitions.iter();
        times
            .filter_map(|own| own.watermark_time.as_ref())
            .map(instant)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_that_several_replicas_tell_of_are_counted_once() {
        let partition = |number| Partition {
            service: "journey".to_owned(),
            number,
            ..Partition::default()
        };
        let word = || {
            let partitions = vec![partition(0), partition(1)];
            Ok((GetInstallationResponse::default(), partitions))
        };
        let asked = ["http://j:1 (10.0.0.1:1)", "http://j:1 (10.0.0.2:1)"];
        let asked = asked.map(|address| Asked::new(address, &[ServiceName::Journey], word()));
        let report = Report::of(asked);
        assert_eq!(report.processes.len(), 2);
        let [journey] = report.services.as_slice() else {
            panic!("{:?}", report.services);
        };
        assert_eq!(journey.partitions.len(), 2);
    }
}
