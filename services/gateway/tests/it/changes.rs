//! Streams of changes over whole processes: replicas that end, and consumers that do not read.

use std::ops::Range;

use changes::{ChangeLog, ChangeSink as _, Pending, Place, Scribe};
use kernel::{Owner, PartitionId};
use prost::Message as _;
use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::{WatchChangesRequest, WatchChangesResponse};
use proto::stream::v1::change_record::Kind;
use proto::stream::v1::{ChangeBatch, ChangeRecord, SegmentChange};
use storage::Database;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::process::{Gateway, Site};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";
/// The service and the partition that the changes are of.
const OWNER: Owner = Owner::Segmentation;
const PARTITION: PartitionId = PartitionId::new(0);
/// Changes of one commit.
const COMMIT: usize = 100;
/// Memory that a gateway may take more for ten consumers that do not read: two messages of each,
/// with what a connection holds.
const TEN_CONSUMERS: u64 = 64 << 20;

/// Writes changes of customers with these numbers to the log.
async fn write(site: &Site, numbers: Range<u32>) {
    let url = site.database().parse().expect("a URL");
    let database = Database::connect(&url).await.expect("it opens");
    let scribe = Scribe::new(ChangeLog::open(database).await.expect("a log"));
    let epoch = 1 + u64::from(numbers.start);
    let mut place = Place { epoch, seq: 0 };
    scribe.open(OWNER, PARTITION, epoch, Vec::new());
    let numbers: Vec<u32> = numbers.collect();
    for commit in numbers.chunks(COMMIT) {
        place.seq += 1;
        let batch = ChangeBatch {
            changes: commit.iter().copied().map(change).collect(),
        };
        let changes = batch.encode_to_vec().into();
        scribe.push(OWNER, PARTITION, Pending { place, changes });
        while scribe.logged(OWNER, PARTITION) < place {
            scribe.flush().await.expect("written");
        }
    }
}

fn change(number: u32) -> ChangeRecord {
    let id = uuid::Uuid::from_u128(number.into());
    ChangeRecord {
        customer_id: id.into_bytes().to_vec().into(),
        time_ms: i64::from(number),
        kind: Some(Kind::Membership(SegmentChange {
            segment: "loyal".to_owned(),
            ..SegmentChange::default()
        })),
    }
}

/// The numbers of the customers of a message.
fn numbers(message: &WatchChangesResponse) -> impl Iterator<Item = u32> {
    let number = |id: &str| u32::from_str_radix(&id[28..], 16).expect("a number");
    let changes = message.changes.iter();
    changes.map(move |change| number(&change.customer_id))
}

async fn watch(gateway: &Gateway, request: WatchChangesRequest) -> Streaming<WatchChangesResponse> {
    let mut client = ChangeServiceClient::new(gateway.channel().await);
    let answer = client.watch_changes(request).await;
    answer.expect("a stream").into_inner()
}

fn from_start() -> WatchChangesRequest {
    WatchChangesRequest {
        from_start: true,
        ..WatchChangesRequest::default()
    }
}

/// The end of a stream.
async fn end(stream: &mut Streaming<WatchChangesResponse>) -> Status {
    loop {
        match stream.message().await {
            Ok(message) => assert!(message.is_some(), "it ended well"),
            Err(status) => return status,
        }
    }
}

#[tokio::test]
async fn a_consumer_goes_on_at_another_replica() {
    let site = Site::new();
    let one = Gateway::start(&site, NOWHERE, &[]).await;
    let other = Gateway::start(&site, NOWHERE, &[]).await;
    write(&site, 0..1_000).await;
    let mut request = WatchChangesRequest {
        max_changes: 7,
        ..from_start()
    };
    let mut found: Vec<u32> = Vec::new();
    let mut stream = watch(&one, request.clone()).await;
    while found.len() < 500 {
        let message = stream.message().await.expect("whole").expect("it goes on");
        found.extend(numbers(&message));
        request.position = message.position;
    }
    one.process.terminate();
    let status = end(&mut stream).await;
    assert_eq!(status.code(), Code::Unavailable);
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    assert_eq!(reason.as_deref(), Some("SHUTTING_DOWN"));
    assert!(details.retry_info().is_some());
    let mut stream = watch(&other, request).await;
    write(&site, 1_000..1_300).await;
    while found.len() < 1_300 {
        let message = stream.message().await.expect("whole").expect("it goes on");
        found.extend(numbers(&message));
    }
    assert_eq!(found, (0..1_300).collect::<Vec<u32>>());
}

#[tokio::test]
async fn consumers_that_never_read_take_little_and_hold_nobody_up() {
    const CHANGES: u32 = 100_000;
    let site = Site::new();
    let gateway = Gateway::start(&site, NOWHERE, &[]).await;
    write(&site, 0..CHANGES).await;
    let read_all = async || {
        let mut stream = watch(&gateway, from_start()).await;
        let mut count = 0;
        while count < CHANGES as usize {
            let message = stream.message().await.expect("whole").expect("it goes on");
            count += message.changes.len();
        }
    };
    read_all().await;
    let before = gateway.process.memory();
    let mut asleep = Vec::new();
    for _ in 0..10 {
        asleep.push(watch(&gateway, from_start()).await);
    }
    read_all().await;
    let taken = gateway.process.memory().saturating_sub(before);
    assert!(taken < TEN_CONSUMERS, "{taken} bytes");
    // They have missed nothing.
    for stream in &mut asleep {
        let first = stream.message().await.expect("whole").expect("it goes on");
        assert_eq!(first.changes, []);
        let message = stream.message().await.expect("whole").expect("it goes on");
        assert_eq!(numbers(&message).next(), Some(0));
    }
}
