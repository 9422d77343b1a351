//! Rolling change: versions take turns, replicas come and go, definitions change, all under load.
//! No partition stands still for long, and nothing is lost.
//!
//! It kills nothing, which [`crate::faults`] does: everything is asked to end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::engine::v1::ListPartitionsRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use testkit::RedisServer;
use tokio::task::JoinHandle;
use tonic::Request;

use crate::faults::installation::{Installation, PARTITIONS, channel, definitions};
use crate::faults::load::{Load, Record};
use crate::faults::{CALM, whole_machine};
use crate::suite::{JOURNEY, SEGMENTATION};

/// No partition may stand still for longer while events for it flow.
pub(crate) const GAP_MOST: Duration = Duration::from_secs(2);
/// The pause between two looks at the partitions: far below what is allowed.
const LOOK: Duration = Duration::from_millis(50);
/// Replicas of a service, at the most.
const REPLICAS: usize = 4;
/// The time between two changes: the partitions have found their places.
const STEP: Duration = Duration::from_millis(2_000);
/// The functions of Redis, as any version has them, and what stands for the version in their names.
const LIBRARY: &str = include_str!("../../../../shared/hot/src/redis/happypath.lua");
const PLACEHOLDER: &str = "@VERSION@";
const OTHER_VERSION: &str = "an_older_one";

/// Looks at the partitions of a service all the time.
pub(crate) struct Watch {
    /// The process that is asked.
    url: Arc<Mutex<String>>,
    task: JoinHandle<()>,
    seen: Arc<Mutex<BTreeMap<u32, Progress>>>,
}

/// A partition stands still from the moment at which an answer tells of a commit to the last
/// question whose answer tells of no other: what a slow answer hides does not count, and answers
/// are quick.
#[derive(Debug, Clone, Copy)]
struct Progress {
    commit_seq: u64,
    told_time: Instant,
    longest_gap: Duration,
}

impl Watch {
    /// Starts to ask a process of the service.
    pub(crate) fn start(url: String) -> Self {
        let url = Arc::new(Mutex::new(url));
        let seen: Arc<Mutex<BTreeMap<u32, Progress>>> = Arc::default();
        let task = tokio::spawn(look(Arc::clone(&url), Arc::clone(&seen)));
        Self { url, task, seen }
    }

    /// Asks another process from now on.
    fn ask(&self, url: String) {
        *self.url.lock().expect("no panic before") = url;
    }

    /// The longest time without a commit in any partition, with its number.
    pub(crate) fn end(self) -> (Duration, u32) {
        self.task.abort();
        let seen = self.seen.lock().expect("no panic before").clone();
        assert_eq!(seen.len(), usize::from(PARTITIONS), "all were seen");
        let gaps = seen
            .iter()
            .map(|(number, progress)| (progress.longest_gap, *number));
        gaps.max().expect("there are partitions")
    }
}

async fn look(url: Arc<Mutex<String>>, seen: Arc<Mutex<BTreeMap<u32, Progress>>>) {
    loop {
        let url = url.lock().expect("no panic before").clone();
        let mut client = PartitionServiceClient::new(channel(&url));
        let mut request = Request::new(ListPartitionsRequest::default());
        request.set_timeout(GAP_MOST);
        let asked_time = Instant::now();
        // A process that is about to end may not answer; the next look tells.
        if let Ok(answer) = client.list_partitions(request).await {
            let told_time = Instant::now();
            let mut seen = seen.lock().expect("no panic before");
            for partition in answer.into_inner().partitions {
                let progress = seen.entry(partition.number).or_insert(Progress {
                    commit_seq: partition.commit_seq,
                    told_time,
                    longest_gap: Duration::ZERO,
                });
                if progress.commit_seq == partition.commit_seq {
                    let gap = asked_time.saturating_duration_since(progress.told_time);
                    progress.longest_gap = progress.longest_gap.max(gap);
                } else {
                    (progress.commit_seq, progress.told_time) = (partition.commit_seq, told_time);
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A Redis that another version works on: its functions are there, next to ours.
fn redis_with_functions_of_another_version() -> RedisServer {
    let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
    let library = LIBRARY.replace(PLACEHOLDER, OTHER_VERSION);
    redis
        .ask(&["FUNCTION", "LOAD", &library])
        .expect("is loaded");
    redis
}

/// Does what a process of the other version would do: it looks at the head of a partition of ours.
fn is_usable_by_another_version(redis: &RedisServer) -> bool {
    let keys = redis
        .ask(&["KEYS", "hp:*:segmentation:m"])
        .expect("an answer");
    let meta = keys.lines().next().expect("a partition");
    let partition = meta.trim_end_matches('m');
    let function = format!("happypath_{OTHER_VERSION}_open");
    let keys = ["m", "k", "t"].map(|key| format!("{partition}{key}"));
    let head = redis.ask(&["FCALL", &function, "3", &keys[0], &keys[1], &keys[2]]);
    head.is_ok_and(|head| head.starts_with("ok") && head.contains("epoch"))
}

/// The definitions after the change: the journey goes another way, and there is one more segment.
fn changed_definitions(hook: &str) -> String {
    let changed = definitions(hook).replace(
        "    - id: thank\n",
        "    - id: waited\n      milestone: {name: waited}\n    - id: thank\n",
    );
    assert!(
        changed.contains("id: waited"),
        "there is something to change"
    );
    format!(
        "{changed}---\nsegment: {{name: regulars, expression: 'events(\"purchase\").count() >= 4'}}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_and_replicas_take_turns_under_load_with_no_gap_and_nothing_lost() {
    let _machine = whole_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let redis = redis_with_functions_of_another_version();
    // The first processes are of the older version, where there is one; all that follow are of this
    // one.
    let mut installation = Installation::start_older_on(redis).await;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;

    let services = [SEGMENTATION, JOURNEY];
    let watches = services.map(|service| Watch::start(installation.services[service].url()));
    for _ in 1..REPLICAS {
        for service in services {
            installation.add_replica(service).await;
        }
        tokio::time::sleep(STEP).await;
    }
    let text = changed_definitions(&installation.hooks.url());
    installation.apply(&text).await;
    assert!(
        is_usable_by_another_version(&installation.redis),
        "the functions stay"
    );

    // The last replicas are the ones that stay: they answer from now on, and the first end first.
    for (service, watch) in services.into_iter().zip(&watches) {
        let last = installation.services.len() - services.len();
        let newest = last + service - SEGMENTATION;
        installation.services.swap(service, newest);
        watch.ask(installation.services[service].url());
    }
    for _ in 1..REPLICAS {
        for _ in services {
            installation.end_last().await;
        }
        tokio::time::sleep(STEP).await;
    }
    let gaps = watches.map(Watch::end);
    load.stop().await;

    let history = installation.review(&record, None).await;
    let is_walked = |step: &str| {
        let found = history.totals.steps.iter().find(|(name, ..)| name == step);
        found.is_some_and(|(_, arrivals, ..)| *arrivals > 0)
    };
    assert!(is_walked("thank_buyers/waited"), "the change was taken up");
    for (service, (gap, partition)) in ["segmentation", "journey"].into_iter().zip(gaps) {
        assert!(
            gap <= GAP_MOST,
            "partition {partition} of {service} stood still for {gap:?}\n{}",
            installation.logs()
        );
    }
}
