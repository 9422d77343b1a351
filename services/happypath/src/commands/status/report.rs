//! Joins what the processes say of themselves and of their partitions, by service.

use kernel::Timestamp;
use proto::convert::instant;
use proto::engine::v1::{Clock, GetInstallationRequest, GetInstallationResponse, Partition};

use crate::client::{Connection, ServiceName, ask};
use crate::failure::Failure;

/// Stands for an installation that has no name.
pub(in crate::commands) const NAMELESS: &str = "one without a name";

/// The state of an installation.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Report {
    pub(in crate::commands) processes: Vec<Process>,
    pub(in crate::commands) services: Vec<Service>,
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
    /// Asks every process.
    pub(in crate::commands) async fn ask(connection: &Connection) -> Result<Self, Failure> {
        let mut report = Self {
            processes: Vec::new(),
            services: Vec::new(),
        };
        for (address, names) in connection.processes() {
            let Some(first) = names.first() else { continue };
            let answer = match ask_process(connection, *first).await {
                Ok((installation, partitions)) => {
                    report.add(&installation, partitions);
                    Ok(installation)
                }
                Err(failure) => {
                    let text = failure.with_addresses(address).to_string();
                    // The remedy on the second line is for people who asked for something else.
                    Err(text.lines().next().unwrap_or_default().to_owned())
                }
            };
            report.processes.push(Process {
                address: address.to_owned(),
                services: names.iter().map(|name| name.name()).collect(),
                answer,
            });
        }
        let place = |service: &Service| {
            ServiceName::ALL
                .iter()
                .position(|name| name.name() == service.name)
        };
        report.services.sort_by_key(place);
        Ok(report)
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
        for partition in partitions {
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

async fn ask_process(
    connection: &Connection,
    service: ServiceName,
) -> Result<(GetInstallationResponse, Vec<Partition>), Failure> {
    let mut client = connection.partitions(service)?;
    let installation = client
        .get_installation(ask(GetInstallationRequest {}))
        .await?
        .into_inner();
    let partitions = connection.list_partitions(service, "").await?;
    Ok((installation, partitions))
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
