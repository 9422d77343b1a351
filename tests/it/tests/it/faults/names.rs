//! Real processes of one name: two that live, and one after the death of the other.

use std::path::Path;

use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{ListPartitionsRequest, Partition};
use testkit::{PostgresServer, RedisServer};

use super::installation::channel;
use super::shared_machine;
use crate::process::{Service, binary, free_port};
use crate::suite::eventually;

const NAME: &str = "pod-0";
const SERVICE: &str = "segmentation";

/// The owners and epochs of all partitions, as a process sees them; none where it does not answer.
async fn owners(process: &Service) -> Vec<(String, u64)> {
    let mut client = PartitionServiceClient::new(channel(&process.url()));
    let listed = client.list_partitions(ListPartitionsRequest::default());
    let partitions = listed.await.map_or_else(
        |_| Vec::<Partition>::new(),
        |answer| answer.into_inner().partitions,
    );
    partitions
        .into_iter()
        .map(|partition| (partition.owner, partition.epoch))
        .collect()
}

/// Waits until the process of the name owns everything, at an epoch.
async fn owns_all(process: &Service, epoch: u64) {
    let owned = eventually(async || {
        let owners = owners(process).await;
        let is_own = |(owner, at): &(String, u64)| owner == NAME && *at == epoch;
        (!owners.is_empty() && owners.iter().all(is_own)).then_some(())
    });
    owned.await.expect("it owns every partition");
}

fn spawn(arguments: &[String], log: &Path) -> Service {
    let log = Some(log.to_path_buf());
    Service::spawn(
        binary(SERVICE),
        SERVICE,
        free_port(),
        arguments.to_vec(),
        log,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_in_use_is_refused_and_that_of_a_dead_process_is_waited_for() {
    let _machine = shared_machine().await;
    let redis = RedisServer::start().expect("a Redis");
    let postgres = PostgresServer::start().expect("a PostgreSQL");
    let database = postgres.create_database().expect("a database");
    let settings = [
        ("--hot-store", redis.url()),
        ("--database", database),
        ("--partitions", "4".to_owned()),
        ("--lease-ttl", "3s".to_owned()),
        ("--worker", NAME.to_owned()),
    ];
    let settings = settings.into_iter();
    let arguments: Vec<String> = settings
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut first = spawn(&arguments, &log);
    first.ready().await;
    owns_all(&first, 1).await;

    let said = folder.path().join("second");
    let mut second = spawn(&arguments, &said);
    assert!(!second.ended().await, "it is refused");
    let said = std::fs::read_to_string(said).expect("its log");
    assert!(
        said.contains("another live process has the worker name `pod-0`")
            && said.contains("--worker"),
        "{said}"
    );
    owns_all(&first, 1).await;

    first.kill();
    let mut third = spawn(&arguments, &log);
    third.ready().await;
    owns_all(&third, 2).await;
    assert!(third.terminate(), "it ends in order");
}
